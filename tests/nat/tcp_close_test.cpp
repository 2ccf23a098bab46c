// How connections end: each direction by itself, both at once, and by force, as timetables.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

TEST(TcpClosing, TheGuestEndsFirst) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin, .data = "bye"});
  bench.expect(1, 5, kAck);
  EXPECT_EQ(remote.received, "bye");
  EXPECT_TRUE(remote.ended() && !remote.closed());
  remote.write("one more");
  bench.turn();
  bench.expect(1, 5, kAck | kPsh, "one more");
  bench.in({.seq = 5, .ack = 9});
  remote.finish();
  bench.turn();
  bench.expect(9, 5, kFin | kAck);
  bench.in({.seq = 5, .ack = 10});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U) << "the guest has the acknowledgment of its FIN, in ours";
  EXPECT_TRUE(remote.closed() && !remote.was_reset());
}

TEST(TcpClosing, TheHostEndsFirst) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.write("bye");
  remote.finish();
  bench.turn();
  bench.expect(1, 1, kAck | kPsh, "bye");
  bench.expect(4, 1, kFin | kAck);
  bench.in({.seq = 1, .ack = 5, .data = "not yet"});
  bench.expect(5, 8, kAck);
  EXPECT_EQ(remote.received, "not yet");
  bench.wait(1min);
  bench.expect_silence();
  bench.in({.seq = 8, .ack = 5, .flags = kAck | kFin});
  bench.expect(5, 9, kAck);
  EXPECT_TRUE(remote.ended() && remote.closed() && !remote.was_reset());
  EXPECT_EQ(bench.flows(), 1U) << "TIME-WAIT";
  bench.in({.seq = 8, .ack = 5, .flags = kAck | kFin});
  bench.expect(5, 9, kAck);
  bench.wait(2s);
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST(TcpClosing, TheHostsEndIsFoundByAHostThatTellsItLate) {
  Bench bench;
  bench.host.plan.frugal = true;
  TcpRemote& remote = bench.connect();
  remote.write("bye");
  remote.finish();
  bench.turn();
  EXPECT_EQ(bench.take().data, "bye");
  bench.expect(4, 1, kFin | kAck);
}

TEST(TcpClosing, BothEndAtOnce) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.finish();
  bench.turn();
  bench.expect(1, 1, kFin | kAck);
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin});  // sent before ours arrived
  bench.expect(2, 2, kAck);
  EXPECT_EQ(bench.flows(), 1U);
  bench.in({.seq = 2, .ack = 2});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 1U) << "our acknowledgment of the guest's FIN may be lost: TIME-WAIT";
  bench.in({.seq = 1, .ack = 2, .flags = kAck | kFin});
  bench.expect(2, 2, kAck);
  bench.wait(2s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.ended() && remote.closed() && !remote.was_reset());
}

TEST(TcpClosing, ALostFinIsSentAgainOnceForEachTimeout_Rfc6298) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.finish();
  bench.turn();
  bench.expect(1, 1, kFin | kAck);
  bench.wait(399ms);  // the probe, and no timeout yet
  bench.expect(1, 1, kFin | kAck);
  bench.in({.seq = 1, .ack = 1, .data = "a"});
  bench.expect(2, 2, kAck);
  bench.wait(200ms);
  bench.expect(1, 2, kFin | kAck);
  bench.in({.seq = 2, .ack = 1, .data = "b"});
  bench.expect(2, 3, kAck);
  bench.expect_silence();
  bench.in({.seq = 3, .ack = 2});
  bench.wait(30s);
  bench.expect_silence();
}

TEST(TcpClosing, AFinBehindLostDataFollowsIt) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.write(text(2000));
  remote.finish();
  bench.turn();
  EXPECT_EQ(bench.take().data.size(), 1460U);
  EXPECT_EQ(bench.take().data.size(), 540U);
  bench.expect(2001, 1, kFin | kAck);
  bench.wait(3s);
  bench.out.clear();
  bench.wait(30s);
  // Timeouts by now: all of it, in order, every time.
  ASSERT_GE(bench.out.size(), 3U);
  EXPECT_EQ(bench.take().seq, 1U);
  EXPECT_EQ(bench.take().seq, 1461U);
  bench.expect(2001, 1, kFin | kAck);
  bench.out.clear();
  bench.in({.seq = 1, .ack = 2002});
  bench.in({.seq = 1, .ack = 2002, .flags = kFin | kAck});
  bench.expect(2002, 2, kAck);
  bench.wait(2s);
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, AFinAheadOfAHoleWaits) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 4, .ack = 1, .flags = kFin | kAck, .data = "def"});
  bench.expect(1, 1, kAck);
  EXPECT_FALSE(remote.shut());
  bench.in({.seq = 1, .ack = 1, .data = "abc"});
  bench.expect(1, 8, kAck);
  EXPECT_EQ(remote.received, "abcdef");
  EXPECT_TRUE(remote.ended());
}

TEST(TcpClosing, NothingIsTakenFromBehindAFin) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kFin | kAck, .data = "abc"});
  bench.expect(1, 5, kAck);
  bench.in({.seq = 5, .ack = 1, .data = "more"});
  bench.in({.seq = 2, .ack = 1, .data = "bcXmore"});
  EXPECT_EQ(remote.received, "abc");
  for (const Line& line : bench.out) EXPECT_EQ(line.ack, 5U);
}

TEST(TcpClosing, TheHostHasRoomForTheLastBytesOnlyLater) {
  Bench bench;
  bench.host.plan.send_buffer = 2;
  bench.host.plan.read_every.reset();
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kFin | kAck, .data = "abcde"});
  bench.expect(1, 7, kAck);
  EXPECT_FALSE(remote.shut());
  for (int i = 0; i < 3; ++i) {
    remote.read();
    bench.turn();
  }
  EXPECT_EQ(remote.received, "abcde");
  EXPECT_TRUE(remote.ended());
}

TEST(TcpClosing, AResetOfTheGuestsReachesTheHost) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kRst});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset() && remote.closed());
}

TEST(TcpClosing, AResetBesideTheNextNumberIsAskedAbout_Rfc5961_3_2) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 100, .ack = 1, .flags = kRst});
  bench.expect(1, 1, kAck);
  bench.in({.seq = 101, .ack = 1, .flags = kRst});
  bench.expect_silence();  // not so often
  bench.wait(500ms);
  bench.in({.seq = 102, .ack = 1, .flags = kRst});
  bench.expect(1, 1, kAck);
  bench.in({.seq = 70'000, .ack = 1, .flags = kRst});
  bench.in({.seq = 0, .ack = 1, .flags = kRst});
  bench.expect_silence();
  EXPECT_FALSE(remote.closed());
  bench.in({.seq = 1, .flags = kRst});
  EXPECT_TRUE(remote.was_reset());
}

TEST(TcpClosing, ASynInAConnectionIsAskedAbout_Rfc5961_4) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 5000, .flags = kSyn});
  bench.expect(1, 1, kAck);
  EXPECT_FALSE(remote.closed());
  bench.in({.seq = 1, .flags = kRst});  // the guest has begun anew: this is its answer
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, AnAcknowledgmentOfWhatWasNeverSentIsAskedAbout_Rfc5961_5) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 500, .data = "evil"});
  bench.expect(1, 1, kAck);
  bench.wait(1s);
  bench.in({.seq = 1, .ack = 1U - 70'000U, .data = "evil"});
  bench.expect(1, 1, kAck);
  EXPECT_EQ(remote.received, "");
  bench.in({.seq = 1, .ack = 0, .data = "old"});
  EXPECT_EQ(remote.received, "old");
}

TEST(TcpClosing, AResetOfTheHostsReachesTheGuest) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.fail_with(HostError::reset);
  bench.turn();
  bench.expect(1, 1, kRst | kAck);
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.closed());
}

TEST(TcpClosing, WhatCameBeforeTheHostsResetIsDelivered) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.write("413 too large");
  remote.fail_with(HostError::reset);
  bench.in({.seq = 1, .ack = 1, .data = "a long question"});
  EXPECT_EQ(bench.take_stream(1), "413 too large");
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, AResetOfBothAtOnceIsOneForEach) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.fail_with(HostError::reset);
  bench.in({.seq = 1, .flags = kRst});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, ASendThatTheHostRefusesEndsTheConnection) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.fail_with(HostError::reset);
  (void)bench.host.take_events();
  bench.in({.seq = 1, .ack = 1, .data = "anybody?"});
  const Line line = bench.take();
  EXPECT_EQ(int{line.flags}, kRst | kAck);
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, ANewConnectionTakesThePlaceOfOneInTimeWait_Rfc9293_3_10_7_4) {
  Bench bench;
  TcpRemote& first = bench.connect();
  first.finish();
  bench.turn();
  bench.in({.seq = 1, .ack = 2, .flags = kFin | kAck});
  bench.out.clear();
  EXPECT_EQ(bench.flows(), 1U);
  bench.in({.seq = 1, .flags = kSyn});  // an old one
  bench.expect(2, 2, kAck);
  EXPECT_EQ(bench.host.tcp.size(), 1U);
  bench.in({.seq = 3000, .flags = kSyn});
  ASSERT_EQ(bench.host.tcp.size(), 2U);
  bench.expect(0, 3001, kSyn | kAck);
  bench.in({.seq = 3001, .ack = 1, .data = "again"});
  EXPECT_EQ(bench.remote().received, "again");
  EXPECT_EQ(bench.flows(), 1U);
  bench.wait(1min);
  EXPECT_EQ(bench.flows(), 1U) << "the first one's TIME-WAIT is no affair of its";
}

TEST(TcpClosing, AFailedConnectLeavesTheOldOneInTimeWait) {
  Bench bench;
  bench.connect().finish();
  bench.turn();
  bench.in({.seq = 1, .ack = 2, .flags = kFin | kAck});
  bench.out.clear();
  bench.host.plan.at_once = HostError::net_unreachable;
  EXPECT_TRUE(bench.in({.seq = 3000, .flags = kSyn}).has_value());
  EXPECT_EQ(bench.flows(), 1U);
  bench.wait(2s);
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpClosing, TimeWaitEndsWhateverTheGuestSends) {
  Bench bench;
  bench.connect().finish();
  bench.turn();
  bench.in({.seq = 1, .ack = 2, .flags = kFin | kAck});
  for (int i = 0; i < 30; ++i) {
    bench.in({.seq = 2, .ack = 2});
    bench.in({.seq = 2, .ack = 2, .data = "never"});
    bench.wait(100ms);
  }
  EXPECT_EQ(bench.flows(), 0U);
}

}  // namespace
}  // namespace vnet::nat::test
