// Frames as guests send them, and a judge of frames that the gateway sends. The builders write every header field by
// field, so that the code under test is not asked to confirm itself.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "packet/arp.hpp"
#include "packet/checksum.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet::network::test {

using Bytes = std::vector<std::uint8_t>;

inline MacAddress mac(std::uint64_t n) { return MacAddress::from_u64(0x52cccccc0000U + n); }
inline Ipv4Address ip4(std::string_view text) { return Ipv4Address::parse(text).value(); }
inline Ipv6Address ip6(std::string_view text) { return Ipv6Address::parse(text).value(); }
inline Bytes text_bytes(std::string_view text) { return {text.begin(), text.end()}; }

inline void put(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }
inline void put8(Bytes& out, std::uint8_t value) { out.push_back(value); }
inline void put16(Bytes& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value));
}
inline void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16U);
  put16(out, value & 0xffffU);
}
inline void put(Bytes& out, const MacAddress& address) { put(out, address.bytes()); }
inline void put(Bytes& out, Ipv4Address address) { put32(out, address.to_u32()); }
inline void put(Bytes& out, const Ipv6Address& address) { put(out, address.bytes()); }

/// The checksum as RFC 1071 describes it, a 16-bit word at a time.
inline std::uint16_t slow_checksum(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : bytes[i];
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

inline void set16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

inline Bytes ethernet(const MacAddress& to, const MacAddress& from, std::uint16_t type, ByteView payload) {
  Bytes frame;
  put(frame, to);
  put(frame, from);
  put16(frame, type);
  put(frame, payload);
  return frame;
}

/// A frame with `size` bytes of payload of an ethertype that nobody here reads.
inline Bytes plain(const MacAddress& to, const MacAddress& from, std::size_t size = 46, std::uint16_t type = 0x88b5) {
  return ethernet(to, from, type, Bytes(size, 0x5a));
}

/// The same frame with an 802.1Q tag.
inline Bytes tagged(const Bytes& frame, std::uint16_t vlan = 7, std::uint16_t type = ethertype::kVlan) {
  Bytes result{frame.begin(), frame.begin() + 12};
  put16(result, type);
  put16(result, vlan);
  result.insert(result.end(), frame.begin() + 12, frame.end());
  return result;
}

struct Arp {
  std::uint16_t operation = ArpPacket::kRequest;
  MacAddress sender_mac;
  Ipv4Address sender_ip;
  MacAddress target_mac;
  Ipv4Address target_ip;
};

inline Bytes arp(const Arp& what, const MacAddress& to = MacAddress::broadcast()) {
  Bytes payload;
  put16(payload, 1);
  put16(payload, 0x0800);
  put8(payload, 6);
  put8(payload, 4);
  put16(payload, what.operation);
  put(payload, what.sender_mac);
  put(payload, what.sender_ip);
  put(payload, what.target_mac);
  put(payload, what.target_ip);
  payload.resize(46);
  return ethernet(to, what.sender_mac, ethertype::kArp, payload);
}

/// Who sends to whom, on both layers.
template <typename Address>
struct Way {
  MacAddress from;
  MacAddress to;
  Address source;
  Address destination;
};
using Way4 = Way<Ipv4Address>;
using Way6 = Way<Ipv6Address>;

inline Bytes pseudo(const Way4& way, std::uint8_t protocol, std::size_t length) {
  Bytes result;
  put(result, way.source);
  put(result, way.destination);
  put16(result, protocol);
  put16(result, length);
  return result;
}
inline Bytes pseudo(const Way6& way, std::uint8_t protocol, std::size_t length) {
  Bytes result;
  put(result, way.source);
  put(result, way.destination);
  put32(result, static_cast<std::uint32_t>(length));
  put32(result, protocol);
  return result;
}
/// The upper layer's bytes with their checksum put in at `at`.
template <typename Address>
Bytes with_checksum(const Way<Address>& way, std::uint8_t protocol, Bytes upper, std::size_t at) {
  Bytes all = pseudo(way, protocol, upper.size());
  put(all, upper);
  set16(upper, at, slow_checksum(all));
  return upper;
}

inline Bytes ipv4(const Way4& way, std::uint8_t protocol, ByteView payload, std::uint16_t fragment = 0x4000) {
  Bytes packet;
  put16(packet, 0x4500);
  put16(packet, 20 + payload.size());
  put16(packet, 0x1234);
  put16(packet, fragment);
  put8(packet, 64);
  put8(packet, protocol);
  put16(packet, 0);
  put(packet, way.source);
  put(packet, way.destination);
  set16(packet, 10, slow_checksum(packet));
  put(packet, payload);
  return ethernet(way.to, way.from, ethertype::kIpv4, packet);
}

inline Bytes ipv6(const Way6& way, std::uint8_t protocol, ByteView payload, std::uint8_t hop_limit = 64) {
  Bytes packet;
  put32(packet, 0x60000000U);
  put16(packet, payload.size());
  put8(packet, protocol);
  put8(packet, hop_limit);
  put(packet, way.source);
  put(packet, way.destination);
  put(packet, payload);
  return ethernet(way.to, way.from, ethertype::kIpv6, packet);
}

inline Bytes udp_header(std::uint16_t source_port, std::uint16_t destination_port, ByteView payload) {
  Bytes result;
  put16(result, source_port);
  put16(result, destination_port);
  put16(result, 8 + payload.size());
  put16(result, 0);
  put(result, payload);
  return result;
}
inline Bytes udp(const Way4& way, std::uint16_t source_port, std::uint16_t destination_port, ByteView payload) {
  return ipv4(way, 17, with_checksum(way, 17, udp_header(source_port, destination_port, payload), 6));
}
inline Bytes udp(const Way6& way, std::uint16_t source_port, std::uint16_t destination_port, ByteView payload) {
  return ipv6(way, 17, with_checksum(way, 17, udp_header(source_port, destination_port, payload), 6));
}

inline Bytes icmp_body(std::uint8_t type, std::uint8_t code, ByteView body) {
  Bytes result{type, code, 0, 0};
  put(result, body);
  return result;
}
/// Identifier 0x0102, sequence 3, and a payload.
inline Bytes echo_body(std::string_view payload = "are you there?") {
  Bytes body{1, 2, 0, 3};
  put(body, as_bytes(payload));
  return body;
}
inline Bytes icmp(const Way4& way, std::uint8_t type, std::uint8_t code, ByteView body) {
  Bytes message = icmp_body(type, code, body);
  set16(message, 2, slow_checksum(message));
  return ipv4(way, 1, message);
}
inline Bytes icmp(const Way6& way, std::uint8_t type, std::uint8_t code, ByteView body, std::uint8_t hop_limit = 255) {
  return ipv6(way, 58, with_checksum(way, 58, icmp_body(type, code, body), 2), hop_limit);
}
inline Bytes ping(const Way4& way) { return icmp(way, 8, 0, echo_body()); }
inline Bytes ping(const Way6& way) { return icmp(way, 128, 0, echo_body(), 64); }

/// An option of Neighbor Discovery that holds a link-layer address; type 1 is the source's, 2 the target's.
inline Bytes link_layer_option(std::uint8_t type, const MacAddress& address) {
  Bytes option{type, 1};
  put(option, address);
  return option;
}
inline Bytes router_solicitation(const Way6& way, ByteView options = {}, std::uint8_t hop_limit = 255) {
  Bytes body(4, 0);
  put(body, options);
  return icmp(way, 133, 0, body, hop_limit);
}
inline Bytes neighbor_solicitation(const Way6& way, const Ipv6Address& target, ByteView options = {},
                                   std::uint8_t hop_limit = 255) {
  Bytes body(4, 0);
  put(body, target);
  put(body, options);
  return icmp(way, 135, 0, body, hop_limit);
}
inline Bytes neighbor_advertisement(const Way6& way, const Ipv6Address& target, std::uint32_t flags = 0x20000000U) {
  Bytes body;
  put32(body, flags);
  put(body, target);
  put(body, link_layer_option(2, way.from));
  return icmp(way, 136, 0, body);
}
/// Duplicate address detection for `target` (RFC 4862, 5.4.2).
inline Bytes dad(const MacAddress& from, const Ipv6Address& target) {
  const Ipv6Address group = target.solicited_node();
  return neighbor_solicitation({from, group.multicast_mac(), Ipv6Address{}, group}, target);
}

}  // namespace vnet::network::test
