#include "nat/fragment.hpp"

#include <algorithm>
#include <array>

#include "packet/checksum.hpp"
#include "packet/ip.hpp"
#include "packet/ip_fragment.hpp"

namespace vnet::nat {
namespace {

constexpr std::uint16_t kMoreFragments4 = 0x2000;
constexpr std::uint16_t kMoreFragments6 = 1;

/// The header of `packet` in front of a fragment's data.
void prepend_ipv4_header(FrameBuilder& frame, ByteView packet, std::size_t offset, bool more,
                         std::uint16_t identification) noexcept {
  std::uint8_t* const at = frame.prepend(Ipv4Packet::kMinHeaderSize);
  if (at == nullptr) return;
  std::memcpy(at, packet.data(), Ipv4Packet::kMinHeaderSize);
  store_be(at + 2, static_cast<std::uint16_t>(frame.size()));
  store_be(at + 4, identification);
  store_be(at + 6, static_cast<std::uint16_t>(offset / 8 | (more ? kMoreFragments4 : 0U)));
  store_be(at + 10, std::uint16_t{0});
  store_be(at + 10, checksum({at, Ipv4Packet::kMinHeaderSize}));
}

void prepend_ipv6_headers(FrameBuilder& frame, ByteView packet, std::size_t offset, bool more,
                          std::uint32_t identification) noexcept {
  std::uint8_t* const fragment = frame.prepend(Ipv6Fragment::kHeaderSize);
  const std::size_t length = frame.size();
  std::uint8_t* const at = frame.prepend(Ipv6Packet::kHeaderSize);
  if (fragment == nullptr || at == nullptr) return;
  std::memcpy(at, packet.data(), Ipv6Packet::kHeaderSize);
  fragment[0] = at[6];
  fragment[1] = 0;
  store_be(fragment + 2, static_cast<std::uint16_t>(offset | (more ? kMoreFragments6 : 0U)));
  store_be(fragment + 4, identification);
  store_be(at + 4, static_cast<std::uint16_t>(length));
  at[6] = ip_protocol::kFragment;
}

/// Four rounds of a Feistel network over both halves of `value`, which makes a permutation of any function (Luby,
/// Rackoff 1988).
std::uint32_t permute(std::uint32_t value, unsigned half_bits, const SipHashKey& key) noexcept {
  const std::uint32_t mask = (1U << half_bits) - 1;
  std::uint32_t left = value >> half_bits & mask;
  std::uint32_t right = value & mask;
  for (std::uint64_t round = 0; round < 4; ++round) {
    const std::array<std::uint64_t, 1> word{std::uint64_t{half_bits} << 48U | round << 32U | right};
    const std::uint32_t mixed = left ^ (static_cast<std::uint32_t>(siphash(word, key)) & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits | right;
}

}  // namespace

std::size_t put_fragment(FrameBuilder& frame, ByteView packet, std::size_t offset, std::size_t mtu,
                         std::uint32_t identification) noexcept {
  if (offset == 0 && packet.size() <= mtu) {
    frame.append_payload(packet);
    return 0;
  }
  const bool ipv4 = packet[0] >> 4U == 4;
  const std::size_t header = ipv4 ? Ipv4Packet::kMinHeaderSize : Ipv6Packet::kHeaderSize;
  const std::size_t headers = ipv4 ? header : header + Ipv6Fragment::kHeaderSize;
  const ByteView rest = packet.subspan(header + offset);
  const std::size_t room = std::max(mtu, headers + 8) - headers;
  const bool more = rest.size() > room;
  const ByteView data = more ? rest.first(room / 8 * 8) : rest;
  frame.append_payload(data);
  if (ipv4) {
    prepend_ipv4_header(frame, packet, offset, more, static_cast<std::uint16_t>(identification));
  } else {
    prepend_ipv6_headers(frame, packet, offset, more, identification);
  }
  return more ? offset + data.size() : 0;
}

std::uint16_t Identifications::next16() noexcept {
  const auto next = static_cast<std::uint16_t>(permute(++count16_, 8, key_));
  return next == 0 ? next16() : next;
}

std::uint32_t Identifications::next32() noexcept { return permute(++count32_, 16, key_); }

}  // namespace vnet::nat
