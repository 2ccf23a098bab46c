// TCP on the wire (RFC 9293, 3.1): who talks to whom, sequence arithmetic, the MSS option, and building a segment.
//
// Reading a segment is `vnet::TcpSegment`'s business. Options other than the maximum segment size are skipped:
// window scale, SACK and timestamps are never offered, and a peer may use none that was not offered to it.
#pragma once

#include <cstdint>
#include <optional>

#include "network/siphash.hpp"
#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"
#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::network {

/// One connection's addresses, seen from our side. Both addresses are of the same family.
struct TcpFlow {
  IpAddress local;
  IpAddress remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;

  bool operator==(const TcpFlow&) const noexcept = default;
};

[[nodiscard]] std::uint64_t hash_flow(const TcpFlow& flow, const SipHashKey& key) noexcept;

/// A clock of 4 microseconds a tick plus a secret offset for each flow (RFC 6528, 3).
[[nodiscard]] std::uint32_t initial_sequence(const TcpFlow& flow, const SipHashKey& key, Instant now) noexcept;

/// Whether `a` precedes `b` on the circle of sequence numbers (RFC 9293, 3.4): defined for a distance below 2^31.
[[nodiscard]] constexpr bool sequence_before(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) < 0;
}

/// The fields of a segment that we send; ports come from the flow.
struct TcpHeader {
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = 0;    ///< TcpSegment::kSyn and its like
  std::uint16_t window = 0;  ///< bytes, unscaled
  std::uint16_t mss = 0;     ///< bytes, for the option in a SYN; 0: no option
};

/// What a peer that sends no MSS option can take, in bytes (RFC 9293, 3.7.1: 536 over IPv4, 1220 over IPv6).
[[nodiscard]] std::uint16_t default_mss(const TcpFlow& flow) noexcept;
/// The payload, in bytes, of the largest segment that fits `mtu` (68 to kMaxMtu) without IP or TCP options.
[[nodiscard]] std::uint16_t mss_for_mtu(const TcpFlow& flow, std::size_t mtu) noexcept;
/// The MSS option's value (RFC 9293, 3.2). Malformed options end the search.
[[nodiscard]] std::optional<std::uint16_t> find_mss(ByteView options) noexcept;

/// Builds the segment and its IP header, from the flow's local to its remote end. `frame` is fresh; the Ethernet
/// header is the caller's to add.
void build_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header, ByteView payload) noexcept;

}  // namespace vnet::network
