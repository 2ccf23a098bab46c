// IPv6 between homes of the simulated internet: routed with a firewall, another prefix, one address for all.
#include "internet_testing.hpp"

namespace vnet::network::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Homes6 : Neighborhood {
  static nat::NatBehavior with(nat::Ipv6Way way, bool firewall = true) {
    nat::NatBehavior behavior = nat::behavior_of(nat::NatPreset::easy);
    behavior.ipv6 = way;
    behavior.firewall = firewall;
    return behavior;
  }
  void change(nat::Ipv6Way way, bool firewall = true) {
    sim.fabric.change_nat(0, with(way, firewall), "test", sim.now);
  }
  Homes6() {
    alice.ip6_own = ip6("2001:db8:1::a11c");
    bob.ip6_own = ip6("2001:db8:2::b0b");
    server.ip6_own = ip6("2001:db8:99::5");
  }
};

TEST_F(Homes6, Rfc6092AGuestIsSeenByItsOwnAddressAndOnlyWhatItAskedForComesIn) {
  alice.send6("2001:db8:99::5", 5000, 7000, "hello");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("[2001:db8:1::a11c]:5000 hello"));
  server.send6("2001:db8:1::a11c", 7000, 5000, "welcome");
  server.send6("2001:db8:1::a11c", 7001, 5000, "unasked");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("[2001:db8:99::5]:7000 welcome"));
  EXPECT_EQ(sim.fabric.internet().router(0)->drops[DropReason::nat_filtered], 1U);
}

TEST_F(Homes6, TwoBehindFirewallsMeetWhenBothHaveSent) {
  alice.send6("2001:db8:2::b0b", 5000, 6000, "first");
  bob.send6("2001:db8:1::a11c", 6000, 5000, "second");
  sim.pass(1s);
  EXPECT_THAT(bob.take(), IsEmpty());
  EXPECT_THAT(alice.take(), ElementsAre("[2001:db8:2::b0b]:6000 second"));
}

TEST_F(Homes6, WithoutAFirewallEverybodyComesIn) {
  change(nat::Ipv6Way::routed, false);
  server.send6("2001:db8:1::a11c", 7000, 5000, "unasked");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("[2001:db8:99::5]:7000 unasked"));
}

TEST_F(Homes6, Rfc6296AnotherPrefixIsSeenOutsideAndLeadsBack) {
  change(nat::Ipv6Way::nptv6);
  alice.send6("2001:db8:99::5", 5000, 7000, "hello");
  sim.pass(1s);
  ASSERT_EQ(server.received.size(), 1U);
  EXPECT_THAT(server.received[0], StartsWith("[2001:db8:ffff:"));
  const std::string seen = server.received[0].substr(1, server.received[0].find(']') - 1);
  server.send6(seen, 7000, 5000, "welcome");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("[2001:db8:99::5]:7000 welcome"));
}

TEST_F(Homes6, Nat66HasOneAddressForAll) {
  change(nat::Ipv6Way::nat66);
  alice.send6("2001:db8:99::5", 5000, 7000, "hello");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("[2001:db8:ffff::1]:5000 hello"));
  server.send6("2001:db8:ffff::1", 7000, 5000, "welcome");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("[2001:db8:99::5]:7000 welcome"));
}

TEST_F(Homes6, AHomeWhoseIpv4IsABlackholeHasIpv6) {
  sim.fabric.change_blackhole(0, {Ipv4Prefix{Ipv4Address{}, 0}}, "test", sim.now);
  alice.send("198.51.100.10", 5000, 7000, "lost");
  alice.send6("2001:db8:99::5", 5000, 7000, "found");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("[2001:db8:1::a11c]:5000 found"));
}

TEST_F(Homes6, APacketThatIsTooLargeForTheOtherNetworkIsToldOf) {
  NetworkConfig small = cloud();
  small.mtu = 1280;
  sim.fabric.reconfigure(2, small, sim.now);
  alice.send6("2001:db8:99::5", 5000, 7000, std::string(1400, 'x'));
  sim.pass(1s);
  EXPECT_THAT(server.take(), IsEmpty());
  EXPECT_THAT(alice.take(), ElementsAre("error 2 0"));
  EXPECT_EQ(sim.fabric.internet().router(2)->drops[DropReason::oversize], 1U);
}

}  // namespace
}  // namespace vnet::network::test
