// One socket for many clients, with real sockets: who is answered by which way, who is found gone, and that one client
// that does not read is nobody else's trouble.
#include "dgram/shared_path.hpp"

#include <sys/stat.h>

#include "dgram_testing.hpp"

namespace vnet::dgram::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class SharedPathTest : public testing::Test {
 protected:
  SharedPathTest() { path_ = SharedPath::open(at, 0, loop, watch, board, batch).value(); }
  /// Time passes and what is due is done.
  void pass(Duration time) {
    board.time += time;
    path_->expire(board.time);
    board.end_batch();
    loop.settle();
  }

  TempFolder folder;
  const std::string at = folder / "vnet.sock";
  PollLoop loop;
  PathWatch watch{loop};
  FakeSwitch board;
  ReceiveBatch batch;
  std::unique_ptr<SharedPath> path_;
};

TEST_F(SharedPathTest, AClientThatSendsByPathIsAnsweredAtItsPath) {
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  EXPECT_THAT(board.take_heard(), ElementsAre("0:hello"));
  board.tell(0, {"one", "two"});
  EXPECT_THAT(alice.receive(), ElementsAre("one", "two"));
  EXPECT_EQ(board.sent, 2U);
}

TEST_F(SharedPathTest, TheFramesOfOneBatchGoToTheSwitchByClientAndInOrder) {
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  for (const Guest* guest : {&alice, &alice, &bob, &alice}) EXPECT_EQ(guest->send_to(at, "x"), 0);
  loop.settle();
  EXPECT_THAT(board.take_heard(), ElementsAre("0:x", "0:x", "1:x", "0:x"));
  EXPECT_EQ(board.batches, 1);
  EXPECT_EQ(path_->client_count(), 2U);
}

TEST_F(SharedPathTest, AVfkitClientIsAnsweredThroughTheSharedSocketAndItsMagicIsNoFrame) {
  const Guest vfkit{folder / "vfkit"};
  ASSERT_EQ(vfkit.connect(at), 0);
  EXPECT_EQ(vfkit.send("VFKT"), 0);
  loop.settle();
  EXPECT_THAT(board.take_heard(), IsEmpty());
  EXPECT_EQ(vfkit.send("hello"), 0);
  loop.settle();
  EXPECT_THAT(board.take_heard(), ElementsAre("0:hello"));
  board.tell(0, {"one", "two"});
  EXPECT_THAT(vfkit.receive(), ElementsAre("one", "two"));
}

TEST_F(SharedPathTest, AClientThatConnectsLaterIsStillAnswered) {
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  ASSERT_EQ(alice.connect(at), 0);
  board.tell(0, {"one"});
  board.tell(0, {"two"});
  EXPECT_THAT(alice.receive(), testing::Contains("two"));
  alice.disconnect();
  board.tell(0, {"three"});
  pass(SharedPath::kProbeInterval);
  board.tell(0, {"four"});
  EXPECT_THAT(alice.receive(), ElementsAre("three", "four"));
  EXPECT_THAT(board.gone, IsEmpty());
}

TEST_F(SharedPathTest, AClientRestartedAtTheSamePathIsFoundAgain) {
  {
    Guest alice{folder / "alice"};
    EXPECT_EQ(alice.send_to(at, "hello"), 0);
    loop.settle();
    alice.quit();
  }
  const Guest again{folder / "alice"};
  board.tell(0, {"not lost"});
  EXPECT_THAT(again.receive(), ElementsAre("not lost"));
  loop.settle();
  EXPECT_EQ(again.send_to(at, "me again"), 0);
  loop.settle();
  board.tell(board.clients.size() - 1, {"welcome"});
  EXPECT_THAT(again.receive(), testing::Contains("welcome"));
}

TEST_F(SharedPathTest, AClientRestartedAtAnotherPathIsAnotherClientAndTheOldOneGoes) {
  Guest alice{folder / "alice-1"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  alice.quit();
  const Guest again{folder / "alice-2"};
  EXPECT_EQ(again.send_to(at, "hello"), 0);
  loop.settle();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(path_->client_count(), 1U);
  board.tell(1, {"welcome"});
  EXPECT_THAT(again.receive(), ElementsAre("welcome"));
}

TEST_F(SharedPathTest, AClientWhoseFileIsUnlinkedIsGoneAtOnce) {
  Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  alice.quit();
  loop.settle();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(path_->client_count(), 0U);
  EXPECT_EQ(path_->next_deadline(), kNever) << "with nobody there is nobody to probe";
}

TEST_F(SharedPathTest, TouchingAClientsFileDoesNotBlindTheWatch) {
  Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  ASSERT_EQ(::chmod((folder / "alice").c_str(), 0700), 0);
  loop.settle();
  EXPECT_THAT(board.gone, IsEmpty());
  alice.quit();
  loop.settle();
  EXPECT_THAT(board.gone, ElementsAre(0U)) << "without waiting for the probe";
}

TEST_F(SharedPathTest, AClientThatDiedWithoutUnlinkingIsFoundByTheProbe) {
  Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  alice.close();
  pass(SharedPath::kProbeInterval - 1ms);
  EXPECT_THAT(board.gone, IsEmpty());
  pass(1ms);
  EXPECT_THAT(board.gone, ElementsAre(0U));
}

TEST_F(SharedPathTest, AClientThatDiedIsFoundBySendingToo) {
  Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  alice.close();
  board.tell(0, {"anybody?"});
  EXPECT_THAT(board.gone, IsEmpty()) << "not from within the batch";
  board.end_batch();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(board.dropped_out[DropReason::detached], 1U);
}

TEST_F(SharedPathTest, ASilentClientThatIsThereIsKept) {
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  for (int i = 0; i < 100; ++i) pass(SharedPath::kProbeInterval);
  EXPECT_THAT(board.gone, IsEmpty());
  board.tell(0, {"still there?"});
  EXPECT_THAT(alice.receive(), ElementsAre("still there?"));
}

TEST_F(SharedPathTest, AnUnboundSenderIsCountedAndMentionedOnce) {
  const Guest nobody;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(nobody.send_to(at, "hello"), 0);
  loop.settle();
  EXPECT_EQ(board.refused[DropReason::unbound_sender], 5U);
  EXPECT_EQ(board.refused_client, nullptr);
  EXPECT_THAT(board.notices, ElementsAre(testing::HasSubstr(at)));
  EXPECT_THAT(board.heard, IsEmpty());
}

TEST_F(SharedPathTest, AnOversizeDatagramAndAnEmptyOneAreRefused) {
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, std::string(70'000, 'x')), 0);
  EXPECT_EQ(alice.send_to(at, ""), 0);
  EXPECT_EQ(alice.send_to(at, "fine"), 0);
  loop.settle();
  EXPECT_EQ(board.refused[DropReason::oversize], 1U);
  EXPECT_EQ(board.refused[DropReason::empty], 1U);
  EXPECT_THAT(board.heard, ElementsAre("0:fine"));
}

TEST_F(SharedPathTest, TheLargestFrameArrivesWhole) {
  const Guest alice{folder / "alice"};
  const std::string frame(kMaxFrameSize, 'x');
  EXPECT_EQ(alice.send_to(at, frame), 0);
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:" + frame));
  board.tell(0, {frame});
  EXPECT_THAT(alice.receive(), ElementsAre(frame));
}

TEST_F(SharedPathTest, AnAbstractNameIsAPathToo) {
  const Guest alice;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = std::string{'\0'} + "vnet-test-" + std::to_string(::getpid());
  std::memcpy(name.sun_path, text.data(), text.size());
  ASSERT_EQ(::bind(alice.fd(), reinterpret_cast<const sockaddr*>(&name),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size())),
            0);
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  board.tell(0, {"welcome"});
  EXPECT_THAT(alice.receive(), ElementsAre("welcome"));
  board.clients[0]->hang_up();
  EXPECT_NE(path_->recall(text, false), nullptr);
}

class SharedPathStall : public SharedPathTest, public testing::WithParamInterface<bool> {};

TEST_P(SharedPathStall, AClientThatDoesNotReadHasABoundedQueueAndHindersNobody) {
  const Guest stalled{folder / "stalled"};
  const Guest other{folder / "other"};
  if (GetParam()) {
    ASSERT_EQ(stalled.connect(at), 0);
    EXPECT_EQ(stalled.send("hello"), 0);
  } else {
    EXPECT_EQ(stalled.send_to(at, "hello"), 0);
  }
  loop.settle();
  EXPECT_EQ(other.send_to(at, "hello"), 0);
  loop.settle();
  // More than the kernel takes on any way (thousands of small datagrams on the shared one) and our queue holds.
  constexpr int kFrames = 20'000;
  for (int i = 0; i < kFrames; ++i) board.tell(0, {"frame " + std::to_string(i)});
  const std::uint64_t dropped = board.dropped_out[DropReason::queue_full];
  EXPECT_GT(dropped, 0U);
  board.tell(1, {"unaffected"});
  EXPECT_THAT(other.receive(), ElementsAre("unaffected"));
  // It wakes up: what was kept arrives, in order, and nothing is counted twice.
  std::vector<std::string> received;
  for (int turn = 0; turn < 1000 && received.size() < kFrames - dropped; ++turn) {
    for (std::string& text : stalled.receive()) received.push_back(std::move(text));
    loop.settle();
    pass(SharedPath::kRetryInterval);
  }
  ASSERT_EQ(received.size(), kFrames - dropped);
  for (std::size_t i = 0; i < received.size(); ++i) ASSERT_EQ(received[i], "frame " + std::to_string(i));
  EXPECT_EQ(board.sent, kFrames - dropped + 1);
  board.tell(0, {"well again"});
  EXPECT_THAT(stalled.receive(), ElementsAre("well again"));
}
INSTANTIATE_TEST_SUITE_P(ByPathAndConnected, SharedPathStall, testing::Bool());

TEST_P(SharedPathStall, WhatWaitsCanBeDiscardedAndNeverArrives) {
  const Guest stalled{folder / "stalled"};
  if (GetParam()) {
    ASSERT_EQ(stalled.connect(at), 0);
  }
  EXPECT_EQ(stalled.send_to(at, "hello"), 0);
  loop.settle();
  std::uint64_t told = 0;
  for (; board.dropped_out.total() == 0; ++told) board.tell(0, {"frame"});
  board.clients[0]->discard(DropReason::link_down, board);
  EXPECT_GT(board.dropped_out[DropReason::link_down], 0U);
  EXPECT_EQ(board.sent + board.dropped_out.total(), told);
  std::size_t received = 0;
  for (int turn = 0; turn < 20; ++turn) {
    received += stalled.receive().size();
    pass(SharedPath::kRetryInterval);
  }
  EXPECT_EQ(received, board.sent);
  board.tell(0, {"after"});
  EXPECT_THAT(stalled.receive(), ElementsAre("after"));
}

TEST_F(SharedPathTest, APullHearsWhatEverybodyHasSent) {
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  (void)board.take_heard();
  EXPECT_EQ(bob.send_to(at, "b"), 0);
  EXPECT_EQ(alice.send_to(at, "a"), 0);
  board.clients[0]->pull();
  EXPECT_THAT(board.take_heard(), ElementsAre("1:b", "0:a"));
}

TEST_F(SharedPathTest, AClientThatIsHungUpIsForgottenAndIsAnotherWhenItSendsAgain) {
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  for (const Guest* guest : {&bob, &alice}) EXPECT_EQ(guest->send_to(at, "hello"), 0);
  loop.settle();
  board.clients[1]->hang_up();
  EXPECT_EQ(path_->client_count(), 1U);
  EXPECT_THAT(board.gone, IsEmpty());
  EXPECT_EQ(alice.send_to(at, "again"), 0);
  loop.settle();
  EXPECT_THAT(board.heard, testing::Contains("2:again"));
  board.tell(2, {"welcome"});
  EXPECT_THAT(alice.receive(), ElementsAre("welcome"));
}

TEST_F(SharedPathTest, AConnectedClientIsRecalledOnlyByWhoHasTheSameSocket) {
  const Guest vfkit{folder / "vfkit"};
  ASSERT_EQ(vfkit.connect(at), 0);
  EXPECT_EQ(path_->recall(folder / "vfkit", false), nullptr);
  EXPECT_EQ(path_->client_count(), 0U);
  Client* const client = path_->recall(folder / "vfkit", true);
  ASSERT_NE(client, nullptr);
  client->send(std::vector<ByteView>{as_bytes("welcome")}, board);
  EXPECT_THAT(vfkit.receive(), ElementsAre("welcome"));
  EXPECT_EQ(path_->recall(folder / "nobody", true), nullptr);
  EXPECT_EQ(path_->client_count(), 1U);
}

TEST_F(SharedPathTest, WhenItIsClosedNothingIsWatchedAnyMore) {
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  path_.reset();
  EXPECT_EQ(loop.size(), 1U) << "the path watch alone";
}

}  // namespace
}  // namespace vnet::dgram::test
