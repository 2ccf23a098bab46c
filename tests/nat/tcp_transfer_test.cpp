// Bytes in both directions of an open connection, as timetables: acknowledgments, windows, holes, full ports, turns.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

TEST(TcpTransfer, ABatchOfSegmentsGetsOneAcknowledgment) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in_batch(
      {{.seq = 1, .ack = 1, .data = "abc"}, {.seq = 4, .ack = 1, .data = "def"}, {.seq = 7, .ack = 1, .data = "g"}});
  EXPECT_EQ(remote.received, "abcdefg");
  bench.expect(1, 8, kAck);
  bench.expect_silence();
}

TEST(TcpTransfer, AnAnswerCarriesTheAcknowledgment) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.write("answer");
  bench.in({.seq = 1, .ack = 1, .data = "question"});  // the answer is there already when the question is taken
  std::string answer;
  while (!bench.out.empty()) answer += bench.take().data;
  EXPECT_EQ(answer, "answer");
  bench.in({.seq = 9, .ack = 7});
  bench.expect_silence();
}

TEST(TcpTransfer, UrgentDataIsOrdinaryData) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kUrg, .data = "urgent"});
  bench.expect(1, 7, kAck);
  EXPECT_EQ(remote.received, "urgent");
}

TEST(TcpTransfer, TimestampsOfAGuestThatWereNotAgreedOnAreSkipped) {
  Bench bench;
  TcpRemote& remote = bench.connect(usual_options());
  bench.in({.seq = 1, .ack = 1, .data = "abc", .options = timestamps()});
  EXPECT_EQ(remote.received, "abc");
  EXPECT_TRUE(bench.take().options.empty());
}

TEST(TcpTransfer, AHoleIsToldBySack_Rfc2018_4) {
  Bench bench;
  bench.connect(usual_options());
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  Line line = bench.take();
  EXPECT_EQ(line.ack, 1U);
  const TcpOptions options = TcpOptions::parse(line.options);
  ASSERT_EQ(options.sack_count, 1U);
  EXPECT_EQ(options.sack[0], (SequenceRange{Bench::kGuestIsn + 4, Bench::kGuestIsn + 7}));
  bench.in({.seq = 1, .ack = 1, .data = "abc"});
  line = bench.take();
  EXPECT_EQ(line.ack, 7U);
  EXPECT_TRUE(line.options.empty());
  EXPECT_EQ(bench.remote().received, "abcdef");
}

TEST(TcpTransfer, WithoutSackEverySegmentBehindAHoleIsADuplicate_Rfc5681_4_2) {
  Bench bench;
  bench.connect();
  bench.in_batch({{.seq = 4, .ack = 1, .data = "d"},
                  {.seq = 5, .ack = 1, .data = "e"},
                  {.seq = 6, .ack = 1, .data = "f"},
                  {.seq = 7, .ack = 1, .data = "g"}});
  for (int i = 0; i < 3; ++i) bench.expect(1, 1, kAck);
  bench.expect_silence();
}

TEST(TcpTransfer, ASegmentWithoutAckIsDropped_Rfc9293_3_10_7_4) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .flags = 0, .data = "abc"});
  bench.expect_silence();
  EXPECT_EQ(bench.remote().received, "");
}

TEST(TcpTransfer, WhatTheHostHasNoRoomForWaitsAndTheWindowCloses) {
  Bench bench;
  bench.host.plan.send_buffer = 1000;
  bench.host.plan.read_every.reset();
  TcpRemote& remote = bench.connect();
  std::uint32_t seq = 1;
  std::uint16_t window = 65'535;
  while (window > 0) {
    const std::uint16_t size = std::min<std::uint16_t>(window, 1460);
    bench.in({.seq = seq, .ack = 1, .data = text(size, seq)});
    seq += size;
    const Line line = bench.take();
    EXPECT_EQ(line.ack, seq);
    window = line.window;
  }
  EXPECT_GE(seq, 1 + 65'535U);
  bench.in({.seq = seq, .ack = 1, .data = "x"});  // a probe
  bench.expect(1, seq, kAck);
  remote.read();
  bench.turn();
  bench.expect_silence();  // a thousand bytes are not worth a word
  remote.read();
  bench.turn();
  remote.read();
  bench.turn();
  Line update = bench.take();
  EXPECT_EQ(update.ack, seq);
  EXPECT_GE(update.window, 2920);
  for (int i = 0; i < 70; ++i) {
    remote.read();
    bench.turn();
  }
  EXPECT_TRUE(remote.received == text(seq - 1, 1));
}

TEST(TcpTransfer, DataIsSplitByTheGuestsMssAndKeptUntilItIsAcknowledged) {
  Bench bench;
  TcpRemote& remote = bench.connect(mss_option(500));
  remote.write(text(1200));
  bench.turn();
  bench.expect(1, 1, kAck, text(500));
  bench.expect(501, 1, kAck, text(500, 500));
  bench.expect(1001, 1, kAck | kPsh, text(200, 1000));
  EXPECT_EQ(remote.unacknowledged(), 1200U);
  bench.in({.seq = 1, .ack = 501});
  EXPECT_EQ(remote.unacknowledged(), 700U);
  bench.in({.seq = 1, .ack = 1201});
  EXPECT_EQ(remote.unacknowledged(), 0U);
  bench.expect_silence();
}

TEST(TcpTransfer, AGuestWithoutAnMssOptionGetsSmallSegments_Rfc9293_3_7_1) {
  Bench bench;
  TcpRemote& remote = bench.connect({});
  remote.write(text(600));
  bench.turn();
  EXPECT_EQ(bench.take().data.size(), 536U);
  Bench bench6;
  bench6.use_ipv6();
  bench6.connect({}).write(text(2000));
  bench6.turn();
  EXPECT_EQ(bench6.take().data.size(), 1220U);
}

TEST(TcpTransfer, ALostSegmentIsPeekedAtAgain) {
  Bench bench;
  TcpRemote& remote = bench.connect(usual_options(1000));
  remote.write(text(6000));
  bench.turn();
  bench.out.clear();
  const auto number = [&](std::uint32_t n) { return bench.isn() + n; };
  Bytes sack{1, 1, 5, 10};
  wire::put32(sack, number(2001));
  wire::put32(sack, number(6001));
  bench.in({.seq = 1, .ack = 1001, .options = sack});
  bench.expect(1001, 1, kAck, text(1000, 1000));
  bench.expect_silence();
  bench.in({.seq = 1, .ack = 6001});
  EXPECT_EQ(remote.unacknowledged(), 0U);
}

TEST(TcpTransfer, APeekThatFailsInTheMiddleResetsTheGuest) {
  Bench bench;
  TcpRemote& remote = bench.connect(mss_option(1000), 3000);
  remote.write(text(10'000));
  bench.turn();
  EXPECT_EQ(bench.out.size(), 3U);
  bench.out.clear();
  remote.forget_arrived();
  remote.fail_with(HostError::reset);
  (void)bench.host.take_events();
  bench.in({.seq = 1, .ack = 1001, .window = 3000});
  bench.expect(3001, 1, kRst | kAck);
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpTransfer, AFullPortParksItsConnectionsUntilItHasRoom) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.port_room = 0;
  remote.write(text(5000));
  bench.turn();
  bench.expect_silence();
  EXPECT_GT(bench.egress.next_deadline(), bench.now) << "nobody is woken before the port has room";
  bench.in({.seq = 1, .ack = 1, .data = "still heard"});
  bench.expect(1, 12, kAck);
  bench.port_room = 2;
  bench.turn();
  EXPECT_EQ(bench.take_stream(1), text(5000));
}

TEST(TcpTransfer, AConnectionThatEndsWhileItIsParkedLeavesNothing) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.port_room = 0;
  remote.write(text(5000));
  bench.turn();
  bench.in({.seq = 1, .flags = kRst});
  EXPECT_EQ(bench.flows(), 0U);
  bench.port_room = 5;
  bench.turn();
  bench.wait(2min);
  bench.expect_silence();
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST(TcpTransfer, ConnectionsTakeTurns) {
  Bench bench;
  bench.host.plan.receive_buffer = 2'000'000;
  for (std::uint16_t port = 1; port <= 4; ++port) bench.connect(mss_option(1460), 65'535, port);
  for (const auto& remote : bench.host.tcp) remote->write(text(1'000'000));
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  std::map<std::uint16_t, std::size_t> segments;
  for (const ByteView bytes : bench.egress.outbox().frames()) {
    ++segments[TcpSegment::parse(Ipv4Packet::parse(bytes.subspan(14))->payload())->destination_port()];
  }
  EXPECT_EQ(segments.size(), 4U) << "all of them in the first turn";
  bench.egress.outbox().clear();
}

TEST(TcpTransfer, TheRoomOfAPortIsSharedByItsConnections) {
  Bench bench;
  bench.port_room = 7;
  TcpRemote& first = bench.connect(mss_option(1000), 65'535, 1);
  TcpRemote& second = bench.connect(mss_option(1000), 65'535, 2);
  first.write(text(9000));
  second.write(text(9000));
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  EXPECT_EQ(bench.egress.outbox().frames().size(), 7U);
  bench.turn();
  EXPECT_EQ(bench.out.size(), 18U);
}

TEST(TcpTransfer, AConnectionMayEndInTheBatchThatTouchedIt) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  bench.in_batch(
      {{.seq = 1, .ack = 1, .data = "data"}, {.seq = 5, .flags = kRst}, {.seq = 5, .ack = 1, .data = "late"}});
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset());
  bench.out.clear();
  // A new one in the batch that ends the old one.
  TcpRemote& second = bench.connect(mss_option(1460), 65'535, 7);
  bench.in_batch({{.seq = 1, .flags = kRst, .port = 7}, {.seq = 9000, .flags = kSyn, .port = 7}});
  EXPECT_TRUE(second.closed());
  bench.out.clear();
  bench.in({.seq = 9000, .flags = kSyn, .port = 7});
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(TcpTransfer, AGuestThatIsForgottenLeavesNothing) {
  Bench bench;
  TcpRemote& remote = bench.connect();
  remote.write(text(5000));
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.forget(bench.guest);  // between an event and the end of its batch
  bench.egress.end_batch(bench.now);
  bench.wait(10min);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.closed() && remote.was_reset());
}

}  // namespace
}  // namespace vnet::nat::test
