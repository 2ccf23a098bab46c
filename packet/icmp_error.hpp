// ICMP errors (RFC 792; RFC 4443, 3): building one that quotes the packet that it is about.
//
// Whether one may be sent at all, never about another error, a fragment but the first, or what went to a group (RFC
// 1122, 3.2.2; RFC 4443, 2.4 e), and how often, is for whoever sends it.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"
#include "packet/ip_address.hpp"

namespace vnet {

struct IcmpError {
  std::uint8_t type = 0;  ///< of ICMP or ICMPv6, as the addresses are
  std::uint8_t code = 0;
  std::uint32_t info = 0;  ///< the second word: the MTU of "fragmentation needed" and "packet too big"
};

/// How much of a packet is quoted, in bytes: as much as a datagram of the least size that everybody takes carries (RFC
/// 1812, 4.3.2.3; RFC 4443, 2.4 c).
[[nodiscard]] std::size_t max_quote(const IpAddress& family) noexcept;

/// The message and its IP header in the fresh `frame`. The quote is cut where it is too long. `source` and
/// `destination` are of one family.
void build_icmp_error(FrameBuilder& frame, const IpAddress& source, const IpAddress& destination,
                      const IcmpError& error, ByteView quote) noexcept;

}  // namespace vnet
