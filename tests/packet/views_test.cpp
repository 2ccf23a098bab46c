// The checked views: truncation at every byte, lengths that lie, chains of extension headers, wrong checksums.
#include <gtest/gtest.h>

#include "packet/arp.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"
#include "tests/network/frames.hpp"

namespace vnet {
namespace {

using namespace network::test;

const Way4 kHop4{mac(1), mac(2), ip4("10.0.0.1"), ip4("10.0.0.2")};
const Way6 kHop6{mac(1), mac(2), ip6("fd00::1"), ip6("fd00::2")};

/// The packet inside of a frame.
Bytes packet_of(const Bytes& frame) { return {frame.begin() + 14, frame.end()}; }

/// Every shorter piece is refused, in a buffer of its own so that a read beyond it is found.
template <typename View>
void expect_truncation_is_seen(const Bytes& whole, std::size_t needed) {
  for (std::size_t size = 0; size < needed; ++size) {
    const Bytes piece(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto view = View::parse(piece);
    ASSERT_FALSE(view) << size;
    ASSERT_EQ(view.error(), ParseError::truncated) << size;
  }
  EXPECT_TRUE(View::parse(whole));
}

TEST(EthernetView, FieldsOfAHeader) {
  const Bytes bytes = plain(mac(2), mac(1), 46, 0x1234);
  const auto frame = EthernetFrame::parse(bytes).value();
  EXPECT_EQ(frame.destination(), mac(2));
  EXPECT_EQ(frame.source(), mac(1));
  EXPECT_EQ(frame.type(), 0x1234);
  EXPECT_EQ(frame.payload().size(), 46U);
  EXPECT_EQ(frame.tag_bytes(), 0U);
  expect_truncation_is_seen<EthernetFrame>(bytes, 14);
}

TEST(EthernetView, Ieee8021qTagsAreCountedUpToTwo) {
  const Bytes bytes = plain(mac(2), mac(1));
  EXPECT_EQ(EthernetFrame::parse(tagged(bytes))->tag_bytes(), 4U);
  EXPECT_EQ(EthernetFrame::parse(tagged(tagged(bytes), 1, ethertype::kQinQ))->tag_bytes(), 8U);
  EXPECT_EQ(EthernetFrame::parse(tagged(tagged(tagged(bytes))))->tag_bytes(), 8U);
  const Bytes cut = ethernet(mac(2), mac(1), ethertype::kVlan, Bytes{0, 7, 8});
  EXPECT_EQ(EthernetFrame::parse(cut)->tag_bytes(), 0U) << "half a tag is none";
}

TEST(ArpView, Rfc826FieldsAndTruncation) {
  const Bytes bytes = packet_of(arp({2, mac(1), ip4("10.0.0.1"), mac(2), ip4("10.0.0.2")}));
  const auto packet = ArpPacket::parse(bytes).value();
  EXPECT_EQ(packet.operation, ArpPacket::kReply);
  EXPECT_EQ(packet.sender_mac, mac(1));
  EXPECT_EQ(packet.sender_ip, ip4("10.0.0.1"));
  EXPECT_EQ(packet.target_mac, mac(2));
  EXPECT_EQ(packet.target_ip, ip4("10.0.0.2"));
  expect_truncation_is_seen<ArpPacket>(bytes, ArpPacket::kSize);
}

TEST(ArpView, RefusesOtherHardwareAndProtocols) {
  const Bytes good = packet_of(arp({1, mac(1), ip4("10.0.0.1"), {}, ip4("10.0.0.2")}));
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes bytes = good;
    bytes[at] = value;
    return ArpPacket::parse(bytes).error();
  };
  EXPECT_EQ(with(1, 6), ParseError::bad_version);
  EXPECT_EQ(with(3, 1), ParseError::bad_version);
  EXPECT_EQ(with(4, 8), ParseError::bad_length);
  EXPECT_EQ(with(5, 16), ParseError::bad_length);
}

TEST(ArpView, Rfc5227AProbeHasNoSenderAddress) {
  EXPECT_TRUE(ArpPacket::parse(packet_of(arp({1, mac(1), {}, {}, ip4("10.0.0.2")})))->is_probe());
  EXPECT_FALSE(ArpPacket::parse(packet_of(arp({1, mac(1), ip4("10.0.0.1"), {}, ip4("10.0.0.2")})))->is_probe());
  EXPECT_FALSE(ArpPacket::parse(packet_of(arp({2, mac(1), {}, {}, ip4("10.0.0.2")})))->is_probe());
}

TEST(ArpView, IsWrittenAsItWasReadAndNotAByteMore) {
  const Bytes bytes = packet_of(arp({2, mac(1), ip4("10.0.0.1"), mac(2), ip4("10.0.0.2")}));
  Bytes storage(ArpPacket::kSize + 4, 0xa5);
  ByteWriter out{storage};
  ArpPacket::parse(bytes)->emit(out);
  EXPECT_TRUE(std::equal(storage.begin(), storage.begin() + ArpPacket::kSize, bytes.begin()));
  EXPECT_EQ(storage.back(), 0xa5);
}

class Ipv4View : public testing::Test {
 protected:
  /// Changes bytes and puts the checksum right again.
  static Result<Ipv4Packet> parse_with(Bytes& bytes, std::size_t at, std::uint8_t value) {
    bytes[at] = value;
    set16(bytes, 10, 0);
    const std::size_t header = std::min<std::size_t>(std::size_t{bytes[0] & 0xfU} * 4, bytes.size());
    set16(bytes, 10, slow_checksum(ByteView{bytes}.first(header)));
    return Ipv4Packet::parse(bytes);
  }
  Bytes bytes_ = packet_of(ipv4(kHop4, 17, Bytes(100, 1), 0));
};

TEST_F(Ipv4View, Rfc791FieldsAndTruncation) {
  const auto packet = Ipv4Packet::parse(bytes_).value();
  EXPECT_EQ(packet.source(), kHop4.source);
  EXPECT_EQ(packet.destination(), kHop4.destination);
  EXPECT_EQ(packet.protocol(), 17);
  EXPECT_EQ(packet.ttl(), 64);
  EXPECT_EQ(packet.identification(), 0x1234);
  EXPECT_EQ(packet.payload().size(), 100U);
  EXPECT_FALSE(packet.is_fragment());
  expect_truncation_is_seen<Ipv4Packet>(bytes_, bytes_.size());
}

TEST_F(Ipv4View, WhatIsBehindTheTotalLengthIsNotPartOfIt) {
  bytes_.resize(bytes_.size() + 26, 0xa5);
  EXPECT_EQ(Ipv4Packet::parse(bytes_)->payload().size(), 100U);
  EXPECT_EQ(Ipv4Packet::parse(bytes_)->bytes().size(), 120U);
}

TEST_F(Ipv4View, LengthsThatContradictThemselves) {
  EXPECT_EQ(parse_with(bytes_, 0, 0x44).error(), ParseError::bad_length) << "a header of 16 bytes";
  EXPECT_EQ(parse_with(bytes_, 0, 0x65).error(), ParseError::bad_version);
  bytes_[0] = 0x45;
  EXPECT_EQ(parse_with(bytes_, 3, 19).error(), ParseError::bad_length) << "shorter than its header";
  EXPECT_TRUE(parse_with(bytes_, 3, 20)) << "a packet without payload";
  EXPECT_EQ(parse_with(bytes_, 2, 0xff).error(), ParseError::truncated);
}

TEST_F(Ipv4View, OptionsAreSkipped) {
  const auto packet = parse_with(bytes_, 0, 0x4f);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header_size(), 60U);
  EXPECT_EQ(packet->payload().size(), 60U);
  bytes_.resize(50);
  set16(bytes_, 2, 50);
  EXPECT_EQ(parse_with(bytes_, 0, 0x4f).error(), ParseError::bad_length) << "options beyond the end";
}

TEST_F(Ipv4View, AWrongHeaderChecksumIsSeenInEveryBit) {
  for (std::size_t bit = 0; bit < 160; ++bit) {
    Bytes broken = bytes_;
    broken[bit / 8] = static_cast<std::uint8_t>(broken[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(Ipv4Packet::parse(broken)) << "bit " << bit;
  }
}

TEST_F(Ipv4View, Fragments) {
  EXPECT_TRUE(parse_with(bytes_, 6, 0x20)->more_fragments());
  EXPECT_TRUE(parse_with(bytes_, 6, 0x20)->is_fragment());
  EXPECT_TRUE(parse_with(bytes_, 6, 0x40)->dont_fragment());
  EXPECT_FALSE(parse_with(bytes_, 6, 0x40)->is_fragment());
  EXPECT_EQ(parse_with(bytes_, 6, 0x1f)->fragment_offset(), 0x1f00U * 8);
}

Bytes ipv6_packet(std::uint8_t next, const Bytes& payload) { return packet_of(ipv6(kHop6, next, payload)); }

TEST(Ipv6View, Rfc8200FieldsAndTruncation) {
  const Bytes bytes = ipv6_packet(17, Bytes(30, 1));
  const auto packet = Ipv6Packet::parse(bytes).value();
  EXPECT_EQ(packet.source(), kHop6.source);
  EXPECT_EQ(packet.destination(), kHop6.destination);
  EXPECT_EQ(packet.protocol(), 17);
  EXPECT_EQ(packet.hop_limit(), 64);
  EXPECT_EQ(packet.payload().size(), 30U);
  expect_truncation_is_seen<Ipv6Packet>(bytes, bytes.size());
  Bytes other = bytes;
  other[0] = 0x40;
  EXPECT_EQ(Ipv6Packet::parse(other).error(), ParseError::bad_version);
}

TEST(Ipv6View, TheTrafficClassStraddlesTwoBytes) {
  Bytes bytes = ipv6_packet(17, {});
  bytes[0] = 0x6a;
  bytes[1] = 0xb0;
  EXPECT_EQ(Ipv6Packet::parse(bytes)->traffic_class(), 0xab);
}

TEST(Ipv6View, Rfc8200AChainOfExtensionHeadersIsWalkedToTheUpperLayer) {
  Bytes chain{43, 0, 0, 0, 0, 0, 0, 0};        // hop-by-hop, then routing
  put(chain, Bytes{60, 1, 0, 0, 0, 0, 0, 0});  // routing of 16 bytes, then destination options
  put(chain, Bytes(8, 0));                     //
  put(chain, Bytes{17, 0, 1, 4, 0, 0, 0, 0});  // destination options, then UDP
  put(chain, udp_header(1, 2, text_bytes("payload")));
  const Bytes bytes = ipv6_packet(0, chain);
  const auto packet = Ipv6Packet::parse(bytes).value();
  EXPECT_EQ(packet.protocol(), ip_protocol::kUdp);
  EXPECT_EQ(as_text(UdpDatagram::parse(packet.payload())->payload()), "payload");
}

TEST(Ipv6View, ChainsThatLieOrDoNotEndAreRefused) {
  EXPECT_EQ(Ipv6Packet::parse(ipv6_packet(0, Bytes(7, 0))).error(), ParseError::truncated);
  EXPECT_EQ(Ipv6Packet::parse(ipv6_packet(0, Bytes{17, 1, 0, 0, 0, 0, 0, 0})).error(), ParseError::bad_length);
  Bytes eight;
  for (int i = 0; i < 7; ++i) put(eight, Bytes{60, 0, 0, 0, 0, 0, 0, 0});
  put(eight, Bytes{17, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_TRUE(Ipv6Packet::parse(ipv6_packet(60, eight)));
  Bytes nine{60, 0, 0, 0, 0, 0, 0, 0};
  put(nine, eight);
  EXPECT_EQ(Ipv6Packet::parse(ipv6_packet(60, nine)).error(), ParseError::too_many);
}

TEST(Ipv6View, TheWalkEndsAtAFragment) {
  const auto bytes = ipv6_packet(44, Bytes{17, 0, 0, 1, 0, 0, 0, 1});
  const auto packet = Ipv6Packet::parse(bytes).value();
  EXPECT_TRUE(packet.is_fragment());
  EXPECT_EQ(packet.payload().size(), 8U);
}

TEST(UdpView, Rfc768LengthsAndChecksum) {
  const Bytes good = with_checksum(kHop4, 17, udp_header(1234, 53, text_bytes("payload")), 6);
  const auto datagram = UdpDatagram::parse(good).value();
  EXPECT_EQ(datagram.source_port(), 1234);
  EXPECT_EQ(datagram.destination_port(), 53);
  EXPECT_EQ(as_text(datagram.payload()), "payload");
  expect_truncation_is_seen<UdpDatagram>(good, good.size());
  Bytes bytes = good;
  set16(bytes, 4, 7);
  EXPECT_EQ(UdpDatagram::parse(bytes).error(), ParseError::bad_length);
  set16(bytes, 4, 8);
  EXPECT_TRUE(UdpDatagram::parse(bytes)->payload().empty());
  set16(bytes, 4, 0);
  EXPECT_EQ(UdpDatagram::parse(bytes).error(), ParseError::bad_length);
}

TEST(UdpView, AnUpperChecksumCoversAddressesProtocolAndEveryByte) {
  const Bytes frame = udp(kHop6, 1, 2, text_bytes("odd"));
  const auto check = [](const Bytes& bytes) {
    const Bytes inner = packet_of(bytes);
    const auto packet = Ipv6Packet::parse(inner).value();
    return upper_checksum_ok(packet, ip_protocol::kUdp, packet.payload());
  };
  EXPECT_TRUE(check(frame));
  for (std::size_t at = 14 + 8; at < frame.size(); ++at) {
    Bytes broken = frame;
    broken[at] ^= 0x10;
    EXPECT_FALSE(check(broken)) << "byte " << at;
  }
}

TEST(TcpView, Rfc9293HeaderLengthsFlagsAndOptions) {
  Bytes bytes;
  put16(bytes, 4000);
  put16(bytes, 80);
  put32(bytes, 0x01020304);
  put32(bytes, 0x05060708);
  put(bytes, Bytes{0x60, 0x12, 0x20, 0x00, 0, 0, 0, 0, 2, 4, 5, 0xb4, 'h', 'i'});
  const auto segment = TcpSegment::parse(bytes).value();
  EXPECT_EQ(segment.source_port(), 4000);
  EXPECT_EQ(segment.destination_port(), 80);
  EXPECT_EQ(segment.sequence(), 0x01020304U);
  EXPECT_EQ(segment.acknowledgment(), 0x05060708U);
  EXPECT_EQ(segment.window(), 0x2000);
  EXPECT_TRUE(segment.has(TcpSegment::kSyn) && segment.has(TcpSegment::kAck));
  EXPECT_FALSE(segment.has(TcpSegment::kRst));
  EXPECT_EQ(segment.options().size(), 4U);
  EXPECT_EQ(as_text(segment.payload()), "hi");
  expect_truncation_is_seen<TcpSegment>(bytes, 24);
  bytes[12] = 0x40;
  EXPECT_EQ(TcpSegment::parse(bytes).error(), ParseError::bad_length);
  bytes[12] = 0xf0;
  EXPECT_EQ(TcpSegment::parse(bytes).error(), ParseError::truncated);
}

TEST(IcmpView, Rfc792TypeCodeAndBody) {
  const Bytes bytes = icmp_body(3, 1, Bytes{1, 2, 3, 4, 5});
  const auto message = IcmpMessage::parse(bytes).value();
  EXPECT_EQ(message.type(), 3);
  EXPECT_EQ(message.code(), 1);
  EXPECT_EQ(message.body().size(), 5U);
  expect_truncation_is_seen<IcmpMessage>(bytes, 8);
}

}  // namespace
}  // namespace vnet
