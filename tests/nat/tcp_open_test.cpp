// How connections begin, and how they fail to, as timetables.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

TEST(TcpOpening, AnswersTheGuestWhenTheHostIsConnected) {
  Bench bench;
  bench.host.plan.delay = 80ms;
  bench.in({.seq = 0, .flags = kSyn, .options = usual_options()});
  bench.expect_silence();
  ASSERT_EQ(bench.host.tcp.size(), 1U);
  EXPECT_EQ(bench.remote().to, (Endpoint{ip4("203.0.113.7"), 80}));
  bench.wait(79ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1});
  bench.wait(1min);
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 1U);
  EXPECT_EQ(bench.egress.tcp().counters().opened, 1U);
}

TEST(TcpOpening, OffersWhatTheGuestOfferedAndNoTimestamps) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn, .options = usual_options()});
  EXPECT_EQ(bench.take().options, mss_option(1460) + scale_option(7) + sack_permitted());
  bench.in({.seq = 0, .flags = kSyn, .options = mss_option(1460), .port = 40'001});
  EXPECT_EQ(bench.take().options, mss_option(1460));
  bench.in({.seq = 0, .flags = kSyn, .options = timestamps(), .port = 40'002});
  EXPECT_EQ(bench.take().options, mss_option(1460));
}

TEST(TcpOpening, WorksOverIpv6) {
  Bench bench;
  bench.use_ipv6();
  bench.in({.seq = 0, .flags = kSyn, .options = mss_option(1440)});
  EXPECT_EQ(bench.take().options, mss_option(1440));
  bench.in({.seq = 1, .ack = 1, .data = "hello"});
  EXPECT_EQ(bench.remote().received, "hello");
  EXPECT_EQ(bench.remote().to, (Endpoint{ip6("2001:db8::7"), 80}));
  bench.expect(1, 6, kAck);
}

TEST(TcpOpening, TakesDataInTheLastSegmentOfTheHandshake) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1, .data = "GET /"});
  EXPECT_EQ(bench.remote().received, "GET /");
  bench.expect(1, 6, kAck);
}

TEST(TcpOpening, LeavesDataInTheSynToBeSentAgain) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn, .data = "early"});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1, .data = "early"});
  EXPECT_EQ(bench.remote().received, "early");
}

TEST(TcpOpening, WaitsThroughRepetitionsOfTheSyn) {
  Bench bench;
  bench.host.plan.delay = 5s;
  for (int i = 0; i < 3; ++i) {
    bench.in({.seq = 0, .flags = kSyn});
    bench.wait(1s);
  }
  bench.expect_silence();
  bench.wait(2s);
  bench.expect(0, 1, kSyn | kAck);
  EXPECT_EQ(bench.host.tcp.size(), 1U);
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(TcpOpening, RepeatsTheSynAckForARepeatedSynAndAfterOneSecondByItself_Rfc6298) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(999ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(1999ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1, .data = "x"});
  bench.expect(1, 2, kAck);
}

TEST(TcpOpening, GivesUpOnAGuestThatFallsSilentAfterItsSyn) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.wait(31s);
  ASSERT_GE(bench.out.size(), 2U);
  EXPECT_EQ(int{bench.out.back().flags}, kRst | kAck);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(bench.remote().was_reset() && bench.remote().closed());
}

TEST(TcpOpening, AWrongAcknowledgmentOfTheSynAckGetsAReset_Rfc9293) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 77});
  bench.expect(77, 0, kRst);
  bench.in({.seq = 1, .ack = 1});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(TcpOpening, TheGuestCanTakeItsSynBack) {
  Bench bench;
  bench.host.plan.delay.reset();
  bench.in({.seq = 0, .flags = kSyn});
  bench.in({.seq = 1, .flags = kRst});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(bench.remote().closed());
}

TEST(TcpOpening, ARefusalOfTheHostsIsAReset) {
  Bench bench;
  bench.host.plan.later = HostError::refused;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kRst | kAck);
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_EQ(bench.egress.tcp().counters().refused, 1U);
  EXPECT_EQ(bench.host.open_sockets(), 0U);
}

/// The ICMP error about the guest's SYN, its quote included.
void expect_quotes_syn(Bench& bench, std::uint8_t type, std::uint8_t code) {
  ASSERT_EQ(bench.others.size(), 1U);
  const Bytes packet = bench.others.front();
  bench.others.clear();
  const auto outer = Ipv4Packet::parse(packet).value();
  EXPECT_EQ(outer.source(), ip4("192.168.127.1"));
  EXPECT_EQ(outer.destination(), ip4("192.168.127.2"));
  EXPECT_EQ(checksum(outer.payload()), 0);
  const auto message = IcmpMessage::parse(outer.payload()).value();
  EXPECT_EQ(message.type(), type);
  EXPECT_EQ(message.code(), code);
  const auto quoted = Ipv4Packet::parse(message.bytes().subspan(8)).value();
  EXPECT_EQ(quoted.source(), ip4("192.168.127.2"));
  EXPECT_EQ(quoted.destination(), ip4("203.0.113.7"));
  const auto syn = TcpSegment::parse(quoted.payload()).value();
  EXPECT_EQ(syn.source_port(), 40'000);
  EXPECT_EQ(syn.destination_port(), 80);
  EXPECT_EQ(syn.sequence(), Bench::kGuestIsn);
}

TEST(TcpOpening, AnUnreachableHostIsAnIcmpErrorThatQuotesTheSyn) {
  const std::pair<HostError, std::uint8_t> rows[] = {{HostError::host_unreachable, 1},
                                                     {HostError::net_unreachable, 0},
                                                     {HostError::timed_out, 1},
                                                     {HostError::prohibited, 13}};
  for (const auto& [error, code] : rows) {
    SCOPED_TRACE(to_string(error));
    Bench bench;
    bench.host.plan.later = error;
    bench.in({.seq = 0, .flags = kSyn});
    expect_quotes_syn(bench, 3, code);
    bench.expect_silence();
    EXPECT_EQ(bench.flows(), 0U);
  }
}

TEST(TcpOpening, AnErrorOfConnectItselfIsToldByTheGateway) {
  Bench bench;
  bench.host.plan.at_once = HostError::net_unreachable;
  const auto refusal = bench.in({.seq = 0, .flags = kSyn});
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::no_route);
  EXPECT_EQ(refusal->answer->type, 3);
  EXPECT_EQ(refusal->answer->code, 0);
  bench.host.plan.at_once = HostError::no_resources;
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn})->reason, DropReason::egress_limit);
  bench.expect(0, 1, kRst | kAck);
  EXPECT_EQ(bench.flows(), 0U);
}

TEST(TcpOpening, NobodyAnswersForHalfAMinute) {
  Bench bench;
  bench.host.plan.delay.reset();
  bench.in({.seq = 0, .flags = kSyn});
  bench.wait(30s);
  expect_quotes_syn(bench, 3, 1);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(bench.remote().closed());
}

TEST(TcpOpening, SegmentsOfNoConnectionGetAReset_Rfc9293) {
  Bench bench;
  EXPECT_EQ(bench.in({.seq = 5, .ack = 9, .data = "lost"})->reason, DropReason::no_service);
  bench.expect(9, 0, kRst);
  bench.in({.seq = 5, .flags = kFin, .data = "lost"});
  bench.expect(0, 10, kRst | kAck);
  bench.in({.seq = 5, .flags = kRst});
  bench.expect_silence();
  EXPECT_EQ(bench.egress.tcp().counters().stray, 3U);
  EXPECT_TRUE(bench.host.tcp.empty());
}

TEST(TcpOpening, ConnectionsBeyondALimitAreResetAndCounted) {
  FakeHost host;
  EgressShared shared;
  Outbox outbox;
  struct Room : GuestPorts {
    std::optional<MacAddress> locate(const IpAddress&) const override { return std::nullopt; }
    std::size_t frames(const MacAddress&, std::size_t) const override { return 100; }
  } room;
  GuestWire way{wire::mac(9), outbox, room};
  TcpFlows flows{{.key = {}, .limits = {.flows = 4, .per_guest = 3, .half_open = 3, .half_open_per_guest = 2}},
                 way,
                 shared.windows,
                 [](const TcpSplice&, HostError) {}};
  EXPECT_TRUE(flows.admit(ip4("10.0.0.2")));
  const auto open = [&](std::uint64_t id, Ipv4Address guest) {
    if (!flows.admit(guest)) return false;
    const Bytes bytes{1, 1, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, kSyn, 1, 0, 0, 0, 0, 0};
    const FlowId flow{id};
    flows.open(flow, {ip4("8.8.8.8"), guest, 80, static_cast<std::uint16_t>(id)}, wire::mac(1),
               TcpSegment::parse(bytes).value(), *host.connect(flow, {ip4("8.8.8.8"), 80}), Instant{1h});
    return true;
  };
  EXPECT_TRUE(open(1, ip4("10.0.0.2")) && open(2, ip4("10.0.0.2")));
  EXPECT_FALSE(open(3, ip4("10.0.0.2"))) << "half open, of one guest";
  EXPECT_TRUE(open(3, ip4("10.0.0.3")));
  EXPECT_FALSE(open(4, ip4("10.0.0.3"))) << "half open, of all";
  EXPECT_EQ(flows.counters().limited, 2U);
  flows.abort_if([](const TcpSplice& splice) { return splice.id() == FlowId{1}; });
  EXPECT_TRUE(open(5, ip4("10.0.0.3")));
  EXPECT_EQ(flows.size(), 3U);
  flows.abort_if([](const TcpSplice&) { return true; });
  EXPECT_EQ(flows.size(), 0U);
  EXPECT_EQ(host.open_sockets(), 0U);
  EXPECT_EQ(flows.next_deadline(), kNever);
}

}  // namespace
}  // namespace vnet::nat::test
