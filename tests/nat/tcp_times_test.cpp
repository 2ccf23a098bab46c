// How long connections wait: idle, half-closed, stalled, with a closed window, and what keeps them.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

constexpr std::uint32_t kBeforeNext = 0;  // a keep-alive's number: one before the next

TEST(TcpTimes, KeepAlivesOfTheGuestAreAnswered_Rfc9293_3_8_4) {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 3; ++i) {
    bench.wait(75s);
    bench.in({.seq = kBeforeNext, .ack = 1});
    bench.expect(1, 1, kAck);
    bench.wait(75s);
    bench.in({.seq = kBeforeNext, .ack = 1, .data = "g"});  // with an octet of garbage
    bench.expect(1, 1, kAck);
  }
  EXPECT_EQ(bench.remote().received, "");
}

TEST(TcpTimes, TwoEndsThatDisagreeDoNotAnswerEachOtherForEver) {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 100; ++i) bench.in({.seq = 0x40000000, .ack = 1});
  EXPECT_EQ(bench.out.size(), 1U);
}

TEST(TcpTimes, AnIdleGuestIsAskedAfter124MinutesAndKeptWhenItAnswers_Rfc5382_5) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  for (int i = 0; i < 3; ++i) {
    bench.wait(7439s);
    bench.expect_silence();
    bench.wait(1s);
    bench.expect(0, 1, kAck);
    bench.in({.seq = 1, .ack = 1});
  }
  EXPECT_FALSE(remote.closed());
}

TEST(TcpTimes, OneLostAnswerDoesNotEndAnIdleConnection) {
  Bench bench;
  bench.connect();
  bench.wait(7440s + 79s);
  EXPECT_EQ(bench.out.size(), 4U);
  bench.in({.seq = 1, .ack = 1});
  bench.wait(7000s);
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(TcpTimes, AnIdleGuestThatDoesNotAnswerIsGone) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.wait(7440s + 99s);
  EXPECT_EQ(bench.flows(), 1U);
  bench.wait(1s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset());
  EXPECT_EQ(int{bench.out.back().flags}, kRst | kAck);
}

TEST(TcpTimes, AHalfClosedConnectionIsAskedAfterFourMinutes) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.finish();
  bench.turn();
  bench.in({.seq = 1, .ack = 2});
  bench.out.clear();
  bench.wait(239s);
  bench.expect_silence();
  bench.wait(1s);
  bench.expect(1, 1, kAck);
  bench.wait(100s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset());
}

TEST(TcpTimes, AGuestThatAcknowledgesNothingIsGivenUpAfter100Seconds_Rfc9293_3_8_3) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.wait(1h);
  remote.write("anybody?");
  bench.turn();
  bench.expect(1, 1, kAck | kPsh, "anybody?");
  bench.wait(99s);
  EXPECT_EQ(bench.flows(), 1U);
  EXPECT_GE(bench.out.size(), 7U);
  EXPECT_LE(bench.out.size(), 16U);
  bench.wait(1s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_EQ(int{bench.out.back().flags}, kRst | kAck);
  EXPECT_TRUE(remote.was_reset());
}

TEST(TcpTimes, AClosedWindowIsProbedAndTheAnswerKeepsTheConnection_Rfc9293_3_8_6_1) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .window = 0});
  bench.wait(1h);  // nothing to send, nothing to ask
  bench.expect_silence();
  remote.write("waiting");
  bench.turn();
  bench.expect_silence();
  std::size_t probes = 0;
  for (int second = 0; second < 600; ++second) {
    bench.wait(1s);
    probes += bench.out.size();
    if (bench.out.empty()) continue;
    for (const Line& line : bench.out) {
      EXPECT_EQ(line.seq, 0U);
      EXPECT_EQ(line.data, "");
    }
    bench.out.clear();
    bench.in({.seq = 1, .ack = 1, .window = 0});
    bench.expect_silence();
  }
  EXPECT_GE(probes, 60U);
  EXPECT_LE(probes, 70U) << "they back off to one in ten seconds";
  bench.in({.seq = 1, .ack = 1, .window = 1000});
  bench.expect(1, 1, kAck | kPsh, "waiting");
  bench.in({.seq = 1, .ack = 8});
  bench.wait(1min);
  bench.expect_silence();
}

TEST(TcpTimes, AClosedWindowThatNobodyAnswersForIsGivenUp) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .window = 0});
  bench.wait(1h);
  remote.write("waiting");
  bench.wait(99s);
  EXPECT_EQ(bench.flows(), 1U);
  bench.wait(1s);
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpTimes, ALivingGuestWithAClosedWindowIsNotGivenUpForItsFin) {
  Bench bench;
  TcpRemote& remote = bench.connect(mss_option(1460), 5);
  remote.write("12345");
  remote.finish();
  bench.turn();
  bench.expect(1, 1, kAck | kPsh, "12345");
  bench.in({.seq = 1, .ack = 6, .window = 0});
  for (int second = 0; second < 300; ++second) {
    bench.wait(1s);
    if (bench.out.empty()) continue;
    bench.out.clear();
    bench.in({.seq = 1, .ack = 6, .window = 0});  // it takes no FIN while its buffer is full
  }
  EXPECT_EQ(bench.flows(), 1U);
  bench.wait(60s);
  bench.in({.seq = 1, .ack = 7});
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(TcpTimes, TheHostsEndWakesNobodyAfterwards) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.finish();
  bench.turn();
  bench.in({.seq = 1, .ack = 2});
  bench.out.clear();
  remote.spurious();
  bench.turn();
  bench.wait(239s);
  bench.expect_silence();
}

TEST(TcpTimes, ManyShortWaitsLeaveFewTimers) {
  FlowTimers timers;
  FlowTimers::Armed armed;
  Instant now{1h};
  const FlowId id{1};
  // Data every 100 ms, each acknowledged: a deadline in a second, then in two hours.
  for (int i = 0; i < 10'000; ++i) {
    timers.set(id, now + 1s, armed, now);
    now += 100ms;
    for (auto due = timers.take_due(now); due.id != FlowId{}; due = timers.take_due(now)) {
      if (FlowTimers::is_current(due, armed)) timers.set(id, now + 2h, armed, now);
    }
    ASSERT_LE(timers.size(), 12U);
  }
}

TEST(TcpTimes, TimersAreNeverLate) {
  FlowTimers timers;
  FlowTimers::Armed armed;
  Random random{5};
  Instant now{1h};
  Instant deadline = kNever;
  for (int i = 0; i < 20'000; ++i) {
    if (random.chance(0.3)) {
      deadline = now + std::chrono::milliseconds{1 + random.below(100'000)};
      timers.set(FlowId{1}, deadline, armed, now);
    }
    ASSERT_LE(timers.next(), deadline);
    now += std::chrono::milliseconds{random.below(500)};
    for (auto due = timers.take_due(now); due.id != FlowId{}; due = timers.take_due(now)) {
      if (!FlowTimers::is_current(due, armed)) continue;
      if (deadline <= now) deadline = kNever;
      if (deadline != kNever) timers.set(FlowId{1}, deadline, armed, now);
    }
  }
}

TEST(TcpTimes, AThousandConnectionsLeaveNothingBehind) {
  Bench bench;
  for (std::uint16_t port = 40'000; port < 41'000; ++port) {
    TcpRemote& remote = bench.connect(mss_option(1460), 65'535, port);
    if (port % 2 == 0) remote.finish();
    bench.turn();
    const std::uint32_t ack = port % 2 == 0 ? 2 : 1;
    bench.in({.seq = 1, .ack = ack, .flags = kFin | kAck, .port = port});
    if (port % 2 == 1) remote.finish();
    bench.turn();
    bench.in({.seq = 2, .ack = 2, .port = port});
    bench.out.clear();
  }
  bench.wait(3s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_EQ(bench.host.open_sockets(), 0U);
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
  EXPECT_EQ(bench.shared.windows.left(), EgressShared::kWindowBytes);
  EXPECT_EQ(bench.egress.tcp().counters().opened, 1000U);
  EXPECT_EQ(bench.egress.tcp().counters().retransmitted, 0U);
}

}  // namespace
}  // namespace vnet::nat::test
