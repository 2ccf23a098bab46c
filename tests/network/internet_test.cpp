// Packets between homes, servers and services of the simulated internet.
#include "internet_testing.hpp"

namespace vnet::network::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using TwoHomes = Neighborhood;

TEST_F(TwoHomes, AServerSeesTheOutsideAddressAndItsAnswerComesBack) {
  alice.send("198.51.100.10", 5000, 7000, "hello");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("203.0.113.1:5000 hello"));
  server.send("203.0.113.1", 7000, 5000, "welcome");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("198.51.100.10:7000 welcome"));
}

TEST_F(TwoHomes, AHoleIsPunchedFromBothSides) {
  alice.send("203.0.113.2", 5000, 6000, "first, filtered");
  sim.pass(1s);
  EXPECT_THAT(bob.take(), IsEmpty());
  bob.send("203.0.113.1", 6000, 5000, "through");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("203.0.113.2:6000 through"));
  alice.send("203.0.113.2", 5000, 6000, "now, too");
  sim.pass(1s);
  EXPECT_THAT(bob.take(), ElementsAre("203.0.113.1:5000 now, too"));
  EXPECT_EQ(sim.fabric.internet().router(1)->drops.total(), 1U);
}

TEST_F(TwoHomes, TheHopLimitIsSpentByEveryRouter) {
  alice.send("198.51.100.10", 5000, 7000, "hello");
  sim.pass(1s);
  ASSERT_EQ(server.packets.size(), 1U);
  EXPECT_EQ(Ipv4Packet::parse(server.packets[0])->ttl(), 62);
}

TEST_F(TwoHomes, BlackholesSwallowBothWaysAndCanBeLifted) {
  sim.fabric.change_blackhole(0, {Ipv4Prefix::parse("198.51.100.0/24").value()}, "test", sim.now);
  alice.send("198.51.100.10", 5000, 7000, "lost");
  sim.pass(1s);
  EXPECT_THAT(server.take(), IsEmpty());
  EXPECT_EQ(sim.counters(alice.client).drops_in[DropReason::blackhole], 1U);
  sim.fabric.change_blackhole(0, {}, "test", sim.now);
  alice.send("198.51.100.10", 5000, 7000, "found");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("203.0.113.1:5000 found"));
}

TEST_F(TwoHomes, AnotherOutsideAddressIsUsedAtOnce) {
  alice.send("198.51.100.10", 5000, 7000, "before");
  sim.fabric.change_wan(0, Wan{ip4("203.0.113.77"), std::nullopt}, "renumbered", sim.now);
  alice.send("198.51.100.10", 5000, 7000, "after");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("203.0.113.1:5000 before", "203.0.113.77:5000 after"));
  server.send("203.0.113.1", 7000, 5000, "to nobody");
  server.send("203.0.113.77", 7000, 5000, "to alice");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("198.51.100.10:7000 to alice"));
}

TEST_F(TwoHomes, FragmentsArePutTogetherTranslatedAndCutAgain) {
  const Bytes payload(4000, 'x');
  const Way4 way = alice.way("198.51.100.10");
  const Bytes whole = udp(way, 5000, 7000, payload);
  const Bytes upper{whole.begin() + 34, whole.end()};
  for (const std::size_t at : {std::size_t{2960}, std::size_t{0}, std::size_t{1480}}) {
    const std::size_t size = std::min<std::size_t>(1480, upper.size() - at);
    const bool more = at + size < upper.size();
    sim.send(alice.client, ipv4(way, 17, ByteView{upper}.subspan(at, size),
                                static_cast<std::uint16_t>(at / 8 | (more ? 0x2000U : 0U))));
  }
  sim.pass(1s);
  ASSERT_EQ(server.packets.size(), 3U);
  std::size_t data = 0;
  for (const Bytes& packet : server.packets) data += Ipv4Packet::parse(packet)->payload().size();
  EXPECT_EQ(data, upper.size());
}

TEST_F(TwoHomes, AServiceAnswersStunWithTheOutsideEndpoint) {
  sim.fabric.set_services({{"stun.test", {ip4("3.3.3.3"), ip4("3.3.3.4")}, ServiceKind::stun}}, {}, sim.now);
  Bytes request;
  put16(request, 0x0001);
  put16(request, 0);
  put32(request, 0x2112a442);
  for (std::uint8_t i = 0; i < 12; ++i) put8(request, i);
  sim.send(alice.client, udp(alice.way("3.3.3.3"), 5000, 3478, request));
  sim.pass(1s);
  ASSERT_EQ(alice.received.size(), 1U);
  EXPECT_EQ(alice.received[0].substr(0, 13), "3.3.3.3:3478 ");
  EXPECT_TRUE(sim.fabric.set_service_up("stun.test", false, "test", sim.now));
  sim.send(alice.client, udp(alice.way("3.3.3.3"), 5000, 3478, request));
  sim.pass(1s);
  EXPECT_EQ(alice.received.size(), 1U);
  EXPECT_FALSE(sim.fabric.set_service_up("nobody.test", false, "test", sim.now));
}

TEST(Internet, ANetworkWithoutAWanReachesServicesAndNobodyReachesIt) {
  NetworkConfig lone = home(5);
  lone.wan.reset();
  Simulation sim{{lone, home(1, nat::behavior_of(nat::NatPreset::fullcone))}};
  Guest alice{sim, 1, 0, "192.168.5.101"};
  Guest bob{sim, 2, 1, "192.168.1.101"};
  sim.fabric.set_services({{"echo.test", {ip4("3.3.3.3")}, ServiceKind::echo}}, {}, sim.now);
  alice.send("3.3.3.3", 5000, 7, "from my own address");
  bob.send("192.168.5.101", 6000, 5000, "there is no way in");
  bob.send("3.3.3.3", 6000, 7, "opens a hole");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("3.3.3.3:7 from my own address"));
  EXPECT_THAT(bob.take(), ElementsAre("3.3.3.3:7 opens a hole"));
  alice.send("203.0.113.1", 5000, 6000, "nor out to others");
  sim.pass(1s);
  EXPECT_THAT(bob.take(), IsEmpty());
  EXPECT_EQ(sim.counters(alice.client).drops_in[DropReason::no_route], 1U);
}

TEST_F(TwoHomes, ThePacketsOfManyTimersAreNotTakenForALoop) {
  alice.send("198.51.100.77", 5000, 7000, "asks for a guest that is not there");
  for (int i = 0; i < 200; ++i) {
    alice.send("198.51.100.77", 5000, 7000, "again");
    sim.pass(1s);
  }
  alice.send("198.51.100.10", 5000, 7000, "hello");
  sim.pass(1s);
  EXPECT_THAT(server.take(), ElementsAre("203.0.113.1:5000 hello"));
}

TEST_F(TwoHomes, ServicesAnswerPings) {
  sim.fabric.set_services({{"quiet.test", {ip4("3.3.3.3")}}}, {}, sim.now);
  sim.send(alice.client, ping(alice.way("3.3.3.3")));
  sim.pass(1s);
  ASSERT_EQ(alice.packets.size(), 1U);
  EXPECT_EQ(IcmpMessage::parse(Ipv4Packet::parse(alice.packets[0])->payload())->type(), icmp_type::kEchoReply);
}

struct MappedHome : ::testing::Test {
  static NetworkConfig mapped_home() {
    NetworkConfig config = home(1);
    config.port_mapping = {.nat_pmp = true, .pcp = true};
    return config;
  }
  /// By NAT-PMP (RFC 6886, 3.3), for UDP.
  void ask_for(std::uint16_t inside, std::uint16_t outside, std::uint32_t seconds) {
    Bytes request{0, 1, 0, 0};
    put16(request, inside);
    put16(request, outside);
    put32(request, seconds);
    sim.send(alice.client, udp(alice.way("192.168.1.1"), 4000, 5351, request));
  }

  Simulation sim{{mapped_home(), home(2)}};
  Guest alice{sim, 1, 0, "192.168.1.101"};
  Guest bob{sim, 2, 1, "192.168.2.101"};
};

TEST_F(MappedHome, Rfc6886AMappedPortIsReachedFromAnotherNetworkUntilItsTimeIsOver) {
  bob.send("203.0.113.1", 6000, 7777, "nobody asked for it");
  ask_for(8080, 7777, 3600);
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ::testing::Contains(::testing::StartsWith("192.168.1.1:5351 ")));
  EXPECT_EQ(sim.last(EventKind::mapping_created), "home1  udp 7777 to 192.168.1.101 port 8080: nat-pmp");
  sim.pass(300s);  // until it has announced itself often enough
  alice.received.clear();
  bob.send("203.0.113.1", 6000, 7777, "knock");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ElementsAre("203.0.113.2:6000 knock"));
  sim.pass(3600s);
  EXPECT_EQ(sim.count(EventKind::mapping_expired), 1U);
  bob.send("203.0.113.1", 6000, 7777, "too late");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), IsEmpty());
}

TEST_F(MappedHome, Rfc6886ARebootTakesAllMappingsAndBeginsTheEpochAgain) {
  ask_for(8080, 7777, 3600);
  sim.pass(100s);
  sim.fabric.reboot_router(0, "test", sim.now);
  EXPECT_EQ(sim.fabric.internet().router(0)->mapper->mappings().epoch(sim.now), 0U);
  EXPECT_EQ(sim.fabric.internet().router(0)->mapper->mappings().size(), 0U);
  alice.received.clear();
  bob.send("203.0.113.1", 6000, 7777, "gone");
  sim.pass(1s);
  EXPECT_THAT(alice.take(), ::testing::Not(::testing::Contains("203.0.113.2:6000 gone")));
}

}  // namespace
}  // namespace vnet::network::test
