// Checked views of IPv4 (RFC 791) and IPv6 (RFC 8200) packets.
//
// `parse` checks everything that the accessors rely on; afterwards none of them can fail. A view borrows its
// bytes, and ends where the header's own length says: Ethernet padding behind it is not part of the packet.
#pragma once

#include <cstdint>
#include <optional>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet {

/// Protocol and next-header numbers that the project reads (IANA "protocol numbers").
namespace ip_protocol {
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kIcmp6 = 58;
inline constexpr std::uint8_t kDestinationOptions = 60;
}  // namespace ip_protocol

class Ipv4Packet {
 public:
  static constexpr std::size_t kMinHeaderSize = 20;

  /// Checks version, header length, total length and header checksum.
  [[nodiscard]] static Result<Ipv4Packet> parse(ByteView bytes) noexcept;

  [[nodiscard]] std::size_t header_size() const noexcept { return std::size_t{bytes_[0] & 0x0fU} * 4; }
  [[nodiscard]] std::uint8_t traffic_class() const noexcept { return bytes_[1]; }
  [[nodiscard]] std::uint16_t identification() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 4); }
  [[nodiscard]] bool dont_fragment() const noexcept { return (bytes_[6] & 0x40U) != 0; }
  [[nodiscard]] bool more_fragments() const noexcept { return (bytes_[6] & 0x20U) != 0; }
  /// In bytes.
  [[nodiscard]] std::size_t fragment_offset() const noexcept {
    return std::size_t{load_be<std::uint16_t>(bytes_.data() + 6) & 0x1fffU} * 8;
  }
  [[nodiscard]] bool is_fragment() const noexcept { return more_fragments() || fragment_offset() != 0; }
  [[nodiscard]] std::uint8_t ttl() const noexcept { return bytes_[8]; }
  [[nodiscard]] std::uint8_t protocol() const noexcept { return bytes_[9]; }
  [[nodiscard]] Ipv4Address source() const noexcept { return Ipv4Address::load(bytes_.data() + 12); }
  [[nodiscard]] Ipv4Address destination() const noexcept { return Ipv4Address::load(bytes_.data() + 16); }
  [[nodiscard]] ByteView payload() const noexcept { return bytes_.subspan(header_size()); }
  /// Header and payload, without what stands behind the total length.
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  explicit Ipv4Packet(ByteView bytes) noexcept : bytes_(bytes) {}
  ByteView bytes_;
};

class Ipv6Packet {
 public:
  static constexpr std::size_t kHeaderSize = 40;
  /// Extension headers walked before a packet is refused.
  static constexpr std::size_t kMaxExtensionHeaders = 8;

  /// Checks version and payload length, and walks hop-by-hop, routing and destination options to the upper layer.
  [[nodiscard]] static Result<Ipv6Packet> parse(ByteView bytes) noexcept;

  [[nodiscard]] std::uint8_t traffic_class() const noexcept {
    return static_cast<std::uint8_t>(load_be<std::uint16_t>(bytes_.data()) >> 4U);
  }
  [[nodiscard]] std::uint8_t hop_limit() const noexcept { return bytes_[7]; }
  [[nodiscard]] Ipv6Address source() const noexcept { return Ipv6Address::load(bytes_.data() + 8); }
  [[nodiscard]] Ipv6Address destination() const noexcept { return Ipv6Address::load(bytes_.data() + 24); }
  /// What stands behind the extension headers; `kFragment` where the walk met a fragment header.
  [[nodiscard]] std::uint8_t protocol() const noexcept { return protocol_; }
  /// The upper layer's bytes; of a fragment, from its fragment header on.
  [[nodiscard]] ByteView payload() const noexcept { return bytes_.subspan(payload_offset_); }
  [[nodiscard]] bool is_fragment() const noexcept { return protocol_ == ip_protocol::kFragment; }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  explicit Ipv6Packet(ByteView bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::optional<ParseError> walk_extensions() noexcept;

  ByteView bytes_;
  std::size_t payload_offset_ = kHeaderSize;
  std::uint8_t protocol_ = 0;
};

}  // namespace vnet
