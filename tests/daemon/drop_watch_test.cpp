// Bursts of dropped frames as events, on virtual time.
#include "daemon/drop_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/network/frames.hpp"

namespace vnet::daemon {
namespace {

using namespace std::chrono_literals;
using network::test::mac;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

network::NetworkConfig lan() {
  network::NetworkConfig config;
  config.name = "lan";
  config.mac = MacAddress::from_u64(0x52eeeeeeee01U);
  config.ipv4 = Ipv4Prefix::parse("10.0.0.1/24");
  return config;
}

class DropWatchTest : public testing::Test {
 protected:
  DropWatchTest() { (void)fabric_.events().take(); }

  /// Frames from alice that are too short to be any.
  void drop(std::uint64_t count) {
    const Bytes frame(5);
    for (std::uint64_t i = 0; i < count; ++i) fabric_.refuse(alice(), frame, DropReason::runt, now_);
    watch_.on_traffic(now_);
  }
  /// Lets the watch look, if it wants to, and takes what it has told.
  std::vector<network::Event> look(Duration later = DropWatch::kInterval) {
    now_ += later;
    if (now_ >= watch_.next_deadline()) watch_.expire(now_);
    return fabric_.events().take();
  }
  [[nodiscard]] l2::PortId alice() const { return fabric_.find(mac(1)); }

  using Bytes = network::test::Bytes;
  network::Fabric fabric_{{lan()}, {{"alice", mac(1), 0, true}}, 1};
  DropWatch watch_{fabric_};
  Instant now_{1000s};
};

TEST_F(DropWatchTest, TellsABurstWithItsReasonAndHowMany) {
  drop(150);
  const auto events = look();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, network::EventKind::drop_burst);
  EXPECT_EQ(events[0].network, "lan");
  EXPECT_EQ(events[0].nic, "alice");
  EXPECT_EQ(events[0].mac, mac(1));
  EXPECT_EQ(events[0].subject, "runt");
  EXPECT_THAT(events[0].cause, HasSubstr("150 frames from it"));
}

TEST_F(DropWatchTest, AFewAreNotABurst) {
  drop(DropWatch::kBurst - 1);
  EXPECT_THAT(look(), IsEmpty());
  drop(DropWatch::kBurst - 1);
  EXPECT_THAT(look(), IsEmpty()) << "they are counted anew every second";
  drop(DropWatch::kBurst);
  EXPECT_THAT(look(), SizeIs(1));
}

TEST_F(DropWatchTest, ABurstThatGoesOnIsToldAgainAfterAWhile) {
  int told = 0;
  for (int second = 0; second < 21; ++second) {
    drop(200);
    told += static_cast<int>(look().size());
  }
  EXPECT_EQ(told, 3);
}

TEST_F(DropWatchTest, SleepsWhileThereIsNoTraffic) {
  EXPECT_EQ(watch_.next_deadline(), kNever);
  drop(1);
  EXPECT_EQ(watch_.next_deadline(), now_ + DropWatch::kInterval);
  EXPECT_THAT(look(500ms), IsEmpty());
  EXPECT_NE(watch_.next_deadline(), kNever);
  EXPECT_THAT(look(500ms), IsEmpty());
  EXPECT_EQ(watch_.next_deadline(), kNever);
}

TEST_F(DropWatchTest, ANicThatTookThePlaceOfAnotherBeginsAtNothing) {
  drop(150);
  EXPECT_THAT(look(), SizeIs(1));
  fabric_.remove(alice(), "test", now_);
  ASSERT_TRUE(fabric_.add({"bob", mac(2), 0, true}, now_));
  (void)fabric_.events().take();
  watch_.on_traffic(now_);
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(DropWatchTest, ANicThatWasRemovedAndCameBackBeginsAtNothing) {
  drop(150);
  EXPECT_THAT(look(), SizeIs(1));
  now_ += DropWatch::kSilence;
  fabric_.remove(alice(), "test", now_);
  ASSERT_TRUE(fabric_.add({"alice", mac(1), 0, true}, now_));
  (void)fabric_.events().take();
  drop(5);
  EXPECT_THAT(look(), IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
