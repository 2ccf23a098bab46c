// DHCP and DNS through frames, and the names that NICs have because of them.
#include <deque>

#include "gateway_testing.hpp"
#include "tcp_model_guest.hpp"
#include "tests/dhcp/client.hpp"
#include "tests/dns/dns_testing.hpp"

namespace vnet::network::test {
namespace {

using dhcp::MessageType;
using dns::Rcode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

MessageType message_type(const dhcp::Message& message) {
  return static_cast<MessageType>(message.option(53).value()[0]);
}

class GatewayServices : public GatewayTest {
 protected:
  explicit GatewayServices(NetworkConfig config = lan()) : GatewayTest(std::move(config)) {}

  Bytes dhcp_frame(const Client& client, const dhcp::test::Packet& packet, Ipv4Address source = {}) {
    const Way4 way{client.mac, MacAddress::broadcast(), source, Ipv4Address::broadcast()};
    return udp(way, 68, 67, packet.bytes());
  }
  /// The DHCP message in the only answer.
  std::optional<dhcp::Message> exchange(Client& client, const dhcp::test::Packet& packet) {
    const auto frames = ask(client, dhcp_frame(client, packet));
    if (frames.size() != 1) return std::nullopt;
    const Answer4 answer{kept_.emplace_back(frames[0])};
    EXPECT_EQ(answer.udp().source_port(), 67);
    EXPECT_EQ(answer.udp().destination_port(), 68);
    return dhcp::Message::parse(answer.udp().payload()).value();
  }
  /// DISCOVER to ACK; `hostname` is sent with the request.
  Ipv4Address lease(Client& client, std::string_view hostname = {}) {
    const auto offer = exchange(client, dhcp::test::discover(client.mac));
    if (!offer) return {};
    auto request = dhcp::test::selecting(client.mac, offer->header().yiaddr, kGateway4);
    if (!hostname.empty()) request.option(12, hostname);
    const auto ack = exchange(client, request);
    return ack ? ack->header().yiaddr : Ipv4Address{};
  }
  Bytes query(Client& client, std::string_view name, dns::Type type) {
    const Way4 way{client.mac, lan().mac, kAlice4, kGateway4};
    const auto frames = ask(client, udp(way, 4000, 53, dns::testing::make_query(name, type)));
    if (frames.size() != 1) return {};
    const Answer4 answer{frames[0]};
    EXPECT_EQ(answer.udp().source_port(), 53);
    EXPECT_EQ(answer.udp().destination_port(), 4000);
    const ByteView bytes = answer.udp().payload();
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::string> lookup(std::string_view name, dns::Type type = dns::Type::a) {
    const Bytes reply = query(alice, name, type);
    return reply.empty() ? std::vector<std::string>{"silence"} : dns::testing::lines(reply);
  }
  Rcode rcode(std::string_view name, dns::Type type = dns::Type::a) {
    return dns::testing::rcode_of(query(alice, name, type));
  }

  Client& bob = sim.plug(mac(2));

 private:
  std::deque<Bytes> kept_;  ///< what the messages borrow from
};

TEST_F(GatewayServices, Rfc2131DiscoverOfferRequestAck) {
  const auto offer = exchange(alice, dhcp::test::discover(alice.mac));
  ASSERT_TRUE(offer);
  EXPECT_EQ(message_type(*offer), MessageType::offer);
  const Ipv4Address offered = offer->header().yiaddr;
  EXPECT_TRUE(lan().ipv4->contains(offered));
  const auto ack = exchange(alice, dhcp::test::selecting(alice.mac, offered, kGateway4));
  ASSERT_TRUE(ack);
  EXPECT_EQ(message_type(*ack), MessageType::ack);
  EXPECT_EQ(ack->header().yiaddr, offered);
  EXPECT_EQ(sim.count(EventKind::dhcp_granted), 1U);
  EXPECT_THAT(bob.take(), SizeIs(2)) << "the questions were broadcast, the answers were not";
}

TEST_F(GatewayServices, Rfc2131TheBroadcastFlagIsHonoured) {
  auto packet = dhcp::test::discover(alice.mac);
  packet.flags = 0x8000;
  const auto answers = ask(dhcp_frame(alice, packet));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(Answer4{answers[0]}.ethernet().destination().is_broadcast());
  EXPECT_TRUE(Answer4{answers[0]}.packet().destination().is_broadcast());
}

TEST_F(GatewayServices, TheLeaseOfEveryoneIsItsOwn) {
  const Ipv4Address first = lease(alice);
  const Ipv4Address second = lease(bob);
  EXPECT_FALSE(first.is_unspecified());
  EXPECT_FALSE(second.is_unspecified());
  EXPECT_NE(first, second);
}

TEST_F(GatewayServices, Rfc1035NamesOfNicsOverUdp) {
  const Ipv4Address address = lease(alice);
  EXPECT_THAT(lookup("nic-52cccccc0001.vnet"), ElementsAre("answer nic-52cccccc0001.vnet 1 30 " + address.to_string()));
  EXPECT_EQ(rcode("nobody.vnet"), Rcode::nx_domain);
  EXPECT_EQ(rcode("nic-52cccccc0002.vnet"), Rcode::nx_domain) << "bob has no address yet";
}

TEST_F(GatewayServices, Rfc1035NamesOverIpv6) {
  (void)lease(alice);
  const auto frames =
      ask(udp(to_gateway6(), 4000, 53, dns::testing::make_query("nic-52cccccc0001.vnet", dns::Type::a)));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_THAT(dns::testing::lines(Answer6{frames[0]}.udp().payload()), SizeIs(1));
  EXPECT_EQ(Answer6{frames[0]}.packet().source(), kGateway6);
}

TEST_F(GatewayServices, AGuestIsKnownByTheHostnameItSent) {
  const Ipv4Address address = lease(bob, "Bob");
  EXPECT_THAT(lookup("bob.vnet"), ElementsAre("answer bob.vnet 1 30 " + address.to_string()));
  EXPECT_THAT(lookup("nic-52cccccc0002.vnet"), SizeIs(1));
}

TEST_F(GatewayServices, Rfc1035TheReverseNameIsThatOfTheNic) {
  const Ipv4Address address = lease(bob, "bob");
  const std::uint32_t v = address.to_u32();
  const std::string reverse = std::to_string(v & 0xffU) + ".127.168.192.in-addr.arpa";
  EXPECT_THAT(lookup(reverse, dns::Type::ptr), ElementsAre("answer " + reverse + " 12 30 nic-52cccccc0002.vnet"));
}

TEST_F(GatewayServices, AHostnameCannotBeStolen) {
  const Ipv4Address address = lease(bob, "web");
  (void)lease(alice, "web");
  EXPECT_THAT(lookup("web.vnet"), ElementsAre("answer web.vnet 1 30 " + address.to_string()));
}

TEST_F(GatewayServices, ANameIsFreeAgainAfterTheLeaseIsReleased) {
  const Ipv4Address address = lease(bob, "web");
  sim.send(bob, dhcp_frame(bob, dhcp::test::release(bob.mac, address, kGateway4), address));
  EXPECT_EQ(rcode("web.vnet"), Rcode::nx_domain);
  EXPECT_EQ(rcode("nic-52cccccc0002.vnet"), Rcode::nx_domain);
  const Ipv4Address mine = lease(alice, "web");
  EXPECT_THAT(lookup("web.vnet"), ElementsAre("answer web.vnet 1 30 " + mine.to_string()));
}

TEST_F(GatewayServices, ANameGoesWhenTheLeaseExpires) {
  (void)lease(bob, "web");
  sim.pass(1h + 1s);
  (void)alice.take();
  EXPECT_EQ(rcode("web.vnet"), Rcode::nx_domain);
  EXPECT_EQ(sim.count(EventKind::dhcp_expired), 1U);
}

TEST_F(GatewayServices, ANewHostnameReplacesTheOldOne) {
  (void)lease(bob, "old");
  (void)lease(bob, "new");
  EXPECT_EQ(rcode("old.vnet"), Rcode::nx_domain);
  EXPECT_THAT(lookup("new.vnet"), SizeIs(1));
}

TEST_F(GatewayServices, AHostnameThatIsNoNameIsNoName) {
  (void)lease(bob, "..");
  (void)lease(bob, "a name with spaces");
  EXPECT_THAT(lookup("nic-52cccccc0002.vnet"), SizeIs(1));
}

TEST_F(GatewayServices, AnIpv6AddressGetsTheNameFromDuplicateAddressDetection) {
  sim.send(alice, dad(alice.mac, kAlice6));
  EXPECT_THAT(lookup("nic-52cccccc0001.vnet", dns::Type::aaaa),
              ElementsAre("answer nic-52cccccc0001.vnet 28 30 fd00:1::a11c:e"));
}

TEST_F(GatewayServices, NobodyGetsTheGatewaysIpv6AddressToItsName) {
  (void)ask(dad(alice.mac, kGateway6));
  sim.send(alice,
           neighbor_advertisement(
               {alice.mac, Ipv6Address::all_nodes().multicast_mac(), kAliceLink, Ipv6Address::all_nodes()}, kGateway6));
  EXPECT_THAT(lookup("nic-52cccccc0001.vnet", dns::Type::aaaa),
              testing::Each(testing::Not(testing::StartsWith("answer"))));
}

TEST_F(GatewayServices, AQueryThatIsNoneIsCountedAndNotAnswered) {
  expect_silence(udp(to_gateway(), 4000, 53, Bytes(5, 1)), DropReason::malformed);
}

TEST_F(GatewayServices, Rfc1122ADnsQueryFromNowhereIsNotAnswered) {
  const Way4 way{alice.mac, lan().mac, Ipv4Address{}, kGateway4};
  expect_silence(udp(way, 4000, 53, dns::testing::make_query("localhost", dns::Type::a)), DropReason::malformed);
}

TEST_F(GatewayServices, Rfc1035NothingUpstreamIsServerFailure) { EXPECT_EQ(rcode("example.com"), Rcode::serv_fail); }

TEST_F(GatewayServices, AnAnswerFromUpstreamReachesTheGuestWhoAsked) {
  dns::Server& server = sim.fabric.gateway(0).dns();
  server.set_upstreams({dns::Endpoint{ip4("192.0.2.53"), 53}});
  EXPECT_THAT(ask(udp(to_gateway(), 4000, 53, dns::testing::make_query("example.com", dns::Type::a))), IsEmpty());
  const auto queries = server.take_upstream_queries();
  ASSERT_THAT(queries, SizeIs(1));
  const Bytes reply = dns::testing::respond(queries[0].bytes, Rcode::no_error, {dns::testing::a_record("example.com")});
  sim.fabric.on_upstream(0, queries[0].handle, reply, sim.now);
  sim.flush();
  const auto frames = answers(alice);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(Answer4{frames[0]}.ethernet().destination(), alice.mac);
  EXPECT_EQ(Answer4{frames[0]}.packet().source(), kGateway4);
  EXPECT_EQ(Answer4{frames[0]}.udp().destination_port(), 4000);
  EXPECT_THAT(dns::testing::lines(Answer4{frames[0]}.udp().payload()),
              ElementsAre("answer example.com 1 300 192.0.2.1"));
  EXPECT_THAT(bob.take(), IsEmpty());
}

TEST_F(GatewayServices, Rfc7766DnsOverTcp) {
  (void)lease(bob, "bob");
  const Bytes message = dns::testing::make_query("bob.vnet", dns::Type::a);
  Bytes stream;
  put16(stream, message.size());
  put(stream, message);
  const TcpFlow flow{kAlice4, kGateway4, 40'000, 53};
  ModelGuest guest{{.text = {stream.begin(), stream.end()}, .isn = 77}, [&](const TcpHeader& header, ByteView data) {
                     Bytes storage(FrameBuilder::kHeadroom + 2000, 0xa5);
                     FrameBuilder frame{storage};
                     build_tcp(frame, flow, header, data);
                     frame.prepend_ethernet(lan().mac, alice.mac, ethertype::kIpv4);
                     const Bytes bytes{frame.bytes().begin(), frame.bytes().end()};
                     sim.at(sim.now, [this, bytes] { sim.send(alice, bytes); });
                   }};
  alice.program = [&](ByteView frame) {
    EXPECT_FALSE(find_flaw(frame));
    const auto packet = Ipv4Packet::parse(frame.subspan(14));
    if (packet && packet->protocol() == ip_protocol::kTcp) {
      guest.receive(TcpSegment::parse(packet->payload()).value(), sim.now);
    }
  };
  guest.start(sim.now);
  for (int i = 0; i < 1000 && !guest.done(); ++i) {
    sim.pass(10ms);
    guest.expire(sim.now);
  }
  EXPECT_TRUE(guest.done());
  EXPECT_FALSE(guest.reset);
  ASSERT_GT(guest.received.size(), 2U);
  const ByteView received = as_bytes(guest.received);
  EXPECT_EQ(load_be<std::uint16_t>(received.data()), received.size() - 2);
  EXPECT_THAT(dns::testing::lines(received.subspan(2)), SizeIs(1));
}

TEST_F(GatewayServices, Rfc9293ASynToAClosedPortIsReset) {
  const TcpFlow flow{kAlice4, kGateway4, 40'000, 80};
  Bytes storage(FrameBuilder::kHeadroom + 100, 0xa5);
  FrameBuilder frame{storage};
  build_tcp(frame, flow, {1000, 0, TcpSegment::kSyn, 65'535, 1460}, {});
  frame.prepend_ethernet(lan().mac, alice.mac, ethertype::kIpv4);
  const auto frames = ask({frame.bytes().begin(), frame.bytes().end()});
  ASSERT_THAT(frames, SizeIs(1));
  const Answer4 answer{frames[0]};
  const auto segment = TcpSegment::parse(answer.packet().payload()).value();
  EXPECT_TRUE(segment.has(TcpSegment::kRst));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::no_service], 1U);
}

}  // namespace
}  // namespace vnet::network::test
