// RFC 4787, row by row, and the nine kinds of NAT that mapping and filtering make.
#include <set>

#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Rfc4787 : public TranslatorTest {
 protected:
  static Endpoint guest(unsigned port, unsigned host = 2) {
    return {Ipv4Address{192, 168, 127, static_cast<std::uint8_t>(host)}, static_cast<std::uint16_t>(port)};
  }
};

TEST_F(Rfc4787, Req1EndpointIndependentMapping) {
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_EQ(outside.address, kOutside);
  EXPECT_EQ(map(kGuest, kServerElsewhere), outside);
  EXPECT_EQ(map(kGuest, kStranger), outside);
  EXPECT_EQ(subject->size(), 1U);
  EXPECT_EQ(subject->sessions(), 3U);
}

TEST_F(Rfc4787, Req2PairedPooling) {
  for (std::uint16_t port = 1; port < 2000; ++port) EXPECT_EQ(map(guest(port), kServer).address, kOutside);
}

TEST_F(Rfc4787, Req3NoPortOverloading) {
  for (const PortChoice ports : {PortChoice::preserve, PortChoice::random, PortChoice::sequential}) {
    NatBehavior behavior;
    behavior.ports = ports;
    use(config_of(behavior));
    std::set<std::uint16_t> taken;
    for (std::uint8_t host = 2; host < 12; ++host) {
      for (std::uint16_t port = 5000; port < 5100; ++port) taken.insert(map(guest(port, host), kServer).port);
    }
    EXPECT_EQ(taken.size(), 1000U);
  }
}

TEST_F(Rfc4787, Req3aTheClassOfThePortIsKept) {
  for (const PortChoice ports : {PortChoice::preserve, PortChoice::random, PortChoice::sequential}) {
    NatBehavior behavior;
    behavior.ports = ports;
    use(config_of(behavior));
    for (std::uint8_t host = 2; host < 6; ++host) {
      for (const unsigned port : {1U, 22U, 500U, 1023U}) {
        const Endpoint outside = map(guest(port, host), kServer);
        EXPECT_LT(outside.port, 1024);
        EXPECT_NE(outside.port, 0);
      }
      for (const unsigned port : {1024U, 5060U, 65535U}) EXPECT_GE(map(guest(port, host), kServer).port, 1024);
    }
  }
}

TEST_F(Rfc4787, Req3aALowPortIsNotReplacedByAHighOne) {
  std::set<std::uint16_t> taken;
  for (std::uint16_t port = 1; port < 1024; ++port) taken.insert(map(guest(port), kServer).port);
  EXPECT_EQ(taken.size(), 1023U);
  EXPECT_EQ(*taken.rbegin(), 1023);
  EXPECT_EQ(out(udp(guest(500, 3), kServer)).reason, DropReason::nat_exhausted);
  EXPECT_EQ(map(guest(5000, 3), kServer).port, 5000);
}

TEST_F(Rfc4787, Req4ParityIsKeptWherePossible) {
  for (const PortChoice ports : {PortChoice::preserve, PortChoice::random, PortChoice::sequential}) {
    NatBehavior behavior;
    behavior.ports = ports;
    use(config_of(behavior));
    for (std::uint8_t host = 2; host < 6; ++host) {
      for (std::uint16_t port = 5000; port < 5050; ++port) {
        EXPECT_EQ(map(guest(port, host), kServer).port % 2, port % 2);
      }
    }
  }
}

TEST_F(Rfc4787, Req5TheMappingLastsForFiveMinutes) {
  const Endpoint outside = map(kGuest, kServer);
  later(300s - 1ns);
  EXPECT_TRUE(gets_in(kServer, outside));
  later(1ns);
  EXPECT_EQ(in(udp(kServer, outside)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(subject->counters().expired, 1U);
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc4787, Req5NobodyHasToLookForItToBeOver) {
  const Endpoint outside = map(kGuest, kServer);
  now += 300s;
  EXPECT_EQ(in(udp(kServer, outside)).reason, DropReason::nat_unmapped);
}

TEST_F(Rfc4787, Req6OutboundRefreshesAndInboundMay) {
  for (const bool inbound : {false, true}) {
    NatBehavior behavior;
    behavior.inbound_refresh = inbound;
    use(config_of(behavior));
    const Endpoint outside = map(kGuest, kServer);
    later(200s);
    EXPECT_EQ(map(kGuest, kServer), outside);
    later(200s);
    EXPECT_TRUE(gets_in(kServer, outside));
    later(200s);
    EXPECT_EQ(gets_in(kServer, outside), inbound);
  }
}

TEST_F(Rfc4787, Req6InboundWithoutASessionRefreshesTheMapping) {
  NatBehavior behavior = behavior_of(NatPreset::fullcone);
  behavior.inbound_refresh = true;
  use(config_of(behavior));
  const Endpoint outside = map(kGuest, kServer);
  for (int i = 0; i < 5; ++i) {
    later(200s);
    EXPECT_TRUE(gets_in(kStranger, outside));
  }
  later(300s);
  EXPECT_FALSE(gets_in(kStranger, outside));
}

TEST_F(Rfc4787, Req6AMappingLastsAsLongAsAnyOfItsSessions) {
  const Endpoint outside = map(kGuest, kServer);
  later(200s);
  EXPECT_EQ(map(kGuest, kStranger), outside);
  later(200s);
  EXPECT_EQ(in(udp(kServer, outside)).reason, DropReason::nat_filtered);
  EXPECT_TRUE(gets_in(kStranger, outside));
}

TEST_F(Rfc4787, Req7InsideAndOutsideMayOverlap) {
  TranslatorConfig config = config_of(NatPreset::easy);
  config.outside4 = Ipv4Address{192, 168, 127, 9};  // within inside4
  use(config);
  const Endpoint server = at("192.168.127.3:53");  // outside, and a guest has the same address
  const Endpoint outside = map(kGuest, server);
  EXPECT_EQ(outside, at("192.168.127.9:5000"));
  const Passed back = in(udp(server, outside));
  ASSERT_TRUE(back);
  EXPECT_EQ(back.destination, kGuest);
  EXPECT_EQ(back.source, server);
  EXPECT_EQ(map(at("192.168.127.3:53"), kGuest), at("192.168.127.9:53"));
}

TEST_F(Rfc4787, Req8FilteringByAddressAndPort) {
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_TRUE(gets_in(kServer, outside));
  EXPECT_EQ(in(udp(kServerElsewhere, outside)).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(udp(kStranger, outside)).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(udp(kServer, at("198.51.100.1:9"))).reason, DropReason::nat_unmapped);
  EXPECT_EQ(in(udp(kServer, at("198.51.100.2:5000"))).reason, DropReason::nat_unmapped);
  EXPECT_EQ(subject->counters().filtered, 2U);
  EXPECT_EQ(subject->counters().unmapped, 2U);
}

TEST_F(Rfc4787, Req9HairpinWithTheExternalSource) {
  for (const NatPreset preset : {NatPreset::easy, NatPreset::fullcone, NatPreset::hard}) {
    use(preset);
    // Each has sent to the other's outside endpoint before, as the filters want it.
    const Endpoint first = map(kGuest, kServer);
    const Endpoint second = map(at("192.168.127.3:6000"), kServer);
    const bool independent = preset != NatPreset::hard;
    const Passed opening = hairpin(udp(kGuest, second));
    EXPECT_EQ(opening.reason.has_value(), preset != NatPreset::fullcone);
    const Passed passed = hairpin(udp(at("192.168.127.3:6000"), first));
    EXPECT_EQ(passed.reason.has_value(), !independent);
    if (!independent) continue;
    EXPECT_EQ(passed.source, second);
    EXPECT_EQ(passed.destination, kGuest);
    EXPECT_TRUE(hairpin(udp(kGuest, second)));
  }
}

TEST_F(Rfc4787, Req9WithoutHairpinThereIsNoWay) {
  NatBehavior behavior;
  behavior.hairpin = false;
  use(config_of(behavior));
  EXPECT_EQ(out(udp(kGuest, at("198.51.100.1:6000"))).reason, DropReason::no_route);
  EXPECT_TRUE(out(udp(kGuest, kServer)));
}

TEST_F(Rfc4787, Req10NoApplicationLayerGateways) {
  const Bytes packet = udp(kGuest, at("203.0.113.7:5060"), "Contact: <sip:me@192.168.127.2:5000>");
  const Passed passed = out(packet);
  ASSERT_TRUE(passed);
  EXPECT_TRUE(std::equal(packet.begin() + 28, packet.end(), passed.packet.begin() + 28));
}

TEST_F(Rfc4787, Req11DeterministicWhateverConflictsThereAre) {
  // The port that two guests want makes neither of them another kind of NAT.
  const Endpoint first = map(kGuest, kServer);
  const Endpoint second = map(kOther, kServer);
  EXPECT_EQ(first.port, 5000);
  EXPECT_NE(second.port, 5000);
  EXPECT_EQ(map(kOther, kStranger), second);
  EXPECT_EQ(map(kGuest, kStranger), first);
  EXPECT_FALSE(gets_in(kServerElsewhere, second));
}

TEST_F(Rfc4787, Req11TheSameSeedTheSamePorts) {
  const auto run = [this](std::uint64_t seed) {
    random = Random{seed};
    use(NatPreset::hard);
    std::vector<std::uint16_t> ports;
    for (std::uint16_t port = 2000; port < 2100; ++port) ports.push_back(map(guest(port), kServer).port);
    return ports;
  };
  const auto first = run(1);
  EXPECT_EQ(run(1), first);
  EXPECT_NE(run(2), first);
}

TEST_F(Rfc4787, Req12IcmpEndsNoMapping) {
  const Endpoint outside = map(kGuest, kServer);
  const Passed error = in(unreachable(kServer.address, kOutside, udp(outside, kServer)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error.packet, unreachable(kServer.address, kGuest.address, udp(kGuest, kServer)));
  EXPECT_TRUE(gets_in(kServer, outside));
  EXPECT_EQ(map(kGuest, kServer), outside);
}

TEST_F(Rfc4787, SourcePortZeroIsGivenAnother) {
  const Endpoint outside = map(guest(0), kServer);
  EXPECT_NE(outside.port, 0);
  EXPECT_LT(outside.port, 1024);
}

// RFC 6888 and 7857, what they say about ports.

class Rfc6888 : public Rfc4787 {};

TEST_F(Rfc6888, Req4AHostHasALimitOfMappings) {
  std::size_t made = 0;
  for (std::uint32_t port = 1024; port < 65536; ++port) {
    if (out(udp(guest(port), kServer))) ++made;
  }
  EXPECT_EQ(made, Translator::kMaxMappingsPerHost);
  EXPECT_EQ(subject->counters().exhausted, 64512 - made);
  EXPECT_TRUE(out(udp(kOther, kServer)));
}

TEST_F(Rfc6888, Req8APortRestsFor120SecondsBeforeAnotherHasIt) {
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  later(300s);
  EXPECT_EQ(subject->size(), 0U);
  EXPECT_NE(map(kOther, kServer).port, 5000);
  later(120s - 1ns);
  EXPECT_NE(map(guest(5000, 4), kServer).port, 5000);
  later(1ns);
  EXPECT_EQ(map(guest(5000, 5), kServer).port, 5000);
}

TEST_F(Rfc6888, Req8TheSameInsideEndpointMayHaveItAtOnce) {
  use(NatPreset::hard);
  const Endpoint outside = map(kGuest, kServer);
  later(310s);
  EXPECT_EQ(in(udp(kServer, outside)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(map(kGuest, kServer), outside);
  EXPECT_TRUE(gets_in(kServer, outside));
  NatBehavior behavior;
  behavior.mapping = Dependence::address_dependent;
  use(config_of(behavior));
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  later(310s);
  EXPECT_EQ(map(kGuest, kStranger).port, 5000);  // another mapping of the same endpoint
}

TEST_F(Rfc6888, Req8ItRestsFromWhenItWasOverAndNotFromWhenSomebodyLooked) {
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  now += 420s;
  EXPECT_EQ(map(kOther, kServer).port, 5000);
}

TEST(Rfc7857Ports, AreRandomised) {
  Random random{3};
  PortPool pool{true};
  std::set<std::uint16_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto port = pool.choose(5000, PortChoice::random, random);
    ASSERT_TRUE(port);
    seen.insert(*port);
  }
  EXPECT_GT(seen.size(), 980U);  // of 32,256
  EXPECT_LT(*seen.begin(), 2000);
  EXPECT_GT(*seen.rbegin(), 64500);
}

TEST(PortPool, TheLastFreePortIsFound) {
  Random random{3};
  for (const PortChoice how : {PortChoice::preserve, PortChoice::random, PortChoice::sequential}) {
    PortPool pool{true};
    for (std::uint32_t port = 1024; port < 65536; ++port) {
      const auto chosen = pool.choose(5000, how, random);
      ASSERT_TRUE(chosen);
      ASSERT_FALSE(pool.is_taken(*chosen));
      pool.take(*chosen);
    }
    EXPECT_FALSE(pool.choose(5000, how, random));
    EXPECT_TRUE(pool.choose(500, how, random));
    pool.give_back(65535);
    EXPECT_EQ(pool.choose(5000, how, random), 65535);
  }
}

TEST(PortPool, IdentifiersHaveNoClasses) {
  Random random{3};
  PortPool pool{false};
  EXPECT_EQ(pool.choose(0, PortChoice::preserve, random), 0);
  for (std::uint32_t id = 0; id < 65536; ++id) pool.take(pool.choose(7, PortChoice::sequential, random).value());
  EXPECT_FALSE(pool.choose(7, PortChoice::preserve, random));
}

// The nine.

using Nine = std::tuple<Dependence, Dependence>;
class EachKind : public TranslatorTest, public testing::WithParamInterface<Nine> {};

/// Whether two remote endpoints are the same to it.
bool alike(Dependence dependence, const Endpoint& one, const Endpoint& other) {
  switch (dependence) {
    case Dependence::endpoint_independent: return true;
    case Dependence::address_dependent: return one.address == other.address;
    case Dependence::address_and_port_dependent: return one == other;
  }
  return false;
}

TEST_P(EachKind, MapsAndFiltersAsItIsCalled) {
  const auto [mapping, filtering] = GetParam();
  for (const PortChoice ports : {PortChoice::preserve, PortChoice::random, PortChoice::sequential}) {
    NatBehavior behavior;
    behavior.mapping = mapping;
    behavior.filtering = filtering;
    behavior.ports = ports;
    use(config_of(behavior));
    const Endpoint remotes[] = {kServer, kServerElsewhere, kStranger};
    std::vector<Endpoint> outside;
    for (const Endpoint& remote : remotes) outside.push_back(map(kGuest, remote));
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(map(kGuest, remotes[i]), outside[i]);
      for (std::size_t j = 0; j < 3; ++j) {
        EXPECT_EQ(outside[i] == outside[j], alike(mapping, remotes[i], remotes[j]));
        // Through the mapping of i, what came from j: somebody like j was sent to through it.
        bool wanted = false;
        for (std::size_t k = 0; k < 3; ++k) {
          if (outside[k] == outside[i] && alike(filtering, remotes[k], remotes[j])) wanted = true;
        }
        EXPECT_EQ(gets_in(remotes[j], outside[i]), wanted) << i << j;
      }
      const Endpoint nobody = at("203.0.113.99:99");
      EXPECT_EQ(gets_in(nobody, outside[i]), filtering == Dependence::endpoint_independent);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Nine, EachKind,
    testing::Combine(testing::Values(Dependence::endpoint_independent, Dependence::address_dependent,
                                     Dependence::address_and_port_dependent),
                     testing::Values(Dependence::endpoint_independent, Dependence::address_dependent,
                                     Dependence::address_and_port_dependent)));

}  // namespace
}  // namespace vnet::nat::test
