// What a network's operator says about egress: which real destinations its guests may reach.
//
// A rule is a prefix, with or without a protocol and ports. These are the values as they are configured, compared and
// printed; nat/egress_policy says what follows from them.
//
// Limits: `kMaxEgressRules` of a network, `kMaxPortRanges` of a rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet/ip_address.hpp"

namespace vnet::nat {

/// What an egress flow is made of. `icmp` is ICMPv6 as well.
enum class EgressProtocol : std::uint8_t { tcp, udp, icmp };

struct PortRange {
  std::uint16_t first = 1;
  std::uint16_t last = 65535;  ///< included

  constexpr bool operator==(const PortRange&) const noexcept = default;
};

/// Ascending, and no two of them touch.
using PortRanges = std::vector<PortRange>;

inline constexpr std::size_t kMaxPortRanges = 64;
/// Allow and deny together.
inline constexpr std::size_t kMaxEgressRules = 4096;

/// `80,443,8000-8100`: ports from 1 to 65535 and ranges of them, in any order, without spaces.
[[nodiscard]] std::optional<PortRanges> parse_port_ranges(std::string_view text);
[[nodiscard]] std::string to_string(const PortRanges& ranges);

struct EgressRule {
  IpPrefix to;  ///< bits behind the length mean nothing
  std::optional<EgressProtocol> protocol;
  PortRanges ports;  ///< empty: all, and ICMP; else a rule about TCP and UDP

  bool operator==(const EgressRule&) const = default;
};

/// With no allow rule, all that is not denied may be reached; with one, only what an allow rule names.
struct EgressRules {
  bool enabled = true;  ///< false: guests reach nothing beyond vnet
  std::vector<EgressRule> allow;
  /// Link-local addresses are where clouds keep the host's credentials.
  std::vector<EgressRule> deny = {EgressRule{Ipv4Prefix{Ipv4Address{169, 254, 0, 0}, 16}, {}, {}}};

  bool operator==(const EgressRules&) const = default;
};

}  // namespace vnet::nat
