// A guest that is restored from a snapshot: what there was of its flows ends, and it hears that what it believes in is
// gone, although it only waits.
#include "internet_testing.hpp"
#include "packet/tcp.hpp"
#include "tests/nat/fake_host.hpp"

namespace vnet::network::test {
namespace {

using nat::test::FakeHost;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint8_t kAckOnly = TcpSegment::kAck;
constexpr std::uint8_t kSynAck = TcpSegment::kSyn | TcpSegment::kAck;
constexpr std::uint16_t kOwnPort = 40'000;
constexpr std::uint32_t kIsn = 1000;

template <typename Address>
Bytes tcp_frame(const Way<Address>& way, std::uint16_t port, const TcpHeader& header) {
  Bytes segment;
  put16(segment, kOwnPort);
  put16(segment, port);
  put32(segment, header.sequence);
  put32(segment, header.acknowledgment);
  put8(segment, 0x50);
  put8(segment, header.flags);
  put16(segment, 0xffff);
  put32(segment, 0);
  segment = with_checksum(way, 6, segment, 16);
  if constexpr (std::is_same_v<Address, Ipv4Address>) return ipv4(way, 6, segment);
  if constexpr (std::is_same_v<Address, Ipv6Address>) return ipv6(way, 6, segment);
}

struct HeardSegment {
  IpAddress from;
  std::uint16_t port = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = 0;
  std::size_t bytes = 0;
};

/// The TCP segments among some frames.
std::vector<HeardSegment> segments_in(const std::vector<Bytes>& frames) {
  std::vector<HeardSegment> heard;
  const auto hear = [&](const auto& packet) {
    if (!packet || packet->protocol() != ip_protocol::kTcp) return;
    const auto segment = TcpSegment::parse(packet->payload());
    EXPECT_TRUE(upper_checksum_ok(*packet, ip_protocol::kTcp, segment->bytes()));
    heard.push_back({packet->source(), segment->source_port(), segment->sequence(), segment->acknowledgment(),
                     segment->flags(), segment->payload().size()});
  };
  for (const Bytes& bytes : frames) {
    const auto frame = EthernetFrame::parse(bytes);
    hear(Ipv4Packet::parse(frame->payload()));
    hear(Ipv6Packet::parse(frame->payload()));
  }
  return heard;
}

NetworkConfig lan_with_egress() {
  NetworkConfig config = lan();
  config.egress = nat::EgressRules{};
  config.host_alias = ip4("192.168.127.254");
  return config;
}

class FabricRestore : public testing::Test {
 protected:
  explicit FabricRestore(std::vector<NetworkConfig> configs = {lan_with_egress()}) : sim{std::move(configs)} {
    host.plan.delay = Duration::zero();
    sim.fabric.open_egress(host);
  }
  ~FabricRestore() override { EXPECT_EQ(host.violation, ""); }

  template <typename Address>
  [[nodiscard]] Way<Address> way(std::string_view from, std::string_view to) const {
    return {alice.mac, sim.fabric.network_config(0).mac, Address::parse(from).value(), Address::parse(to).value()};
  }
  void tell_events() {
    host.expire(sim.now);
    for (const auto& [id, events] : host.take_events()) sim.fabric.on_host(id, events, sim.now);
    sim.fabric.end_host_events(sim.now);
    sim.flush();
  }
  /// Alice connects. Returns the next number that she expects.
  template <typename Address>
  std::uint32_t connect(const Way<Address>& to, std::uint16_t port) {
    sim.send(alice, tcp_frame(to, port, {.sequence = kIsn, .flags = TcpSegment::kSyn}));
    tell_events();
    const auto heard = segments_in(alice.take());
    EXPECT_THAT(heard, SizeIs(1));
    if (heard.size() != 1) return 0;
    EXPECT_EQ(heard[0].flags, kSynAck);
    sim.send(alice, tcp_frame(to, port, {kIsn + 1, heard[0].sequence + 1, kAckOnly}));
    EXPECT_THAT(segments_in(alice.take()), IsEmpty());
    return heard[0].sequence + 1;
  }
  /// What a snapshot would remember of Alice.
  [[nodiscard]] std::vector<GuestConnection> remembered() const {
    std::vector<GuestConnection> connections;
    sim.fabric.each_connection([&](const MacAddress& mac, const GuestConnection& connection) {
      if (mac == alice.mac) connections.push_back(connection);
    });
    return connections;
  }
  /// Her VM ends, and she is restored from the snapshot; her NIC is still unplugged.
  void restore(std::vector<GuestConnection> believed) {
    const l2::PortId port = alice.port;
    sim.unplug(alice);
    sim.fabric.restart_guest(port, std::move(believed), sim.now);
    sim.flush();
    alice.inbox.clear();
  }
  void plug_in() {
    sim.plug_again(alice, 0);
    sim.pass(1ms);
  }
  /// She is asked about the connection, of which she has heard `more` than was remembered, and loses it.
  template <typename Address>
  void expect_reset(const Way<Address>& to, std::uint16_t port, std::uint32_t expected, std::uint32_t more = 0) {
    const auto question = segments_in(alice.take());
    ASSERT_THAT(question, SizeIs(1));
    EXPECT_EQ(question[0].from, IpAddress{to.destination});
    EXPECT_EQ(question[0].port, port);
    EXPECT_EQ(question[0].sequence, expected - 1);
    EXPECT_EQ(question[0].bytes, 1U);
    EXPECT_EQ(question[0].flags, kAckOnly);
    sim.send(alice, tcp_frame(to, port, {kIsn + 1 + more, expected + more, kAckOnly}));
    const auto answer = segments_in(alice.take());
    ASSERT_THAT(answer, SizeIs(1));
    EXPECT_EQ(answer[0].from, IpAddress{to.destination});
    EXPECT_EQ(answer[0].flags, TcpSegment::kRst);
    EXPECT_EQ(answer[0].sequence, expected + more);
    sim.pass(60s);
    EXPECT_THAT(segments_in(alice.take()), IsEmpty()) << "she has answered";
  }

  FakeHost host;
  Simulation sim;
  Client& alice = sim.plug(mac(1), 0);
  Client& bob = sim.plug(mac(2), 0);
};

TEST_F(FabricRestore, WhatThereIsOfItsFlowsEndsAndTheWorldSeesIt) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const auto from_bob = Way4{bob.mac, to.to, ip4("192.168.127.101"), to.destination};
  connect(to, 80);
  sim.send(alice, udp(to, 4000, 53, text_bytes("q")));
  sim.send(bob, udp(from_bob, 4000, 53, text_bytes("q")));
  ASSERT_EQ(host.open_sockets(), 3U);
  restore({});
  EXPECT_TRUE(host.tcp[0]->was_reset());
  EXPECT_EQ(host.open_sockets(), 1U) << "bob's";
  EXPECT_EQ(sim.fabric.egress(0)->tcp().size(), 0U);
  plug_in();
  EXPECT_THAT(segments_in(alice.take()), IsEmpty()) << "she knows of none";
}

TEST_F(FabricRestore, AGuestThatWaitsHearsThatItsConnectionIsGone) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const std::uint32_t expected = connect(to, 80);
  const auto believed = remembered();
  EXPECT_THAT(believed, ElementsAre(GuestConnection{{to.source, kOwnPort}, {to.destination, 80}, expected, kIsn + 1}));
  restore(believed);
  sim.pass(1min);
  plug_in();
  expect_reset(to, 80, expected);
}

TEST_F(FabricRestore, ItMayBeAheadOfWhatWasRemembered) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const std::uint32_t expected = connect(to, 80);
  restore(remembered());
  plug_in();
  expect_reset(to, 80, expected, 5000);
}

TEST_F(FabricRestore, TheSameOverIpv6) {
  const auto to = way<Ipv6Address>("fd00:1::a11c:e", "2001:db8::7");
  const std::uint32_t expected = connect(to, 80);
  restore(remembered());
  plug_in();
  expect_reset(to, 80, expected);
}

TEST_F(FabricRestore, ConnectionsWithTheGatewayItself) {
  const auto to = way<Ipv4Address>("192.168.127.100", "192.168.127.1");
  const auto to6 = way<Ipv6Address>("fe80::5054:ff:fe00:1", "fd00:1::1");
  const std::uint32_t expected = connect(to, 53);
  const std::uint32_t expected6 = connect(to6, 53);
  auto believed = remembered();
  ASSERT_THAT(believed, SizeIs(2));
  restore(believed);
  EXPECT_THAT(remembered(), IsEmpty());
  std::ranges::sort(believed, {}, [](const GuestConnection& each) { return each.guest.address.index(); });
  const l2::PortId port = sim.fabric.find(alice.mac);
  sim.fabric.restart_guest(port, {believed[0]}, sim.now);
  plug_in();
  expect_reset(to, 53, expected);
  restore({believed[1]});
  plug_in();
  expect_reset(to6, 53, expected6);
}

TEST_F(FabricRestore, WhatEgressDoesNotAllowAnyMoreIsGoneToo) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const std::uint32_t expected = connect(to, 80);
  restore(remembered());
  nat::EgressRules closed;
  closed.enabled = false;
  sim.fabric.change_egress(0, closed, "test", sim.now);
  plug_in();
  const auto question = segments_in(alice.take());
  ASSERT_THAT(question, SizeIs(1));
  sim.send(alice, tcp_frame(to, 80, {kIsn + 1, expected, kAckOnly}));
  const auto answer = segments_in(alice.take());
  ASSERT_THAT(answer, SizeIs(1));
  EXPECT_EQ(answer[0].flags, TcpSegment::kRst);
  EXPECT_EQ(answer[0].sequence, expected);
}

TEST_F(FabricRestore, ALiveGuestSeesItsConnectionsReset) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const std::uint32_t expected = connect(to, 80);
  sim.fabric.restart_guest(alice.port, {}, sim.now);
  sim.flush();
  const auto heard = segments_in(alice.take());
  ASSERT_THAT(heard, SizeIs(1));
  EXPECT_TRUE((heard[0].flags & TcpSegment::kRst) != 0);
  EXPECT_EQ(heard[0].sequence, expected);
}

TEST_F(FabricRestore, ItIsAskedForAsLongAsItIsSilentAndItsLinkIsUp) {
  const GuestConnection connection{{ip4("192.168.127.100"), kOwnPort}, {ip4("203.0.113.7"), 80}, 7000, 8000};
  restore({connection});
  plug_in();
  sim.pass(200ms);
  EXPECT_THAT(segments_in(alice.take()), SizeIs(4)) << "after 0, 20, 60 and 140 ms";
  sim.set_link(alice, false);
  sim.pass(1h);
  EXPECT_THAT(segments_in(alice.take()), IsEmpty());
  sim.set_link(alice, true);
  sim.pass(1h);
  EXPECT_THAT(segments_in(alice.take()), SizeIs(StaleConnections::kRounds));
  EXPECT_THAT(segments_in(bob.take()), IsEmpty()) << "she has not sent a frame, and still it is for nobody else";
}

TEST_F(FabricRestore, AConnectionThatItHasBegunSinceIsLeftAlone) {
  const auto to = way<Ipv4Address>("192.168.127.100", "203.0.113.7");
  const GuestConnection connection{{to.source, kOwnPort}, {to.destination, 80}, 7000, 8000};
  restore({connection});
  plug_in();
  alice.inbox.clear();
  connect(to, 80);
  sim.pass(1h);
  EXPECT_THAT(segments_in(alice.take()), IsEmpty());
  EXPECT_EQ(sim.fabric.egress(0)->tcp().size(), 1U);
}

TEST_F(FabricRestore, NobodyIsAskedAboutAnothersConnections) {
  sim.send(bob, arp({ArpPacket::kRequest, bob.mac, ip4("192.168.127.101"), {}, ip4("192.168.127.1")}));
  bob.inbox.clear();
  const nat::Endpoint server{ip4("203.0.113.7"), 80};
  restore({{{ip4("192.168.127.101"), 4000}, server, 1, 1},  // bob's
           {{ip4("10.0.0.9"), 4000}, server, 1, 1},         // nobody's
           {{ip6("fd00:1::9"), 4000}, server, 1, 1},        // of two families
           {{ip6("2001:db8::9"), 4000}, {ip6("2001:db8::1"), 1}, 1, 1}});
  plug_in();
  sim.pass(1h);
  EXPECT_THAT(segments_in(alice.take()), IsEmpty());
  EXPECT_THAT(segments_in(bob.take()), IsEmpty());
}

TEST_F(FabricRestore, InAnotherNetworkItIsNotAsked) {
  const std::size_t office_number = sim.fabric.add_network(office(), sim.now);
  const l2::PortId port = alice.port;
  restore({{{ip4("192.168.127.100"), kOwnPort}, {ip4("203.0.113.7"), 80}, 1, 1}});
  NicConfig moved = sim.fabric.nic(port).config;
  moved.network = office_number;
  ASSERT_TRUE(sim.fabric.change(port, moved, "test", sim.now));
  sim.plug_again(alice);
  sim.pass(1h);
  EXPECT_THAT(segments_in(alice.take()), IsEmpty());
}

TEST_F(FabricRestore, ManyAreAskedAboutInPartsAndNotWithoutLimit) {
  std::vector<GuestConnection> many;
  for (std::uint16_t i = 0; i < 5000; ++i) {
    many.push_back({{ip4("192.168.127.100"), static_cast<std::uint16_t>(10'000 + i)}, {ip4("203.0.113.7"), 80}, 1, 1});
  }
  restore(many);
  sim.plug_again(alice);
  sim.pass(4ms);
  EXPECT_THAT(segments_in(alice.take()), SizeIs(128)) << "as many as may wait for a port";
  sim.pass(160ms);
  EXPECT_THAT(segments_in(alice.take()), SizeIs(StaleConnections::kMaxConnections - 128));
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Client& other = sim.plug(mac(100 + i));
    sim.fabric.restart_guest(other.port, many, sim.now);
    sim.flush();
  }
  sim.pass(1h);
  std::size_t asked = 0;
  for (const Client& each : sim.clients) {
    if (!segments_in(each.inbox).empty()) ++asked;
  }
  EXPECT_EQ(asked, 16U) << "65,536 in all";
}

/// A home with services and a way out behind its router.
class HomeRestore : public FabricRestore {
 protected:
  HomeRestore() : FabricRestore({home_with_egress()}) {
    sim.fabric.set_services({{"echo.test", {ip4("3.3.3.3"), ip6("2052::3")}, ServiceKind::echo}}, {}, sim.now);
  }
  static NetworkConfig home_with_egress() {
    NetworkConfig config = home(1);
    config.egress = nat::EgressRules{};
    return config;
  }
  template <typename Address>
  void check(const Way<Address>& to, std::uint16_t port) {
    const std::uint32_t expected = connect(to, port);
    const auto believed = remembered();
    EXPECT_THAT(believed,
                ElementsAre(GuestConnection{{to.source, kOwnPort}, {to.destination, port}, expected, kIsn + 1}));
    restore(believed);
    EXPECT_THAT(remembered(), IsEmpty());
    plug_in();
    expect_reset(to, port, expected);
  }
  /// The gateway hears of her, so that the router need not ask for her.
  void introduce(const char* address) {
    const Ipv4Address own = ip4(address);
    sim.send(alice, arp({ArpPacket::kRequest, alice.mac, own, {}, ip4("192.168.1.1")}));
    alice.inbox.clear();
  }
};

TEST_F(HomeRestore, AConnectionWithAServiceBehindTheRouter) {
  introduce("192.168.1.101");
  check(way<Ipv4Address>("192.168.1.101", "3.3.3.3"), 7);
}

TEST_F(HomeRestore, OneOverIpv6BehindTheFirewall) {
  const auto to_router = way<Ipv6Address>("2001:db8:1::a11c:e", "2001:db8:1::1");
  sim.send(alice, neighbor_advertisement(to_router, to_router.source, 0x60000000U));
  alice.inbox.clear();
  check(way<Ipv6Address>("2001:db8:1::a11c:e", "2052::3"), 7);
}

TEST_F(HomeRestore, TheRouterHasSeenTheEndOfWhatTheGuestDoesNotKnow) {
  introduce("192.168.1.101");
  connect(way<Ipv4Address>("192.168.1.101", "3.3.3.3"), 7);
  connect(way<Ipv4Address>("192.168.1.101", "198.51.100.7"), 80);
  const nat::Translator& router = sim.fabric.internet().router(0)->translator;
  EXPECT_EQ(router.sessions(), 2U);
  restore({});
  EXPECT_FALSE(sim.fabric.internet().router(0)->touched);
  EXPECT_THAT(sim.fabric.internet().router(0)->held, IsEmpty());
  sim.pass(router.config().behavior.tcp_transitory_timeout);
  EXPECT_EQ(router.sessions(), 0U);
}

TEST_F(HomeRestore, AConnectionWithTheWorldBehindTheRouter) {
  introduce("192.168.1.101");
  check(way<Ipv4Address>("192.168.1.101", "198.51.100.7"), 80);
}

}  // namespace
}  // namespace vnet::network::test
