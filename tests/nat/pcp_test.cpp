// PCP byte by byte, as RFC 6887 draws it, on virtual time.
#include "nat/pcp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nat/port_control_testing.hpp"

namespace vnet::nat::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Endpoint kAlice6 = at("fd00:1::a", 40'000);

constexpr unsigned kPcpTcp = 6;
constexpr unsigned kPcpUdp = 17;
constexpr unsigned kMap = 1;
constexpr unsigned kPeer = 2;

/// A request; set what matters. `bytes()` is the message.
struct Ask {
  unsigned opcode = kMap;
  std::uint32_t lifetime = 3600;
  IpAddress client = kAlice.address;
  unsigned nonce = 7;  ///< twelve times
  unsigned protocol = kPcpUdp;
  unsigned inside = 8080;
  unsigned outside = 0;
  IpAddress address = Ipv4Address{};
  Bytes more = {};  ///< the peer's fields, options

  Message body(const IpAddress& shown_address, unsigned shown_port) const {
    Message message;
    for (int i = 0; i < 12; ++i) message.u8(nonce);
    return message.u8(protocol).zeros(3).u16(inside).u16(shown_port).address(shown_address).raw(more);
  }
  Bytes bytes() const {
    return Message().u8(2).u8(opcode).u16(0).u32(lifetime).address(client).raw(body(address, outside)).bytes();
  }
  /// The success that it gets.
  Bytes granted(std::uint32_t given, unsigned port, const IpAddress& given_address = kWanAddress) const {
    return Message().u8(2).u8(0x80 | opcode).u16(0).u32(given).u32(0).zeros(12).raw(body(given_address, port)).bytes();
  }
  /// The error that it gets.
  Bytes refused(PcpResult result, std::uint32_t patience) const {
    return Message()
        .u8(2)
        .u8(0x80 | opcode)
        .u8(0)
        .u8(static_cast<unsigned>(result))
        .u32(patience)
        .u32(0)
        .zeros(12)
        .raw(body(address, outside))
        .bytes();
  }
};

Bytes prefer_failure() { return {2, 0, 0, 0}; }
Bytes third_party(const IpAddress& whom) { return Message().u8(1).u8(0).u16(16).address(whom).bytes(); }
Bytes filter(unsigned length, const IpAddress& from, unsigned port) {
  return Message().u8(3).u8(0).u16(20).u8(0).u8(length).u16(port).address(from).bytes();
}
Bytes peer(std::string_view address, unsigned port) { return Message().u16(port).u16(0).address(ip(address)).bytes(); }
Bytes operator+(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

struct PcpTest : testing::Test {
  Bytes send(const Ask& ask) { return send(at_client(ask.client), ask.bytes()); }
  Bytes send(const Endpoint& from, ByteView bytes) { return bench.ask_control(from, bytes); }
  static Endpoint at_client(const IpAddress& client) { return {client, 40'000}; }
  static PcpResult result_of(const Bytes& answer) {
    EXPECT_GE(answer.size(), Pcp::kHeaderSize);
    return answer.size() < Pcp::kHeaderSize ? PcpResult{255} : PcpResult{answer[3]};
  }
  ControlBench bench;
};

TEST_F(PcpTest, AnnounceTellsTheEpoch_Rfc6887_14_1) {
  bench.now += 258s;
  const Bytes request = Message().u8(2).u8(0).u16(0).u32(0).address(kAlice.address).bytes();
  EXPECT_EQ(send(kAlice, request), Message().u8(2).u8(0x80).u16(0).u32(0).u32(258).zeros(12).bytes());
}

TEST_F(PcpTest, MapsAPortByteForByte_Rfc6887_11_1) {
  const Bytes request{2,   1,   0, 0,  0, 0, 0x0e, 0x10, 0, 0,  0,    0,    0,  0, 0, 0, 0,    0,    0xff, 0xff,
                      192, 168, 1, 10,                                                                            //
                      1,   2,   3, 4,  5, 6, 7,    8,    9, 10, 11,   12,   17, 0, 0, 0, 0x1f, 0x90, 0x00, 0x50,  //
                      0,   0,   0, 0,  0, 0, 0,    0,    0, 0,  0xff, 0xff, 0,  0, 0, 0};
  const Bytes answer{2, 0x81, 0, 0, 0, 0, 0x0e, 0x10, 0, 0,  0,    0,    0,   0, 0,   0, 0,    0,    0,    0,
                     0, 0,    0, 0,                                                                               //
                     1, 2,    3, 4, 5, 6, 7,    8,    9, 10, 11,   12,   17,  0, 0,   0, 0x1f, 0x90, 0x00, 0x50,  //
                     0, 0,    0, 0, 0, 0, 0,    0,    0, 0,  0xff, 0xff, 203, 0, 113, 7};
  EXPECT_EQ(send(kAlice, request), answer);
  EXPECT_THAT(bench.take_changes(), ElementsAre("created pcp 80 192.168.1.10 8080"));
}

TEST_F(PcpTest, LifetimesAreHeldBetweenTwoMinutesAndADay_Rfc6887_15) {
  EXPECT_EQ(send({.lifetime = 1}), Ask{}.granted(120, 8080));
  EXPECT_EQ(send({.lifetime = 0xffff'ffff}), Ask{}.granted(86'400, 8080));
}

TEST_F(PcpTest, RenewalKeepsThePort_Rfc6887_11_3) {
  send({.outside = 80});
  EXPECT_EQ(send({.outside = 90}), Ask{}.granted(3600, 80));
  EXPECT_THAT(bench.take_changes(),
              ElementsAre("created pcp 80 192.168.1.10 8080", "renewed pcp 80 192.168.1.10 8080"));
}

TEST_F(PcpTest, AnotherNonceIsRefusedForAsLongAsTheMappingLives_Rfc6887_11_3) {
  send({});
  const Ask thief{.nonce = 8};
  bench.now += 100s;
  const Bytes answer = send(thief);
  EXPECT_EQ(result_of(answer), PcpResult::not_authorized);
  EXPECT_EQ(load_be<std::uint32_t>(answer.data() + 4), 3500U);
  EXPECT_EQ(result_of(send({.lifetime = 0, .nonce = 8})), PcpResult::not_authorized);
  EXPECT_EQ(bench.mappings.size(), 1U);
}

TEST_F(PcpTest, LifetimeZeroDeletes_Rfc6887_15) {
  send({.outside = 80});
  EXPECT_EQ(send({.lifetime = 0}), Ask{}.granted(0, 80));
  EXPECT_EQ(bench.mappings.size(), 0U);
  EXPECT_EQ(send({.lifetime = 0}), Ask{}.granted(0, 0, Ipv4Address{})) << "it is gone already";
}

TEST_F(PcpTest, PortZeroDeletesAllWithThatNonce_Rfc6887_15) {
  send({.protocol = kPcpTcp});
  send({.protocol = kPcpUdp});
  send({.inside = 8081});
  send({.nonce = 9, .inside = 8082});
  send({.client = kBob.address});
  EXPECT_EQ(result_of(send({.lifetime = 0, .protocol = kPcpUdp, .inside = 0})), PcpResult::success);
  EXPECT_EQ(bench.mappings.size(), 3U);
  EXPECT_EQ(result_of(send({.lifetime = 0, .protocol = 0, .inside = 0})), PcpResult::success);
  EXPECT_EQ(bench.mappings.size(), 2U);
}

TEST_F(PcpTest, AMappingOfTheConfigIsTheAnswerAndStays_Rfc6887_11_3) {
  bench.port(MappingOrigin::config, at("192.168.1.10", 8080), 80);
  EXPECT_EQ(send({.outside = 99}), Ask{}.granted(3600, 80));
  EXPECT_EQ(send({.lifetime = 0}), Ask{}.granted(0, 80));
  EXPECT_EQ(result_of(send({.lifetime = 0})), PcpResult::not_authorized);
}

// --- What is refused

TEST_F(PcpTest, AnotherVersionIsToldOurs_Rfc6887_9) {
  Bytes request = Ask{}.bytes();
  request[0] = 1;
  EXPECT_EQ(send(kAlice, request), Message().u8(2).u8(0x81).u8(0).u8(1).u32(1800).u32(0).zeros(12).bytes());
  request[0] = 3;
  EXPECT_EQ(result_of(send(kAlice, request)), PcpResult::unsupp_version);
}

TEST_F(PcpTest, VersionZeroIsNatPmp_Rfc6887_A) {
  EXPECT_EQ(send(kAlice, Bytes{0, 0}), (Bytes{0, 128, 0, 0, 0, 0, 0, 0, 203, 0, 113, 7}));
  EXPECT_EQ(result_of(send(kAlice6, Bytes{0, 0})), PcpResult::unsupp_version) << "which IPv6 does not have";
  ControlBench pcp_only{MappingBench::home(), {.nat_pmp = false}};
  EXPECT_EQ(result_of(pcp_only.ask_control(kAlice, Bytes{0, 0})), PcpResult::unsupp_version);
}

TEST_F(PcpTest, LengthsThatNoMessageHasAreMalformed_Rfc6887_8_2) {
  Bytes request = Ask{}.bytes();
  request.resize(request.size() - 4);
  EXPECT_EQ(result_of(send(kAlice, request)), PcpResult::malformed_request) << "too short for a MAP";
  request = Ask{}.bytes();
  request.push_back(0);
  const Bytes answer = send(kAlice, request);
  EXPECT_EQ(result_of(answer), PcpResult::malformed_request);
  EXPECT_EQ(answer.size(), request.size() + 3) << "padded to a multiple of four";
  request.resize(1104);
  EXPECT_EQ(send(kAlice, request).size(), 1100U) << "cut to what a message may have";
  EXPECT_EQ(send(kAlice, Bytes{2, 1}).size(), Pcp::kHeaderSize);
}

TEST_F(PcpTest, ResponsesAndSingleBytesAreIgnored_Rfc6887_8_2) {
  Bytes request = Ask{}.bytes();
  request[1] |= 0x80;
  EXPECT_THAT(send(kAlice, request), IsEmpty());
  EXPECT_THAT(send(kAlice, Bytes{2}), IsEmpty());
}

TEST_F(PcpTest, UnknownOpcodesAreRefused_Rfc6887_8_2) {
  EXPECT_EQ(send({.opcode = 3}), (Ask{.opcode = 3}.refused(PcpResult::unsupp_opcode, 1800)));
}

TEST_F(PcpTest, AnAddressThatIsNotTheSendersShowsAnUnknownNat_Rfc6887_8_2) {
  const Ask ask{.client = kBob.address};
  EXPECT_EQ(send(kAlice, ask.bytes()), ask.refused(PcpResult::address_mismatch, 1800));
}

TEST_F(PcpTest, WithoutAnOutsideAddressTheNetworkHasFailed_Rfc6887_7_4) {
  bench.pins.outside = std::nullopt;
  EXPECT_EQ(send({}), Ask{}.refused(PcpResult::network_failure, 30));
}

TEST_F(PcpTest, ProtocolsWithoutSuchPortsAreRefused_Rfc6887_11_3) {
  EXPECT_EQ(result_of(send({.protocol = 132})), PcpResult::unsupp_protocol) << "SCTP";
  EXPECT_EQ(result_of(send({.protocol = 0, .inside = 0})), PcpResult::unsupp_protocol) << "all of a host";
  EXPECT_EQ(result_of(send({.inside = 0})), PcpResult::unsupp_protocol) << "all of a protocol";
  EXPECT_EQ(result_of(send({.protocol = 0})), PcpResult::malformed_request);
}

TEST_F(PcpTest, LimitsAreAQuota_Rfc6887_7_4) {
  PortMappingsConfig config = MappingBench::home();
  config.limits = {.in_all = 2, .per_guest = 1, .filters = 2};
  ControlBench small{config};
  small.ask_control(kAlice, Ask{}.bytes());
  const Ask second{.inside = 8081};
  EXPECT_EQ(small.ask_control(kAlice, second.bytes()), second.refused(PcpResult::user_ex_quota, 30));
  small.ask_control(kBob, Ask{.client = kBob.address}.bytes());
  const Endpoint carol = at("192.168.1.12", 1);
  const Ask third{.client = carol.address};
  EXPECT_EQ(small.ask_control(carol, third.bytes()), third.refused(PcpResult::no_resources, 30));
}

// --- Options

TEST_F(PcpTest, PreferFailureWantsThatPortOrNone_Rfc6887_13_2) {
  send({.client = kBob.address, .outside = 80});
  const Ask ask{.outside = 80, .more = prefer_failure()};
  EXPECT_EQ(send(ask), ask.refused(PcpResult::cannot_provide_external, 30));
  const Ask free{.outside = 81, .more = prefer_failure()};
  EXPECT_EQ(send(free), free.granted(3600, 81)) << "with the option, which was understood";
  EXPECT_EQ(result_of(send({.outside = 82, .more = prefer_failure()})), PcpResult::cannot_provide_external)
      << "it has another one already";
}

TEST_F(PcpTest, PreferFailureWantsThatAddressOrNone_Rfc6887_13_2) {
  EXPECT_EQ(result_of(send({.address = ip("203.0.113.8"), .more = prefer_failure()})),
            PcpResult::cannot_provide_external);
  EXPECT_EQ(send({.address = ip("203.0.113.8")}), Ask{}.granted(3600, 8080)) << "else it is a wish";
}

TEST_F(PcpTest, ThirdPartiesAreNotSpokenForUnlessThatIsAllowed_Rfc6887_13_1) {
  const Ask ask{.more = third_party(kBob.address)};
  EXPECT_EQ(send(ask), ask.refused(PcpResult::unsupp_option, 1800));
  ControlBench open{MappingBench::home(), {.third_party = true}};
  EXPECT_EQ(open.ask_control(kAlice, ask.bytes()), ask.granted(3600, 8080));
  EXPECT_THAT(open.take_changes(), ElementsAre("created pcp 8080 192.168.1.11 8080"));
  EXPECT_EQ(result_of(open.ask_control(kAlice, Ask{.more = third_party(kAlice.address)}.bytes())),
            PcpResult::malformed_request)
      << "nobody is a third party to itself";
  EXPECT_EQ(result_of(open.ask_control(kAlice, Ask{.more = third_party(kAlice6.address)}.bytes())),
            PcpResult::malformed_option);
  EXPECT_EQ(result_of(open.ask_control(kAlice, Ask{.more = third_party(ip("10.0.0.1"))}.bytes())),
            PcpResult::not_authorized);
}

TEST_F(PcpTest, FiltersLetInSomeOnly_Rfc6887_13_3) {
  const Ask ask{.more = filter(96 + 24, ip("198.51.100.77"), 0) + filter(128, ip("192.0.2.1"), 53)};
  EXPECT_EQ(send(ask), ask.granted(3600, 8080));
  const Endpoint inside = at("192.168.1.10", 8080);
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8080, inside, at("198.51.100.1", 9)));
  EXPECT_FALSE(bench.mappings.admits(NatProtocol::udp, 8080, inside, at("192.0.2.1", 9)));
  send({.more = filter(0, Ipv6Address{}, 0)});
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8080, inside, at("192.0.2.1", 9))) << "none any more";
}

TEST_F(PcpTest, FiltersHaveALimit_Rfc6887_13_3) {
  Ask ask;
  for (unsigned port = 1; port <= 17; ++port) ask.more = ask.more + filter(128, ip("192.0.2.1"), port);
  EXPECT_EQ(result_of(send(ask)), PcpResult::excessive_remote_peers);
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST_F(PcpTest, MalformedOptionsAreRefused_Rfc6887_7_3) {
  const std::vector<Bytes> malformed = {
      prefer_failure() + prefer_failure(),  // more often than once
      {2, 0, 0, 4, 0, 0, 0, 0},             // with data that it does not have
      {2, 0, 0, 1},                         // longer than the message
      filter(95, ip("192.0.2.1"), 0),       // neither IPv4 nor IPv6
      filter(129, ip("192.0.2.1"), 0),      //
      filter(64, ip("2001:db8::"), 0),      // nobody whom an IPv4 mapping lets in
      {3, 0, 0, 4, 0, 0, 0, 0},             // shorter than a filter
  };
  for (const Bytes& more : malformed) EXPECT_EQ(result_of(send({.more = more})), PcpResult::malformed_option);
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST_F(PcpTest, UnknownOptionsAreRefusedIfTheyMustBeUnderstood_Rfc6887_7_3) {
  const Ask mandatory{.more = {127, 0, 0, 0}};
  EXPECT_EQ(send(mandatory), mandatory.refused(PcpResult::unsupp_option, 1800));
  EXPECT_EQ(send({.more = {128, 0, 0, 1, 0xff, 0, 0, 0}}), Ask{}.granted(3600, 8080)) << "and left out if not";
  EXPECT_EQ(result_of(send({.opcode = kPeer, .more = peer("192.0.2.1", 53) + prefer_failure()})),
            PcpResult::unsupp_option)
      << "it is not for PEER";
}

// --- PEER

TEST_F(PcpTest, PeerMakesAMappingTowardOneEndpoint_Rfc6887_12_1) {
  const Ask ask{.opcode = kPeer, .more = peer("192.0.2.1", 53)};
  EXPECT_EQ(send(ask), ask.granted(3600, 8080));
  const Endpoint inside = at("192.168.1.10", 8080);
  EXPECT_TRUE(bench.mappings.admits(NatProtocol::udp, 8080, inside, at("192.0.2.1", 53)));
  EXPECT_FALSE(bench.mappings.admits(NatProtocol::udp, 8080, inside, at("192.0.2.1", 54)));
  EXPECT_EQ(send({.opcode = kPeer, .lifetime = 0, .more = ask.more}), ask.granted(0, 8080));
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST_F(PcpTest, PeerHasThePortThatTheEndpointHas_Rfc6887_12_3) {
  send({.outside = 80});
  const Ask ask{.opcode = kPeer, .more = peer("192.0.2.1", 53)};
  EXPECT_EQ(send(ask), ask.granted(3600, 80));
  const Ask other{.opcode = kPeer, .outside = 81, .more = peer("192.0.2.2", 53)};
  EXPECT_EQ(send(other), other.refused(PcpResult::cannot_provide_external, 30));
  bench.pins.current["192.168.1.10 9000"] = 50'000;
  const Ask flow{.opcode = kPeer, .inside = 9000, .more = peer("192.0.2.1", 53)};
  EXPECT_EQ(send(flow), flow.granted(3600, 50'000)) << "of the flow that is there";
}

TEST_F(PcpTest, APeerMustBeSomebody_Rfc6887_12_1) {
  EXPECT_EQ(result_of(send({.opcode = kPeer, .more = peer("192.0.2.1", 0)})), PcpResult::malformed_request);
  EXPECT_EQ(result_of(send({.opcode = kPeer, .more = peer("0.0.0.0", 53)})), PcpResult::malformed_request);
  EXPECT_EQ(result_of(send({.opcode = kPeer, .more = peer("2001:db8::1", 53)})), PcpResult::malformed_request);
  EXPECT_EQ(result_of(send({.opcode = kPeer})), PcpResult::malformed_request) << "too short for a PEER";
  EXPECT_EQ(result_of(send({.opcode = kPeer, .protocol = 0, .inside = 0, .more = peer("192.0.2.1", 53)})),
            PcpResult::unsupp_protocol);
}

// --- IPv6

TEST_F(PcpTest, AnIpv6ClientOpensTheFirewall_Rfc6887_11_3) {
  const Ask ask{.client = kAlice6.address, .inside = 443, .address = Ipv6Address{}};
  EXPECT_EQ(send(ask), ask.granted(3600, 443, kAlice6.address));
  EXPECT_EQ(send({.client = kAlice6.address, .inside = 444, .outside = 445, .address = Ipv6Address{}}),
            (Ask{.inside = 444}.granted(3600, 444, kAlice6.address)));
  const Ask strict{.client = kAlice6.address, .inside = 446, .outside = 447, .more = prefer_failure()};
  EXPECT_EQ(result_of(send(strict)), PcpResult::cannot_provide_external);
}

TEST_F(PcpTest, ALinkLocalClientIsToldThatItHasNoOutside) {
  EXPECT_EQ(result_of(send({.client = ip("fe80::1")})), PcpResult::not_authorized);
}

}  // namespace
}  // namespace vnet::nat::test
