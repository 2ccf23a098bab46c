// The rules that all port-mapping protocols share, on virtual time.
#include "nat/port_mappings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nat/port_mappings_testing.hpp"

namespace vnet::nat::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Origin = MappingOrigin;

const Endpoint kHers = at("192.168.1.10", 8000);
const Endpoint kHis = at("192.168.1.11", 8000);

MappingError error_of(const PortMappings::Granted& granted) {
  EXPECT_FALSE(granted.has_value());
  return granted ? MappingError{} : granted.error();
}

TEST(PortMappings, ASuggestedPortIsGivenIfItIsFree_Rfc6886_3_3) {
  MappingBench bench;
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 80), 80);
  EXPECT_EQ(bench.pins.pinned.size(), 1U);
  EXPECT_THAT(bench.take_changes(), ElementsAre("created nat-pmp 80 192.168.1.10 8000"));
}

TEST(PortMappings, WithoutAWishTheInsidePortIsGiven) {
  MappingBench bench;
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers), 8000);
}

TEST(PortMappings, APortThatIsTakenBecomesADynamicOneOfTheSameParity_Rfc4787_4_2_2) {
  MappingBench bench;
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 81), 81);
  const std::uint16_t other = bench.port(Origin::nat_pmp, kHis, 81);
  EXPECT_GE(other, PortMappings::kFirstDynamicPort);
  EXPECT_EQ(other % 2, 1);
  bench.pins.in_use.insert({NatProtocol::udp, 90});
  EXPECT_EQ(bench.port(Origin::nat_pmp, at("192.168.1.12", 1), 90) % 2, 0) << "a flow is in the way";
}

TEST(PortMappings, TheSameReplacementIsFoundAgainAfterARestart) {
  MappingBench bench;
  bench.port(Origin::nat_pmp, kHers, 80);
  const std::uint16_t other = bench.port(Origin::nat_pmp, kHis, 80);
  bench.mappings.restart(bench.now);
  bench.port(Origin::nat_pmp, kHers, 80);
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHis, 80), other);
}

TEST(PortMappings, AnExactWishIsNotReplaced_Rfc6887_13_2) {
  MappingBench bench;
  bench.port(Origin::nat_pmp, kHers, 80);
  const MappingRequest request{.claim = {Origin::upnp, {}},
                               .protocol = NatProtocol::udp,
                               .inside = kHis,
                               .suggested = 80,
                               .exact = true,
                               .by_port = true};
  EXPECT_EQ(error_of(bench.mappings.grant(request, bench.now)), MappingError::port_taken);
  EXPECT_EQ(bench.mappings.size(), 1U);
}

TEST(PortMappings, RenewalKeepsThePortWhateverIsSuggested_Rfc6886_3_3) {
  MappingBench bench;
  bench.port(Origin::nat_pmp, kHers, 80, 100s);
  bench.wait(60s);
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 90, 100s), 80);
  bench.take_changes();
  bench.wait(99s);
  EXPECT_EQ(bench.mappings.size(), 1U);
  bench.wait(1s);
  EXPECT_EQ(bench.mappings.size(), 0U);
  EXPECT_THAT(bench.take_changes(), ElementsAre("expired nat-pmp 80 192.168.1.10 8000"));
  EXPECT_THAT(bench.pins.pinned, IsEmpty());
  EXPECT_EQ(bench.mappings.next_deadline(), kNever);
}

TEST(PortMappings, WhatIsOverMakesRoomEvenBeforeItsDeadlineWasMet) {
  MappingBench bench;
  bench.port(Origin::nat_pmp, kHers, 80, 100s);
  bench.now += 100s;
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHis, 80), 80);
}

TEST(PortMappings, TheOtherProtocolOfAPortIsKeptForItsHost_Rfc6886_3_3) {
  MappingBench bench;
  bench.port(Origin::nat_pmp, kHers, 80);
  MappingRequest request{.claim = {Origin::nat_pmp, {}}, .protocol = NatProtocol::tcp, .inside = kHis, .suggested = 80};
  EXPECT_NE((*bench.mappings.grant(request, bench.now))->outside_port, 80);
  request.inside = at("192.168.1.10", 9);
  EXPECT_EQ((*bench.mappings.grant(request, bench.now))->outside_port, 80);
}

TEST(PortMappings, WhoAsksBySeveralProtocolsHasOnePort) {
  MappingBench bench;
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 80, 10s), 80);
  EXPECT_EQ(bench.port(Origin::pcp, kHers, 90, 20s), 80);
  EXPECT_EQ(bench.mappings.size(), 2U);
  bench.wait(15s);
  EXPECT_EQ(bench.pins.pinned.size(), 1U) << "pinned until the last one ends";
  bench.wait(10s);
  EXPECT_THAT(bench.pins.pinned, IsEmpty());
}

TEST(PortMappings, AnEndpointThatHasSentKeepsItsPort_Rfc6887_11_3) {
  MappingBench bench;
  bench.pins.current[text(kHers)] = 50'001;
  EXPECT_EQ(bench.port(Origin::pcp, kHers, 80), 50'001);
}

TEST(PortMappings, PcpProtectsItsMappingsByTheNonce_Rfc6887_11_3) {
  MappingBench bench;
  MappingRequest request{.claim = {Origin::pcp, {1}}, .protocol = NatProtocol::udp, .inside = kHers};
  const auto granted = bench.mappings.grant(request, bench.now);
  ASSERT_TRUE(granted);
  const MappingClaim other{Origin::pcp, {2}};
  EXPECT_FALSE(bench.mappings.remove(**granted, other, bench.now));
  bench.mappings.remove_all(kHers.address, other, std::nullopt, bench.now);
  EXPECT_EQ(bench.mappings.size(), 1U);
  request.claim = other;
  EXPECT_EQ(error_of(bench.mappings.grant(request, bench.now)), MappingError::not_authorized);
  EXPECT_TRUE(bench.mappings.remove(**granted, {Origin::pcp, {1}}, bench.now));
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST(PortMappings, WhatTheConfigHasMappedIsGrantedAgainAndNeverTakenAway) {
  MappingBench bench;
  EXPECT_EQ(bench.port(Origin::config, kHers, 80), 80);
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 90), 80);
  bench.mappings.forget_guest(kHers.address, bench.now);
  bench.mappings.restart(bench.now);
  EXPECT_EQ(bench.mappings.size(), 1U);
  EXPECT_EQ(bench.pins.pinned.size(), 1U);
  EXPECT_NE(bench.port(Origin::nat_pmp, kHis, 80), 80);
}

TEST(PortMappings, OnlyHostsInsideHaveMappings) {
  MappingBench bench;
  for (const char* const address : {"10.0.0.1", "192.168.1.1", "192.168.1.0", "192.168.1.255", "0.0.0.0", "fd00:2::5",
                                    "fd00:1::1", "fe80::1", "224.0.0.1"}) {
    EXPECT_EQ(error_of(bench.ask(Origin::pcp, at(address, 80))), MappingError::not_authorized) << address;
  }
  EXPECT_EQ(error_of(bench.ask(Origin::pcp, at("192.168.1.10", 0))), MappingError::not_authorized);
}

TEST(PortMappings, WithoutAnOutsideAddressThereAreNone_Rfc6886_3_5) {
  MappingBench bench;
  bench.pins.outside = std::nullopt;
  EXPECT_EQ(error_of(bench.ask(Origin::nat_pmp, kHers)), MappingError::no_address);
}

TEST(PortMappings, LimitsRefuseTheNewcomer) {
  PortMappingsConfig config = MappingBench::home();
  config.limits = {.in_all = 5, .per_guest = 3, .filters = 2};
  MappingBench bench{config};
  for (std::uint16_t port = 1; port <= 3; ++port) EXPECT_EQ(bench.port(Origin::pcp, at("192.168.1.10", port)), port);
  EXPECT_EQ(error_of(bench.ask(Origin::pcp, kHers)), MappingError::guest_full);
  EXPECT_EQ(bench.port(Origin::pcp, at("192.168.1.10", 2)), 2) << "renewal needs no room";
  EXPECT_EQ(bench.port(Origin::config, at("192.168.1.10", 4)), 4) << "the config's do not count";
  EXPECT_EQ(bench.port(Origin::pcp, kHis), 8000);
  EXPECT_EQ(error_of(bench.ask(Origin::pcp, at("192.168.1.12", 9))), MappingError::full);
}

TEST(PortMappings, OneToOneGivesTheHostItsOwnPortsAndOthersNone) {
  PortMappingsConfig config = MappingBench::home();
  config.ipv4 = PortSharing::one_host;
  config.one_to_one_host = Ipv4Address{192, 168, 1, 10};
  MappingBench bench{config};
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHers, 80), 8000);
  EXPECT_EQ(error_of(bench.ask(Origin::nat_pmp, kHis, 80)), MappingError::not_authorized);
}

TEST(PortMappings, OneToOneWithoutANameGoesByWhomTheTranslatorLetsHaveAPort) {
  PortMappingsConfig config = MappingBench::home();
  config.ipv4 = PortSharing::one_host;
  MappingBench bench{config};
  bench.pins.only = kHis.address;
  EXPECT_EQ(error_of(bench.ask(Origin::nat_pmp, kHers)), MappingError::not_authorized);
  EXPECT_EQ(bench.port(Origin::nat_pmp, kHis), 8000);
}

TEST(PortMappings, HostsWithAddressesOfTheirOwnDoNotContend_Rfc6887_2_2) {
  MappingBench bench;
  bench.pins.own_ports = true;
  EXPECT_EQ(bench.port(Origin::pcp, at("fd00:1::a", 80), 90), 80) << "the outside port is the inside one";
  EXPECT_EQ(bench.port(Origin::pcp, at("fd00:1::b", 80)), 80);
  EXPECT_EQ(bench.pins.pinned.size(), 2U);
  bench.mappings.forget_guest(ip("fd00:1::a"), bench.now);
  EXPECT_EQ(bench.pins.pinned.size(), 1U);
}

TEST(PortMappings, FiltersAddUpOnceEach_Rfc6887_13_3) {
  MappingBench bench;
  MappingRequest request{.claim = {Origin::pcp, {}}, .protocol = NatProtocol::udp, .inside = kHers};
  request.filters = {{Ipv4Prefix{Ipv4Address{198, 51, 100, 0}, 24}, 0}};
  ASSERT_TRUE(bench.mappings.grant(request, bench.now));
  ASSERT_TRUE(bench.mappings.grant(request, bench.now));
  request.filters = {{Ipv4Prefix{Ipv4Address{192, 0, 2, 1}, 32}, 53}};
  ASSERT_TRUE(bench.mappings.grant(request, bench.now));
  EXPECT_EQ(bench.mappings.find(Origin::pcp, NatProtocol::udp, kHers)->filters.size(), 2U);
  const auto admits = [&](std::string_view address, std::uint16_t port) {
    return bench.mappings.admits(NatProtocol::udp, 8000, kHers, at(address, port));
  };
  EXPECT_TRUE(admits("198.51.100.9", 1));
  EXPECT_TRUE(admits("192.0.2.1", 53));
  EXPECT_FALSE(admits("192.0.2.1", 54));
  EXPECT_FALSE(admits("192.0.2.2", 53));
  EXPECT_FALSE(admits("2001:db8::1", 53));
  request.filters.clear();
  request.clear_filters = true;
  ASSERT_TRUE(bench.mappings.grant(request, bench.now));
  EXPECT_TRUE(admits("192.0.2.2", 53));
}

TEST(PortMappings, APeerIsTheOnlyOneWhomItsMappingLetsIn_Rfc6887_12) {
  MappingBench bench;
  const Endpoint peer = at("198.51.100.9", 53);
  const MappingRequest request{.claim = {Origin::pcp, {}}, .protocol = NatProtocol::udp, .inside = kHers, .peer = peer};
  ASSERT_TRUE(bench.mappings.grant(request, bench.now));
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8000, kHers, peer));
  EXPECT_FALSE(bench.mappings.admits(NatProtocol::udp, 8000, kHers, at("198.51.100.9", 54)));
  EXPECT_EQ(bench.port(Origin::pcp, kHers, 90), 8000) << "the same port for everybody";
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8000, kHers, at("198.51.100.9", 54)));
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8001, kHers, peer)) << "nothing here to ask";
}

TEST(PortMappings, TheEpochCountsSecondsSinceTheStateWasLost_Rfc6886_3_6) {
  MappingBench bench{MappingBench::home(), 500};
  EXPECT_EQ(bench.mappings.epoch(bench.now), 500U) << "carried over a restart of the process";
  EXPECT_EQ(bench.mappings.epoch(bench.now + 1999ms), 501U);
  bench.now += 10s;
  bench.port(Origin::pcp, kHers);
  bench.take_changes();
  bench.mappings.restart(bench.now);
  EXPECT_EQ(bench.mappings.epoch(bench.now), 0U);
  EXPECT_THAT(bench.take_changes(), ElementsAre("deleted pcp 8000 192.168.1.10 8000: the router has restarted"));
}

TEST(PortMappings, AMappingSurvivesTheProcessWithoutAnEvent) {
  MappingBench before;
  const auto granted = before.ask(Origin::nat_pmp, kHers, 80);
  ASSERT_TRUE(granted);
  const PortMapping mapping = **granted;
  MappingBench after{MappingBench::home(), 500};
  EXPECT_TRUE(after.mappings.restore(mapping, after.now));
  EXPECT_EQ(*after.mappings.find(Origin::nat_pmp, NatProtocol::udp, kHers), mapping);
  EXPECT_THAT(after.take_changes(), IsEmpty());
  EXPECT_FALSE(after.mappings.restore(mapping, mapping.expires)) << "it is over";
}

TEST(PortMappings, AnotherKindOfNetworkKeepsWhatTheConfigMapsIfItStillFits) {
  MappingBench bench;
  bench.port(Origin::config, kHers, 8000);
  bench.port(Origin::config, kHis, 80);
  bench.port(Origin::pcp, kHis, 90);
  PortMappingsConfig config = MappingBench::home();
  config.ipv4 = PortSharing::one_host;
  config.one_to_one_host = Ipv4Address{192, 168, 1, 10};
  bench.mappings.reconfigure(config, bench.now);
  EXPECT_EQ(bench.mappings.size(), 1U);
  EXPECT_NE(bench.mappings.find(Origin::config, NatProtocol::udp, kHers), nullptr);
  config.limits.per_guest = 1;
  const auto restarts = bench.mappings.restarts();
  bench.mappings.reconfigure(config, bench.now);
  EXPECT_EQ(bench.mappings.restarts(), restarts) << "a limit changes nothing for those who have mappings";
}

TEST(PortMappings, SharingFollowsFromTheKindOfNat) {
  TranslatorConfig translator;
  translator.inside4 = Ipv4Prefix::parse("192.168.1.1/24");
  EXPECT_EQ(mappings_behind(translator).ipv4, PortSharing::own) << "without an outside address it is routed";
  translator.outside4 = Ipv4Address{203, 0, 113, 7};
  for (const NatPreset preset : {NatPreset::fullcone, NatPreset::easy, NatPreset::hard, NatPreset::cgnat}) {
    translator.behavior = behavior_of(preset);
    EXPECT_EQ(mappings_behind(translator).ipv4, PortSharing::shared) << to_string(preset);
  }
  translator.behavior = behavior_of(NatPreset::none);
  EXPECT_EQ(mappings_behind(translator).ipv4, PortSharing::own);
  translator.behavior = behavior_of(NatPreset::one2one);
  translator.one_to_one_host = Ipv4Address{192, 168, 1, 10};
  EXPECT_EQ(mappings_behind(translator).ipv4, PortSharing::one_host);
  EXPECT_EQ(mappings_behind(translator).one_to_one_host, translator.one_to_one_host);
  EXPECT_EQ(mappings_behind(translator).inside4, translator.inside4);
  EXPECT_EQ(mappings_behind(translator).ipv6, PortSharing::own);
  translator.behavior.ipv6 = Ipv6Way::nat66;
  EXPECT_EQ(mappings_behind(translator).ipv6, PortSharing::shared);
}

}  // namespace
}  // namespace vnet::nat::test
