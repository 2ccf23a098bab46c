// Neighbor Discovery through the gateway: who is answered and how, what is refused, and the timing of advertisements.
#include "gateway_testing.hpp"

namespace vnet::network::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kRouter = 0x80000000U;
constexpr std::uint32_t kSolicited = 0x40000000U;
constexpr std::uint32_t kOverride = 0x20000000U;

class GatewayNd : public GatewayTest {
 protected:
  GatewayNd() {
    sim.pass(1min);  // the first unsolicited advertisements are out
    (void)alice.take();
  }
  [[nodiscard]] Way6 solicit(const Ipv6Address& target) const {
    const Ipv6Address group = target.solicited_node();
    return {alice.mac, group.multicast_mac(), kAliceLink, group};
  }
  [[nodiscard]] Way6 to_routers(const Ipv6Address& source) const {
    return {alice.mac, Ipv6Address::all_routers().multicast_mac(), source, Ipv6Address::all_routers()};
  }
  static std::uint32_t flags(const Answer6& answer) { return load_be<std::uint32_t>(answer.icmp().body().data()); }
};

TEST_F(GatewayNd, Rfc4861ASolicitationForItsAddressIsAnsweredToTheAsker) {
  for (const Ipv6Address& target : {kGateway6, kGatewayLink}) {
    const auto answers = ask(neighbor_solicitation(solicit(target), target, link_layer_option(1, alice.mac)));
    ASSERT_THAT(answers, SizeIs(1));
    const Answer6 answer{answers[0]};
    EXPECT_EQ(answer.ethernet().destination(), alice.mac);
    EXPECT_EQ(answer.packet().source(), target);
    EXPECT_EQ(answer.packet().destination(), kAliceLink);
    EXPECT_EQ(int{answer.packet().hop_limit()}, 255);
    EXPECT_EQ(answer.icmp().type(), icmp6_type::kNeighborAdvertisement);
    EXPECT_EQ(flags(answer), kRouter | kSolicited | kOverride);
    EXPECT_EQ(Ipv6Address::load(answer.icmp().body().data() + 4), target);
    EXPECT_EQ(as_text(answer.icmp().body().subspan(20)), as_text(link_layer_option(2, lan().mac)));
  }
}

TEST_F(GatewayNd, Rfc4861DuplicateAddressDetectionIsAnsweredToAllNodesUnsolicited) {
  Client& bob = sim.plug(mac(2));
  const auto answers = ask(dad(alice.mac, kGateway6));
  ASSERT_THAT(answers, SizeIs(1));
  const Answer6 answer{answers[0]};
  EXPECT_EQ(answer.packet().destination(), Ipv6Address::all_nodes());
  EXPECT_EQ(answer.ethernet().destination(), Ipv6Address::all_nodes().multicast_mac());
  EXPECT_EQ(flags(answer), kRouter | kOverride);
  EXPECT_THAT(bob.take(), SizeIs(2)) << "the probe and its answer are for all";
}

TEST_F(GatewayNd, Rfc4861ASolicitationForAnotherHostIsLeftToThatHost) {
  Client& bob = sim.plug(mac(2));
  EXPECT_THAT(ask(neighbor_solicitation(solicit(ip6("fd00:1::b0b")), ip6("fd00:1::b0b"))), IsEmpty());
  EXPECT_THAT(ask(dad(alice.mac, kAlice6)), IsEmpty());
  EXPECT_THAT(bob.take(), SizeIs(2));
}

class GatewayNdRefuses : public GatewayNd {
 protected:
  /// Sent to the gateway's own MAC address, where a refusal is counted.
  void expect_refused(const Bytes& frame) {
    Bytes unicast = frame;
    std::ranges::copy(lan().mac.octets(), unicast.begin());
    expect_silence(unicast, DropReason::malformed);
  }
};

TEST_F(GatewayNdRefuses, Rfc4861AHopLimitOtherThan255) {
  for (const std::uint8_t hops : std::initializer_list<std::uint8_t>{0, 64, 254}) {
    expect_refused(neighbor_solicitation(solicit(kGateway6), kGateway6, {}, hops));
    expect_refused(router_solicitation(to_routers(kAliceLink), {}, hops));
  }
}

TEST_F(GatewayNdRefuses, Rfc4861AnOptionOfLengthZero) {
  const Bytes option{1, 0, 0, 0, 0, 0, 0, 0};
  expect_refused(neighbor_solicitation(solicit(kGateway6), kGateway6, option));
  expect_refused(router_solicitation(to_routers(kAliceLink), option));
}

TEST_F(GatewayNdRefuses, Rfc4861AnOptionThatRunsOverTheEnd) {
  expect_refused(neighbor_solicitation(solicit(kGateway6), kGateway6, Bytes{1, 2, 0, 0, 0, 0, 0, 0}));
  expect_refused(neighbor_solicitation(solicit(kGateway6), kGateway6, Bytes{1}));
}

TEST_F(GatewayNdRefuses, Rfc4861ACodeOtherThanZero) {
  Bytes body(4, 0);
  put(body, kGateway6);
  expect_refused(icmp(solicit(kGateway6), 135, 1, body));
}

TEST_F(GatewayNdRefuses, Rfc4861ATargetThatIsAMulticastGroup) {
  expect_refused(neighbor_solicitation(solicit(kGateway6), Ipv6Address::all_nodes()));
}

TEST_F(GatewayNdRefuses, Rfc4861AMessageThatIsTooShort) {
  expect_refused(icmp(solicit(kGateway6), 135, 0, Bytes(19, 0)));
}

TEST_F(GatewayNdRefuses, Rfc4861AProbeThatIsNotSentToTheSolicitedNodeGroup) {
  Way6 way = solicit(kGateway6);
  way.source = {};
  expect_refused(neighbor_solicitation({way.from, way.to, way.source, Ipv6Address::all_nodes()}, kGateway6));
  expect_refused(neighbor_solicitation(way, kGateway6, link_layer_option(1, alice.mac)));
}

TEST_F(GatewayNdRefuses, Rfc4861AnUnspecifiedSourceWithALinkLayerAddress) {
  expect_refused(router_solicitation(to_routers({}), link_layer_option(1, alice.mac)));
}

class GatewayRa : public GatewayNd {
 protected:
  /// The options of a Router Advertisement by type; an option may occur once.
  static std::map<int, Bytes> options(const Answer6& answer) {
    std::map<int, Bytes> result;
    ByteView left = answer.icmp().body().subspan(12);
    while (!left.empty()) {
      EXPECT_GE(left.size(), 8U);
      const std::size_t size = std::size_t{left[1]} * 8;
      EXPECT_TRUE(size > 0 && size <= left.size());
      EXPECT_TRUE(
          result.emplace(left[0], Bytes{left.begin(), left.begin() + static_cast<std::ptrdiff_t>(size)}).second);
      left = left.subspan(size);
    }
    return result;
  }
  /// Sends a Router Solicitation without an address, which asks for a multicast answer.
  void ask_all() { EXPECT_THAT(ask(router_solicitation(to_routers({}))), IsEmpty()); }
};

TEST_F(GatewayRa, Rfc4861ASolicitationWithASourceIsAnsweredToItAtOnce) {
  const auto answers = ask(router_solicitation(to_routers(kAliceLink), link_layer_option(1, alice.mac)));
  ASSERT_THAT(answers, SizeIs(1));
  const Answer6 answer{answers[0]};
  EXPECT_EQ(answer.ethernet().destination(), alice.mac);
  EXPECT_EQ(answer.packet().source(), kGatewayLink);
  EXPECT_EQ(answer.packet().destination(), kAliceLink);
  EXPECT_EQ(int{answer.packet().hop_limit()}, 255);
  EXPECT_EQ(answer.icmp().type(), icmp6_type::kRouterAdvertisement);
}

TEST(GatewayRaContents, Rfc4861And8106PrefixMtuNamesAndServers) {
  NetworkConfig config = lan();
  config.search = {"example.test"};
  config.mtu = 1400;
  Simulation sim{{config}};
  const Client& alice = sim.plug(mac(1));
  const Ipv6Address source = Ipv6Address::link_local(alice.mac);
  sim.send(alice, router_solicitation(
                      {alice.mac, Ipv6Address::all_routers().multicast_mac(), source, Ipv6Address::all_routers()}));
  ASSERT_THAT(alice.inbox, SizeIs(1));
  const Answer6 answer{alice.inbox[0]};
  const ByteView body = answer.icmp().body();
  EXPECT_EQ(int{body[0]}, 64) << "hop limit";
  EXPECT_EQ(int{body[1]}, 0) << "no DHCPv6: M and O clear";
  EXPECT_EQ(load_be<std::uint16_t>(body.data() + 2), 1800U) << "router lifetime, seconds";
  Bytes expected = link_layer_option(1, lan().mac);
  put(expected, Bytes{5, 1, 0, 0, 0, 0, 0x05, 0x78});
  put(expected, Bytes{3, 4, 64, 0xc0});
  put32(expected, 86'400);
  put32(expected, 14'400);
  put32(expected, 0);
  put(expected, ip6("fd00:1::"));
  put(expected, Bytes{25, 3, 0, 0});
  put32(expected, 1800);
  put(expected, ip6("fd00:1::1"));
  put(expected, Bytes{31, 4, 0, 0});
  put32(expected, 1800);
  put(expected, text_bytes(std::string_view{"\4vnet\0\7example\4test\0\0\0\0\0", 24}));
  EXPECT_EQ(Bytes(body.begin() + 12, body.end()), expected);
}

TEST(GatewayRaContents, Rfc4862OnlyA64IsOfferedForAutoconfiguration) {
  NetworkConfig config = lan();
  config.ipv6 = Ipv6Prefix::parse("fd00:1::1/80");
  Simulation sim{{config}};
  const Client& alice = sim.plug(mac(1));
  sim.run_until(sim.now);
  ASSERT_THAT(alice.inbox, SizeIs(1));
  const Answer6 answer{alice.inbox[0]};
  const ByteView body = answer.icmp().body();
  EXPECT_EQ(int{body[12 + 16 + 2]}, 80);
  EXPECT_EQ(int{body[12 + 16 + 3]}, 0x80) << "on-link, not autonomous";
}

TEST(GatewayRaContents, MoreNamesThanFitLeaveTheRestWhole) {
  NetworkConfig config = lan();
  for (int i = 0; i < 64; ++i) config.search.push_back(std::string(60, 'x') + std::to_string(i) + ".test");
  Simulation sim{{config}};
  const Client& alice = sim.plug(mac(1));
  sim.run_until(sim.now);
  ASSERT_THAT(alice.inbox, SizeIs(1));
  EXPECT_FALSE(find_flaw(alice.inbox[0], 1280));
  EXPECT_EQ(Answer6{alice.inbox[0]}.icmp().body().size(), 12U + 8 + 8 + 32 + 24);
}

TEST_F(GatewayRa, Rfc4861ASolicitationWithoutASourceIsAnsweredToAllWithinHalfASecond) {
  ask_all();
  sim.pass(500ms);
  const auto frames = answers(alice);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(Answer6{frames[0]}.packet().destination(), Ipv6Address::all_nodes());
  EXPECT_EQ(options(Answer6{frames[0]}).size(), 5U);
}

TEST_F(GatewayRa, Rfc4861TwoSolicitationsWithinASecondGetOneAnswer) {
  ask_all();
  sim.pass(100ms);
  ask_all();
  sim.pass(900ms);
  EXPECT_THAT(answers(alice), SizeIs(1));
}

TEST_F(GatewayRa, Rfc4861MulticastAdvertisementsAreThreeSecondsApart) {
  std::vector<Instant> times;
  alice.program = [&](ByteView) { times.push_back(sim.now); };
  for (int i = 0; i < 300; ++i) {
    sim.send(alice, router_solicitation(to_routers({})));
    sim.pass(100ms);
  }
  ASSERT_GE(times.size(), 9U) << "in half a minute";
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], 3s);
}

TEST_F(GatewayRa, Rfc4861UnsolicitedAdvertisementsComeEvery200To600Seconds) {
  std::vector<Instant> times;
  alice.program = [&](ByteView) { times.push_back(sim.now); };
  sim.pass(10h);
  ASSERT_GE(times.size(), 60U);
  ASSERT_LE(times.size(), 180U);
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], 200s);
    EXPECT_LE(times[i] - times[i - 1], 600s);
  }
}

TEST(GatewayRaStart, Rfc4861TheFirstAdvertisementsComeSooner) {
  Simulation sim;
  const Client& alice = sim.plug(mac(1));
  sim.pass(33s);
  EXPECT_THAT(alice.inbox, SizeIs(3));
}

}  // namespace
}  // namespace vnet::network::test
