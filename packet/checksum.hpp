// The Internet checksum (RFC 1071), and the pseudo-headers of IPv4 (RFC 768, 9293) and IPv6 (RFC 8200, 8.1).
//
// The one's-complement sum does not care about byte order, so the bytes are summed as native 64-bit words and
// swapped once at the end. A `Checksum` accumulates several pieces; every piece but the last must have an even
// length, as headers and pseudo-headers do.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"

namespace vnet {

class Checksum {
 public:
  Checksum& add(ByteView bytes) noexcept;
  /// The pseudo-header: addresses, upper-layer length in bytes, and protocol (IPv6: next header).
  Checksum& add_pseudo(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol, std::size_t length) noexcept;
  Checksum& add_pseudo(const Ipv6Address& source, const Ipv6Address& destination, std::uint8_t protocol,
                       std::size_t length) noexcept;

  /// The value for the checksum field: the complement of the sum. Over bytes that include a right checksum it is 0.
  [[nodiscard]] std::uint16_t finish() const noexcept;

 private:
  std::uint64_t sum_ = 0;
};

/// The checksum over one run of bytes; 0 over a header whose own checksum is right.
[[nodiscard]] inline std::uint16_t checksum(ByteView bytes) noexcept { return Checksum{}.add(bytes).finish(); }

}  // namespace vnet
