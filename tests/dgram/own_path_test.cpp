// A datagram socket of one NIC's own: the connection to its peer, its end, and the peer's successor.
#include "dgram/own_path.hpp"

#include <sys/stat.h>

#include "dgram_testing.hpp"

namespace vnet::dgram::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class OwnPathTest : public testing::Test {
 protected:
  OwnPathTest() { path_ = OwnPath::open(at, 0, loop, watch, board, batch).value(); }
  /// A guest that has said hello and is connected, as QEMU and vfkit are.
  Guest joined(const std::string& name = "alice") {
    Guest guest{folder / name};
    EXPECT_EQ(guest.connect(at), 0);
    EXPECT_EQ(guest.send("hello"), 0);
    loop.settle();
    EXPECT_TRUE(path_->connected());
    (void)board.take_heard();
    return guest;
  }

  TempFolder folder;
  const std::string at = folder / "nic.sock";
  PollLoop loop;
  PathWatch watch{loop};
  FakeSwitch board;
  ReceiveBatch batch;
  std::unique_ptr<OwnPath> path_;
};

TEST_F(OwnPathTest, TheFirstWhoSendsIsThePeer) {
  const Guest alice{folder / "alice"};
  EXPECT_FALSE(path_->connected());
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
  loop.settle();
  EXPECT_TRUE(path_->connected());
  EXPECT_EQ(path_->remote(), folder / "alice");
  EXPECT_THAT(board.heard, ElementsAre("0:hello"));
  board.tell(0, {"welcome"});
  EXPECT_THAT(alice.receive(), ElementsAre("welcome"));
}

TEST_F(OwnPathTest, NobodyElseGetsInAsLongAsThePeerIsThere) {
  const Guest alice = joined();
  const Guest mallory{folder / "mallory"};
  EXPECT_EQ(mallory.send_to(at, "let me in"), EPERM);
}

TEST_F(OwnPathTest, OfTwoWhoComeInOneBatchTheFirstWins) {
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  EXPECT_EQ(alice.send_to(at, "a"), 0);
  EXPECT_EQ(bob.send_to(at, "b"), 0);
  EXPECT_EQ(alice.send_to(at, "c"), 0);
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:a", "0:c"));
  EXPECT_EQ(board.refused[DropReason::too_many_clients], 1U);
}

TEST_F(OwnPathTest, ABurstOfFarMoreThan11FramesWaitsForTheSwitch) {
  const Guest alice = joined();
  const auto burst = numbered("frame ", 64);
  for (const std::string& frame : burst) ASSERT_EQ(alice.send(frame), 0) << frame;
  loop.settle();
  ASSERT_THAT(board.heard, SizeIs(64));
  EXPECT_EQ(board.heard.back(), "0:frame 63");
}

TEST_F(OwnPathTest, ABurstOfFarMoreThan11FramesWaitsForTheGuest) {
  const Guest alice = joined();
  const auto burst = numbered("frame ", 64);
  board.tell(0, burst);
  EXPECT_EQ(alice.receive(), burst);
  EXPECT_EQ(board.dropped_out.total(), 0U);
}

TEST_F(OwnPathTest, VfkitsMagicIsNoFrameButMakesItThePeer) {
  const Guest alice{folder / "alice"};
  ASSERT_EQ(alice.connect(at), 0);
  EXPECT_EQ(alice.send("VFKT"), 0);
  loop.settle();
  EXPECT_TRUE(path_->connected());
  EXPECT_THAT(board.heard, IsEmpty());
}

TEST_F(OwnPathTest, APeerRestartedAtTheSamePathIsAcceptedRightAfterItsUnlink) {
  Guest alice = joined();
  alice.quit();
  loop.settle();
  EXPECT_FALSE(path_->connected());
  EXPECT_THAT(board.gone, ElementsAre(0U));
  const Guest again = joined();
  board.tell(1, {"welcome back"});
  EXPECT_THAT(again.receive(), ElementsAre("welcome back"));
}

TEST_F(OwnPathTest, APeerThatRestartsFasterThanWeLookIsAcceptedToo) {
  Guest alice = joined();
  alice.quit();
  const Guest again{folder / "alice"};
  loop.settle();
  ASSERT_EQ(again.connect(at), 0);
  EXPECT_EQ(again.send("me again"), 0);
  loop.settle();
  EXPECT_EQ(board.heard.size(), 1U);
  board.tell(board.clients.size() - 1, {"welcome back"});
  EXPECT_THAT(again.receive(), ElementsAre("welcome back"));
}

TEST_F(OwnPathTest, APeerRestartedAtAnotherPathIsAccepted) {
  Guest alice = joined();
  alice.quit();
  loop.settle();
  const Guest again = joined("alice-2");
  EXPECT_EQ(path_->remote(), folder / "alice-2");
}

TEST_F(OwnPathTest, TheLastWordsOfAPeerAreHeard) {
  Guest alice = joined();
  for (const std::string& frame : numbered("last ", 20)) ASSERT_EQ(alice.send(frame), 0);
  alice.quit();
  // Whatever the order in which the poller finds the two descriptors ready.
  watch.on_ready(true, false);
  loop.settle();
  EXPECT_THAT(board.heard, SizeIs(20));
  EXPECT_THAT(board.gone, ElementsAre(0U));
}

TEST_F(OwnPathTest, APeerThatDiedWithoutUnlinkingIsFoundByTheProbe) {
  Guest alice = joined();
  alice.close();
  path_->probe();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  ::unlink((folder / "alice").c_str());
  const Guest again = joined();
}

TEST_F(OwnPathTest, APeerThatDiedIsFoundBySending) {
  Guest alice = joined();
  alice.close();
  board.tell(0, {"anybody?"});
  EXPECT_THAT(board.gone, IsEmpty()) << "not from within the batch";
  board.end_batch();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(board.dropped_out[DropReason::detached], 1U);
}

TEST_F(OwnPathTest, TouchingThePeersFileIsNoReasonToPart) {
  Guest alice = joined();
  ASSERT_EQ(::chmod((folder / "alice").c_str(), 0700), 0);
  loop.settle();
  EXPECT_TRUE(path_->connected());
  alice.quit();
  loop.settle();
  EXPECT_FALSE(path_->connected()) << "and the watch has not gone blind";
}

TEST_F(OwnPathTest, FramesForNobodyAreDetached) {
  path_->send(std::vector<ByteView>{as_bytes("x")}, board);
  EXPECT_EQ(board.dropped_out[DropReason::detached], 1U);
}

TEST_F(OwnPathTest, AnUnboundSenderIsCountedAndMentionedOnce) {
  const Guest nobody;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(nobody.send_to(at, "hello"), 0);
  loop.settle();
  EXPECT_EQ(board.refused[DropReason::unbound_sender], 5U);
  EXPECT_THAT(board.notices, SizeIs(1));
  EXPECT_FALSE(path_->connected());
}

TEST_F(OwnPathTest, ASenderThatCannotBeAnsweredIsCounted) {
  Guest hasty{folder / "hasty"};
  EXPECT_EQ(hasty.send_to(at, "hello"), 0);
  hasty.quit();
  loop.settle();
  EXPECT_FALSE(path_->connected());
  EXPECT_EQ(board.refused.total(), 1U);
}

TEST_F(OwnPathTest, AnOversizeDatagramAndAnEmptyOneAreRefused) {
  const Guest alice = joined();
  EXPECT_EQ(alice.send(std::string(70'000, 'x')), 0);
  EXPECT_EQ(alice.send(""), 0);
  loop.settle();
  EXPECT_EQ(board.refused[DropReason::oversize], 1U);
  EXPECT_EQ(board.refused[DropReason::empty], 1U);
  EXPECT_THAT(board.heard, IsEmpty());
}

TEST_F(OwnPathTest, APeerThatDoesNotReadHasABoundedQueueAndGetsItWhenItDoes) {
  const Guest alice = joined();
  const std::string frame(60'000, 'x');
  for (int i = 0; i < 1000; ++i) board.tell(0, {frame});
  const std::uint64_t dropped = board.dropped_out[DropReason::queue_full];
  EXPECT_GT(dropped, 0U);
  std::size_t received = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    const std::size_t count = alice.receive().size();
    received += count;
    loop.settle();
    if (count == 0) break;
  }
  EXPECT_EQ(received, 1000 - dropped);
  EXPECT_EQ(board.sent, received);
}

TEST_F(OwnPathTest, WhatWaitsCanBeDiscardedAndNeverArrives) {
  const Guest alice = joined();
  std::uint64_t told = 0;
  for (; board.dropped_out.total() == 0; ++told) board.tell(0, {"frame"});
  board.clients[0]->discard(DropReason::link_down, board);
  EXPECT_GT(board.dropped_out[DropReason::link_down], 0U);
  EXPECT_EQ(board.sent + board.dropped_out.total(), told);
  EXPECT_EQ(alice.receive().size(), board.sent);
  loop.settle();
  EXPECT_THAT(alice.receive(), IsEmpty());
}

TEST_F(OwnPathTest, APullHearsAllThatWasSent) {
  const Guest alice = joined();
  for (const std::string& frame : numbered("frame ", 200)) ASSERT_EQ(alice.send(frame), 0);
  path_->pull();
  EXPECT_THAT(board.heard, SizeIs(200));
}

TEST_F(OwnPathTest, AfterAHangUpItWaitsForTheNextPeerWithoutAWordToTheSwitch) {
  const Guest alice = joined();
  path_->hang_up();
  EXPECT_FALSE(path_->connected());
  EXPECT_THAT(path_->remote(), IsEmpty());
  EXPECT_THAT(board.gone, IsEmpty());
  const Guest bob = joined("bob");
  EXPECT_EQ(path_->remote(), folder / "bob");
}

TEST_F(OwnPathTest, AnInheritedSocketStaysConnected) {
  const Guest alice = joined();
  Fd copy{::dup(path_->state().fd)};
  path_->file().disown();
  path_.reset();
  path_ = OwnPath::inherit(std::move(copy), SocketFile{at}, 0, loop, watch, board, batch).value();
  EXPECT_TRUE(path_->connected());
  EXPECT_EQ(path_->remote(), folder / "alice");
  EXPECT_EQ(alice.send("still here"), 0);
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("1:still here"));
  path_.reset();
  EXPECT_FALSE(std::filesystem::exists(at));
}

class PassedFd : public testing::Test {
 protected:
  PassedFd() {
    auto pair = make_pair(SOCK_DGRAM).value();
    guest = std::make_unique<Guest>(std::move(pair.second));
    path_ = OwnPath::adopt(std::move(pair.first), 0, loop, watch, board, batch, [this] { path_.reset(); }).value();
  }
  PollLoop loop;
  PathWatch watch{loop};
  FakeSwitch board;
  ReceiveBatch batch;
  std::unique_ptr<Guest> guest;
  std::unique_ptr<OwnPath> path_;
};

TEST_F(PassedFd, IsConnectedFromTheStart) {
  EXPECT_TRUE(path_->connected());
  const auto frames = numbered("frame ", 50);
  std::vector<ByteView> views;
  for (const std::string& frame : frames) views.push_back(as_bytes(frame));
  path_->send(views, board);
  EXPECT_EQ(guest->receive(), frames);
  EXPECT_EQ(guest->send("hello"), 0);
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:hello"));
}

TEST_F(PassedFd, ItsEndIsNoticedByTheFirstSend) {
  EXPECT_EQ(guest->send("hello"), 0);
  loop.settle();
  guest->close();
  loop.settle();
  board.tell(0, {"anybody?"});
  board.end_batch();
  EXPECT_EQ(board.dropped_out[DropReason::detached], 1U);
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(path_, nullptr) << "nobody can ever be at the other end again";
  EXPECT_EQ(loop.size(), 1U) << "the path watch alone";
}

}  // namespace
}  // namespace vnet::dgram::test
