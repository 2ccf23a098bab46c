// Networks are added, given another configuration and removed while the fabric runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::IsEmpty;

TEST(FabricNetworks, AnAddedNetworkIsApartFromTheOthersAndHasItsGateway) {
  Simulation sim;
  const std::size_t added = sim.fabric.add_network(office(), sim.now);
  EXPECT_EQ(added, 1U);
  EXPECT_EQ(sim.fabric.find_network("Office"), added);
  EXPECT_EQ(sim.fabric.network_count(), 2U);
  Client& alice = sim.plug(mac(1), added);
  Client& bob = sim.plug(mac(2), added);
  const Client& carol = sim.plug(mac(3));
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  EXPECT_EQ(bob.take().size(), 1U);
  EXPECT_THAT(carol.inbox, IsEmpty());
  sim.send(alice, ping({alice.mac, office().mac, ip4("10.0.0.2"), ip4("10.0.0.1")}));
  EXPECT_EQ(alice.take().size(), 1U) << "the gateway answers";
  EXPECT_EQ(sim.last(EventKind::network_added), "office  ");
}

TEST(FabricNetworks, ARemovedNetworkLeavesItsPlaceToTheNext) {
  Simulation sim{{lan(), office()}};
  Client& alice = sim.plug(mac(1), 1);
  EXPECT_FALSE(sim.fabric.remove_network(1, sim.now)) << "somebody is attached";
  sim.unplug(alice);
  EXPECT_TRUE(sim.fabric.remove_network(1, sim.now));
  EXPECT_FALSE(sim.fabric.has_network(1));
  EXPECT_EQ(sim.fabric.find_network("office"), std::nullopt);
  EXPECT_EQ(sim.fabric.find(mac(1)), l2::kNoPort);
  EXPECT_EQ(sim.plug(mac(2), 1).port, l2::kNoPort) << "its sockets lead nowhere";
  EXPECT_EQ(sim.refusal, DropReason::not_member);
  sim.fabric.on_upstream(1, 7, {}, sim.now);
  sim.fabric.on_upstream_error(1, 7, sim.now);
  sim.pass(1h);
  EXPECT_EQ(sim.fabric.add_network(office(), sim.now), 1U);
  EXPECT_NE(sim.plug(mac(2), 1).port, l2::kNoPort);
}

TEST(FabricNetworks, TheDefaultNetworkAndOneWithConfiguredNicsStay) {
  Simulation sim{{lan(), office()}, {{"alice", mac(1), 1, true}}};
  EXPECT_FALSE(sim.fabric.remove_network(Fabric::kDefaultNetwork, sim.now));
  EXPECT_FALSE(sim.fabric.remove_network(1, sim.now));
  EXPECT_NE(sim.fabric.find("alice"), l2::kNoPort);
  sim.fabric.remove(sim.fabric.find("alice"), "test", sim.now);
  EXPECT_TRUE(sim.fabric.remove_network(1, sim.now));
}

TEST(FabricNetworks, ANicShowsUpNowhereInPlaceOfANetworkThatIsGone) {
  Simulation sim{{lan(), office()}};
  Client& alice = sim.plug(mac(1), 0);
  sim.unplug(alice);
  EXPECT_TRUE(sim.fabric.remove_network(1, sim.now));
  sim.plug_again(alice, 1);
  EXPECT_EQ(alice.port, l2::kNoPort);
  EXPECT_NE(sim.fabric.find(mac(1)), l2::kNoPort) << "and stays where it was";
}

TEST(FabricReconfigure, WhatHasBeenLearnedStays) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  Client& carol = sim.plug(mac(3));
  sim.send(alice, plain(bob.mac, alice.mac));
  NetworkConfig wanted = lan("home");
  wanted.mtu = 9000;
  sim.fabric.reconfigure(0, wanted, sim.now);
  (void)carol.take();
  sim.send(bob, plain(alice.mac, bob.mac, 9000));
  EXPECT_EQ(alice.take().size(), 1U) << "a jumbo frame passes now";
  EXPECT_THAT(carol.take(), IsEmpty()) << "it was not flooded";
  EXPECT_EQ(sim.fabric.find_network("home"), 0U);
  EXPECT_EQ(sim.fabric.find_network("lan"), std::nullopt);
  EXPECT_EQ(sim.last(EventKind::network_changed), "lan  home");
}

TEST(FabricReconfigure, AGatewayWithAnotherAddressAnswersThereOnly) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  NetworkConfig wanted = lan();
  wanted.mac = MacAddress::from_u64(0x52eeeeeeee07U);
  wanted.ipv4 = Ipv4Prefix::parse("192.168.127.7/24");
  wanted.dhcp.reset();
  sim.fabric.reconfigure(0, wanted, sim.now);
  sim.send(alice, ping({alice.mac, lan().mac, ip4("192.168.127.9"), ip4("192.168.127.1")}));
  EXPECT_THAT(alice.take(), IsEmpty());
  sim.send(alice, ping({alice.mac, wanted.mac, ip4("192.168.127.9"), ip4("192.168.127.7")}));
  EXPECT_EQ(alice.take().size(), 1U);
}

TEST(FabricReconfigure, MembersAndLimitsFollowAtOnce) {
  Simulation sim;
  const Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  NetworkConfig wanted = lan();
  wanted.open = false;
  wanted.mac_limits.max_per_port = 1;
  sim.fabric.reconfigure(0, wanted, sim.now);
  EXPECT_EQ(sim.plug(mac(3)).port, l2::kNoPort);
  sim.send(alice, plain(bob.mac, alice.mac));
  sim.send(alice, plain(bob.mac, mac(10)));
  EXPECT_EQ(bob.inbox.size(), 1U);
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::too_many_macs], 1U);
}

TEST(FabricReconfigure, PortSecurityBeginsWithWhatTheNicsHaveShown) {
  Simulation sim{{lan()}, {{"alice", mac(1), 0, true, ip4("192.168.127.50")}}};
  const Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  const auto advertise = [&](const Client& from, const Ipv6Address& address) {
    const Ipv6Address all = Ipv6Address::all_nodes();
    sim.send(from, neighbor_advertisement({from.mac, all.multicast_mac(), address, all}, address));
  };
  const Ipv6Address hers = ip6("fd00:1::a11c:e");
  advertise(alice, hers);
  NetworkConfig wanted = lan();
  wanted.port_security = true;
  sim.fabric.reconfigure(0, wanted, sim.now);
  advertise(bob, hers);
  EXPECT_EQ(sim.counters(bob).drops_in[DropReason::source_foreign], 1U) << "alice was first";
  (void)bob.take();
  sim.send(alice, udp(Way4{alice.mac, bob.mac, ip4("192.168.127.50"), ip4("192.168.127.9")}, 1, 2, text_bytes("x")));
  EXPECT_EQ(bob.take().size(), 1U);
  EXPECT_THAT(sim.fabric.gateway(0).addresses_of(mac(1)).v6, testing::ElementsAre(hers));
  wanted.ipv6 = Ipv6Prefix::parse("fd00:2::1/64");
  sim.fabric.reconfigure(0, wanted, sim.now);
  EXPECT_THAT(sim.fabric.gateway(0).addresses_of(mac(1)).v6, IsEmpty()) << "not of the new prefix";
}

TEST(FabricReconfigure, AnAddressThatDoesNotSuitWaitsForANetworkThatItSuits) {
  Simulation sim{{lan()}, {{"alice", mac(1), 0, true, ip4("192.168.127.50")}}};
  const auto address = [&] { return sim.fabric.gateway(0).addresses_of(mac(1)).v4; };
  EXPECT_EQ(address(), ip4("192.168.127.50"));
  sim.fabric.reconfigure(0, office(), sim.now);
  EXPECT_EQ(address(), std::nullopt);
  EXPECT_EQ(sim.fabric.nic(sim.fabric.find("alice")).config.ip, ip4("192.168.127.50"));
  NetworkConfig without_dhcp = lan();
  without_dhcp.dhcp.reset();
  sim.fabric.reconfigure(0, without_dhcp, sim.now);
  EXPECT_EQ(address(), ip4("192.168.127.50"));
  sim.fabric.reconfigure(0, lan(), sim.now);
  EXPECT_EQ(address(), ip4("192.168.127.50"));
}

}  // namespace
}  // namespace vnet::network::test
