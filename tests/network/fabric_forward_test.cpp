// Who gets a frame: one port, all of them, nobody, and never the one who sent it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Three clients whom the fabric has heard, with empty inboxes.
class FabricForward : public testing::Test {
 protected:
  FabricForward() {
    for (Client* client : {&alice, &bob, &carol}) sim.send(*client, plain(MacAddress::broadcast(), client->mac));
    for (Client* client : {&alice, &bob, &carol}) (void)client->take();
  }

  Simulation sim;
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  Client& carol = sim.plug(mac(3));
};

TEST_F(FabricForward, AKnownDestinationGetsTheFrameAloneAndUnchanged) {
  const Bytes frame = plain(bob.mac, alice.mac);
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
  EXPECT_THAT(carol.take(), IsEmpty());
  EXPECT_THAT(alice.take(), IsEmpty());
}

TEST_F(FabricForward, ABroadcastReachesEverybodyElse) {
  const Bytes frame = plain(MacAddress::broadcast(), alice.mac);
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
  EXPECT_THAT(carol.take(), ElementsAre(frame));
  EXPECT_THAT(alice.take(), IsEmpty());
}

TEST_F(FabricForward, AMulticastLikeThatOfMdnsReachesEverybodyElse) {
  const Bytes frame =
      udp(Way4{alice.mac, *MacAddress::parse("01:00:5e:00:00:fb"), ip4("192.168.127.100"), ip4("224.0.0.251")}, 5353,
          5353, text_bytes("alice.local"));
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
  EXPECT_THAT(carol.take(), ElementsAre(frame));
}

TEST_F(FabricForward, AnUnknownDestinationIsFlooded) {
  const Bytes frame = plain(mac(99), alice.mac);
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
  EXPECT_THAT(carol.take(), ElementsAre(frame));
  EXPECT_THAT(alice.take(), IsEmpty());
}

TEST_F(FabricForward, ADestinationNotHeardFor300SecondsIsFloodedAgain) {
  sim.pass(299s);
  sim.send(alice, plain(bob.mac, alice.mac));
  (void)bob.take();
  carol.inbox.clear();
  sim.pass(1s);
  const Bytes frame = plain(bob.mac, alice.mac);
  sim.send(alice, frame);
  EXPECT_THAT(carol.take(), ElementsAre(frame));
}

TEST_F(FabricForward, TheOrderWithinABatchIsKept) {
  std::vector<Bytes> frames;
  for (std::size_t i = 0; i < 64; ++i) frames.push_back(plain(bob.mac, alice.mac, 46 + i));
  sim.send_batch(alice, frames);
  EXPECT_EQ(bob.take(), frames);
}

TEST_F(FabricForward, AStationBehindABridgeIsReachedThroughIt) {
  sim.send(alice, plain(bob.mac, mac(50)));
  (void)bob.take();
  const Bytes answer = plain(mac(50), bob.mac);
  sim.send(bob, answer);
  EXPECT_THAT(alice.take(), ElementsAre(answer));
  EXPECT_THAT(carol.take(), IsEmpty());
}

TEST_F(FabricForward, AStationThatMovesToAnotherPortIsFollowedAtOnceAndReported) {
  sim.send(alice, plain(bob.mac, mac(50)));
  sim.send(carol, plain(bob.mac, mac(50)));
  (void)bob.take();
  const Bytes answer = plain(mac(50), bob.mac);
  sim.send(bob, answer);
  EXPECT_THAT(carol.take(), ElementsAre(answer));
  EXPECT_THAT(alice.take(), IsEmpty());
  EXPECT_EQ(sim.count(EventKind::mac_moved), 1U);
}

class FabricPassesOn : public FabricForward, public testing::WithParamInterface<std::uint16_t> {};

TEST_P(FabricPassesOn, EveryEthertypeUnchanged) {
  const Bytes frame = plain(bob.mac, alice.mac, 100, GetParam());
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
}
// 802.1Q, 802.1ad, PPPoE discovery, LLDP, RARP, IPX over 802.3 with a length, and two that contradict their payload.
INSTANTIATE_TEST_SUITE_P(Ethertypes, FabricPassesOn,
                         testing::Values(0x8100, 0x88a8, 0x8863, 0x88cc, 0x8035, 0x0064, 0x0800, 0x86dd, 0xffff));

TEST_F(FabricForward, AVlanTagIsNoBusinessOfTheSwitch) {
  const Bytes frame = tagged(tagged(plain(bob.mac, alice.mac)), 100, ethertype::kQinQ);
  sim.send(alice, frame);
  EXPECT_THAT(bob.take(), ElementsAre(frame));
}

TEST_F(FabricForward, CountersAddUpOnBothSides) {
  const Bytes frame = plain(bob.mac, alice.mac, 86);
  sim.send_batch(alice, {frame, frame, frame});
  EXPECT_EQ(sim.counters(alice).frames_in, 4U) << "and the one that made it known";
  EXPECT_EQ(sim.counters(alice).bytes_in, 60U + 300U);
  EXPECT_EQ(sim.counters(bob).frames_out, 5U);
  EXPECT_EQ(sim.counters(bob).bytes_out, 120U + 300U);
  EXPECT_EQ(sim.counters(alice).drops_in.total() + sim.counters(bob).drops_out.total(), 0U);
}

TEST(FabricNetworks, NothingCrossesFromOneNetworkToAnother) {
  Simulation sim{{lan(), office()}};
  Client& alice = sim.plug(mac(1), 0);
  Client& bob = sim.plug(mac(2), 1);
  Client& carol = sim.plug(mac(3), 1);
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_THAT(bob.take(), IsEmpty());
  sim.send(bob, plain(MacAddress::broadcast(), bob.mac));
  sim.send(bob, plain(alice.mac, bob.mac));
  EXPECT_THAT(alice.take(), IsEmpty());
  EXPECT_EQ(carol.take().size(), 2U);
}

TEST(FabricNetworks, TheSameAddressMayLiveBehindPortsOfTwoNetworks) {
  Simulation sim{{lan(), office()}};
  Client& alice = sim.plug(mac(1), 0);
  Client& bob = sim.plug(mac(2), 0);
  Client& carol = sim.plug(mac(3), 1);
  Client& dave = sim.plug(mac(4), 1);
  sim.send(alice, plain(MacAddress::broadcast(), mac(77)));
  sim.send(carol, plain(MacAddress::broadcast(), mac(77)));
  for (Client* client : {&alice, &bob, &carol, &dave}) (void)client->take();
  sim.send(bob, plain(mac(77), bob.mac));
  EXPECT_EQ(alice.take().size(), 1U);
  EXPECT_THAT(carol.take(), IsEmpty());
  sim.send(dave, plain(mac(77), dave.mac));
  EXPECT_EQ(carol.take().size(), 1U);
  EXPECT_EQ(sim.count(EventKind::mac_moved), 0U);
}

TEST(FabricNetworks, TheFirstNetworkIsTheDefault) {
  Simulation sim{{lan(), office()}};
  const Client& alice = sim.plug(mac(1));
  EXPECT_EQ(sim.fabric.nic(alice.port).config.network, 0U);
}

/// Writes down what the observer hears, as one line each.
class Witness : public FrameObserver {
 public:
  void on_frame(l2::PortId port, std::size_t network, Direction direction, ByteView frame,
                std::optional<DropReason> dropped, Instant) override {
    std::string line = port == l2::kGatewayPort ? "gateway" : "port " + std::to_string(index(port));
    line += direction == Direction::in ? " in " : " out ";
    line += std::to_string(frame.size()) + " of " + std::to_string(network);
    if (dropped) line += " " + std::string{to_string(*dropped)};
    lines.push_back(std::move(line));
  }
  void on_event(l2::PortId, const Event& event) override { lines.push_back(std::string{to_string(event.kind)}); }
  std::vector<std::string> lines;
};

TEST_F(FabricForward, AnObserverSeesEveryFrameOnEveryPortWithItsFate) {
  Witness witness;
  sim.fabric.set_observer(&witness);
  sim.send(alice, plain(bob.mac, alice.mac));
  sim.send(alice, Bytes(13, 0));
  sim.send(alice, ping(Way4{alice.mac, lan().mac, ip4("192.168.127.9"), ip4("192.168.127.1")}));
  sim.set_link(bob, false);
  sim.send(alice, plain(bob.mac, alice.mac));
  sim.fabric.set_observer(nullptr);
  EXPECT_THAT(witness.lines,
              ElementsAre("port 0 in 60 of 0", "port 1 out 60 of 0", "port 0 in 13 of 0 runt", "gateway out 56 of 0",
                          "port 0 in 56 of 0", "gateway in 56 of 0", "port 0 out 56 of 0", "nic.link",
                          "port 1 out 60 of 0 link-down", "port 0 in 60 of 0"));
}

}  // namespace
}  // namespace vnet::network::test
