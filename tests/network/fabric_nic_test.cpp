// NICs come and go: admission, names, moves between clients and networks, lingering, and what makes room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::IsEmpty;

TEST(FabricAdmission, AnOpenNetworkTakesAnyNicAndNamesItAfterItsAddress) {
  Simulation sim;
  const Client& client = sim.plug(mac(1));
  ASSERT_NE(client.port, l2::kNoPort);
  EXPECT_EQ(sim.fabric.nic(client.port).config.name, "nic-52cccccc0001");
  EXPECT_EQ(sim.fabric.find("nic-52cccccc0001"), client.port);
  EXPECT_EQ(sim.fabric.find(mac(1)), client.port);
  EXPECT_EQ(sim.count(EventKind::nic_added), 0U) << "events are drained with the batch";
  sim.flush();
  EXPECT_EQ(sim.count(EventKind::nic_added), 1U);
  EXPECT_EQ(sim.count(EventKind::nic_attached), 1U);
}

TEST(FabricAdmission, AClosedNetworkTakesListedNicsOnly) {
  NetworkConfig closed = lan();
  closed.open = false;
  Simulation sim{{closed}, {{"alice", mac(1), 0, true}}};
  EXPECT_NE(sim.plug(mac(1)).port, l2::kNoPort);
  EXPECT_EQ(sim.plug(mac(2)).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::not_member);
}

TEST(FabricAdmission, NobodyIsTheGatewayOrAGroup) {
  Simulation sim;
  EXPECT_EQ(sim.plug(lan().mac).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::source_gateway);
  EXPECT_EQ(sim.plug(MacAddress::broadcast()).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::source_group);
  EXPECT_EQ(sim.plug(MacAddress{}).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::source_group);
}

TEST(FabricAdmission, AConfiguredNicIsWhereItsConfigurationSays) {
  Simulation sim{{lan(), office()}, {{"alice", mac(1), 1, true}}};
  const Client& alice = sim.plug(mac(1), 0);
  EXPECT_EQ(sim.fabric.nic(alice.port).config.network, 1U);
  EXPECT_EQ(sim.fabric.nic(alice.port).config.name, "alice");
}

TEST(FabricAdmission, AConfiguredNicMayStartWithItsLinkDown) {
  Simulation sim{{lan()}, {{"alice", mac(1), 0, false}}};
  const Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_THAT(bob.inbox, IsEmpty());
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::link_down], 1U);
}

TEST(FabricMove, ADetachedNicMayShowUpInAnotherNetworkButAnAttachedOneMayNot) {
  Simulation sim{{lan(), office()}};
  Client& alice = sim.plug(mac(1), 0);
  EXPECT_EQ(sim.plug(mac(1), 1).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::not_member);
  sim.unplug(alice);
  sim.plug_again(alice, 1);
  ASSERT_NE(alice.port, l2::kNoPort);
  EXPECT_EQ(sim.fabric.nic(alice.port).config.network, 1U);
  const Client& bob = sim.plug(mac(2), 1);
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_EQ(bob.inbox.size(), 1U);
}

TEST(FabricMove, AnotherClientOfTheSameNicGetsItsFramesFromThenOn) {
  Simulation sim;
  Client& before = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  sim.send(before, plain(bob.mac, before.mac));
  Client& after = sim.plug(mac(1));
  EXPECT_EQ(before.port, l2::kNoPort);
  sim.send(bob, plain(mac(1), bob.mac));
  EXPECT_EQ(after.inbox.size(), 1U);
  EXPECT_THAT(before.inbox, IsEmpty());
}

TEST(FabricMove, TwoClientsWithOneAddressCannotTakeItFromEachOtherForEver) {
  Simulation sim;
  const Client& alice = sim.plug(mac(1));
  for (unsigned i = 0; i < Fabric::kMaxMoves; ++i) EXPECT_TRUE(sim.fabric.may_move(alice.port, sim.now));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(sim.fabric.may_move(alice.port, sim.now));
  sim.flush();
  EXPECT_EQ(sim.count(EventKind::mac_flapping), 1U) << "said once";
  EXPECT_TRUE(sim.fabric.may_move(alice.port, sim.now + Fabric::kMoveWindow));
}

TEST(FabricMove, AFreeNicMayAlwaysBeTaken) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  const l2::PortId port = alice.port;
  sim.unplug(alice);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(sim.fabric.may_move(port, sim.now));
}

TEST(FabricDetach, FramesForADetachedNicAreFloodedLikeThoseForAStranger) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  Client& carol = sim.plug(mac(3));
  sim.send(alice, plain(bob.mac, alice.mac));
  sim.unplug(alice);
  carol.inbox.clear();
  sim.send(bob, plain(mac(1), bob.mac));
  EXPECT_EQ(carol.take().size(), 1U);
}

TEST(FabricDetach, DetachingTwiceIsReportedOnce) {
  Simulation sim;
  const Client& alice = sim.plug(mac(1));
  sim.fabric.detach(alice.port, "gone", sim.now);
  sim.fabric.detach(alice.port, "gone", sim.now);
  sim.flush();
  EXPECT_EQ(sim.count(EventKind::nic_detached), 1U);
}

TEST(FabricLinger, AnUnconfiguredNicIsForgotten300SecondsAfterItLeft) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  sim.unplug(alice);
  sim.pass(Fabric::kLinger - 1s);
  EXPECT_NE(sim.fabric.find(mac(1)), l2::kNoPort);
  sim.pass(1s);
  EXPECT_EQ(sim.fabric.find(mac(1)), l2::kNoPort);
  sim.flush();
  EXPECT_EQ(sim.count(EventKind::nic_removed), 1U);
}

TEST(FabricLinger, ANicThatComesBackInTimeKeepsItsPortAndItsCounters) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  const l2::PortId port = alice.port;
  sim.send(alice, plain(mac(9), alice.mac));
  sim.unplug(alice);
  sim.pass(Fabric::kLinger - 1s);
  sim.plug_again(alice);
  EXPECT_EQ(alice.port, port);
  EXPECT_EQ(sim.counters(alice).frames_in, 1U);
  sim.pass(1h);
  EXPECT_EQ(sim.fabric.find(mac(1)), port) << "an attached NIC does not linger";
}

TEST(FabricLinger, EachNicLingersOnItsOwn) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  sim.unplug(alice);
  sim.pass(100s);
  sim.unplug(bob);
  sim.pass(200s);
  EXPECT_EQ(sim.fabric.find(mac(1)), l2::kNoPort);
  EXPECT_NE(sim.fabric.find(mac(2)), l2::kNoPort);
  sim.pass(100s);
  EXPECT_EQ(sim.fabric.find(mac(2)), l2::kNoPort);
}

TEST(FabricLinger, AConfiguredNicStays) {
  Simulation sim{{lan()}, {{"alice", mac(1), 0, true}}};
  Client& alice = sim.plug(mac(1));
  sim.unplug(alice);
  sim.pass(24h);
  EXPECT_NE(sim.fabric.find("alice"), l2::kNoPort);
}

TEST(FabricLinger, AFreedPortServesTheNextNicWithoutALegacy) {
  Simulation sim;
  Client& alice = sim.plug(mac(1));
  const l2::PortId port = alice.port;
  sim.send(alice, Bytes(3, 0));
  sim.unplug(alice);
  sim.pass(Fabric::kLinger);
  const Client& bob = sim.plug(mac(2));
  EXPECT_EQ(bob.port, port);
  EXPECT_EQ(sim.counters(bob).drops_in.total(), 0U);
  EXPECT_TRUE(sim.fabric.nic(bob.port).config.link_up);
}

TEST(FabricLimit, TheNicThatIsGoneForLongestMakesRoom) {
  Simulation sim;
  for (std::uint64_t i = 0; i < Fabric::kMaxNics; ++i) ASSERT_NE(sim.plug(mac(i)).port, l2::kNoPort);
  EXPECT_EQ(sim.plug(mac(60'000)).port, l2::kNoPort);
  EXPECT_EQ(sim.refusal, DropReason::too_many_nics);
  sim.unplug(sim.clients[7]);
  sim.pass(1s);
  sim.unplug(sim.clients[5]);
  sim.pass(1s);
  EXPECT_NE(sim.plug(mac(60'000)).port, l2::kNoPort);
  EXPECT_EQ(sim.fabric.find(mac(7)), l2::kNoPort) << "gone for longest";
  EXPECT_NE(sim.fabric.find(mac(5)), l2::kNoPort);
  sim.flush();
  ASSERT_EQ(sim.count(EventKind::nic_removed), 1U);
  const auto removed = std::ranges::find(sim.events, EventKind::nic_removed, &Event::kind);
  EXPECT_EQ(removed->at, sim.now) << "it was removed now, not when it left";
}

TEST(FabricLimit, AConfiguredNicNeverMakesRoom) {
  Simulation sim{{lan()}, {{"alice", mac(1), 0, true}}};
  for (std::uint64_t i = 2; i <= Fabric::kMaxNics; ++i) ASSERT_NE(sim.plug(mac(i)).port, l2::kNoPort);
  EXPECT_EQ(sim.plug(mac(60'000)).port, l2::kNoPort) << "alice, who never came, keeps her place";
}

}  // namespace
}  // namespace vnet::network::test
