// Frames built into poisoned storage: every byte is meant, none outside is touched, and what does not fit is no frame.
// Where libtins is installed, the same frames as an independent library builds them.
#include "packet/frame_builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/network/frame_judge.hpp"
#include "tests/network/frames.hpp"

#if defined(VNET_HAVE_LIBTINS)
#include <tins/tins.h>
#endif

namespace vnet {
namespace {

using namespace network::test;

const Way4 kWay4{mac(1), mac(2), ip4("10.0.0.1"), ip4("10.0.0.2")};
const Way6 kWay6{mac(1), mac(2), ip6("fd00::1"), ip6("fd00::2")};

class Builder : public testing::Test {
 protected:
  [[nodiscard]] Bytes built() const { return {frame.bytes().begin(), frame.bytes().end()}; }
  void build_udp4(ByteView payload) {
    frame.append_payload(payload);
    frame.prepend_udp(kWay4.source, kWay4.destination, 1234, 53);
    frame.prepend_ipv4(kWay4.source, kWay4.destination, ip_protocol::kUdp);
    frame.prepend_ethernet(kWay4.to, kWay4.from, ethertype::kIpv4);
  }
  void build_udp6(ByteView payload) {
    frame.append_payload(payload);
    frame.prepend_udp(kWay6.source, kWay6.destination, 1234, 53);
    frame.prepend_ipv6(kWay6.source, kWay6.destination, ip_protocol::kUdp);
    frame.prepend_ethernet(kWay6.to, kWay6.from, ethertype::kIpv6);
  }
  Bytes storage = Bytes(2048, 0xa5);
  FrameBuilder frame{storage};
};

TEST_F(Builder, MakesTheFramesThatTheTestsMakeByHand) {
  build_udp6(text_bytes("payload"));
  EXPECT_EQ(built(), udp(kWay6, 1234, 53, text_bytes("payload")));
}

TEST_F(Builder, AnIpv4HeaderSaysDoNotFragmentUnlessItHasAnIdentification) {
  build_udp4(text_bytes("odd"));
  EXPECT_FALSE(find_flaw(frame.bytes()));
  const auto packet = Ipv4Packet::parse(frame.bytes().subspan(14)).value();
  EXPECT_TRUE(packet.dont_fragment());
  EXPECT_EQ(packet.identification(), 0);
  FrameBuilder other{storage};
  other.append_payload(text_bytes("odd"));
  other.prepend_ipv4(kWay4.source, kWay4.destination, 17, 1, 77);
  const auto second = Ipv4Packet::parse(other.bytes()).value();
  EXPECT_FALSE(second.dont_fragment());
  EXPECT_EQ(second.identification(), 77);
  EXPECT_EQ(second.ttl(), 1);
}

TEST_F(Builder, TouchesNothingOutsideOfTheFrame) {
  build_udp4(text_bytes("payload"));
  const auto begin = static_cast<std::size_t>(frame.bytes().data() - storage.data());
  const std::size_t end = begin + frame.bytes().size();
  for (std::size_t i = 0; i < storage.size(); ++i) {
    if (i >= begin && i < end) continue;
    ASSERT_EQ(storage[i], 0xa5) << i;
  }
}

TEST_F(Builder, APayloadMayBeWrittenInPlace) {
  ByteWriter out{frame.payload_room()};
  out.be32(0x01020304);
  frame.commit_payload(out.position());
  EXPECT_EQ(built(), (Bytes{1, 2, 3, 4}));
  EXPECT_EQ(frame.bytes().data(), storage.data() + FrameBuilder::kHeadroom);
}

TEST_F(Builder, Rfc768AChecksumOfZeroIsWrittenAsAllOnes) {
  // Of all payloads of two bytes, one makes the sum come out as zero.
  int zeros = 0;
  for (std::uint32_t value = 0; value <= 0xffff; ++value) {
    FrameBuilder one{storage};
    one.append_payload(Bytes{static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)});
    one.prepend_udp(kWay4.source, kWay4.destination, 1234, 53);
    const auto datagram = UdpDatagram::parse(one.bytes()).value();
    ASSERT_NE(datagram.checksum_field(), 0);
    if (datagram.checksum_field() == 0xffff) ++zeros;
  }
  EXPECT_EQ(zeros, 1);
}

TEST_F(Builder, IcmpChecksumsAreFilledOverWhateverStoodThere) {
  frame.append_payload(Bytes{8, 0, 0xde, 0xad, 1, 2, 3, 4, 5});
  frame.fill_icmp_checksum();
  EXPECT_EQ(checksum(frame.bytes()), 0);
  FrameBuilder six{storage};
  six.append_payload(Bytes{128, 0, 0xde, 0xad, 1, 2, 3, 4, 5});
  six.fill_icmp6_checksum(kWay6.source, kWay6.destination);
  six.prepend_ipv6(kWay6.source, kWay6.destination, ip_protocol::kIcmp6, 255);
  six.prepend_ethernet(kWay6.to, kWay6.from, ethertype::kIpv6);
  EXPECT_FALSE(find_flaw(six.bytes()));
}

TEST(BuilderLimits, WhatDoesNotFitIsNoFrame) {
  Bytes storage(FrameBuilder::kHeadroom + 10, 0xa5);
  FrameBuilder frame{storage};
  frame.append_payload(Bytes(11, 1));
  EXPECT_FALSE(frame.ok());
  frame.prepend_udp(kWay4.source, kWay4.destination, 1, 2);
  frame.prepend_ethernet(mac(2), mac(1), 0x0800);
  EXPECT_TRUE(frame.bytes().empty());
  EXPECT_TRUE(frame.payload_room().empty());
}

TEST(BuilderLimits, HeadersBeyondTheHeadroomAreNoFrame) {
  Bytes storage(FrameBuilder::kHeadroom + 10, 0xa5);
  FrameBuilder frame{storage};
  EXPECT_NE(frame.prepend(FrameBuilder::kHeadroom), nullptr);
  EXPECT_EQ(frame.prepend(1), nullptr);
  EXPECT_TRUE(frame.bytes().empty());
}

TEST(BuilderLimits, StorageMayEndWhereThePayloadWouldBegin) {
  Bytes exact(FrameBuilder::kHeadroom, 0xa5);
  FrameBuilder frame{exact};
  frame.prepend_ipv4(kWay4.source, kWay4.destination, 6);
  EXPECT_TRUE(Ipv4Packet::parse(frame.bytes()));
  Bytes small(FrameBuilder::kHeadroom - 1, 0xa5);
  EXPECT_FALSE(FrameBuilder{small}.ok());
  EXPECT_FALSE(FrameBuilder{ByteSpan{}}.ok());
}

TEST(BuilderLimits, ALengthThatDoesNotFitItsFieldIsNoFrame) {
  Bytes storage(FrameBuilder::kHeadroom + 66'000, 0xa5);
  FrameBuilder frame{storage};
  frame.append_payload(Bytes(65'516, 1));
  frame.prepend_ipv4(kWay4.source, kWay4.destination, 17);
  EXPECT_FALSE(frame.ok()) << "65,536 bytes";
  FrameBuilder largest{storage};
  largest.append_payload(Bytes(65'515, 1));
  largest.prepend_ipv4(kWay4.source, kWay4.destination, 17);
  EXPECT_TRUE(largest.ok());
  FrameBuilder six{storage};
  six.append_payload(Bytes(65'536, 1));
  six.prepend_ipv6(kWay6.source, kWay6.destination, 17);
  EXPECT_FALSE(six.ok());
}

#if defined(VNET_HAVE_LIBTINS)

Bytes bytes_of(Tins::PDU& pdu) { return pdu.serialize(); }

TEST_F(Builder, LibtinsBuildsTheSameUdpOverIpv4) {
  build_udp4(text_bytes("an odd payload, beyond padding"));
  Tins::IP ip{"10.0.0.2", "10.0.0.1"};
  ip.ttl(64);
  ip.id(0);
  ip.flags(Tins::IP::DONT_FRAGMENT);
  Tins::EthernetII expected = Tins::EthernetII{kWay4.to.to_string(), kWay4.from.to_string()} / ip /
                              Tins::UDP{53, 1234} / Tins::RawPDU{"an odd payload, beyond padding"};
  EXPECT_EQ(built(), bytes_of(expected));
}

TEST_F(Builder, LibtinsBuildsTheSameUdpOverIpv6) {
  build_udp6(text_bytes("an odd payload, beyond padding"));
  Tins::IPv6 ip{"fd00::2", "fd00::1"};
  ip.hop_limit(64);
  Tins::EthernetII expected = Tins::EthernetII{kWay6.to.to_string(), kWay6.from.to_string()} / ip /
                              Tins::UDP{53, 1234} / Tins::RawPDU{"an odd payload, beyond padding"};
  EXPECT_EQ(built(), bytes_of(expected));
}

TEST_F(Builder, LibtinsReadsTheSameFields) {
  build_udp4(text_bytes("payload"));
  const Tins::EthernetII read{frame.bytes().data(), static_cast<std::uint32_t>(frame.bytes().size())};
  EXPECT_EQ(read.src_addr().to_string(), kWay4.from.to_string());
  const auto& ip = read.rfind_pdu<Tins::IP>();
  EXPECT_EQ(ip.src_addr().to_string(), "10.0.0.1");
  EXPECT_EQ(ip.tot_len(), 20 + 8 + 7);
  EXPECT_EQ(read.rfind_pdu<Tins::UDP>().dport(), 53);
}

#endif

}  // namespace
}  // namespace vnet
