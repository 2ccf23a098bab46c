// Whole IP packets of either family between endpoints, and a judge of their checksums, which knows nothing of the code
// under test: every sum is computed again, byte by byte.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "nat/host_socket.hpp"
#include "tests/network/frames.hpp"

namespace vnet::test {

namespace wire = network::test;
using nat::Endpoint;
using wire::Bytes;

inline constexpr unsigned kFin = TcpSegment::kFin;
inline constexpr unsigned kSyn = TcpSegment::kSyn;
inline constexpr unsigned kRst = TcpSegment::kRst;
inline constexpr unsigned kAck = TcpSegment::kAck;

/// `192.0.2.1:80`, `[2001:db8::1]:80`; without a port it is 0.
inline Endpoint at(std::string_view text) {
  const bool v6 = std::ranges::count(text, ':') > 1;
  const std::size_t end = v6 && text[0] == '[' ? text.find(']')
                          : v6                 ? text.size()
                                               : std::min(text.find(':'), text.size());
  const std::string_view address = text[0] == '[' ? text.substr(1, end - 1) : text.substr(0, end);
  const std::size_t colon = text.find(':', end);
  const std::string port{colon == std::string_view::npos ? "0" : text.substr(colon + 1)};
  return {parse_ip(address).value(), static_cast<std::uint16_t>(std::stoul(port))};
}
inline std::string to_string(const Endpoint& endpoint) {
  return vnet::to_string(endpoint.address) + " port " + std::to_string(endpoint.port);
}

inline Bytes pseudo(const IpAddress& from, const IpAddress& to, std::uint8_t protocol, std::size_t length) {
  if (is_v4(from))
    return wire::pseudo({{}, {}, std::get<Ipv4Address>(from), std::get<Ipv4Address>(to)}, protocol, length);
  return wire::pseudo({{}, {}, std::get<Ipv6Address>(from), std::get<Ipv6Address>(to)}, protocol, length);
}

/// `transport` with its IP header; where `checksum_at` is not 0, the transport's checksum is put in there.
inline Bytes ip(const IpAddress& from, const IpAddress& to, std::uint8_t protocol, Bytes transport,
                std::size_t checksum_at = 0) {
  if (checksum_at != 0) {
    Bytes all = protocol == 1 ? Bytes{} : pseudo(from, to, protocol, transport.size());
    wire::put(all, transport);
    wire::set16(transport, checksum_at, wire::slow_checksum(all));
  }
  const Bytes frame =
      is_v4(from) ? wire::ipv4({wire::mac(1), wire::mac(2), std::get<Ipv4Address>(from), std::get<Ipv4Address>(to)},
                               protocol, transport)
                  : wire::ipv6({wire::mac(1), wire::mac(2), std::get<Ipv6Address>(from), std::get<Ipv6Address>(to)},
                               protocol, transport);
  // Without what Ethernet puts in front and behind.
  const std::size_t size = (is_v4(from) ? 20 : 40) + transport.size();
  return {frame.begin() + 14, frame.begin() + 14 + static_cast<std::ptrdiff_t>(size)};
}

inline Bytes udp(const Endpoint& from, const Endpoint& to, std::string_view payload = "hello") {
  return ip(from.address, to.address, 17, wire::udp_header(from.port, to.port, as_bytes(payload)), 6);
}
inline Bytes tcp(const Endpoint& from, const Endpoint& to, unsigned flags, std::string_view payload = "") {
  Bytes segment;
  wire::put16(segment, from.port);
  wire::put16(segment, to.port);
  wire::put32(segment, 0x01020304);
  wire::put32(segment, 0x05060708);
  wire::put16(segment, 0x5000 + flags);
  wire::put16(segment, 0xffff);
  wire::put32(segment, 0);
  wire::put(segment, as_bytes(payload));
  return ip(from.address, to.address, 6, segment, 16);
}
inline Bytes icmp(const IpAddress& from, const IpAddress& to, std::uint8_t type, std::uint8_t code, ByteView body) {
  return ip(from, to, is_v4(from) ? 1 : 58, wire::icmp_body(type, code, body), 2);
}
/// The port of `from` is the identifier.
inline Bytes echo(const Endpoint& from, const IpAddress& to, std::string_view payload = "are you there?") {
  Bytes body;
  wire::put16(body, from.port);
  wire::put16(body, 3);
  wire::put(body, as_bytes(payload));
  return icmp(from.address, to, is_v4(to) ? 8 : 128, 0, body);
}
/// The port of `to` is the identifier.
inline Bytes echo_reply(const IpAddress& from, const Endpoint& to, std::string_view payload = "are you there?") {
  Bytes body;
  wire::put16(body, to.port);
  wire::put16(body, 3);
  wire::put(body, as_bytes(payload));
  return icmp(from, to.address, is_v4(from) ? 0 : 129, 0, body);
}
/// "Port unreachable", with as much of `quote` as there is.
inline Bytes unreachable(const IpAddress& from, const IpAddress& to, ByteView quote) {
  Bytes body(4);
  wire::put(body, quote);
  return is_v4(from) ? icmp(from, to, 3, 3, body) : icmp(from, to, 1, 4, body);
}

/// The transport's checksum is right, as far as this knows the protocol. Of UDP, 0 is right over IPv4, and never else.
inline bool transport_sum_ok(const IpAddress& from, const IpAddress& to, std::uint8_t protocol, ByteView segment) {
  if (protocol == 17 && segment.size() >= 8) {
    segment = segment.first(std::min<std::size_t>(segment.size(), load_be<std::uint16_t>(segment.data() + 4)));
    if (load_be<std::uint16_t>(segment.data() + 6) == 0) return is_v4(from);
  }
  if (protocol != 17 && protocol != 6 && protocol != 1 && protocol != 58) return true;
  Bytes all = protocol == 1 ? Bytes{} : pseudo(from, to, protocol, segment.size());
  wire::put(all, segment);
  return wire::slow_checksum(all) == 0;
}

/// All checksums of the packet, and of the one that it quotes if `quotes` and that is whole.
inline bool sums_ok(ByteView packet, bool quotes = true) {
  const bool v4 = packet[0] >> 4U == 4;
  std::size_t header = v4 ? (packet[0] & 15U) * std::size_t{4} : 40;
  std::uint8_t protocol = packet[v4 ? 9 : 6];
  if (v4 && wire::slow_checksum(packet.first(header)) != 0) return false;
  while (!v4 && (protocol == 0 || protocol == 60)) {
    protocol = packet[header];
    header += (packet[header + 1] + std::size_t{1}) * 8;
  }
  IpAddress from = Ipv4Address{};
  IpAddress to = Ipv4Address{};
  if (v4) {
    from = Ipv4Address::load(packet.data() + 12);
    to = Ipv4Address::load(packet.data() + 16);
  } else {
    from = Ipv6Address::load(packet.data() + 8);
    to = Ipv6Address::load(packet.data() + 24);
  }
  const ByteView segment = packet.subspan(header);
  if (!transport_sum_ok(from, to, protocol, segment)) return false;
  const bool error = !segment.empty() && (v4 ? protocol == 1 && segment[0] == 3 : protocol == 58 && segment[0] == 1);
  return !error || !quotes || sums_ok(segment.subspan(8), false);
}

}  // namespace vnet::test
