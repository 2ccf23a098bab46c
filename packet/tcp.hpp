// TCP on the wire (RFC 9293, 3.1): who talks to whom, sequence arithmetic, options, and building a segment.
//
// Reading a segment's fixed header is `TcpSegment`'s business (packet/transport.hpp). Of the options these are read and
// written: maximum segment size, window scale (RFC 7323, 2), SACK-permitted and SACK (RFC 2018). Timestamps and all
// others are skipped: a peer may use none that was not offered to it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"
#include "packet/ip_address.hpp"
#include "packet/siphash.hpp"
#include "packet/time.hpp"

namespace vnet {

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
[[nodiscard]] constexpr std::uint32_t sequence_max(std::uint32_t a, std::uint32_t b) noexcept {
  return sequence_before(a, b) ? b : a;
}
[[nodiscard]] constexpr std::uint32_t sequence_min(std::uint32_t a, std::uint32_t b) noexcept {
  return sequence_before(a, b) ? a : b;
}

/// Sequence numbers from `begin` up to, and not with, `end`.
struct SequenceRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  [[nodiscard]] constexpr std::uint32_t size() const noexcept { return end - begin; }
  bool operator==(const SequenceRange&) const noexcept = default;
};

/// As many SACK blocks as fit beside nothing else into 40 bytes of options (RFC 2018, 3).
inline constexpr std::size_t kMaxSackBlocks = 4;

/// The fields of a segment that we send; ports come from the flow.
struct TcpHeader {
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = 0;                                   ///< TcpSegment::kSyn and its like
  std::uint16_t window = 0;                                 ///< as sent, that is scaled where a scale was agreed
  std::uint16_t mss = 0;                                    ///< bytes, for the option in a SYN; 0: no option
  std::optional<std::uint8_t> window_scale = std::nullopt;  ///< for the option in a SYN
  bool sack_permitted = false;                              ///< for the option in a SYN
  std::span<const SequenceRange> sack = {};                 ///< at most kMaxSackBlocks
};

/// What the options of a segment say. A malformed one ends the reading.
struct TcpOptions {
  static constexpr std::uint8_t kMaxWindowScale = 14;  ///< RFC 7323, 2.3: more counts as this

  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;
  bool sack_permitted = false;
  std::array<SequenceRange, kMaxSackBlocks> sack{};
  std::size_t sack_count = 0;

  [[nodiscard]] static TcpOptions parse(ByteView options) noexcept;
};

/// What a peer that sends no MSS option can take, in bytes (RFC 9293, 3.7.1: 536 over IPv4, 1220 over IPv6).
[[nodiscard]] std::uint16_t default_mss(const TcpFlow& flow) noexcept;
/// The payload, in bytes, of the largest segment that fits `mtu` (68 to kMaxMtu) without IP or TCP options.
[[nodiscard]] std::uint16_t mss_for_mtu(const TcpFlow& flow, std::size_t mtu) noexcept;
/// The MSS option's value (RFC 9293, 3.2). Malformed options end the search.
[[nodiscard]] std::optional<std::uint16_t> find_mss(ByteView options) noexcept;

/// Puts the TCP header and the IP header in front of the payload that `frame` holds, from the flow's local to its
/// remote end. The Ethernet header is the caller's to add.
void prepend_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header) noexcept;
/// The same over a payload that is copied in first; `frame` is fresh.
void build_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header, ByteView payload) noexcept;

}  // namespace vnet
