// NAT-PMP byte by byte, as RFC 6886 draws it, on virtual time.
#include "nat/nat_pmp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nat/port_control_testing.hpp"

namespace vnet::nat::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Message map(unsigned opcode, unsigned inside, unsigned outside, std::uint32_t lifetime) {
  return Message().u8(0).u8(opcode).u16(0).u16(inside).u16(outside).u32(lifetime);
}
Bytes mapped(unsigned opcode, unsigned result, std::uint32_t epoch, unsigned inside, unsigned outside,
             std::uint32_t lifetime) {
  return Message().u8(0).u8(128 + opcode).u16(result).u32(epoch).u16(inside).u16(outside).u32(lifetime).bytes();
}

TEST(NatPmp, TellsTheOutsideAddress_Rfc6886_3_2) {
  ControlBench bench;
  bench.now += 258s;
  EXPECT_EQ(bench.ask_control(kAlice, Bytes{0, 0}), (Bytes{0, 128, 0, 0, 0, 0, 1, 2, 203, 0, 113, 7}));
}

TEST(NatPmp, WithoutAnOutsideAddressTheNetworkHasFailed_Rfc6886_3_5) {
  ControlBench bench;
  bench.pins.outside = std::nullopt;
  EXPECT_EQ(bench.ask_control(kAlice, Bytes{0, 0}), (Bytes{0, 128, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 80, 60)), mapped(1, 3, 0, 80, 0, 0));
}

TEST(NatPmp, MapsUdpAndTcp_Rfc6886_3_3) {
  ControlBench bench;
  EXPECT_EQ(bench.ask_control(kAlice, Bytes{0, 1, 0, 0, 0x1f, 0x90, 0x00, 0x50, 0, 0, 0x0e, 0x10}),
            (Bytes{0, 129, 0, 0, 0, 0, 0, 0, 0x1f, 0x90, 0x00, 0x50, 0, 0, 0x0e, 0x10}));
  EXPECT_EQ(bench.ask_control(kAlice, map(2, 8080, 80, 3600)), mapped(2, 0, 0, 8080, 80, 3600));
  EXPECT_THAT(bench.take_changes(),
              ElementsAre("created nat-pmp 80 192.168.1.10 8080", "created nat-pmp 80 192.168.1.10 8080"));
}

TEST(NatPmp, AnswersARepetitionAsTheFirstTime_Rfc6886_3_3) {
  ControlBench bench;
  bench.ask_control(kBob, map(1, 80, 80, 60));
  const Bytes answer = bench.ask_control(kAlice, map(1, 80, 80, 60));
  EXPECT_NE(answer, mapped(1, 0, 0, 80, 80, 60));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 80, 60)), answer);
}

TEST(NatPmp, GrantsALifetimeUpToADay_Rfc6886_3_3) {
  ControlBench bench;
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 80, 1)), mapped(1, 0, 0, 80, 80, 1));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 80, 0xffff'ffff)), mapped(1, 0, 0, 80, 80, 86'400));
  bench.wait(86'400s);
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST(NatPmp, LifetimeZeroDeletesAndIsAnswered_Rfc6886_3_4) {
  ControlBench bench;
  bench.ask_control(kAlice, map(1, 80, 80, 60));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 0, 0)), mapped(1, 0, 0, 80, 0, 0));
  EXPECT_EQ(bench.mappings.size(), 0U);
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 0, 0)), mapped(1, 0, 0, 80, 0, 0)) << "it is gone already";
}

TEST(NatPmp, PortZeroDeletesAllOfAHostsMappingsOfThatProtocol_Rfc6886_3_4) {
  ControlBench bench;
  bench.ask_control(kAlice, map(1, 80, 80, 60));
  bench.ask_control(kAlice, map(1, 81, 81, 60));
  bench.ask_control(kAlice, map(2, 82, 82, 60));
  bench.ask_control(kBob, map(1, 83, 83, 60));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 0, 0, 0)), mapped(1, 0, 0, 0, 0, 0));
  EXPECT_EQ(bench.mappings.size(), 2U);
}

TEST(NatPmp, PortZeroIsNotMapped) {
  ControlBench bench;
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 0, 80, 60)), mapped(1, 2, 0, 0, 0, 0));
}

TEST(NatPmp, AMappingOfTheConfigIsNotDeleted_Rfc6886_3_4) {
  ControlBench bench;
  bench.port(MappingOrigin::config, at("192.168.1.10", 80), 8080);
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 80, 60)), mapped(1, 0, 0, 80, 8080, 60));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 0, 0)), mapped(1, 0, 0, 80, 0, 0)) << "its own goes";
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 0, 0)), mapped(1, 2, 0, 80, 0, 0)) << "the config's does not";
}

TEST(NatPmp, AFullTableIsOutOfResources_Rfc6886_3_5) {
  PortMappingsConfig config = MappingBench::home();
  config.limits.per_guest = 1;
  ControlBench bench{config};
  bench.ask_control(kAlice, map(1, 80, 80, 60));
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 81, 81, 60)), mapped(1, 4, 0, 81, 0, 0));
}

TEST(NatPmp, OneToOneRefusesTheOthers_Rfc6886_3_5) {
  PortMappingsConfig config = MappingBench::home();
  config.ipv4 = PortSharing::one_host;
  config.one_to_one_host = Ipv4Address{192, 168, 1, 10};
  ControlBench bench{config};
  EXPECT_EQ(bench.ask_control(kAlice, map(1, 80, 99, 60)), mapped(1, 0, 0, 80, 80, 60));
  EXPECT_EQ(bench.ask_control(kBob, map(1, 80, 99, 60)), mapped(1, 2, 0, 80, 0, 0));
}

TEST(NatPmp, UnknownOpcodesAreNamedInTheAnswer_Rfc6886_3_5) {
  ControlBench bench;
  EXPECT_EQ(bench.ask_control(kAlice, Bytes{0, 3}), (Bytes{0, 131, 0, 5, 0, 0, 0, 0}));
  EXPECT_EQ(bench.ask_control(kAlice, Bytes{0, 127, 1, 2, 3}), (Bytes{0, 255, 0, 5, 0, 0, 0, 0}));
}

TEST(NatPmp, ResponsesAndFragmentsOfRequestsAreIgnored_Rfc6886_3_5) {
  ControlBench bench;
  EXPECT_THAT(bench.ask_control(kAlice, Bytes{0, 128}), IsEmpty());
  EXPECT_THAT(bench.ask_control(kAlice, Bytes{0}), IsEmpty());
  EXPECT_THAT(bench.ask_control(kAlice, Bytes{}), IsEmpty());
  EXPECT_THAT(bench.ask_control(kAlice, Bytes{0, 1, 0, 0, 0, 80, 0, 80, 0, 0, 0}), IsEmpty());
}

TEST(NatPmp, OnlyHostsInsideAreAnswered_Rfc6886_3_1) {
  ControlBench bench;
  EXPECT_THAT(bench.ask_control(at("198.51.100.9", 40'000), Bytes{0, 0}), IsEmpty());
  EXPECT_THAT(bench.ask_control(at("192.168.1.255", 40'000), Bytes{0, 0}), IsEmpty());
}

TEST(NatPmp, AGatewayWithoutPcpSpeaksVersionZeroOnly_Rfc6886_3_5) {
  ControlBench bench{MappingBench::home(), {.pcp = false}};
  EXPECT_EQ(bench.ask_control(kAlice, Message().u8(2).u8(1).zeros(58)), (Bytes{0, 129, 0, 1, 0, 0, 0, 0}));
}

// --- Announcements

struct Sent {
  Instant at;
  std::string to;
  Bytes payload;
};

/// All that is announced in `duration`.
std::vector<Sent> announced(ControlBench& bench, Duration duration) {
  std::vector<Sent> sent;
  const Instant until = bench.now + duration;
  while (bench.control.next_deadline() <= until) {
    bench.now = std::max(bench.now, bench.control.next_deadline());
    bench.control.expire(bench.now, [&](const Endpoint& to, ByteView payload) {
      sent.push_back({bench.now, text(to), {payload.begin(), payload.end()}});
    });
  }
  bench.now = until;
  return sent;
}

TEST(NatPmp, ARestartIsAnnouncedTenTimesAtGrowingDistances_Rfc6886_3_2_1) {
  ControlBench bench{MappingBench::home(), {.pcp = false}};
  const std::vector<Sent> sent = announced(bench, 1h);
  ASSERT_EQ(sent.size(), 10U);
  EXPECT_EQ(sent[0].at, kStart);
  EXPECT_EQ(sent[0].to, "224.0.0.1 5350");
  EXPECT_EQ(sent[0].payload, (Bytes{0, 128, 0, 0, 0, 0, 0, 0, 203, 0, 113, 7}));
  Duration distance = 250ms;
  for (std::size_t i = 1; i < sent.size(); ++i, distance *= 2) EXPECT_EQ(sent[i].at - sent[i - 1].at, distance);
  EXPECT_EQ(sent[9].payload, (Bytes{0, 128, 0, 0, 0, 0, 0, 127, 203, 0, 113, 7})) << "with the epoch of its moment";
  EXPECT_EQ(bench.control.next_deadline(), kNever);
  bench.mappings.restart(bench.now);
  EXPECT_EQ(announced(bench, 1h).size(), 10U);
}

TEST(NatPmp, ATableThatWasCarriedOverHasNothingToAnnounce_Rfc6886_3_2_1) {
  ControlBench bench{MappingBench::home(), {}, 500};
  EXPECT_THAT(announced(bench, 1h), IsEmpty());
}

TEST(Pcp, ARestartIsAnnouncedOverBothFamilies_Rfc6887_14_1_3) {
  ControlBench bench{MappingBench::home(), {.nat_pmp = false}};
  const std::vector<Sent> sent = announced(bench, 0s);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].to, "224.0.0.1 5350");
  EXPECT_EQ(sent[1].to, "ff02::1 5350");
  EXPECT_EQ(sent[1].payload, Message().u8(2).u8(128).zeros(22).bytes());
}

TEST(NatPmp, WhereHostsAreRoutedThereIsNoAddressToAnnounce) {
  PortMappingsConfig config = MappingBench::home();
  config.ipv4 = PortSharing::own;
  ControlBench bench{config, {.pcp = false}};
  EXPECT_THAT(announced(bench, 1h), IsEmpty());
}

}  // namespace
}  // namespace vnet::nat::test
