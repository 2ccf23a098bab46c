// The link to the switch, on real sockets and virtual time.
#include "adapter/switch_link.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "fake_switch.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Recorder final : SwitchLink::Owner {
  void on_attached() override { ++attached; }
  void on_detached(std::string_view cause) override { causes.emplace_back(cause); }
  void on_frames(std::span<const ByteView> some) override {
    for (const ByteView frame : some) frames.emplace_back(frame.begin(), frame.end());
  }
  void on_room() override { ++room; }

  int attached = 0;
  int room = 0;
  std::vector<std::string> causes;
  std::vector<Bytes> frames;
};

class SwitchLinkTest : public ::testing::Test {
 protected:
  SwitchLinkTest() : link_(*SwitchLink::open(path_, std::vector{folder_ / "own"}, loop_, owner_)) {}

  void expire(int ms) { link_->expire(at_ms(ms)); }
  std::size_t send(std::size_t count, std::size_t size = 1514) {
    const Bytes frame(size, 0xa5);
    const std::vector<ByteView> frames(count, ByteView{frame});
    return link_->send(frames);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "switch";
  PollLoop loop_;
  Recorder owner_;
  std::unique_ptr<SwitchLink> link_;
};

TEST_F(SwitchLinkTest, FramesCrossInBothDirectionsAndTheSwitchSeesTheOwnPath) {
  FakeSwitch network{path_};
  expire(0);
  ASSERT_EQ(owner_.attached, 1);
  EXPECT_TRUE(owner_.causes.empty());
  EXPECT_EQ(send(2, 60), 2U);
  EXPECT_THAT(network.receive(), ElementsAre(Bytes(60, 0xa5), Bytes(60, 0xa5)));
  EXPECT_EQ(network.sender, folder_ / "own");
  EXPECT_EQ(network.send(folder_ / "own", Bytes{1, 2, 3}), 0);
  turn(loop_);
  EXPECT_THAT(owner_.frames, ElementsAre(Bytes{1, 2, 3}));
}

TEST_F(SwitchLinkTest, TheLargestFramesCross) {
  FakeSwitch network{path_};
  expire(0);
  EXPECT_EQ(send(1, kMaxFrameSize), 1U);
  EXPECT_THAT(network.receive(), ElementsAre(SizeIs(kMaxFrameSize)));
  EXPECT_EQ(network.send(folder_ / "own", Bytes(kMaxFrameSize, 7)), 0);
  turn(loop_);
  EXPECT_THAT(owner_.frames, ElementsAre(Bytes(kMaxFrameSize, 7)));
}

TEST_F(SwitchLinkTest, WhatCannotBeAFrameIsNotPassedOn) {
  FakeSwitch network{path_};
  expire(0);
  EXPECT_EQ(network.send(folder_ / "own", Bytes(kMaxFrameSize + 500, 7)), 0);
  EXPECT_EQ(network.send(folder_ / "own", Bytes{9}), 0);
  turn(loop_);
  EXPECT_THAT(owner_.frames, ElementsAre(Bytes{9}));
}

TEST_F(SwitchLinkTest, OnlyTheSwitchIsHeard) {
  FakeSwitch network{path_};
  FakeSwitch stranger{folder_ / "stranger"};
  expire(0);
  EXPECT_EQ(stranger.send(folder_ / "own", Bytes{6, 6, 6}), EPERM);
}

TEST_F(SwitchLinkTest, AFullSwitchStopsTheSenderWithoutSpinningAndSaysWhenThereIsRoom) {
  FakeSwitch network{path_};
  expire(0);
  const std::size_t taken = send(64);
  EXPECT_LT(taken, 64U);
  EXPECT_GT(taken, 0U);
  for (int i = 0; i < 100; ++i) turn(loop_);
  EXPECT_EQ(owner_.room, 0);  // not even once was it told to try for nothing
  EXPECT_THAT(network.receive(), SizeIs(taken));
  turn(loop_);
  EXPECT_EQ(owner_.room, 1);
  EXPECT_GT(send(64), 0U);
}

TEST_F(SwitchLinkTest, TheSwitchMayHaveManyFramesOnTheWayToUs) {
  FakeSwitch network{path_};
  expire(0);
  constexpr int kMany = 50;  // an unconnected receiver would refuse the twelfth
  for (int i = 0; i < kMany; ++i) ASSERT_EQ(network.send(folder_ / "own", Bytes(1514, 1)), 0) << i;
  turn(loop_);
  EXPECT_THAT(owner_.frames, SizeIs(kMany));
}

TEST_F(SwitchLinkTest, APathOfOurOwnTakesManyFramesBeforeItIsRead) {
  FakeSwitch network{path_};
  expire(0);
  ASSERT_EQ(network.connect(folder_ / "own"), 0);
  EXPECT_EQ(send(64), 64U);
  EXPECT_THAT(network.receive(), SizeIs(64));
}

TEST_F(SwitchLinkTest, WithoutASwitchItSaysSoOnceAndTriesAtGrowingIntervals) {
  expire(0);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("no such socket")));
  EXPECT_EQ(link_->next_deadline(), at_ms(20));
  expire(10);  // early: nothing happens
  EXPECT_EQ(link_->next_deadline(), at_ms(20));
  expire(20);
  EXPECT_EQ(link_->next_deadline(), at_ms(60));
  for (int ms = 60; ms < 3000; ms += 10) expire(ms);
  EXPECT_LE(link_->next_deadline(), at_ms(2990) + SwitchLink::kLongestRetry);
  EXPECT_THAT(owner_.causes, SizeIs(1));
  EXPECT_EQ(send(3), 0U);
  FakeSwitch network{path_};
  expire(4000);
  EXPECT_EQ(owner_.attached, 1);
}

TEST_F(SwitchLinkTest, ACleanEndOfTheSwitchIsNoticedAtOnce) {
  std::optional<FakeSwitch> network{path_};
  expire(0);
  EXPECT_EQ(link_->next_deadline(), at_ms(1000));
  network->remove();
  network.reset();
  turn(loop_);
  EXPECT_EQ(link_->next_deadline(), Instant{});
  expire(5);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("no such socket")));
  EXPECT_FALSE(link_->attached());
}

TEST_F(SwitchLinkTest, AKilledSwitchIsNoticedWithinTheProbeIntervalAndItsSuccessorFound) {
  std::optional<FakeSwitch> network{path_};
  expire(0);
  network.reset();
  expire(1000);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("nobody listens")));
  network.emplace(path_);
  expire(1020);
  EXPECT_EQ(owner_.attached, 2);
  EXPECT_EQ(send(1), 1U);
  EXPECT_THAT(network->receive(), SizeIs(1));
}

TEST_F(SwitchLinkTest, AKilledSwitchIsNoticedByTheFirstFrame) {
  std::optional<FakeSwitch> network{path_};
  expire(0);
  network.reset();
  EXPECT_EQ(send(1), 0U);
  EXPECT_EQ(link_->next_deadline(), Instant{});
  expire(1);
  EXPECT_THAT(owner_.causes, SizeIs(1));
}

TEST_F(SwitchLinkTest, AReplacedSwitchIsANewOne) {
  std::optional<FakeSwitch> network{path_};
  expire(0);
  network.reset();
  network.emplace(path_);  // before anything was noticed
  turn(loop_);
  expire(5);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("replaced")));
  EXPECT_EQ(owner_.attached, 2);
  EXPECT_EQ(send(1), 1U);
  EXPECT_THAT(network->receive(), SizeIs(1));
}

TEST_F(SwitchLinkTest, NewPermissionsOfTheSocketFileDoNotHarm) {
  FakeSwitch network{path_};
  expire(0);
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  turn(loop_);
  expire(5);
  EXPECT_TRUE(link_->attached());
  EXPECT_EQ(send(1), 1U);
}

TEST_F(SwitchLinkTest, APathThatAnotherClientHasIsWaitedFor) {
  FakeSwitch network{path_};
  FakeSwitch other{folder_ / "other"};
  ASSERT_EQ(network.connect(folder_ / "other"), 0);
  expire(0);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("another client")));
  ASSERT_EQ(network.connect(folder_ / "own"), 0);
  expire(20);
  EXPECT_EQ(owner_.attached, 1);
}

TEST_F(SwitchLinkTest, ASwitchThatTurnsToAnotherClientIsLeftAndTriedAgainAtIntervals) {
  FakeSwitch network{path_};
  FakeSwitch other{folder_ / "other"};
  expire(0);
  ASSERT_EQ(network.connect(folder_ / "other"), 0);
  EXPECT_EQ(send(1), 0U);
  expire(1);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("another client")));
  EXPECT_EQ(link_->next_deadline(), at_ms(21));
}

TEST_F(SwitchLinkTest, AStreamSocketIsNamedAsWhatItIs) {
  const auto stream = dgram::make_socket(SOCK_STREAM);
  ASSERT_TRUE(dgram::bind_replacing_stale(*stream, path_));
  ASSERT_EQ(::listen(stream->get(), 1), 0);
  expire(0);
  EXPECT_THAT(owner_.causes, ElementsAre(HasSubstr("stream socket")));
}

TEST_F(SwitchLinkTest, TheOwnPathIsRemovedAtTheEnd) {
  EXPECT_EQ(::access((folder_ / "own").c_str(), F_OK), 0);
  link_.reset();
  EXPECT_NE(::access((folder_ / "own").c_str(), F_OK), 0);
}

TEST_F(SwitchLinkTest, TheNextPathIsTakenWhereTheFirstCannotBeBound) {
  Recorder owner;
  const auto link = SwitchLink::open(path_, std::vector{folder_ / "no/such/folder", folder_ / "second"}, loop_, owner);
  ASSERT_TRUE(link);
  EXPECT_EQ((*link)->own_path(), folder_ / "second");
  const auto none = SwitchLink::open(path_, std::vector{folder_ / "no/such/folder"}, loop_, owner);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().to_string(), HasSubstr("no/such/folder"));
}

TEST_F(SwitchLinkTest, ASwitchOfAnotherUserMayWriteToOurPath) {
  if (may_skip()) GTEST_SKIP() << "only root can make a socket of another user";
  constexpr uid_t kNobody = 65534;
  FakeSwitch network{path_};
  ASSERT_EQ(::chown(path_.c_str(), kNobody, kNobody), 0);
  expire(0);
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "own").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kNobody);
}

}  // namespace
}  // namespace vnet::adapter
