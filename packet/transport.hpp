// Checked views of UDP (RFC 768), TCP (RFC 9293) and ICMP/ICMPv6 (RFC 792, 4443) headers.
//
// The checksum needs the addresses around the header, so it is asked for apart from `parse`.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/checksum.hpp"
#include "packet/ip.hpp"
#include "packet/result.hpp"

namespace vnet {

/// Whether an upper-layer checksum matches. `Packet` is Ipv4Packet or Ipv6Packet; `segment` is its payload.
template <typename Packet>
[[nodiscard]] bool upper_checksum_ok(const Packet& packet, std::uint8_t protocol, ByteView segment) noexcept {
  return Checksum{}.add_pseudo(packet.source(), packet.destination(), protocol, segment.size()).add(segment).finish() ==
         0;
}

class UdpDatagram {
 public:
  static constexpr std::size_t kHeaderSize = 8;

  [[nodiscard]] static Result<UdpDatagram> parse(ByteView bytes) noexcept {
    if (bytes.size() < kHeaderSize) return fail(ParseError::truncated);
    const std::size_t length = load_be<std::uint16_t>(bytes.data() + 4);
    if (length < kHeaderSize) return fail(ParseError::bad_length);
    if (length > bytes.size()) return fail(ParseError::truncated);
    return UdpDatagram{bytes.first(length)};
  }

  [[nodiscard]] std::uint16_t source_port() const noexcept { return load_be<std::uint16_t>(bytes_.data()); }
  [[nodiscard]] std::uint16_t destination_port() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 2); }
  /// 0: the sender computed none; legal over IPv4 only (RFC 8200, 8.1).
  [[nodiscard]] std::uint16_t checksum_field() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 6); }
  [[nodiscard]] ByteView payload() const noexcept { return bytes_.subspan(kHeaderSize); }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  explicit UdpDatagram(ByteView bytes) noexcept : bytes_(bytes) {}
  ByteView bytes_;
};

class TcpSegment {
 public:
  static constexpr std::size_t kMinHeaderSize = 20;
  static constexpr std::uint8_t kFin = 0x01;
  static constexpr std::uint8_t kSyn = 0x02;
  static constexpr std::uint8_t kRst = 0x04;
  static constexpr std::uint8_t kPsh = 0x08;
  static constexpr std::uint8_t kAck = 0x10;

  [[nodiscard]] static Result<TcpSegment> parse(ByteView bytes) noexcept {
    if (bytes.size() < kMinHeaderSize) return fail(ParseError::truncated);
    const std::size_t header = std::size_t{bytes[12]} / 16 * 4;
    if (header < kMinHeaderSize) return fail(ParseError::bad_length);
    if (header > bytes.size()) return fail(ParseError::truncated);
    return TcpSegment{bytes};
  }

  [[nodiscard]] std::size_t header_size() const noexcept { return std::size_t{bytes_[12]} / 16 * 4; }
  [[nodiscard]] std::uint16_t source_port() const noexcept { return load_be<std::uint16_t>(bytes_.data()); }
  [[nodiscard]] std::uint16_t destination_port() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 2); }
  [[nodiscard]] std::uint32_t sequence() const noexcept { return load_be<std::uint32_t>(bytes_.data() + 4); }
  [[nodiscard]] std::uint32_t acknowledgment() const noexcept { return load_be<std::uint32_t>(bytes_.data() + 8); }
  [[nodiscard]] std::uint8_t flags() const noexcept { return bytes_[13]; }
  [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (bytes_[13] & flag) != 0; }
  /// As sent, before scaling.
  [[nodiscard]] std::uint16_t window() const noexcept { return load_be<std::uint16_t>(bytes_.data() + 14); }
  [[nodiscard]] ByteView options() const noexcept {
    return bytes_.subspan(kMinHeaderSize, header_size() - kMinHeaderSize);
  }
  [[nodiscard]] ByteView payload() const noexcept { return bytes_.subspan(header_size()); }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  explicit TcpSegment(ByteView bytes) noexcept : bytes_(bytes) {}
  ByteView bytes_;
};

/// Message types of ICMP (v4) and ICMPv6 that the project reads or sends.
namespace icmp_type {
inline constexpr std::uint8_t kEchoReply = 0;
inline constexpr std::uint8_t kUnreachable = 3;
inline constexpr std::uint8_t kEchoRequest = 8;
inline constexpr std::uint8_t kTimeExceeded = 11;
inline constexpr std::uint8_t kTimestampRequest = 13;
inline constexpr std::uint8_t kTimestampReply = 14;
/// A question or its answer, which an identifier holds together (RFC 792). The other two, information and address mask,
/// are deprecated (RFC 6918).
[[nodiscard]] constexpr bool is_query(std::uint8_t type) noexcept {
  return type == kEchoRequest || type == kEchoReply || type == kTimestampRequest || type == kTimestampReply;
}
}  // namespace icmp_type
namespace icmp6_type {
inline constexpr std::uint8_t kUnreachable = 1;
inline constexpr std::uint8_t kPacketTooBig = 2;
inline constexpr std::uint8_t kTimeExceeded = 3;
inline constexpr std::uint8_t kEchoRequest = 128;
inline constexpr std::uint8_t kEchoReply = 129;
inline constexpr std::uint8_t kRouterSolicitation = 133;
inline constexpr std::uint8_t kRouterAdvertisement = 134;
inline constexpr std::uint8_t kNeighborSolicitation = 135;
inline constexpr std::uint8_t kNeighborAdvertisement = 136;
}  // namespace icmp6_type

class IcmpMessage {
 public:
  static constexpr std::size_t kHeaderSize = 8;

  [[nodiscard]] static Result<IcmpMessage> parse(ByteView bytes) noexcept {
    if (bytes.size() < kHeaderSize) return fail(ParseError::truncated);
    return IcmpMessage{bytes};
  }

  [[nodiscard]] std::uint8_t type() const noexcept { return bytes_[0]; }
  [[nodiscard]] std::uint8_t code() const noexcept { return bytes_[1]; }
  /// What follows type, code and checksum.
  [[nodiscard]] ByteView body() const noexcept { return bytes_.subspan(4); }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  explicit IcmpMessage(ByteView bytes) noexcept : bytes_(bytes) {}
  ByteView bytes_;
};

}  // namespace vnet
