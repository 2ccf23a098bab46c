// The gateway as a host: ARP, ping, the errors that it sends, and the packets that it must leave alone.
#include "gateway_testing.hpp"

namespace vnet::network::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class GatewayArp : public GatewayTest {
 protected:
  [[nodiscard]] Arp who_has(Ipv4Address target) const { return {1, alice.mac, kAlice4, {}, target}; }
};

TEST_F(GatewayArp, Rfc826AnswersForItsOwnAddress) {
  const auto answers = ask(arp(who_has(kGateway4)));
  ASSERT_THAT(answers, SizeIs(1));
  const auto frame = EthernetFrame::parse(answers[0]).value();
  EXPECT_EQ(frame.destination(), alice.mac);
  EXPECT_EQ(frame.source(), lan().mac);
  const auto reply = ArpPacket::parse(frame.payload()).value();
  EXPECT_EQ(reply.operation, ArpPacket::kReply);
  EXPECT_EQ(reply.sender_mac, lan().mac);
  EXPECT_EQ(reply.sender_ip, kGateway4);
  EXPECT_EQ(reply.target_mac, alice.mac);
  EXPECT_EQ(reply.target_ip, kAlice4);
}

TEST_F(GatewayArp, AnswersAUnicastRequestToo) { EXPECT_THAT(ask(arp(who_has(kGateway4), lan().mac)), SizeIs(1)); }

TEST_F(GatewayArp, Rfc5227DefendsItsAddressAgainstAProbe) {
  Arp probe = who_has(kGateway4);
  probe.sender_ip = {};
  EXPECT_THAT(ask(arp(probe)), SizeIs(1));
}

TEST_F(GatewayArp, LeavesEveryOtherAddressToItsOwner) {
  Client& bob = sim.plug(mac(2));
  EXPECT_THAT(ask(arp(who_has(ip4("192.168.127.101")))), IsEmpty());
  EXPECT_THAT(ask(arp(who_has(kAlice4))), IsEmpty()) << "a guest's announcement of its own lease";
  EXPECT_THAT(bob.take(), SizeIs(2)) << "the others hear the question";
}

TEST_F(GatewayArp, IgnoresRepliesAndBrokenPackets) {
  Arp reply = who_has(kGateway4);
  reply.operation = ArpPacket::kReply;
  EXPECT_THAT(ask(arp(reply)), IsEmpty());
  Bytes broken = arp(who_has(kGateway4), lan().mac);
  broken[14 + 4] = 8;
  expect_silence(broken, DropReason::malformed);
  Bytes cut = arp(who_has(kGateway4), lan().mac);
  cut.resize(14 + 27);
  expect_silence(cut, DropReason::malformed);
}

TEST_F(GatewayArp, DoesNotAnswerBehindAVlanTag) { expect_silence(tagged(arp(who_has(kGateway4))), std::nullopt); }

TEST_F(GatewayArp, WhoSpeaksOfItselfIsRemembered) {
  EXPECT_EQ(sim.fabric.guest_at(0, kAlice4), std::nullopt);
  (void)ask(arp(who_has(ip4("192.168.127.101"))));
  EXPECT_EQ(sim.fabric.guest_at(0, kAlice4), alice.mac);
  sim.fabric.detach(sim.fabric.find(alice.mac), "a test", sim.now);
  EXPECT_EQ(sim.fabric.guest_at(0, kAlice4), std::nullopt) << "it is not there";
}

TEST_F(GatewayArp, Rfc826AsksForAGuest) {
  sim.fabric.solicit(0, kAlice4, sim.now);
  sim.flush();
  const auto asked = answers(alice);
  ASSERT_THAT(asked, SizeIs(1));
  const auto frame = EthernetFrame::parse(asked[0]).value();
  EXPECT_TRUE(frame.destination().is_broadcast());
  const auto question = ArpPacket::parse(frame.payload()).value();
  EXPECT_EQ(question.operation, ArpPacket::kRequest);
  EXPECT_EQ(question.sender_ip, kGateway4);
  EXPECT_EQ(question.target_ip, kAlice4);
}

class GatewayPing : public GatewayTest {};

TEST_F(GatewayPing, Rfc792EchoesIdentifierSequenceAndData) {
  const auto answers = ask(ping(to_gateway()));
  ASSERT_THAT(answers, SizeIs(1));
  const Answer4 answer{answers[0]};
  EXPECT_EQ(answer.ethernet().destination(), alice.mac);
  EXPECT_EQ(answer.packet().source(), kGateway4);
  EXPECT_EQ(answer.packet().destination(), kAlice4);
  EXPECT_EQ(answer.icmp().type(), icmp_type::kEchoReply);
  EXPECT_EQ(as_text(answer.icmp().body()), as_text(echo_body()));
}

TEST_F(GatewayPing, Rfc4443EchoesIdentifierSequenceAndData) {
  for (const Ipv6Address& target : {kGateway6, kGatewayLink}) {
    const auto answers = ask(ping(Way6{alice.mac, lan().mac, kAlice6, target}));
    ASSERT_THAT(answers, SizeIs(1));
    const Answer6 answer{answers[0]};
    EXPECT_EQ(answer.packet().source(), target);
    EXPECT_EQ(answer.packet().destination(), kAlice6);
    EXPECT_EQ(answer.icmp().type(), icmp6_type::kEchoReply);
    EXPECT_EQ(as_text(answer.icmp().body()), as_text(echo_body()));
  }
}

TEST_F(GatewayPing, AnswersTheAllNodesAndAllRoutersGroupsFromItsLinkLocalAddress) {
  for (const Ipv6Address& group : {Ipv6Address::all_nodes(), Ipv6Address::all_routers()}) {
    const auto answers = ask(ping(Way6{alice.mac, group.multicast_mac(), kAliceLink, group}));
    ASSERT_THAT(answers, SizeIs(1));
    EXPECT_EQ(Answer6{answers[0]}.packet().source(), kGatewayLink);
  }
  const Ipv6Address other = ip6("ff02::fb");
  EXPECT_THAT(ask(ping(Way6{alice.mac, other.multicast_mac(), kAliceLink, other})), IsEmpty());
}

TEST_F(GatewayPing, TheLargestPingOfTheNetworkIsAnswered) {
  const std::string payload(1500 - 20 - 8, 'x');
  EXPECT_THAT(ask(icmp(to_gateway(), 8, 0, echo_body(payload))), SizeIs(1));
}

TEST_F(GatewayPing, AWrongChecksumIsCountedNotAnswered) {
  Bytes frame = ping(to_gateway());
  frame.back() ^= 1;
  expect_silence(frame, DropReason::bad_checksum);
  Bytes frame6 = ping(to_gateway6());
  frame6.back() ^= 1;
  expect_silence(frame6, DropReason::bad_checksum);
  Bytes header = ping(to_gateway());
  header[14 + 8] ^= 1;
  expect_silence(header, DropReason::bad_checksum);
}

TEST_F(GatewayPing, Rfc1122NobodyAnswersThoseWhoCannotBeAnswered) {
  for (const char* source :
       {"0.0.0.0", "255.255.255.255", "192.168.127.255", "224.0.0.1", "127.0.0.1", "192.168.127.1"}) {
    SCOPED_TRACE(source);
    expect_silence(ping(Way4{alice.mac, lan().mac, ip4(source), kGateway4}), DropReason::malformed);
  }
  for (const char* source : {"::", "ff02::1", "fd00:1::1"}) {
    SCOPED_TRACE(source);
    expect_silence(ping(Way6{alice.mac, lan().mac, ip6(source), kGateway6}), DropReason::malformed);
  }
  const Ipv6Address all = Ipv6Address::all_nodes();
  EXPECT_THAT(ask(ping(Way6{alice.mac, all.multicast_mac(), ip6("::"), all})), IsEmpty());
}

TEST_F(GatewayPing, ABroadcastPingIsLeftAlone) {
  expect_silence(ping(Way4{alice.mac, MacAddress::broadcast(), kAlice4, ip4("192.168.127.255")}), std::nullopt);
}

TEST_F(GatewayPing, FragmentsAreNotReassembled) {
  expect_silence(ipv4(to_gateway(), 1, Bytes(64, 1), 0x2000), DropReason::no_service);
  expect_silence(ipv6(to_gateway6(), ip_protocol::kFragment, Bytes(64, 0)), DropReason::no_service);
}

TEST_F(GatewayPing, ALyingLengthIsMalformed) {
  Bytes longer = ping(to_gateway());
  set16(longer, 14 + 2, 2000);
  expect_silence(longer, DropReason::malformed);
  Bytes longer6 = ping(to_gateway6());
  set16(longer6, 14 + 4, 2000);
  expect_silence(longer6, DropReason::malformed);
}

TEST_F(GatewayPing, PaddingBehindThePacketIsNotEchoed) {
  Bytes padded = icmp(to_gateway(), 8, 0, echo_body("x"));
  padded.resize(60, 0xa5);
  const auto answers = ask(padded);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(as_text(Answer4{answers[0]}.icmp().body()), as_text(echo_body("x")));
}

class GatewayErrors : public GatewayTest {
 protected:
  [[nodiscard]] Way4 outside() const { return {alice.mac, lan().mac, kAlice4, ip4("203.0.113.5")}; }
};

TEST_F(GatewayErrors, Rfc1122PortUnreachableQuotesThePacket) {
  const Bytes question = udp(to_gateway(), 4000, 9, text_bytes("anybody?"));
  const auto answers = ask(question);
  ASSERT_THAT(answers, SizeIs(1));
  const Answer4 answer{answers[0]};
  EXPECT_EQ(answer.icmp().type(), icmp_type::kUnreachable);
  EXPECT_EQ(int{answer.icmp().code()}, 3);
  EXPECT_EQ(as_text(answer.icmp().body().subspan(4)), as_text(ByteView{question}.subspan(14)));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::no_service], 1U);
}

TEST_F(GatewayErrors, Rfc4443PortUnreachableQuotesThePacket) {
  const Bytes question = udp(to_gateway6(), 4000, 9, text_bytes("anybody?"));
  const auto answers = ask(question);
  ASSERT_THAT(answers, SizeIs(1));
  const Answer6 answer{answers[0]};
  EXPECT_EQ(answer.icmp().type(), icmp6_type::kUnreachable);
  EXPECT_EQ(int{answer.icmp().code()}, 4);
  EXPECT_EQ(as_text(answer.icmp().body().subspan(4)), as_text(ByteView{question}.subspan(14)));
}

TEST_F(GatewayErrors, ALongPacketIsQuotedUpToTheMinimumMtu) {
  const auto v4 = ask(udp(to_gateway(), 4000, 9, Bytes(1400, 1)));
  ASSERT_THAT(v4, SizeIs(1));
  EXPECT_EQ(v4[0].size(), 14U + 576U);
  const auto v6 = ask(udp(to_gateway6(), 4000, 9, Bytes(1400, 1)));
  ASSERT_THAT(v6, SizeIs(1));
  EXPECT_EQ(v6[0].size(), 14U + 1280U);
}

TEST_F(GatewayErrors, AnAddressBeyondTheNetworkIsUnreachable) {
  const auto v4 = ask(ping(outside()));
  ASSERT_THAT(v4, SizeIs(1));
  EXPECT_EQ(Answer4{v4[0]}.icmp().type(), icmp_type::kUnreachable);
  EXPECT_EQ(int{Answer4{v4[0]}.icmp().code()}, 0);
  const auto v6 = ask(ping(Way6{alice.mac, lan().mac, kAlice6, ip6("2001:db8::1")}));
  ASSERT_THAT(v6, SizeIs(1));
  EXPECT_EQ(Answer6{v6[0]}.icmp().type(), icmp6_type::kUnreachable);
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::no_route], 2U);
}

TEST_F(GatewayErrors, AnUnknownProtocolIsUnreachable) {
  const auto answers = ask(ipv4(to_gateway(), 47, Bytes(20, 1)));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(int{Answer4{answers[0]}.icmp().code()}, 2);
}

TEST_F(GatewayErrors, Rfc1122NoErrorAboutAnErrorAFragmentOrAMulticast) {
  expect_silence(icmp(outside(), icmp_type::kUnreachable, 1, Bytes(32, 0)), DropReason::no_route);
  expect_silence(icmp(Way6{alice.mac, lan().mac, kAlice6, ip6("2001:db8::1")}, 1, 0, Bytes(48, 0), 64),
                 DropReason::no_route);
  expect_silence(ipv4(outside(), 17, Bytes(32, 0), 0x0010), DropReason::no_route);
  expect_silence(udp(Way4{alice.mac, MacAddress::from_u64(0x01005e0000fbU), kAlice4, ip4("224.0.0.251")}, 9, 9, {}),
                 std::nullopt);
}

TEST_F(GatewayErrors, Rfc1122NoErrorAboutAPacketThatCameAsALinkLayerBroadcast) {
  expect_silence(udp(Way4{alice.mac, MacAddress::broadcast(), kAlice4, kGateway4}, 4000, 9, text_bytes("x")),
                 std::nullopt);
  expect_silence(udp(Way6{alice.mac, MacAddress::broadcast(), kAlice6, kGateway6}, 4000, 9, text_bytes("x")),
                 std::nullopt);
  expect_silence(ping(Way4{alice.mac, MacAddress::broadcast(), kAlice4, ip4("203.0.113.5")}), std::nullopt);
}

TEST_F(GatewayErrors, Rfc1812ErrorsAreLimitedAndTheLimitRecovers) {
  const Bytes frame = ping(outside());
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) sent += ask(frame).size();
  EXPECT_EQ(sent, static_cast<std::size_t>(Gateway::kIcmpErrorBurst));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::rate_limited], 1000U - sent);
  EXPECT_EQ(sim.counters(alice).drops_in.total(), 1000U) << "each under one reason";
  sim.pass(100ms);
  (void)answers(alice);
  sent = 0;
  for (int i = 0; i < 1000; ++i) sent += ask(frame).size();
  EXPECT_EQ(sent, 10U) << "a hundred a second";
}

TEST_F(GatewayErrors, AnEthertypeThatIsNotOursIsNoService) {
  expect_silence(plain(lan().mac, alice.mac), DropReason::no_service);
  expect_silence(tagged(ping(to_gateway())), DropReason::no_service);
}

TEST_F(GatewayErrors, UdpWithAWrongChecksumIsCounted) {
  Bytes frame = udp(to_gateway(), 4000, 53, Bytes(20, 1));
  frame.back() ^= 1;
  expect_silence(frame, DropReason::bad_checksum);
  Bytes without = udp(to_gateway6(), 4000, 53, Bytes(20, 1));
  set16(without, 14 + 40 + 6, 0);
  expect_silence(without, DropReason::bad_checksum);
}

TEST_F(GatewayErrors, Rfc8200ExtensionHeadersAreWalkedButNotForEver) {
  Bytes options{58, 0, 1, 4, 0, 0, 0, 0};
  Bytes message = with_checksum(to_gateway6(), 58, icmp_body(128, 0, echo_body()), 2);
  Bytes payload = options;
  put(payload, message);
  EXPECT_THAT(ask(ipv6(to_gateway6(), ip_protocol::kDestinationOptions, payload)), SizeIs(1));
  Bytes chain;
  for (int i = 0; i < 9; ++i) put(chain, Bytes{60, 0, 1, 4, 0, 0, 0, 0});
  expect_silence(ipv6(to_gateway6(), ip_protocol::kDestinationOptions, chain), DropReason::malformed);
}

class GatewayWithoutIpv6 : public GatewayTest {
 protected:
  static NetworkConfig config() {
    NetworkConfig result = lan();
    result.ipv6.reset();
    return result;
  }
  GatewayWithoutIpv6() : GatewayTest(config()) {}
};

TEST_F(GatewayWithoutIpv6, SaysSoInTheCountersAndLeavesMulticastToTheGuests) {
  expect_silence(ping(to_gateway6()), DropReason::no_route);
  expect_silence(router_solicitation(
                     {alice.mac, Ipv6Address::all_routers().multicast_mac(), kAliceLink, Ipv6Address::all_routers()}),
                 std::nullopt);
  sim.pass(1h);
  EXPECT_THAT(alice.take(), IsEmpty()) << "no advertisement";
}

class GatewayWithDnsAddress : public GatewayTest {
 protected:
  static NetworkConfig config() {
    NetworkConfig result = lan();
    result.dns_ipv4 = ip4("192.168.127.53");
    result.dns_ipv6 = ip6("fd00:1::53");
    return result;
  }
  GatewayWithDnsAddress() : GatewayTest(config()) {}
};

TEST_F(GatewayWithDnsAddress, TheAddressOfDnsIsTheGatewaysToo) {
  const auto answers = ask(arp({1, alice.mac, kAlice4, {}, ip4("192.168.127.53")}));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(ArpPacket::parse(EthernetFrame::parse(answers[0])->payload())->sender_ip, ip4("192.168.127.53"));
  EXPECT_THAT(ask(ping(Way4{alice.mac, lan().mac, kAlice4, ip4("192.168.127.53")})), SizeIs(1));
  EXPECT_THAT(ask(ping(Way6{alice.mac, lan().mac, kAlice6, ip6("fd00:1::53")})), SizeIs(1));
}

TEST_F(GatewayWithDnsAddress, Rfc4861ItsNeighborSolicitationIsAnswered) {
  const Ipv6Address dns = ip6("fd00:1::53");
  const Ipv6Address group = dns.solicited_node();
  EXPECT_THAT(ask(neighbor_solicitation({alice.mac, group.multicast_mac(), kAliceLink, group}, dns)), SizeIs(1));
}

}  // namespace
}  // namespace vnet::network::test
