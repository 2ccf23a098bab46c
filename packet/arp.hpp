// ARP for IPv4 over Ethernet (RFC 826; probes and announcements: RFC 5227).
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"

namespace vnet {

struct ArpPacket {
  static constexpr std::size_t kSize = 28;
  static constexpr std::uint16_t kRequest = 1;
  static constexpr std::uint16_t kReply = 2;

  std::uint16_t operation = kRequest;
  MacAddress sender_mac;
  Ipv4Address sender_ip;  ///< 0.0.0.0 in a probe
  MacAddress target_mac;
  Ipv4Address target_ip;

  /// Reads an Ethernet payload; padding behind the packet is allowed.
  [[nodiscard]] static Result<ArpPacket> parse(ByteView payload) noexcept;
  void emit(ByteWriter& out) const noexcept;

  /// "Does anybody have this address?", asked before it is used (RFC 5227, 1.1).
  [[nodiscard]] bool is_probe() const noexcept { return operation == kRequest && sender_ip.is_unspecified(); }
};

inline Result<ArpPacket> ArpPacket::parse(ByteView payload) noexcept {
  constexpr std::uint16_t kEthernet = 1;
  constexpr std::uint16_t kIpv4 = 0x0800;
  if (payload.size() < kSize) return fail(ParseError::truncated);
  const std::uint8_t* at = payload.data();
  if (load_be<std::uint16_t>(at) != kEthernet || load_be<std::uint16_t>(at + 2) != kIpv4) {
    return fail(ParseError::bad_version);
  }
  if (at[4] != MacAddress::kSize || at[5] != Ipv4Address::kSize) return fail(ParseError::bad_length);
  return ArpPacket{load_be<std::uint16_t>(at + 6), MacAddress::load(at + 8), Ipv4Address::load(at + 14),
                   MacAddress::load(at + 18), Ipv4Address::load(at + 24)};
}

inline void ArpPacket::emit(ByteWriter& out) const noexcept {
  out.be16(1);
  out.be16(0x0800);
  out.u8(MacAddress::kSize);
  out.u8(Ipv4Address::kSize);
  out.be16(operation);
  out.bytes(sender_mac.bytes());
  out.be32(sender_ip.to_u32());
  out.bytes(target_mac.bytes());
  out.be32(target_ip.to_u32());
}

}  // namespace vnet
