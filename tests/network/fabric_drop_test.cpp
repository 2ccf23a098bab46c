// Why a frame is not delivered: every reason that the fabric itself gives, counted once and at the right NIC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FabricDrop : public testing::Test {
 protected:
  FabricDrop() {
    for (Client* client : {&alice, &bob}) sim.send(*client, plain(MacAddress::broadcast(), client->mac));
    for (Client* client : {&alice, &bob}) (void)client->take();
    accepted_ = sim.counters(alice).frames_in;
  }
  /// Sends from alice, and expects that nobody gets it and that exactly this reason counts it, once.
  void expect_drop(const Bytes& frame, DropReason reason) {
    const std::uint64_t before = sim.counters(alice).drops_in[reason];
    const std::uint64_t total = sim.counters(alice).drops_in.total();
    sim.send(alice, frame);
    EXPECT_EQ(sim.counters(alice).drops_in[reason], before + 1) << to_string(reason);
    EXPECT_EQ(sim.counters(alice).drops_in.total(), total + 1) << to_string(reason);
    EXPECT_EQ(sim.counters(alice).frames_in, accepted_) << "a dropped frame is not counted as taken";
    EXPECT_THAT(bob.take(), IsEmpty());
  }

  Simulation sim;
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  std::uint64_t accepted_ = 0;
};

TEST_F(FabricDrop, EmptyFrames) { expect_drop({}, DropReason::empty); }

TEST_F(FabricDrop, FramesShorterThanAnEthernetHeader) {
  for (const std::size_t size : {1U, 6U, 12U, 13U}) expect_drop(Bytes(size, 0), DropReason::runt);
}

TEST_F(FabricDrop, AHeaderWithoutPayloadIsAFrame) {
  sim.send(alice, plain(bob.mac, alice.mac, 0));
  EXPECT_EQ(bob.take().size(), 1U);
}

TEST_F(FabricDrop, FramesLongerThanTheMtu) {
  expect_drop(plain(bob.mac, alice.mac, 1501), DropReason::oversize);
  expect_drop(plain(bob.mac, alice.mac, 60'000), DropReason::oversize);
  sim.send(alice, plain(bob.mac, alice.mac, 1500));
  EXPECT_EQ(bob.take().size(), 1U);
}

TEST_F(FabricDrop, TagsDoNotCountAgainstTheMtuButTheirPayloadDoes) {
  sim.send(alice, tagged(plain(bob.mac, alice.mac, 1500)));
  sim.send(alice, tagged(tagged(plain(bob.mac, alice.mac, 1500))));
  EXPECT_EQ(bob.take().size(), 2U);
  accepted_ = sim.counters(alice).frames_in;
  expect_drop(tagged(plain(bob.mac, alice.mac, 1501)), DropReason::oversize);
  expect_drop(tagged(tagged(tagged(plain(bob.mac, alice.mac, 1500)))), DropReason::oversize);
}

TEST_F(FabricDrop, FramesFromAGroupAddress) {
  expect_drop(plain(bob.mac, MacAddress::broadcast()), DropReason::source_group);
  expect_drop(plain(bob.mac, MacAddress::from_u64(0x01005e000001U)), DropReason::source_group);
}

TEST_F(FabricDrop, FramesWithTheGatewaysAddressAsSource) {
  expect_drop(plain(bob.mac, lan().mac), DropReason::source_gateway);
  expect_drop(plain(MacAddress::broadcast(), lan().mac), DropReason::source_gateway);
  sim.send(bob, ping(Way4{bob.mac, lan().mac, ip4("192.168.127.9"), ip4("192.168.127.1")}));
  EXPECT_EQ(bob.take().size(), 1U) << "and the gateway stays where it is";
}

TEST_F(FabricDrop, FramesForAStationBehindTheSamePort) {
  sim.send(alice, plain(MacAddress::broadcast(), mac(50)));
  (void)bob.take();
  accepted_ = sim.counters(alice).frames_in;
  expect_drop(plain(mac(50), alice.mac), DropReason::same_port);
}

TEST_F(FabricDrop, FramesFromTooManyStations) {
  for (std::uint64_t i = 0; i < 31; ++i) sim.send(alice, plain(bob.mac, mac(100 + i)));
  (void)bob.take();
  accepted_ = sim.counters(alice).frames_in;
  expect_drop(plain(bob.mac, mac(200)), DropReason::too_many_macs);
}

TEST_F(FabricDrop, FramesOfAStationThatMovesTooOftenAndTheReportIsMadeOnce) {
  for (int i = 0; i < 8; ++i) sim.send(i % 2 == 0 ? bob : alice, plain(mac(9), mac(50)));
  sim.send(bob, plain(mac(9), mac(50)));
  (void)bob.take();
  accepted_ = sim.counters(alice).frames_in;
  for (int i = 0; i < 10; ++i) expect_drop(plain(bob.mac, mac(50)), DropReason::mac_flapping);
  EXPECT_EQ(sim.count(EventKind::mac_flapping), 1U);
}

TEST_F(FabricDrop, FramesFromANicWhoseLinkIsDown) {
  sim.set_link(alice, false);
  expect_drop(plain(bob.mac, alice.mac), DropReason::link_down);
  expect_drop(plain(MacAddress::broadcast(), alice.mac), DropReason::link_down);
}

TEST_F(FabricDrop, FramesForANicWhoseLinkIsDownAreCountedThere) {
  sim.set_link(bob, false);
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_THAT(bob.take(), IsEmpty());
  EXPECT_EQ(sim.counters(bob).drops_out[DropReason::link_down], 1U);
  EXPECT_EQ(sim.counters(bob).drops_out.total(), 1U);
  EXPECT_EQ(sim.counters(alice).drops_in.total(), 0U) << "it is not the sender's fault";
}

TEST_F(FabricDrop, AFloodPassesByANicWhoseLinkIsDown) {
  sim.set_link(bob, false);
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  sim.send(alice, plain(mac(99), alice.mac));
  EXPECT_THAT(bob.take(), IsEmpty());
  EXPECT_EQ(sim.counters(bob).drops_out.total(), 0U) << "it was for nobody in particular";
}

TEST_F(FabricDrop, TheLinkComesBackAndSoDoTheFrames) {
  sim.set_link(bob, false);
  sim.set_link(bob, true);
  const Bytes frame = plain(bob.mac, alice.mac);
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
  EXPECT_EQ(sim.count(EventKind::nic_link), 2U);
}

TEST_F(FabricDrop, SettingTheLinkToWhatItIsChangesNothing) {
  sim.set_link(bob, true);
  EXPECT_EQ(sim.count(EventKind::nic_link), 0U);
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  EXPECT_EQ(bob.take().size(), 1U) << "once, not twice";
}

TEST_F(FabricDrop, AFrameOnItsWayToAClientThatHasGoneIsCountedAsDetached) {
  const Bytes frame = plain(bob.mac, alice.mac);
  const std::vector<ByteView> batch{frame};
  sim.fabric.receive(alice.port, batch, sim.now);
  const l2::PortId port = bob.port;
  sim.unplug(bob);
  sim.flush();
  EXPECT_EQ(sim.fabric.nic(port).counters.drops_out[DropReason::detached], 1U);
}

TEST_F(FabricDrop, WhatTheSocketRefusesIsCountedAtTheNicThatItCameFrom) {
  sim.fabric.refuse(alice.port, Bytes(70'000), DropReason::oversize, sim.now);
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::oversize], 1U);
  EXPECT_EQ(sim.counters(alice).frames_in, accepted_);
}

TEST(FabricMtu, AJumboNetworkTakesPacketsOf65520Bytes) {
  NetworkConfig jumbo = lan();
  jumbo.mtu = kMaxMtu;
  Simulation sim{{jumbo, office()}};
  Client& alice = sim.plug(mac(1), 0);
  Client& bob = sim.plug(mac(2), 0);
  sim.send(alice, plain(bob.mac, alice.mac, kMaxMtu));
  sim.send(alice, tagged(tagged(plain(bob.mac, alice.mac, kMaxMtu))));
  ASSERT_EQ(bob.inbox.size(), 2U);
  EXPECT_EQ(bob.inbox[1].size(), kMaxFrameSize);
  sim.send(alice, plain(bob.mac, alice.mac, kMaxMtu + 1));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::oversize], 1U);
  EXPECT_EQ(sim.fabric.max_frame_size(), kMaxFrameSize);
}

TEST(FabricMtu, EachNetworkHasItsOwn) {
  NetworkConfig jumbo = lan();
  jumbo.mtu = 9000;
  Simulation sim{{jumbo, office()}};
  const Client& alice = sim.plug(mac(1), 0);
  const Client& bob = sim.plug(mac(2), 1);
  sim.send(alice, plain(mac(9), alice.mac, 9000));
  sim.send(bob, plain(mac(9), bob.mac, 9000));
  EXPECT_EQ(sim.counters(alice).drops_in.total(), 0U);
  EXPECT_EQ(sim.counters(bob).drops_in[DropReason::oversize], 1U);
}

}  // namespace
}  // namespace vnet::network::test
