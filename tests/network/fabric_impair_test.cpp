// Impaired links in a whole network: which frames they touch, what is counted and seen, and what becomes of frames on
// their way when a link goes down, its NIC leaves, or the rules change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

l2::Impairments each_way(const l2::Impairment& rules) { return {rules, rules}; }

/// Without router advertisements, which come when they like.
NetworkConfig quiet() {
  NetworkConfig config = lan();
  config.ipv6.reset();
  return config;
}

l2::Impairment latency(Duration time) {
  l2::Impairment rules;
  rules.latency = time;
  return rules;
}

l2::Impairment loss(double share) {
  l2::Impairment rules;
  rules.loss = share;
  return rules;
}

/// alice's link is impaired, bob's and carol's are not.
class FabricImpair : public testing::Test {
 protected:
  struct Seen {
    l2::PortId port;
    Direction direction;
    Duration after;
    std::optional<DropReason> dropped;
    bool operator==(const Seen&) const = default;
  };
  struct Watch final : FrameObserver {
    explicit Watch(const Instant& now) : start(now) {}
    void on_frame(l2::PortId port, std::size_t, Direction direction, ByteView, std::optional<DropReason> dropped,
                  Instant now) override {
      seen.push_back({port, direction, now - start, dropped});
    }
    void on_event(l2::PortId, const Event&) override {}
    Instant start;
    std::vector<Seen> seen;
  };

  FabricImpair() {
    for (Client* client : {&alice, &bob, &carol}) sim.send(*client, plain(MacAddress::broadcast(), client->mac));
    for (Client* client : {&alice, &bob, &carol}) (void)client->take();
    sim.events.clear();
  }
  void impair(const Client& client, const l2::Impairments& rules) {
    NicConfig config = sim.fabric.nic(client.port).config;
    config.impair = rules;
    ASSERT_TRUE(sim.fabric.change(client.port, std::move(config), "test", sim.now));
    sim.flush();
  }
  /// The time until `client` has a frame, to the millisecond; a minute: it never came.
  Duration arrives_after(Client& client) {
    const Instant start = sim.now;
    while (client.inbox.empty() && sim.now < start + 1min) sim.pass(1ms);
    (void)client.take();
    return sim.now - start;
  }

  Simulation sim{{quiet()}};
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  Client& carol = sim.plug(mac(3));
};

TEST_F(FabricImpair, LatencyHoldsInEachDirectionByItself) {
  impair(alice, {latency(30ms), latency(5ms)});
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_THAT(bob.inbox, IsEmpty());
  EXPECT_EQ(arrives_after(bob), 30ms);
  sim.send(bob, plain(alice.mac, bob.mac));
  EXPECT_EQ(arrives_after(alice), 5ms);
}

TEST_F(FabricImpair, BetweenLinksWithoutAnyNothingWaits) {
  impair(alice, each_way(latency(30ms)));
  sim.send(bob, plain(carol.mac, bob.mac));
  EXPECT_THAT(carol.take(), SizeIs(1));
  EXPECT_EQ(sim.fabric.nic(bob.port).impaired, nullptr);
}

TEST_F(FabricImpair, AFloodWaitsOnlyWhereTheLinkMakesIt) {
  impair(alice, each_way(latency(30ms)));
  sim.send(bob, plain(MacAddress::broadcast(), bob.mac));
  EXPECT_THAT(carol.take(), SizeIs(1));
  EXPECT_EQ(arrives_after(alice), 30ms);
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  EXPECT_THAT(carol.take(), IsEmpty());
  sim.pass(30ms);
  EXPECT_THAT(carol.take(), SizeIs(1));
  EXPECT_THAT(bob.take(), SizeIs(1));
  EXPECT_THAT(alice.take(), IsEmpty());
}

TEST_F(FabricImpair, TheGatewayIsReachedThroughTheLink) {
  impair(alice, {latency(30ms), latency(5ms)});
  sim.send(alice, arp({ArpPacket::kRequest, alice.mac, ip4("192.168.127.50"), {}, ip4("192.168.127.1")}));
  EXPECT_EQ(arrives_after(alice), 35ms);
}

TEST_F(FabricImpair, ANetworksImpairmentsAreEveryNicsAndComposeWithItsOwn) {
  impair(alice, each_way(latency(30ms)));
  sim.fabric.impair_network(0, each_way(latency(100ms)), "test", sim.now);
  sim.flush();
  EXPECT_EQ(sim.last(EventKind::network_changed), "lan  impair: test");
  sim.send(bob, plain(carol.mac, bob.mac));
  EXPECT_EQ(arrives_after(carol), 200ms);
  sim.send(bob, plain(alice.mac, bob.mac));
  EXPECT_EQ(arrives_after(alice), 230ms);
  Client& dave = sim.plug(mac(4));
  sim.send(dave, plain(carol.mac, dave.mac));
  EXPECT_EQ(arrives_after(carol), 200ms) << "a NIC that comes later has them too";
  sim.fabric.impair_network(0, {}, "test", sim.now);
  sim.send(bob, plain(carol.mac, bob.mac));
  EXPECT_THAT(carol.take(), SizeIs(1));
  EXPECT_EQ(sim.fabric.network_config(0).impair, l2::Impairments{});
}

TEST_F(FabricImpair, ANetworkThatIsReconfiguredHasItsNewImpairments) {
  NetworkConfig config = quiet();
  config.impair = each_way(latency(10ms));
  sim.fabric.reconfigure(0, config, sim.now);
  sim.send(bob, plain(carol.mac, bob.mac));
  EXPECT_EQ(arrives_after(carol), 20ms);
}

TEST_F(FabricImpair, LossIsCountedWhereItHappens) {
  impair(alice, {loss(0.3), loss(0.2)});
  const NicCounters before = sim.counters(alice);
  for (int i = 0; i < 1000; ++i) {
    sim.send(alice, plain(bob.mac, alice.mac));
    sim.send(bob, plain(alice.mac, bob.mac));
  }
  const NicCounters& after = sim.counters(alice);
  EXPECT_NEAR(static_cast<double>(after.drops_in[DropReason::impairment]), 300, 45);
  EXPECT_NEAR(static_cast<double>(after.drops_out[DropReason::impairment]), 200, 40);
  EXPECT_EQ(after.frames_in - before.frames_in, bob.inbox.size());
  EXPECT_EQ(after.frames_in - before.frames_in + after.drops_in[DropReason::impairment], 1000U);
  EXPECT_EQ(after.frames_out - before.frames_out, alice.inbox.size());
  EXPECT_EQ(after.frames_out - before.frames_out + after.drops_out[DropReason::impairment], 1000U);
  EXPECT_EQ(sim.counters(bob).drops_out.total(), 0U);
}

TEST_F(FabricImpair, OneLinksLossDoesNotDependOnTheOthersFrames) {
  const auto survivors = [](bool others) {
    Simulation world{{quiet()}, {{"alice", mac(1), 0, true, {}, {}, {loss(0.5), {}}}}, 7};
    Client& a = world.plug(mac(1));
    Client& b = world.plug(mac(2));
    Client& c = world.plug(mac(3));
    world.send(b, plain(MacAddress::broadcast(), b.mac));
    std::vector<bool> arrived;
    for (int i = 0; i < 100; ++i) {
      if (others) world.send(c, plain(b.mac, c.mac));
      (void)b.take();
      world.send(a, plain(b.mac, a.mac));
      arrived.push_back(!b.take().empty());
    }
    return arrived;
  };
  EXPECT_EQ(survivors(false), survivors(true));
}

TEST_F(FabricImpair, AFrameIsSeenWhenItComesInAndWhenItLeaves) {
  impair(alice, each_way(latency(30ms)));
  Watch watch{sim.now};
  sim.fabric.set_observer(&watch);
  sim.send(alice, plain(bob.mac, alice.mac));
  sim.pass(1s);
  EXPECT_THAT(watch.seen,
              ElementsAre(Seen{alice.port, Direction::in, 0ms, {}}, Seen{bob.port, Direction::out, 30ms, {}}));
  watch.seen.clear();
  watch.start = sim.now;
  sim.send(bob, plain(alice.mac, bob.mac));
  sim.pass(1s);
  EXPECT_THAT(watch.seen,
              ElementsAre(Seen{bob.port, Direction::in, 0ms, {}}, Seen{alice.port, Direction::out, 30ms, {}}));
  sim.fabric.set_observer(nullptr);
}

TEST_F(FabricImpair, WhatIsDroppedIsSeenWithItsReason) {
  impair(alice, {latency(30ms), loss(1)});
  Watch watch{sim.now};
  sim.fabric.set_observer(&watch);
  sim.send(bob, plain(alice.mac, bob.mac));
  EXPECT_THAT(watch.seen, ElementsAre(Seen{alice.port, Direction::out, 0ms, DropReason::impairment},
                                      Seen{bob.port, Direction::in, 0ms, {}}));
  watch.seen.clear();
  // Behind the delay it turns out that nobody wants it.
  sim.send(alice, plain(alice.mac, alice.mac));
  sim.pass(1s);
  EXPECT_THAT(watch.seen, ElementsAre(Seen{alice.port, Direction::in, 0ms, {}},
                                      Seen{alice.port, Direction::in, 30ms, DropReason::same_port}));
  EXPECT_EQ(sim.counters(alice).drops_in.total(), 1U);
  impair(alice, {loss(1), {}});
  watch.seen.clear();
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_THAT(watch.seen, ElementsAre(Seen{alice.port, Direction::in, 1s, DropReason::impairment}));
  sim.fabric.set_observer(nullptr);
}

/// Two frames on their way from alice and three to her.
class FabricImpairOnTheWay : public FabricImpair {
 protected:
  FabricImpairOnTheWay() {
    impair(alice, each_way(latency(30ms)));
    for (int i = 0; i < 2; ++i) sim.send(alice, plain(bob.mac, alice.mac));
    for (int i = 0; i < 3; ++i) sim.send(bob, plain(alice.mac, bob.mac));
    sim.pass(10ms);
  }
  void expect_dropped(DropReason reason) {
    sim.pass(1s);
    EXPECT_EQ(sim.fabric.nic(port).counters.drops_in[reason], 2U);
    EXPECT_EQ(sim.fabric.nic(port).counters.drops_out[reason], 3U);
    EXPECT_THAT(bob.take(), IsEmpty());
    EXPECT_THAT(alice.take(), IsEmpty());
    EXPECT_GT(sim.fabric.next_deadline(), sim.now + 1s);
  }
  l2::PortId port = alice.port;
};

TEST_F(FabricImpairOnTheWay, IsDroppedWhenTheLinkGoesDown) {
  sim.set_link(alice, false);
  expect_dropped(DropReason::link_down);
  sim.set_link(alice, true);
  sim.send(bob, plain(alice.mac, bob.mac));
  EXPECT_EQ(arrives_after(alice), 30ms);
}

TEST_F(FabricImpairOnTheWay, IsDroppedWhenTheNicIsDetached) {
  sim.unplug(alice);
  expect_dropped(DropReason::detached);
  sim.plug_again(alice);
  sim.send(alice, plain(bob.mac, alice.mac));
  EXPECT_EQ(arrives_after(bob), 30ms);
}

TEST_F(FabricImpairOnTheWay, IsDroppedWhenTheNicMoves) {
  const std::size_t other = sim.fabric.add_network(office(), sim.now);
  NicConfig config = sim.fabric.nic(alice.port).config;
  config.network = other;
  ASSERT_TRUE(sim.fabric.change(alice.port, std::move(config), "test", sim.now));
  expect_dropped(DropReason::detached);
  EXPECT_NE(sim.fabric.nic(alice.port).impaired, nullptr) << "its own impairments go with it";
}

TEST_F(FabricImpairOnTheWay, IsSeenToBeDroppedWhenTheNicIsRemoved) {
  Watch watch{sim.now};
  sim.fabric.set_observer(&watch);
  sim.remove(alice);
  EXPECT_EQ(std::ranges::count(watch.seen, std::optional{DropReason::detached}, &Seen::dropped), 5);
  sim.fabric.set_observer(nullptr);
  sim.pass(1s);
  EXPECT_THAT(bob.take(), IsEmpty());
  sim.send(bob, plain(carol.mac, bob.mac));
  EXPECT_THAT(carol.take(), SizeIs(1));
}

TEST_F(FabricImpairOnTheWay, ArrivesInItsTimeWhenTheImpairmentsEnd) {
  impair(alice, {});
  sim.send(alice, plain(carol.mac, alice.mac));
  EXPECT_THAT(carol.take(), SizeIs(1));
  sim.pass(19ms);
  EXPECT_THAT(bob.inbox, IsEmpty());
  sim.pass(1ms);
  EXPECT_THAT(bob.take(), SizeIs(2));
  EXPECT_THAT(alice.take(), SizeIs(3));
  EXPECT_EQ(sim.fabric.nic(alice.port).impaired, nullptr) << "then nothing of it is left on the frames' way";
  EXPECT_EQ(sim.last(EventKind::nic_changed), "lan nic-52cccccc0001 impair: test");
}

TEST_F(FabricImpair, ARateLimitsWhatFloodsIn) {
  l2::Impairment rules;
  rules.rate_mbps = 8;
  impair(alice, {{}, rules});
  std::size_t got = 0;
  alice.program = [&](ByteView) { ++got; };
  const std::vector<Bytes> batch(20, plain(alice.mac, bob.mac, 986));
  for (int i = 0; i < 1000; ++i) sim.at(sim.now + i * 10ms, [&] { sim.send_batch(bob, batch); });
  sim.pass(10s);
  EXPECT_NEAR(static_cast<double>(got), 10'000, 1) << "of 20'000 that were sent";
  EXPECT_NEAR(static_cast<double>(sim.counters(alice).drops_out[DropReason::impairment_queue]), 9748, 3);
}

TEST_F(FabricImpair, TheSameSeedIsTheSameRun) {
  const auto digest = [](std::uint64_t seed) {
    l2::Impairment bad = latency(20ms);
    bad.jitter = 10ms;
    bad.jitter_reorders = true;
    bad.loss = 0.1;
    bad.duplicate = 0.1;
    bad.corrupt = 0.1;
    bad.reorder = 0.1;
    bad.rate_mbps = 5;
    NetworkConfig config = lan();
    config.impair = each_way(bad);
    Simulation world{{config}, {}, seed};
    world.keeps_digest = true;
    Client& a = world.plug(mac(1));
    Client& b = world.plug(mac(2));
    for (std::uint8_t i = 0; i < 100; ++i) {
      Bytes frame = plain(b.mac, a.mac, 500);
      frame.back() = i;
      world.send(a, frame);
      world.send(b, plain(a.mac, b.mac, 100U + i));
      world.pass(1ms);
    }
    world.pass(10s);
    return world.digest();
  };
  EXPECT_EQ(digest(1), digest(1));
  EXPECT_NE(digest(1), digest(2));
}

}  // namespace
}  // namespace vnet::network::test
