// IP packets, whole and cut as a sender would cut them, byte by byte and not by the code under test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "packet/ip_fragment.hpp"
#include "packet/random.hpp"
#include "tests/network/frames.hpp"

namespace vnet::nat::test {

namespace wire = network::test;
using wire::Bytes;

inline const wire::Way4 kWay4{wire::mac(1), MacAddress::from_u64(0x52eeeeeeee01U), wire::ip4("192.168.127.2"),
                              wire::ip4("203.0.113.7")};
inline const wire::Way6 kWay6{wire::mac(1), MacAddress::from_u64(0x52eeeeeeee01U), wire::ip6("fd00:1::2"),
                              wire::ip6("2001:db8::7")};
inline constexpr std::uint32_t kIdentification = 0x1234;

inline Bytes without_ethernet(const Bytes& frame) { return {frame.begin() + 14, frame.end()}; }
inline Bytes in_frame(const Bytes& packet) {
  const bool ipv4 = packet[0] >> 4U == 4;
  return wire::ethernet(kWay4.to, kWay4.from, ipv4 ? ethertype::kIpv4 : ethertype::kIpv6, packet);
}

/// Bytes of which no two stretches are alike.
inline Bytes noise(std::size_t size, std::uint64_t seed = 1) {
  Random random{seed};
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

/// A whole packet that carries a UDP datagram of `size` bytes; identification 0x1234.
inline Bytes udp4(std::size_t size, const wire::Way4& way = kWay4, std::uint16_t port = 500) {
  const Bytes datagram = wire::with_checksum(way, 17, wire::udp_header(4000, port, noise(size)), 6);
  return without_ethernet(wire::ipv4(way, 17, datagram, 0));
}
inline Bytes udp6(std::size_t size, const wire::Way6& way = kWay6, std::uint16_t port = 500) {
  return without_ethernet(wire::udp(way, 4000, port, noise(size)));
}

/// What a fragment says and holds; `size` bytes of what follows the IP header, from `offset` on.
struct Cut {
  std::size_t offset = 0;
  std::size_t size = 0;
  bool more = true;
  std::uint32_t identification = kIdentification;
};

/// The packet's fragment; what is behind its end is zeros.
inline Bytes cut(const Bytes& packet, const Cut& how) {
  const bool ipv4 = packet[0] >> 4U == 4;
  const std::size_t header = ipv4 ? 20 : 40;
  Bytes data;
  for (std::size_t i = how.offset; i < how.offset + how.size; ++i) {
    data.push_back(header + i < packet.size() ? packet[header + i] : std::uint8_t{0});
  }
  Bytes fragment(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
  if (ipv4) {
    wire::set16(fragment, 2, static_cast<std::uint16_t>(20 + how.size));
    wire::set16(fragment, 4, static_cast<std::uint16_t>(how.identification));
    wire::set16(fragment, 6, static_cast<std::uint16_t>(how.offset / 8 + (how.more ? 0x2000U : 0U)));
    wire::set16(fragment, 10, 0);
    wire::set16(fragment, 10, wire::slow_checksum(fragment));
  } else {
    wire::set16(fragment, 4, static_cast<std::uint16_t>(8 + how.size));
    wire::put8(fragment, std::exchange(fragment[6], std::uint8_t{44}));
    wire::put8(fragment, 0);
    wire::put16(fragment, how.offset + (how.more ? 1U : 0U));
    wire::put32(fragment, how.identification);
  }
  wire::put(fragment, data);
  return fragment;
}

/// All of its fragments in order, each but the last with `size` bytes.
inline std::vector<Bytes> cut_all(const Bytes& packet, std::size_t size,
                                  std::uint32_t identification = kIdentification) {
  const std::size_t total = packet.size() - (packet[0] >> 4U == 4 ? 20 : 40);
  std::vector<Bytes> fragments;
  for (std::size_t at = 0; at < total; at += size) {
    fragments.push_back(cut(packet, {at, std::min(size, total - at), at + size < total, identification}));
  }
  return fragments;
}

}  // namespace vnet::nat::test
