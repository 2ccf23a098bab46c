// Ethernet II frames (IEEE 802.3, 3.2; RFC 894), as they cross the switch: no preamble and no FCS.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"

namespace vnet {

/// EtherTypes that the project reads (IANA "IEEE 802 numbers").
namespace ethertype {
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kRarp = 0x8035;
inline constexpr std::uint16_t kVlan = 0x8100;
inline constexpr std::uint16_t kQinQ = 0x88a8;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
}  // namespace ethertype

inline constexpr std::size_t kEthernetHeaderSize = 14;
inline constexpr std::size_t kVlanTagSize = 4;
/// The largest MTU that a network may have: an IP packet of 65,535 bytes less room for a tunnel's or tag's header.
inline constexpr std::size_t kMaxMtu = 65'520;
/// The largest frame: header, two VLAN tags, largest MTU.
inline constexpr std::size_t kMaxFrameSize = kEthernetHeaderSize + 2 * kVlanTagSize + kMaxMtu;

class EthernetFrame {
 public:
  [[nodiscard]] static Result<EthernetFrame> parse(ByteView bytes) noexcept {
    if (bytes.size() < kEthernetHeaderSize) return fail(ParseError::truncated);
    return EthernetFrame{bytes};
  }

  [[nodiscard]] MacAddress destination() const noexcept { return MacAddress::load(bytes_.data()); }
  [[nodiscard]] MacAddress source() const noexcept { return MacAddress::load(bytes_.data() + 6); }
  /// The type field as it stands: of a tagged frame, the tag's type.
  [[nodiscard]] std::uint16_t type() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 12); }
  [[nodiscard]] ByteView payload() const noexcept { return bytes_.subspan(kEthernetHeaderSize); }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  /// The length of the VLAN tags between header and payload: 0, 4 or 8 bytes.
  [[nodiscard]] std::size_t tag_bytes() const noexcept;

 private:
  explicit EthernetFrame(ByteView bytes) noexcept : bytes_(bytes) {}
  ByteView bytes_;
};

inline std::size_t EthernetFrame::tag_bytes() const noexcept {
  std::size_t tags = 0;
  while (tags < 2 * kVlanTagSize && bytes_.size() >= kEthernetHeaderSize + tags + kVlanTagSize) {
    const auto type = load_be<std::uint16_t>(bytes_.data() + 12 + tags);
    if (type != ethertype::kVlan && type != ethertype::kQinQ) break;
    tags += kVlanTagSize;
  }
  return tags;
}

}  // namespace vnet
