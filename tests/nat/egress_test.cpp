// The way out as a whole: what is refused before any socket is opened, and what another configuration ends.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

EgressRule to(std::string_view prefix) { return {*Ipv4Prefix::parse(prefix), {}, {}}; }

/// One packet to `destination` with a TTL.
std::optional<EgressRefusal> send(Bench& bench, Ipv4Address destination, std::uint8_t protocol, const Bytes& payload,
                                  std::uint8_t ttl = 64) {
  Bytes frame =
      wire::ipv4({bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), destination}, protocol, payload);
  frame[14 + 8] = ttl;
  wire::set16(frame, 14 + 10, 0);
  wire::set16(frame, 14 + 10, wire::slow_checksum(ByteView{frame}.subspan(14, 20)));
  return bench.in_frames({frame});
}

TEST(Egress, AsksThePolicyBeforeItOpensASocket) {
  EgressConfig config = Bench::lan();
  config.rules.deny.push_back(to("203.0.113.0/24"));
  Bench bench{config};
  const auto refusal = bench.in({.seq = 0, .flags = kSyn});
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::egress_denied);
  EXPECT_EQ(refusal->answer->type, 3);
  EXPECT_EQ(refusal->answer->code, 13);
  for (const char* address : {"203.0.113.9", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "192.168.127.9"}) {
    const wire::Way4 way{bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), ip4(address)};
    EXPECT_TRUE(bench.in_frames({wire::udp(way, 1, 2, as_bytes("x"))})) << address;
    EXPECT_TRUE(bench.in_frames({wire::ping(way)})) << address;
  }
  EXPECT_TRUE(bench.host.tcp.empty() && bench.host.datagrams.empty());
  const auto denied = static_cast<std::size_t>(EgressVerdict::denied);
  EXPECT_EQ(bench.egress.counters().verdicts[denied], 5U);
}

TEST(Egress, AddressesOfOurOwnNetworksAreUnreachableHosts) {
  Bench bench;
  const wire::Way4 way{bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), ip4("192.168.127.9")};
  const auto refusal = bench.in_frames({wire::udp(way, 1, 2, as_bytes("x"))});
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::no_route);
  EXPECT_EQ(refusal->answer->code, 1);
}

TEST(Egress, APacketAtTheEndOfItsLifeIsToldSo_Rfc1812_5_3_1) {
  Bench bench;
  for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
    const auto refusal = send(bench, ip4("203.0.113.7"), 17, {}, ttl);
    ASSERT_TRUE(refusal && refusal->answer);
    EXPECT_EQ(refusal->reason, DropReason::hop_limit);
    EXPECT_EQ(refusal->answer->type, 11);
  }
  EXPECT_TRUE(bench.host.datagrams.empty());
  wire::Way4 way{bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), ip4("203.0.113.7")};
  const Bytes udp = wire::with_checksum(way, 17, wire::udp_header(1, 2, as_bytes("x")), 6);
  EXPECT_FALSE(send(bench, ip4("203.0.113.7"), 17, udp, 2));
  EXPECT_EQ(bench.host.datagrams.at(0)->sent.at(0).ttl, 1);
}

TEST(Egress, OtherProtocolsAreProhibited) {
  Bench bench;
  const auto refusal = send(bench, ip4("203.0.113.7"), 47, Bytes(8));
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::no_service);
  EXPECT_EQ(refusal->answer->code, 13);
  EXPECT_EQ(send(bench, ip4("203.0.113.7"), 1, Bytes{3, 3, 0xfc, 0xfc, 0, 0, 0, 0})->reason, DropReason::no_service)
      << "an ICMP error of the guest's";
  EXPECT_EQ(send(bench, ip4("203.0.113.7"), 58, Bytes(8))->reason, DropReason::malformed);
  EXPECT_EQ(send(bench, ip4("203.0.113.7"), 6, Bytes(8))->reason, DropReason::malformed);
}

TEST(Egress, NobodyIsNoSource) {
  Bench bench;
  bench.source = Ipv4Address{};
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn})->reason, DropReason::malformed);
  bench.use_ipv6();
  bench.source = ip6("fe80::1");
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn})->reason, DropReason::no_route);
  EXPECT_TRUE(bench.host.tcp.empty());
}

TEST(Egress, TheHostAliasLeadsToTheHostsLoopback) {
  Bench bench;
  bench.destination = ip4("192.168.127.254");
  bench.connect();
  EXPECT_EQ(bench.remote().to, (Endpoint{ip4("127.0.0.1"), 80}));
}

TEST(Egress, WithoutAnAliasNothingLeadsThere) {
  EgressConfig config = Bench::lan();
  config.host_alias.reset();
  Bench bench{config};
  bench.destination = ip4("192.168.127.254");
  EXPECT_TRUE(bench.in({.seq = 0, .flags = kSyn}));
  bench.destination = ip4("127.0.0.1");
  EXPECT_TRUE(bench.in({.seq = 0, .flags = kSyn}));
  EXPECT_TRUE(bench.host.tcp.empty());
}

TEST(Egress, AnotherConfigurationEndsWhatItDoesNotAllow) {
  Bench bench;
  TcpRemote& denied = bench.connect();
  bench.destination = ip4("198.51.100.1");
  TcpRemote& allowed = bench.connect(mss_option(1460), 65'535, 41'000);
  const wire::Way4 way{bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), ip4("203.0.113.7")};
  EXPECT_FALSE(bench.in_frames({wire::udp(way, 1, 2, as_bytes("x"))}));

  EgressConfig config = Bench::lan();
  config.rules.deny.push_back(to("203.0.113.0/24"));
  bench.destination = ip4("203.0.113.7");
  bench.egress.reconfigure(config, bench);
  bench.turn();
  EXPECT_TRUE(denied.was_reset() && denied.closed());
  EXPECT_FALSE(allowed.closed());
  EXPECT_TRUE(bench.host.datagrams[0]->closed);
  bench.expect(1, 1, kRst | kAck);
  bench.expect_silence();
  bench.destination = ip4("198.51.100.1");
  bench.in({.seq = 1, .ack = 1, .data = "goes on", .port = 41'000});
  EXPECT_EQ(allowed.received, "goes on");
  EXPECT_EQ(bench.flows(), 1U);
}

TEST(Egress, AShorterIdleTimeHoldsForConnectionsThatThereAre) {
  Bench bench;
  bench.connect();
  EgressConfig config = Bench::lan();
  config.tcp_established_timeout = 10min;
  bench.egress.reconfigure(config, bench);
  bench.wait(10min + 61s);
  EXPECT_FALSE(bench.out.empty()) << "it is asked";
}

TEST(Egress, AConnectionThatIsBeingMadeEndsWithItsPermission) {
  Bench bench;
  bench.host.plan.delay.reset();
  bench.in({.seq = 0, .flags = kSyn});
  EgressConfig config = Bench::lan();
  config.rules.enabled = false;
  bench.egress.reconfigure(config, bench);
  bench.turn();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(bench.remote().closed());
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn})->reason, DropReason::egress_denied);
}

TEST(Egress, FlowsAreNumberedByTheirNetwork) {
  Bench bench;
  bench.connect();
  EXPECT_EQ(Egress::network_of(bench.remote().id), 3U);
  bench.connect(mss_option(1460), 65'535, 7);
  EXPECT_NE(bench.host.tcp[0]->id, bench.host.tcp[1]->id);
}

TEST(Egress, EventsOfFlowsThatAreGoneAreIgnored) {
  Bench bench;
  bench.connect();
  const FlowId id = bench.remote().id;
  bench.in({.seq = 1, .flags = kRst});
  bench.egress.on_host(id, {.readable = true, .writable = true, .failed = true}, bench.now);
  bench.egress.on_host(FlowId{12345}, {.readable = true}, bench.now);
  bench.egress.end_batch(bench.now);
  bench.turn();
  bench.expect_silence();
}

}  // namespace
}  // namespace vnet::nat::test
