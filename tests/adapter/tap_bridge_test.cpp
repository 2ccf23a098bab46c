// The bridge between an interface, played by one end of a socket pair, and a switch's socket.
#include "adapter/tap_bridge.hpp"

#include <gmock/gmock.h>

#include "fake_switch.hpp"
#include "packet/arp.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const MacAddress kMac = *MacAddress::parse("52:cc:cc:cc:cc:01");

struct LinkState final : TapBridge::Observer {
  void on_attached() override { carrier = true; }
  void on_detached(std::string_view) override { carrier = false; }
  bool carrier = false;
};

class TapBridgeTest : public ::testing::Test {
 protected:
  TapBridgeTest() {
    auto pair = *dgram::make_pair(SOCK_DGRAM);
    host_ = std::move(pair.first);
    interface_ = std::move(pair.second);
    dgram::enlarge_buffers(host_, dgram::kBufferBytes);
    dgram::enlarge_buffers(interface_, dgram::kBufferBytes);
    bridge_ = *TapBridge::open(interface_.get(), kMac, path_, std::vector{folder_ / "own"}, loop_, link_);
  }

  /// As the namespace's network stack does: one frame out by the interface.
  bool host_sends(const Bytes& frame) const {
    const ByteView view{frame};
    return dgram::send_batch(host_.get(), {&view, 1}).error == 0;
  }
  std::vector<Bytes> host_receives() {
    std::vector<Bytes> frames;
    for (int count = batch_.receive(host_.get(), false); count > 0; count = batch_.receive(host_.get(), false)) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        frames.emplace_back(batch_.frame(i).begin(), batch_.frame(i).end());
      }
    }
    return frames;
  }
  /// Attaches and takes the announcement.
  void attach(FakeSwitch& network) {
    bridge_->expire(now_);
    ASSERT_TRUE(link_.carrier);
    ASSERT_THAT(network.receive(), SizeIs(1));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "switch";
  PollLoop loop_;
  LinkState link_;
  dgram::Fd host_;
  dgram::Fd interface_;
  dgram::ReceiveBatch batch_;
  std::unique_ptr<TapBridge> bridge_;
  Instant now_ = at_ms(0);
};

TEST_F(TapBridgeTest, ItAnnouncesTheMacByARarpRequestOfSixtyBytes) {
  FakeSwitch network{path_};
  bridge_->expire(now_);
  const std::vector<Bytes> frames = network.receive();
  ASSERT_THAT(frames, ElementsAre(SizeIs(60)));
  const auto frame = EthernetFrame::parse(frames[0]);
  EXPECT_TRUE(frame->destination().is_broadcast());
  EXPECT_EQ(frame->source(), kMac);
  EXPECT_EQ(frame->type(), 0x8035);
  const auto rarp = ArpPacket::parse(frame->payload());
  ASSERT_TRUE(rarp);
  EXPECT_EQ(rarp->operation, 3);  // RFC 903: request reverse
  EXPECT_EQ(rarp->sender_mac, kMac);
  EXPECT_EQ(rarp->target_mac, kMac);
  EXPECT_TRUE(rarp->sender_ip.is_unspecified());
  EXPECT_EQ(Bytes(frames[0].begin() + 42, frames[0].end()), Bytes(18, 0));
}

TEST_F(TapBridgeTest, FramesCrossUnchangedInBothDirections) {
  FakeSwitch network{path_};
  attach(network);
  ASSERT_TRUE(host_sends(Bytes(60, 1)));
  ASSERT_TRUE(host_sends(Bytes(kMaxFrameSize, 2)));
  ASSERT_EQ(network.send(folder_ / "own", Bytes(60, 3)), 0);
  ASSERT_EQ(network.send(folder_ / "own", Bytes(kMaxFrameSize, 4)), 0);
  turn(loop_);
  EXPECT_THAT(network.receive(), ElementsAre(Bytes(60, 1), Bytes(kMaxFrameSize, 2)));
  EXPECT_THAT(host_receives(), ElementsAre(Bytes(60, 3), Bytes(kMaxFrameSize, 4)));
  EXPECT_EQ(bridge_->counters().to_switch, 2U);
  EXPECT_EQ(bridge_->counters().from_switch, 2U);
  EXPECT_EQ(bridge_->counters().dropped, 0U);
}

TEST_F(TapBridgeTest, AFullSwitchLosesNothingAndKeepsTheOrder) {
  FakeSwitch network{path_};
  attach(network);
  std::uint8_t next_sent = 0;
  std::uint8_t next_seen = 0;
  for (int round = 0; round < 40; ++round) {
    while (next_sent < 200 && host_sends(Bytes(100, next_sent))) ++next_sent;
    turn(loop_);
    for (const Bytes& frame : network.receive()) ASSERT_EQ(frame, Bytes(100, next_seen++));
  }
  EXPECT_EQ(next_seen, 200);
  EXPECT_EQ(bridge_->counters().dropped, 0U);
}

TEST_F(TapBridgeTest, AFullSwitchLeavesFramesWithTheInterfaceAndTheLoopAsleep) {
  FakeSwitch network{path_};
  attach(network);
  std::size_t sent = 0;
  while (sent < 300 && host_sends(Bytes(100, 1))) ++sent;
  ASSERT_EQ(sent, 300U);
  turn(loop_);
  const std::uint64_t taken = bridge_->counters().to_switch;
  EXPECT_LT(taken, 64U);
  // With a deadline in 50 ms, a loop that spins would come back at once.
  const Instant before = PollLoop::now();
  ASSERT_TRUE(loop_.turn(before + std::chrono::milliseconds{50}));
  EXPECT_GE(PollLoop::now() - before, std::chrono::milliseconds{45});
  EXPECT_EQ(bridge_->counters().to_switch, taken);
}

TEST_F(TapBridgeTest, WithoutASwitchItsInterfaceIsNotReadAndOldFramesAreNeverSent) {
  bridge_->expire(now_);
  EXPECT_FALSE(link_.carrier);
  ASSERT_TRUE(host_sends(Bytes(60, 1)));
  turn(loop_);
  EXPECT_EQ(bridge_->interface_error(), 0);
  FakeSwitch network{path_};
  bridge_->expire(at_ms(20));
  EXPECT_TRUE(link_.carrier);
  ASSERT_TRUE(host_sends(Bytes(60, 2)));
  turn(loop_);
  const std::vector<Bytes> frames = network.receive();
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_EQ(frames[0][12], 0x80);  // the announcement
  EXPECT_EQ(frames[1], Bytes(60, 2));
  EXPECT_EQ(bridge_->counters().dropped, 1U);
}

TEST_F(TapBridgeTest, ARestartedSwitchGetsTheAnnouncementAndTheFramesAgain) {
  std::optional<FakeSwitch> network{path_};
  attach(*network);
  while (host_sends(Bytes(100, 1)) && bridge_->counters().to_switch == 0) turn(loop_);
  network.reset();
  bridge_->expire(at_ms(1000));
  EXPECT_FALSE(link_.carrier);
  network.emplace(path_);
  bridge_->expire(at_ms(2000));
  EXPECT_TRUE(link_.carrier);
  EXPECT_THAT(network->receive(), ElementsAre(SizeIs(60)));
  ASSERT_TRUE(host_sends(Bytes(60, 9)));
  turn(loop_);
  EXPECT_THAT(network->receive(), ElementsAre(Bytes(60, 9)));
}

TEST_F(TapBridgeTest, AFrameThatTheInterfaceRefusesIsDroppedAndCounted) {
  FakeSwitch network{path_};
  attach(network);
  std::size_t sent = 0;
  // Until neither the interface nor the switch's way to us takes more.
  for (int i = 0; i < 10; ++i) {
    while (sent < 40'000 && network.send(folder_ / "own", Bytes(1514, 1)) == 0) ++sent;
    turn(loop_);
  }
  for (int i = 0; i < 1000; ++i) turn(loop_);
  EXPECT_GT(bridge_->counters().dropped, 0U);
  EXPECT_EQ(bridge_->counters().dropped + bridge_->counters().from_switch, sent);
  EXPECT_EQ(bridge_->interface_error(), 0);
}

}  // namespace
}  // namespace vnet::adapter
