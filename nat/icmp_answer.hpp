// What a guest is told by ICMP when something cannot be reached, in the family of the address that it is about (RFC
// 792; RFC 1812, 5.2.7.1; RFC 4443, 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "nat/egress_policy.hpp"
#include "nat/host_socket.hpp"
#include "packet/icmp_error.hpp"
#include "packet/ip_address.hpp"
#include "packet/transport.hpp"

namespace vnet::nat {

/// The code of a destination unreachable message, of ICMP and of ICMPv6.
struct UnreachableCode {
  std::uint8_t v4 = 0;
  std::uint8_t v6 = 0;
};
inline constexpr UnreachableCode kNetUnreachable{0, 0};
inline constexpr UnreachableCode kHostUnreachable{1, 3};
inline constexpr UnreachableCode kPortUnreachable{3, 4};
inline constexpr UnreachableCode kProhibited{kProhibitedCode4, kProhibitedCode6};

[[nodiscard]] inline IcmpError unreachable(const IpAddress& about, UnreachableCode code) noexcept {
  return is_v4(about) ? IcmpError{icmp_type::kUnreachable, code.v4} : IcmpError{icmp6_type::kUnreachable, code.v6};
}

/// When the host cannot do what the guest wants of `about`. Out of resources is said as "prohibited" (RFC 5508, REQ-8);
/// `mtu` is what "too big" names.
[[nodiscard]] inline IcmpError answer_to(HostError error, const IpAddress& about, std::size_t mtu) noexcept {
  constexpr std::uint8_t kFragmentationNeeded = 4;
  switch (error) {
    case HostError::refused: return unreachable(about, kPortUnreachable);
    case HostError::net_unreachable: return unreachable(about, kNetUnreachable);
    case HostError::prohibited:
    case HostError::no_resources: return unreachable(about, kProhibited);
    case HostError::too_big:
      return is_v4(about) ? IcmpError{icmp_type::kUnreachable, kFragmentationNeeded, static_cast<std::uint32_t>(mtu)}
                          : IcmpError{icmp6_type::kPacketTooBig, 0, static_cast<std::uint32_t>(mtu)};
    default: return unreachable(about, kHostUnreachable);
  }
}

}  // namespace vnet::nat
