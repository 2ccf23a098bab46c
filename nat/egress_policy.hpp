// Whether a guest may reach a real destination, decided before any host socket is opened for it.
//
// In this order; the first that has something to say decides:
//  1. Egress is switched off: nothing is reached.
//  2. The host alias, the only way to the host's loopback: as if an allow rule named exactly that address, so only a
//  deny
//     rule that does so too can close it, or some of its ports.
//  3. What no rule can open. A host socket that connects to 0.0.0.0, ::, 127/8, ::1, or to one of these written as
//     ::ffff:a.b.c.d or ::a.b.c.d, ends at the host itself; multicast, broadcast, class E and fe80::/10 are no
//     destinations beyond a router (RFC 6890).
//  4. The prefixes of the guest's own networks: what is inside is not reached through the host.
//  5. The rules, the longest prefix first (nat/prefix_rules).
//  6. The IPv4 address inside an IPv6 one, where the host may have a translator or a tunnel: both addresses are judged
//     and the harsher verdict holds. NAT64 (64:ff9b::/96, RFC 6052), 6to4 (2002::/16, RFC 3056; the router's address),
//     Teredo (2001::/32, RFC 4380; server and client). In 64:ff9b:1::/48 (RFC 8215) nobody says how long the
//     translator's prefix is, so the address is read as if it were of 48, 56, 64 and 96 bits, and what reads as
//     0.0.0.0/8 is taken for no address. A NAT64 prefix of the host's provider cannot be known: deny it by a rule.
//
// IPv4 link-local addresses are denied by the default of EgressRules, which a rule can change. The host's own addresses
// other than loopback are destinations like any other.
//
// A policy is a value: what changes the rules makes another one, and asks it again about the flows that there are.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "nat/egress_rules.hpp"
#include "nat/prefix_rules.hpp"
#include "packet/ip_address.hpp"

namespace vnet::nat {

// X(identifier, name, what it means)
#define VNET_EGRESS_VERDICTS(X)                                                      \
  X(allowed, "allowed", "the guest may reach it")                                    \
  X(disabled, "disabled", "egress of this network is switched off")                  \
  X(denied, "denied", "a deny rule decides")                                         \
  X(unlisted, "unlisted", "there are allow rules, and none of them names it")        \
  X(inside, "inside", "an address of the guest's own networks")                      \
  X(unspecified, "unspecified", "0.0.0.0/8 or ::")                                   \
  X(loopback, "loopback", "the host's loopback, which only the host alias leads to") \
  X(link_local, "link-local", "fe80::/10")                                           \
  X(multicast, "multicast", "a group of hosts")                                      \
  X(reserved, "reserved", "the broadcast address or class E")                        \
  X(ipv4_in_ipv6, "ipv4-in-ipv6", "IPv4 written as ::ffff:a.b.c.d, or a form like it")

enum class EgressVerdict : std::uint8_t {
#define VNET_X(identifier, name, meaning) identifier,
  VNET_EGRESS_VERDICTS(VNET_X)
#undef VNET_X
};

struct EgressVerdictInfo {
  std::string_view name;
  std::string_view meaning;
};

inline constexpr std::array kEgressVerdicts = {
#define VNET_X(identifier, name, meaning) EgressVerdictInfo{name, meaning},
    VNET_EGRESS_VERDICTS(VNET_X)
#undef VNET_X
};

[[nodiscard]] constexpr std::string_view to_string(EgressVerdict verdict) noexcept {
  return kEgressVerdicts[static_cast<std::size_t>(verdict)].name;
}

/// "Communication administratively prohibited": the code of an ICMP and an ICMPv6 destination unreachable message (RFC
/// 1812, 5.2.7.1; RFC 4443, 3.1).
inline constexpr std::uint8_t kProhibitedCode4 = 13;
inline constexpr std::uint8_t kProhibitedCode6 = 1;

/// Whether the guest is to be told so by ICMP. No error is sent about what went to a group (RFC 1122, 3.2.2), nor about
/// a destination that no packet may have.
[[nodiscard]] constexpr bool is_answered(EgressVerdict verdict) noexcept {
  switch (verdict) {
    case EgressVerdict::disabled:
    case EgressVerdict::denied:
    case EgressVerdict::unlisted:
    case EgressVerdict::inside:
    case EgressVerdict::link_local:
    case EgressVerdict::ipv4_in_ipv6: return true;
    case EgressVerdict::allowed:
    case EgressVerdict::unspecified:
    case EgressVerdict::loopback:
    case EgressVerdict::multicast:
    case EgressVerdict::reserved: return false;
  }
  return false;
}

/// What no rule can open: a reason why `address` is never reached, or `allowed`.
[[nodiscard]] EgressVerdict built_in_verdict(const IpAddress& address) noexcept;
/// The same of every address of `prefix`; `allowed` when they have not all the same reason.
[[nodiscard]] EgressVerdict built_in_verdict(const IpPrefix& prefix) noexcept;

class EgressPolicy {
 public:
  /// `rules` are at most kMaxEgressRules. `inside`: the prefixes of the guest's own networks.
  EgressPolicy(const EgressRules& rules, std::span<const IpPrefix> inside, std::optional<IpAddress> host_alias);

  /// `port` is not looked at for ICMP.
  [[nodiscard]] EgressVerdict judge(EgressProtocol protocol, const IpAddress& destination,
                                    std::uint16_t port) const noexcept;

  /// Where a host socket goes for `destination`: the host alias becomes the loopback of its family, others stay as they
  /// are. Nothing for what is never reached.
  [[nodiscard]] std::optional<IpAddress> host_target(const IpAddress& destination) const noexcept;
  /// As whom a guest sees `host_source`, from where something came to a host socket: the way back of `host_target`.
  /// Nothing when no guest can have talked to that address.
  [[nodiscard]] std::optional<IpAddress> guest_source(const IpAddress& host_source) const noexcept;

 private:
  /// Of the address as it stands, whatever may be inside it.
  [[nodiscard]] EgressVerdict judge_plain(EgressProtocol protocol, const IpAddress& destination,
                                          std::uint16_t port) const noexcept;
  /// Why no rule is asked about `address`, or `allowed`.
  [[nodiscard]] EgressVerdict before_rules(const IpAddress& address) const noexcept;

  PrefixRules rules_;  ///< with one that allows the host alias
  PrefixRules inside_;
  std::optional<IpAddress> host_alias_;
  bool enabled_;
  bool only_listed_;
};

}  // namespace vnet::nat
