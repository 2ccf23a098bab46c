// The server around the connections: who gets one, limits, idleness, and that nothing stays behind.
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

TEST(Rfc9293, SynToAClosedPortIsReset) {
  Bench bench;
  TcpFlow flow = bench.flow;
  flow.local_port = 80;
  EXPECT_EQ(bench.in(flow, {.seq = 0, .flags = kSyn}), TcpVerdict::no_listener);
  bench.expect(0, 1, kRst | kAck);
  EXPECT_EQ(bench.last_flow, flow);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc9293, ResetAcknowledgesEverythingThatTheSegmentOccupied) {
  Bench bench;
  TcpFlow flow = bench.flow;
  flow.local_port = 80;
  bench.in(flow, {.seq = 10, .flags = kSyn | kFin, .data = "abc"});
  bench.expect(0, 15, kRst | kAck);
  bench.in(flow, {.seq = 10, .ack = 33, .flags = kAck | kFin});
  bench.expect(33, 0, kRst);
  bench.in(flow, {.seq = 10, .flags = kRst});
  bench.expect_silence();
}

TEST(Rfc9293, ListenAnswersAStrayAckWithResetAndNothingElse) {
  Bench bench;
  bench.in({.seq = 10, .ack = 5, .data = "stray"});
  bench.expect(5, 0, kRst);
  bench.in({.seq = 10, .flags = kRst});
  bench.in({.seq = 10, .flags = kFin});
  bench.in({.seq = 10, .flags = 0, .data = "x"});
  bench.expect_silence();
  bench.in({.seq = 10, .ack = 5, .flags = kSyn | kAck});
  bench.expect(5, 0, kRst);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc9293, SynWithDataOrFinTakesTheSynOnly) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn | kFin, .data = "early"});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1, .data = "early"});
  bench.expect(1, 6, kAck);
  EXPECT_EQ(bench.handler.received, "early");
}

TEST(Rfc9293, GroupsAndPortZeroHaveNoConnections) {
  Bench bench;
  const auto refused = [&](const TcpFlow& flow) {
    EXPECT_EQ(bench.in(flow, {.flags = kSyn}), TcpVerdict::bad_endpoint);
    bench.expect_silence();
  };
  const TcpFlow good = bench.flow;
  refused({good.local, Ipv4Address{224, 0, 0, 1}, 53, 1000});
  refused({good.local, Ipv4Address::broadcast(), 53, 1000});
  refused({good.local, Ipv4Address{}, 53, 1000});
  refused({Ipv4Address{224, 0, 0, 1}, good.remote, 53, 1000});
  refused({good.local, good.remote, 53, 0});
  refused({*Ipv6Address::parse("ff02::1"), *Ipv6Address::parse("fe80::1"), 53, 1000});
}

TEST(Rfc7766, IdleConnectionIsClosedGracefully) {
  Bench bench;
  bench.connect();
  bench.wait(5s);
  bench.in({.seq = 1, .ack = 1, .data = "query"});
  bench.expect(1, 6, kAck);
  bench.wait(9999ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(1, 6, kAck | kFin);
  bench.in({.seq = 6, .ack = 2, .flags = kAck | kFin});
  EXPECT_EQ(bench.handler.closed, 1);
  bench.wait(5s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc7766, BareAcknowledgmentsDoNotKeepAConnectionAlive) {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 9; ++i) {
    bench.wait(1s);
    bench.in({.seq = 1, .ack = 1});
    bench.in({.seq = 0, .ack = 1});  // keepalive
  }
  bench.out.clear();
  bench.wait(1s);
  bench.expect(1, 1, kAck | kFin);
}

TEST(TcpServer, AConnectionWithAHoleInItsDataIsNotIdle) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  bench.out.clear();
  bench.wait(99s);
  bench.in({.seq = 1, .ack = 1, .data = "abc"});
  bench.expect(1, 4, kAck);
  EXPECT_EQ(bench.handler.received, "abc");
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  bench.expect(1, 7, kAck);
  bench.wait(10s);
  bench.expect(1, 7, kAck | kFin);
}

TEST(TcpServer, AHoleThatIsNeverFilledEndsTheConnection) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  bench.out.clear();
  bench.wait(100s);
  bench.expect(1, 1, kAck | kFin);
}

TEST(TcpServer, AGuestThatNeverFinishesInFinWait2IsReset) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.close(id, bench.now);
  bench.in({.seq = 1, .ack = 2});
  bench.out.clear();
  std::uint32_t seq = 1;
  for (int i = 0; i < 9; ++i) {
    bench.wait(1s);
    bench.in({.seq = seq++, .ack = 2, .data = "d"});
  }
  bench.out.clear();
  bench.wait(1s);
  EXPECT_EQ(int{bench.take().flags}, kRst | kAck) << "what it sends does not prolong its time";
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(TcpServer, SynFloodEvictsTheOldestHalfOpenConnection) {
  TcpServerConfig config;
  config.limits.half_open = 4;
  Bench bench{config};
  for (std::uint8_t host = 10; host < 20; ++host) {
    EXPECT_EQ(bench.in(ipv4_flow(host), {.flags = kSyn}), TcpVerdict::handled);
  }
  EXPECT_EQ(bench.server.connection_count(), 4U);
  EXPECT_EQ(bench.server.counters().evicted, 6U);
  bench.out.clear();
  bench.in(ipv4_flow(15), {.seq = 1, .ack = 1});
  bench.expect(1, 0, kRst);
  bench.in(ipv4_flow(16), {.seq = 1, .ack = 1});
  EXPECT_NE(bench.handler.opened, 0) << "a half-open connection that survived can be completed";
}

TEST(TcpServer, EstablishedConnectionsSurviveAFlood) {
  Bench bench;
  bench.connect();
  for (std::uint16_t i = 0; i < 5000; ++i) {
    bench.in(ipv4_flow(static_cast<std::uint8_t>(10 + i % 200), static_cast<std::uint16_t>(1024 + i)), {.flags = kSyn});
  }
  bench.out.clear();
  EXPECT_LE(bench.server.connection_count(), TcpLimits{}.half_open + 1);
  bench.in({.seq = 1, .ack = 1, .data = "still here"});
  EXPECT_EQ(bench.handler.received, "still here");
}

TEST(TcpServer, OneGuestCannotTakeThePlaceOfOthers) {
  TcpServerConfig config;
  config.limits.per_guest = 3;
  Bench bench{config};
  for (std::uint16_t port = 1; port <= 3; ++port) {
    bench.in(ipv4_flow(2, port), {.flags = kSyn});
    bench.in(ipv4_flow(2, port), {.seq = 1, .ack = 1});
  }
  bench.out.clear();
  EXPECT_EQ(bench.in(ipv4_flow(2, 4), {.flags = kSyn}), TcpVerdict::limited);
  bench.expect_silence();
  EXPECT_EQ(bench.in(ipv4_flow(3, 4), {.flags = kSyn}), TcpVerdict::handled);
  bench.expect(0, 1, kSyn | kAck);
}

TEST(TcpServer, AGuestAtItsLimitGivesUpItsOwnHalfOpenConnection) {
  TcpServerConfig config;
  config.limits.per_guest = 2;
  Bench bench{config};
  bench.in(ipv4_flow(3, 1), {.flags = kSyn});
  bench.in(ipv4_flow(2, 1), {.flags = kSyn});
  bench.in(ipv4_flow(2, 2), {.flags = kSyn});
  EXPECT_EQ(bench.in(ipv4_flow(2, 3), {.flags = kSyn}), TcpVerdict::handled);
  bench.out.clear();
  bench.in(ipv4_flow(3, 1), {.flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  EXPECT_EQ(bench.server.counters().accepted, 4U) << "the other guest's was still there";
}

TEST(TcpServer, TheTotalIsLimited) {
  TcpServerConfig config;
  config.limits.connections = 2;
  Bench bench{config};
  for (std::uint8_t host = 2; host < 4; ++host) {
    bench.in(ipv4_flow(host), {.flags = kSyn});
    bench.in(ipv4_flow(host), {.seq = 1, .ack = 1});
  }
  EXPECT_EQ(bench.in(ipv4_flow(9), {.flags = kSyn}), TcpVerdict::limited);
  EXPECT_EQ(bench.server.counters().limited, 1U);
}

TEST(TcpServer, TimeWaitIsBoundedAndTakesNoPlace) {
  TcpServerConfig config;
  config.limits.connections = 1;
  config.limits.time_wait = 3;
  Bench bench{config};
  for (std::uint16_t port = 1; port <= 10; ++port) {
    bench.in(ipv4_flow(2, port), {.flags = kSyn});
    bench.in(ipv4_flow(2, port), {.seq = 1, .ack = 1});
    bench.server.close(bench.handler.ids.back(), bench.now);
    bench.in(ipv4_flow(2, port), {.seq = 1, .ack = 2, .flags = kAck | kFin});
  }
  EXPECT_EQ(bench.handler.opened, 10);
  EXPECT_EQ(bench.handler.closed, 10);
  EXPECT_EQ(bench.server.connection_count(), 3U);
  bench.wait(5s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(TcpServer, NothingIsLeftAfterAnHourOfAbandonedConnections) {
  Bench bench;
  Random random{42};
  for (int second = 0; second < 3600; ++second) {
    const TcpFlow flow = ipv4_flow(static_cast<std::uint8_t>(2 + random.below(50)),
                                   static_cast<std::uint16_t>(1024 + random.below(60'000)));
    const std::size_t known = bench.handler.ids.size();
    bench.in(flow, {.flags = kSyn});
    if (random.chance(0.8)) bench.in(flow, {.seq = 1, .ack = 1});
    if (bench.handler.ids.size() > known) {
      const ConnectionId id = bench.handler.ids.back();
      if (random.chance(0.5)) bench.in(flow, {.seq = 1, .ack = 1, .data = "query"});
      if (random.chance(0.5)) (void)bench.server.send(id, {as_bytes("answer")}, bench.now);
      if (random.chance(0.3)) bench.server.close(id, bench.now);
      if (random.chance(0.3)) bench.in(flow, {.seq = 6, .ack = 7, .flags = kAck | kFin});
      if (random.chance(0.1)) bench.in(flow, {.seq = 1, .flags = kRst});
    }
    bench.out.clear();
    bench.wait(1s);
    ASSERT_LE(bench.server.connection_count(), TcpLimits{}.connections + TcpLimits{}.time_wait);
  }
  EXPECT_GT(bench.handler.opened, 2000);
  bench.wait(300s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.server.next_deadline(), kNever);
  EXPECT_EQ(bench.handler.opened, bench.handler.closed);
}

TEST(TcpServer, EarlyCallsAreHarmless) {
  Bench bench;
  bench.server.expire(bench.now);
  bench.connect();
  for (int i = 0; i < 10; ++i) bench.server.expire(bench.now);
  bench.expect_silence();
  EXPECT_EQ(bench.server.connection_count(), 1U);
}

TEST(TcpServer, CallsForAnUnknownConnectionAreIgnored) {
  Bench bench;
  constexpr ConnectionId kUnknown{99};
  EXPECT_FALSE(bench.server.send(kUnknown, {as_bytes("x")}, bench.now));
  EXPECT_EQ(bench.server.send_room(kUnknown), 0U);
  bench.server.close(kUnknown, bench.now);
  bench.server.resume(kUnknown, bench.now);
  bench.server.abort(kUnknown);
  bench.expect_silence();
}

}  // namespace
}  // namespace vnet::network::test
