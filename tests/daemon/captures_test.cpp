// Captures as observers of the fabric: names of interfaces, several at once, beginning, ending, limits.
#include "daemon/captures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/network/frames.hpp"
#include "tests/pcap/capture_file.hpp"

namespace vnet::daemon {
namespace {

using namespace std::chrono_literals;
using capture::eventually;
using network::test::mac;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

network::NetworkConfig make_network(std::string name, std::uint64_t number) {
  network::NetworkConfig config;
  config.name = std::move(name);
  config.mac = MacAddress::from_u64(0x52eeeeeeee00U + number);
  config.ipv4 = Ipv4Prefix::parse("10.0.0.1/24");
  return config;
}

class CapturesTest : public testing::Test {
 protected:
  CapturesTest() {
    fabric_.attach(fabric_.find(mac(1)), network::AttachmentKind::simulated, "a", now_);
    fabric_.attach(fabric_.find(mac(2)), network::AttachmentKind::simulated, "b", now_);
  }

  CaptureRequest to_file(const std::string& name) {
    CaptureRequest request;
    request.file = folder_ / name;
    return request;
  }
  /// Sends a frame from alice to bob.
  void send() {
    const auto frame = network::test::plain(mac(2), mac(1));
    const std::vector<ByteView> batch{frame};
    fabric_.receive(fabric_.find(mac(1)), batch, now_);
    fabric_.sent(fabric_.find(mac(2)), frame, std::nullopt, now_);
    fabric_.end_batch();
  }
  /// Ends a capture and waits until its file is whole.
  std::vector<capture::ReadBlock> finish(const std::string& id, const std::string& name) {
    EXPECT_TRUE(captures_.stop(id));
    EXPECT_TRUE(eventually([&] { return !captures_.look(now_).empty(); }));
    return capture::read_blocks(capture::read_file(folder_ / name));
  }
  static std::vector<std::string> interfaces(const std::vector<capture::ReadBlock>& blocks) {
    std::vector<std::string> names;
    for (const auto& block : capture::of_type(blocks, capture::block_type::kInterface)) names.push_back(block.text(2));
    return names;
  }
  static std::size_t packets(const std::vector<capture::ReadBlock>& blocks) {
    return capture::of_type(blocks, capture::block_type::kPacket).size();
  }

  const capture::TemporaryFolder folder_;
  Instant now_{1000s};
  network::Fabric fabric_{
      {make_network("home", 1), make_network("office", 2)}, {{"alice", mac(1), 0, true}, {"bob", mac(2), 0, true}}, 1};
  Captures captures_{fabric_, [this] { return Moment{now_, 5000}; }};
};

TEST_F(CapturesTest, NicsAndGatewaysAreInterfacesByName) {
  const auto id = captures_.start(to_file("a"), false);
  ASSERT_TRUE(id) << id.error();
  EXPECT_EQ(*id, "1");
  send();
  const auto blocks = finish(*id, "a");
  EXPECT_THAT(interfaces(blocks), testing::UnorderedElementsAre("home-gateway", "office-gateway", "alice", "bob"));
  EXPECT_EQ(packets(blocks), 2U) << "in from alice, out to bob";
}

TEST_F(CapturesTest, WhoComesMovesOrIsRenamedIsAnInterfaceToo) {
  ASSERT_TRUE(captures_.start(to_file("a"), false));
  const auto carol = fabric_.add({"carol", mac(3), 0, true}, now_);
  ASSERT_TRUE(carol);
  ASSERT_TRUE(fabric_.change(*carol, {"caro", mac(3), 1, true}, "test", now_));
  const std::size_t cafe = fabric_.add_network(make_network("cafe", 3), now_);
  EXPECT_EQ(cafe, 2U);
  const auto blocks = finish("1", "a");
  EXPECT_THAT(interfaces(blocks), testing::IsSupersetOf({"carol", "caro", "cafe-gateway"}));
  const auto notes = capture::of_type(blocks, capture::block_type::kJournal);
  ASSERT_FALSE(notes.empty());
  EXPECT_THAT(std::string(notes[0].body.begin(), notes[0].body.end()), HasSubstr("carol: nic.added"));
}

TEST_F(CapturesTest, SeveralRunAtOnceEachWithItsChoice) {
  CaptureRequest bob = to_file("bob");
  bob.nics = {"bob"};
  CaptureRequest arp = to_file("arp");
  arp.filter = "arp";
  ASSERT_TRUE(captures_.start(to_file("all"), false));
  ASSERT_TRUE(captures_.start(bob, false));
  ASSERT_TRUE(captures_.start(arp, false));
  send();
  ASSERT_TRUE(eventually([&] { return captures_.find("1")->recorder->counters().written == 2; }));
  EXPECT_EQ(packets(finish("2", "bob")), 1U);
  send();
  EXPECT_EQ(packets(finish("3", "arp")), 0U);
  EXPECT_EQ(packets(finish("1", "all")), 4U) << "it does not mind that others end";
}

TEST_F(CapturesTest, NothingObservesTheFabricWhenNoneRuns) {
  EXPECT_EQ(captures_.next_deadline(), kNever);
  ASSERT_TRUE(captures_.start(to_file("a"), false));
  EXPECT_EQ(captures_.next_deadline(), now_ + Captures::kLookInterval);
  (void)finish("1", "a");
  EXPECT_EQ(captures_.next_deadline(), kNever);
  send();
  EXPECT_EQ(packets(capture::read_blocks(capture::read_file(folder_ / "a"))), 0U);
}

TEST_F(CapturesTest, OneThatEndsByItselfIsToldWithItsReason) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  CaptureRequest request;
  request.file = "/dev/full";
  ASSERT_TRUE(captures_.start(request, false));
  std::vector<Captures::Ended> ended;
  ASSERT_TRUE(eventually([&] {
    ended = captures_.look(now_);
    return !ended.empty();
  }));
  EXPECT_EQ(ended[0].id, "1");
  EXPECT_THAT(ended[0].error, HasSubstr("No space left"));
  EXPECT_THAT(captures_.running(), IsEmpty());
  EXPECT_THAT(captures_.look(now_), IsEmpty());
}

TEST_F(CapturesTest, ALiveOneEndsQuietlyWithItsReader) {
  auto pair = dgram::make_pair(SOCK_STREAM);
  const auto id = captures_.start_live({}, std::move(pair->first));
  ASSERT_TRUE(id);
  EXPECT_TRUE(captures_.find(*id)->live);
  pair->second.close();
  std::vector<Captures::Ended> ended;
  ASSERT_TRUE(eventually([&] {
    ended = captures_.look(now_);
    return !ended.empty();
  }));
  EXPECT_TRUE(ended[0].live);
  EXPECT_EQ(ended[0].error, "");
}

TEST_F(CapturesTest, BeginningsAreEvents) {
  (void)fabric_.events().take();
  ASSERT_TRUE(captures_.start(to_file("a"), false));
  const auto events = fabric_.events().take();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, network::EventKind::capture_started);
  EXPECT_EQ(events[0].subject, "1");
  EXPECT_THAT(events[0].cause, HasSubstr(folder_ / "a"));
}

TEST_F(CapturesTest, NoMoreThanTheLimitRunAtOnce) {
  for (std::size_t i = 0; i < Captures::kMaxCaptures; ++i) {
    ASSERT_TRUE(captures_.start(to_file(std::to_string(i)), false));
  }
  const auto refused = captures_.start(to_file("more"), false);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("32"));
  auto pair = dgram::make_pair(SOCK_STREAM);
  EXPECT_FALSE(captures_.start_live({}, std::move(pair->first)));
  char byte = 0;
  EXPECT_EQ(::recv(pair->second.get(), &byte, 1, MSG_DONTWAIT), 0) << "the connection is closed";
  EXPECT_TRUE(captures_.stop("1"));
  EXPECT_TRUE(captures_.start(to_file("more"), false));
}

TEST_F(CapturesTest, IdsAreNotUsedTwiceEvenAfterOnesOfBefore) {
  CaptureRequest old = to_file("old");
  old.id = "41";
  EXPECT_EQ(captures_.start(old, true).value(), "41");
  EXPECT_EQ(captures_.start(to_file("new"), false).value(), "42");
  EXPECT_TRUE(captures_.stop("42"));
  EXPECT_EQ(captures_.start(to_file("newer"), false).value(), "43");
  EXPECT_EQ(captures_.find("42"), nullptr);
  EXPECT_FALSE(captures_.stop("42"));
}

TEST_F(CapturesTest, AFileOrFilterThatCannotBeIsASentence) {
  CaptureRequest request = to_file("a");
  request.filter = "nonsense &";
  EXPECT_THAT(captures_.start(request, false).error(), HasSubstr("nonsense"));
  EXPECT_THAT(captures_.start(to_file("no/a"), false).error(), HasSubstr("No such file"));
  EXPECT_THAT(captures_.running(), IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
