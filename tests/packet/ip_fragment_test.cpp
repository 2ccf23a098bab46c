// The fragment header of IPv6, behind other extension headers and alone.
#include "packet/ip_fragment.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// An IPv6 packet that begins with `first` and holds `payload`.
Bytes packet(std::uint8_t first, const Bytes& payload) {
  Bytes bytes(40);
  bytes[0] = 0x60;
  bytes[5] = static_cast<std::uint8_t>(payload.size());
  bytes[6] = first;
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

TEST(Ipv6Fragment, SaysWhatIsInItsHeader) {
  const Bytes bytes = packet(44, {17, 0, 0x12, 0x31, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3});
  const auto fragment = Ipv6Fragment::parse(Ipv6Packet::parse(bytes).value()).value();
  EXPECT_EQ(fragment.next_header(), 17);
  EXPECT_EQ(fragment.offset(), 0x1230U);
  EXPECT_TRUE(fragment.more_fragments());
  EXPECT_FALSE(fragment.is_atomic());
  EXPECT_EQ(fragment.identification(), 0xdeadbeefU);
  EXPECT_EQ(fragment.headers().size(), 48U);
  EXPECT_EQ(fragment.data().size(), 3U);
  EXPECT_EQ(fragment.next_header_at(), 6U);
}

TEST(Ipv6Fragment, ReservedBitsMeanNothing) {
  const Bytes bytes = packet(44, {17, 0xff, 0x00, 0x06, 0, 0, 0, 1});
  const auto fragment = Ipv6Fragment::parse(Ipv6Packet::parse(bytes).value()).value();
  EXPECT_EQ(fragment.offset(), 0U);
  EXPECT_TRUE(fragment.is_atomic());
  EXPECT_TRUE(fragment.data().empty());
}

TEST(Ipv6Fragment, StandsBehindOtherHeaders) {
  Bytes payload{60, 0, 1, 4, 0, 0, 0, 0};                                // hop-by-hop options
  const Bytes options{44, 1, 1, 4, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0};  // destination options
  const Bytes last{6, 0, 0, 8, 0, 0, 0, 1, 9, 9};
  payload.insert(payload.end(), options.begin(), options.end());
  payload.insert(payload.end(), last.begin(), last.end());
  const Bytes bytes = packet(0, payload);
  const auto fragment = Ipv6Fragment::parse(Ipv6Packet::parse(bytes).value()).value();
  EXPECT_EQ(fragment.next_header_at(), 48U);
  EXPECT_EQ(bytes[fragment.next_header_at()], ip_protocol::kFragment);
  EXPECT_EQ(fragment.headers().size(), 72U);
  EXPECT_EQ(fragment.offset(), 8U);
  EXPECT_FALSE(fragment.more_fragments());
}

TEST(Ipv6Fragment, IsRefusedWhereItIsNone) {
  const Bytes whole = packet(17, Bytes(8));
  EXPECT_EQ(Ipv6Fragment::parse(Ipv6Packet::parse(whole).value()).error(), ParseError::bad_field);
  const Bytes cut = packet(44, Bytes(7));
  EXPECT_EQ(Ipv6Fragment::parse(Ipv6Packet::parse(cut).value()).error(), ParseError::truncated);
}

}  // namespace
}  // namespace vnet
