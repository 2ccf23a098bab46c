// UDP and ping through the host: mappings, timers, limits, errors that come back.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

struct Datagram {
  Endpoint from;
  std::uint16_t to_port = 0;
  std::string payload;
};

class Datagrams : public testing::Test {
 protected:
  [[nodiscard]] wire::Way4 way(Ipv4Address to) const {
    return {bench.guest, bench.egress.config().mac, ip4("192.168.127.2"), to};
  }
  [[nodiscard]] wire::Way6 way6() const {
    return {bench.guest, bench.egress.config().mac, ip6("fd00:1::2"), ip6("2001:db8::7")};
  }
  std::optional<EgressRefusal> send(std::string_view payload, Ipv4Address to = ip4("203.0.113.7"),
                                    std::uint16_t port = 500, std::uint16_t from_port = 4000) {
    return bench.in_frames({wire::udp(way(to), from_port, port, as_bytes(payload))});
  }
  std::optional<EgressRefusal> ping(std::uint16_t identifier = 0x0102) {
    Bytes body{static_cast<std::uint8_t>(identifier >> 8U), static_cast<std::uint8_t>(identifier), 0, 3, 'h', 'i'};
    return bench.in_frames({wire::icmp(way(ip4("203.0.113.7")), 8, 0, body)});
  }
  DatagramRemote& socket() { return *bench.host.datagrams.back(); }
  /// The next UDP datagram that the guest got.
  Datagram take() {
    if (bench.others.empty()) return {{}, 0, "nothing"};
    const Bytes packet = bench.others.front();
    bench.others.pop_front();
    const auto read = [](const auto& ip) {
      const auto udp = UdpDatagram::parse(ip.payload()).value();
      EXPECT_TRUE(upper_checksum_ok(ip, ip_protocol::kUdp, udp.bytes()));
      return Datagram{{ip.source(), udp.source_port()}, udp.destination_port(), std::string{as_text(udp.payload())}};
    };
    return packet[0] >> 4U == 4 ? read(Ipv4Packet::parse(packet).value()) : read(Ipv6Packet::parse(packet).value());
  }
  /// The ICMP error that the guest got, with what it quotes.
  struct Error {
    Ipv4Address from;
    int type = -1;
    int code = -1;
    std::uint32_t info = 0;
    Bytes quote;
  };
  Error take_error() {
    if (bench.others.empty()) return {};
    const Bytes packet = bench.others.front();
    bench.others.pop_front();
    const auto ip = Ipv4Packet::parse(packet).value();
    EXPECT_EQ(ip.protocol(), ip_protocol::kIcmp);
    EXPECT_EQ(checksum(ip.payload()), 0);
    EXPECT_EQ(ip.destination(), ip4("192.168.127.2"));
    EXPECT_LE(ip.bytes().size(), 576U);
    const auto message = IcmpMessage::parse(ip.payload()).value();
    const ByteView rest = message.bytes().subspan(8);
    return {ip.source(), message.type(), message.code(), load_be<std::uint32_t>(message.bytes().data() + 4),
            Bytes(rest.begin(), rest.end())};
  }
  [[nodiscard]] std::size_t flows() const { return bench.egress.datagrams().size(); }
  [[nodiscard]] const DatagramCounters& counters() const { return bench.egress.datagrams().counters(); }

  Bench bench;
};

TEST_F(Datagrams, GoOutAndComeBack) {
  EXPECT_FALSE(send("ping"));
  ASSERT_EQ(socket().sent.size(), 1U);
  EXPECT_EQ(socket().sent[0].to, (Endpoint{ip4("203.0.113.7"), 500}));
  EXPECT_EQ(socket().sent[0].payload, "ping");
  EXPECT_EQ(socket().sent[0].ttl, 63);
  socket().deliver({ip4("203.0.113.7"), 500}, "pong");
  bench.turn();
  const Datagram answer = take();
  EXPECT_EQ(answer.payload, "pong");
  EXPECT_EQ(answer.from, (Endpoint{ip4("203.0.113.7"), 500}));
  EXPECT_EQ(answer.to_port, 4000);
  EXPECT_EQ(counters().to_guests, 1U);
}

TEST_F(Datagrams, OneMappingServesAllDestinations_Rfc4787_1) {
  send("a");
  send("b", ip4("198.51.100.1"), 7);
  EXPECT_EQ(bench.host.datagrams.size(), 1U);
  send("c", ip4("198.51.100.1"), 7, 4001);
  EXPECT_EQ(bench.host.datagrams.size(), 2U);
  EXPECT_EQ(flows(), 2U);
}

TEST_F(Datagrams, WhoeverReachesTheMappingReachesTheGuest_Rfc4787_8) {
  send("a");
  socket().deliver({ip4("198.51.100.99"), 9}, "stranger");
  bench.turn();
  EXPECT_EQ(take().from, (Endpoint{ip4("198.51.100.99"), 9}));
}

TEST_F(Datagrams, FromWhereNoGuestCanTalkToNothingComes) {
  send("a");
  socket().deliver({ip4("192.168.127.77"), 9}, "an address of the network's own");
  socket().deliver({ip4("127.0.0.2"), 9}, "loopback");
  bench.turn();
  bench.expect_silence();
}

TEST_F(Datagrams, WorkOverIpv6) {
  EXPECT_FALSE(bench.in_frames({wire::udp(way6(), 4000, 500, as_bytes("ping"))}));
  EXPECT_EQ(socket().sent.at(0).to, (Endpoint{ip6("2001:db8::7"), 500}));
  socket().deliver({ip6("2001:db8::7"), 500}, "pong");
  bench.turn();
  EXPECT_EQ(take().payload, "pong");
  Bytes body{1, 2, 0, 3, 'h', 'i'};
  EXPECT_FALSE(bench.in_frames({wire::icmp(way6(), 128, 0, body)}));
  EXPECT_TRUE(socket().echo);
  socket().deliver({ip6("2001:db8::7"), 0}, socket().sent.at(0).payload);
  bench.turn();
  ASSERT_EQ(bench.others.size(), 1U);
  const auto ip = Ipv6Packet::parse(bench.others.front()).value();
  EXPECT_TRUE(upper_checksum_ok(ip, ip_protocol::kIcmp6, ip.payload()));
  EXPECT_EQ(ip.payload()[0], 129);
}

TEST_F(Datagrams, TheHostAliasIsTheHostsLoopback) {
  send("a", ip4("192.168.127.254"), 53);
  EXPECT_EQ(socket().sent[0].to, (Endpoint{ip4("127.0.0.1"), 53}));
  socket().deliver({ip4("127.0.0.1"), 53}, "b");
  bench.turn();
  EXPECT_EQ(take().from, (Endpoint{ip4("192.168.127.254"), 53}));
}

TEST_F(Datagrams, AnEmptyDatagramIsOne) {
  EXPECT_FALSE(send(""));
  EXPECT_EQ(socket().sent.size(), 1U);
  socket().deliver({ip4("203.0.113.7"), 500}, "");
  bench.turn();
  EXPECT_EQ(take().payload, "");
}

TEST_F(Datagrams, ABatchGoesInOneCallInItsOrder) {
  std::vector<Bytes> frames;
  for (const std::string text : {"1", "2", "3"}) {
    frames.push_back(wire::udp(way(ip4("203.0.113.7")), 4000, 500, as_bytes(text)));
  }
  bench.in_frames(frames);
  ASSERT_EQ(socket().sent.size(), 3U);
  EXPECT_EQ(socket().sent[2].payload, "3");
}

TEST_F(Datagrams, AFlowLivesFiveMinutesFromTheGuestsLast_Rfc4787_5_6) {
  send("a");
  bench.wait(299s);
  send("b");
  bench.wait(200s);
  socket().deliver({ip4("203.0.113.7"), 500}, "inbound does not count");
  bench.wait(99s);
  EXPECT_EQ(flows(), 1U);
  bench.wait(1s);
  EXPECT_EQ(flows(), 0U);
  EXPECT_EQ(bench.host.open_sockets(), 0U);
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST_F(Datagrams, DnsAloneLivesHalfAMinuteAndPingsAMinute) {
  send("q", ip4("203.0.113.7"), 53);
  bench.wait(30s);
  EXPECT_EQ(flows(), 0U);
  send("q", ip4("203.0.113.7"), 53);
  send("other", ip4("203.0.113.7"), 54);
  bench.wait(299s);
  EXPECT_EQ(flows(), 1U);
  bench.wait(1s);
  EXPECT_FALSE(ping());
  bench.wait(59s);
  EXPECT_EQ(flows(), 1U);
  bench.wait(1s);
  EXPECT_EQ(flows(), 0U);
}

TEST_F(Datagrams, AGuestAtItsLimitLosesWhatItHasNotUsedForLongest) {
  const std::size_t limit = DatagramLimits{}.per_guest;
  for (std::size_t i = 0; i < limit; ++i) send("a", ip4("203.0.113.7"), 500, static_cast<std::uint16_t>(1000 + i));
  EXPECT_EQ(flows(), limit);
  send("again", ip4("203.0.113.7"), 500, 1000);
  send("new", ip4("203.0.113.7"), 500, 60'000);
  EXPECT_EQ(flows(), limit);
  EXPECT_EQ(counters().evicted, 1U);
  EXPECT_FALSE(bench.host.datagrams[0]->closed);
  EXPECT_TRUE(bench.host.datagrams[1]->closed);
}

TEST_F(Datagrams, TheHostWithoutSocketsIsSaidToBeProhibited_Rfc5508_8) {
  bench.host.udp_error = HostError::no_resources;
  const auto refusal = send("a");
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::egress_limit);
  EXPECT_EQ(refusal->answer->code, 13);
  EXPECT_EQ(counters().limited, 1U);
  EXPECT_EQ(flows(), 0U);
  bench.wait(1s);
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST_F(Datagrams, AHostWithoutTheFamilyIsUnreachable) {
  bench.host.udp_error = HostError::net_unreachable;
  const auto refusal = bench.in_frames({wire::udp(way6(), 4000, 500, as_bytes("ping"))});
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::no_route);
  EXPECT_EQ(refusal->answer->type, 1);
  EXPECT_EQ(refusal->answer->code, 0);
}

TEST_F(Datagrams, PingsKeepTheirIdentifier) {
  EXPECT_FALSE(ping(0xbeef));
  EXPECT_TRUE(socket().echo);
  EXPECT_EQ(socket().sent[0].payload, (std::string{"\0\3hi", 4}));
  socket().deliver({ip4("203.0.113.7"), 0}, std::string{"\0\3hi", 4});
  bench.turn();
  ASSERT_EQ(bench.others.size(), 1U);
  const auto ip = Ipv4Packet::parse(bench.others.front()).value();
  EXPECT_EQ(ip.source(), ip4("203.0.113.7"));
  EXPECT_EQ(checksum(ip.payload()), 0);
  const Bytes message(ip.payload().begin(), ip.payload().end());
  EXPECT_EQ(message[0], 0);
  EXPECT_EQ((Bytes(message.begin() + 4, message.end())), (Bytes{0xbe, 0xef, 0, 3, 'h', 'i'}));
  bench.others.clear();
  ping(0xbeef);
  EXPECT_EQ(bench.host.datagrams.size(), 1U);
  ping(0xbee0);
  EXPECT_EQ(bench.host.datagrams.size(), 2U);
}

TEST_F(Datagrams, AnErrorOfARouterIsPassedOnWithTheGuestsDatagram) {
  send("the datagram");
  DatagramError error;
  error.error = HostError::host_unreachable;
  error.to = {ip4("203.0.113.7"), 500};
  error.offender = ip4("198.51.100.254");
  error.icmp_type = 3;
  error.icmp_code = 4;
  error.icmp_info = 1280;
  socket().report(error, "the datagram");
  bench.turn();
  const Error told = take_error();
  EXPECT_EQ(told.from, ip4("198.51.100.254"));
  EXPECT_EQ(told.type, 3);
  EXPECT_EQ(told.code, 4);
  EXPECT_EQ(told.info, 1280U);
  const auto quoted = Ipv4Packet::parse(told.quote).value();
  EXPECT_EQ(quoted.source(), ip4("192.168.127.2"));
  EXPECT_EQ(quoted.destination(), ip4("203.0.113.7"));
  const auto udp = UdpDatagram::parse(quoted.payload()).value();
  EXPECT_EQ(udp.source_port(), 4000);
  EXPECT_EQ(udp.destination_port(), 500);
  EXPECT_EQ(as_text(udp.payload()), "the datagram");
  EXPECT_EQ(flows(), 1U) << "an error ends nothing (RFC 4787, REQ-12)";
  EXPECT_EQ(counters().errors, 1U);
}

TEST_F(Datagrams, AnErrorAboutTheHostAliasIsTheAliasesOwn) {
  send("a", ip4("192.168.127.254"), 9);
  DatagramError error;
  error.error = HostError::refused;
  error.to = {ip4("127.0.0.1"), 9};
  error.offender = ip4("127.0.0.1");
  error.icmp_type = 3;
  error.icmp_code = 3;
  socket().report(error, "a");
  bench.turn();
  const Error told = take_error();
  EXPECT_EQ(told.from, ip4("192.168.127.254"));
  EXPECT_EQ(told.code, 3);
  EXPECT_EQ(Ipv4Packet::parse(told.quote)->destination(), ip4("192.168.127.254"));
}

TEST_F(Datagrams, AnErrorOfAHiddenRouterOrOfTheHostIsTheGateways) {
  send("a");
  DatagramError error;
  error.error = HostError::host_unreachable;
  error.to = {ip4("203.0.113.7"), 500};
  error.offender = ip4("192.168.127.200");  // an address of the network's own
  error.icmp_type = 11;
  socket().report(error, "a");
  error.offender.reset();
  socket().report(error, "a");
  bench.turn();
  Error told = take_error();
  EXPECT_EQ(told.from, ip4("192.168.127.1"));
  EXPECT_EQ(told.type, 11);
  told = take_error();
  EXPECT_EQ(told.from, ip4("192.168.127.1"));
  EXPECT_EQ(told.type, 3);
  EXPECT_EQ(told.code, 1);
}

TEST_F(Datagrams, ALongDatagramIsQuotedInPart) {
  send(text(1400));
  DatagramError error;
  error.error = HostError::refused;
  error.to = {ip4("203.0.113.7"), 500};
  socket().report(error, text(1400));
  bench.turn();
  const Error told = take_error();
  EXPECT_EQ(told.code, 3);
  EXPECT_EQ(told.quote.size(), 576U - 28U);
}

TEST_F(Datagrams, APingsErrorQuotesThePing) {
  ping(0xbeef);
  DatagramError error;
  error.error = HostError::host_unreachable;
  error.to = {ip4("203.0.113.7"), 0};
  error.offender = ip4("198.51.100.254");
  error.icmp_type = 11;
  socket().report(error, socket().sent[0].payload);
  bench.turn();
  const Error told = take_error();
  EXPECT_EQ(told.type, 11);
  const auto quoted = Ipv4Packet::parse(told.quote).value();
  const auto echo = IcmpMessage::parse(quoted.payload()).value();
  EXPECT_EQ(echo.type(), 8);
  EXPECT_EQ(load_be<std::uint16_t>(echo.body().data()), 0xbeef);
}

TEST_F(Datagrams, ARefusedSendIsAnsweredAndTheOthersGo) {
  send("first");
  socket().refuses = HostError::net_unreachable;
  std::vector<Bytes> frames;
  for (const std::string text : {"1", "2", "3"}) {
    frames.push_back(wire::udp(way(ip4("203.0.113.7")), 4000, 500, as_bytes(text)));
  }
  bench.in_frames(frames);
  EXPECT_EQ(socket().sent.size(), 3U);
  EXPECT_EQ(counters().send_failed, 1U);
  const Error told = take_error();
  EXPECT_EQ(told.type, 3);
  EXPECT_EQ(told.code, 0);
  EXPECT_EQ(as_text(UdpDatagram::parse(Ipv4Packet::parse(told.quote)->payload())->payload()), "1");
  socket().refuses = HostError::no_resources;
  send("4");
  bench.expect_silence();  // lost, as on any wire
}

TEST_F(Datagrams, WhatComesWaitsForThePort) {
  send("a");
  bench.port_room = 0;
  for (int i = 0; i < 100; ++i) socket().deliver({ip4("203.0.113.7"), 500}, std::to_string(i));
  bench.turn();
  bench.expect_silence();
  EXPECT_GT(bench.egress.next_deadline(), bench.now);
  bench.port_room = 10;
  bench.turn();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(take().payload, std::to_string(i));
  bench.expect_silence();
}

TEST_F(Datagrams, AFlowThatEndsWhileItWaitsLeavesNothing) {
  send("a");
  bench.port_room = 0;
  socket().deliver({ip4("203.0.113.7"), 500}, "late");
  bench.wait(301s);
  EXPECT_EQ(flows(), 0U);
  bench.port_room = 10;
  bench.turn();
  bench.expect_silence();
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST_F(Datagrams, AMalformedOneIsDropped) {
  Bytes zero_port = wire::udp(way(ip4("203.0.113.7")), 4000, 0, as_bytes("x"));
  EXPECT_EQ(bench.in_frames({zero_port})->reason, DropReason::malformed);
  Bytes wrong = wire::udp(way(ip4("203.0.113.7")), 4000, 500, as_bytes("x"));
  wrong.back() ^= 1U;
  EXPECT_EQ(bench.in_frames({wrong})->reason, DropReason::bad_checksum);
  Bytes unchecked = wire::udp(way(ip4("203.0.113.7")), 4000, 500, as_bytes("x"));
  wire::set16(unchecked, 14 + 20 + 6, 0);
  EXPECT_FALSE(bench.in_frames({unchecked}));
  Bytes unchecked6 = wire::udp(way6(), 4000, 500, as_bytes("x"));
  wire::set16(unchecked6, 14 + 40 + 6, 0);
  EXPECT_EQ(bench.in_frames({unchecked6})->reason, DropReason::bad_checksum);
}

}  // namespace
}  // namespace vnet::nat::test
