// What a NAT does, in the terms of RFC 4787 (UDP), 5382 (TCP) and 5508 (ICMP): a row of values rather than a kind.
//
// A *mapping* is the outside port that stands for an inside endpoint. It may depend on where the inside talks to:
// never, on the address, or on address and port. *Filtering* says from whom packets are let in through a mapping, in
// the same three degrees: from anybody, from addresses that the inside has sent to, or only from just those endpoints.
// Nine combinations, and what home routers are called: full cone is independent in both, "easy" filters by address and
// port, "hard" (symmetric) also maps by both.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

/// On what a mapping or a filter depends besides the inside endpoint (RFC 4787, 4.1 and 5).
enum class Dependence : std::uint8_t { endpoint_independent, address_dependent, address_and_port_dependent };
/// How an outside port is chosen (RFC 4787, 4.2). `preserve`: the inside one where it is free.
enum class PortChoice : std::uint8_t { preserve, random, sequential };
/// What happens to IPv6: nothing but the firewall, another prefix (RFC 6296), or the same as to IPv4.
enum class Ipv6Way : std::uint8_t { routed, nptv6, nat66 };

[[nodiscard]] constexpr std::string_view to_string(Dependence of) noexcept {
  switch (of) {
    case Dependence::endpoint_independent: return "endpoint-independent";
    case Dependence::address_dependent: return "address-dependent";
    case Dependence::address_and_port_dependent: return "address-and-port-dependent";
  }
  return "unknown";
}
[[nodiscard]] constexpr std::string_view to_string(PortChoice choice) noexcept {
  switch (choice) {
    case PortChoice::preserve: return "preserve";
    case PortChoice::random: return "random";
    case PortChoice::sequential: return "sequential";
  }
  return "unknown";
}
[[nodiscard]] constexpr std::string_view to_string(Ipv6Way way) noexcept {
  switch (way) {
    case Ipv6Way::routed: return "routed";
    case Ipv6Way::nptv6: return "nptv6";
    case Ipv6Way::nat66: return "nat66";
  }
  return "unknown";
}

struct NatBehavior {
  bool translates = true;   ///< IPv4; false: it is routed, and guests are seen by their own addresses
  bool one_to_one = false;  ///< the outside address stands for one inside host, with all of its ports
  Dependence mapping = Dependence::endpoint_independent;
  Dependence filtering = Dependence::address_and_port_dependent;
  PortChoice ports = PortChoice::preserve;
  bool hairpin = true;           ///< guests reach each other by outside addresses (RFC 4787, REQ-9)
  bool inbound_refresh = false;  ///< what comes in keeps a mapping, too (RFC 4787, REQ-6)
  bool behind_carrier = false;   ///< a carrier's NAT of the default behaviour stands between it and the internet
  Ipv6Way ipv6 = Ipv6Way::routed;
  bool firewall = true;  ///< of IPv6 that is not translated: only what the inside has asked for (RFC 6092)
  Duration udp_timeout = std::chrono::seconds{300};               ///< RFC 4787, REQ-5
  Duration icmp_timeout = std::chrono::seconds{60};               ///< RFC 5508, REQ-2
  Duration tcp_established_timeout = std::chrono::seconds{7440};  ///< RFC 5382, REQ-5
  Duration tcp_transitory_timeout = std::chrono::seconds{240};    ///< the same: half open, half closed, reset

  bool operator==(const NatBehavior&) const = default;
};

enum class NatPreset : std::uint8_t { none, one2one, fullcone, easyaf, easy, hardaf, hard, cgnat };

struct NatPresetInfo {
  NatPreset preset{};
  std::string_view name;
  std::string_view meaning;
};
inline constexpr std::array kNatPresets = {
    NatPresetInfo{NatPreset::none, "none", "no translation: guests are routed by their own addresses"},
    NatPresetInfo{NatPreset::one2one, "one2one", "the outside address stands for one guest, with all of its ports"},
    NatPresetInfo{NatPreset::fullcone, "fullcone", "endpoint-independent mapping and filtering"},
    NatPresetInfo{NatPreset::easyaf, "easyaf", "endpoint-independent mapping, address-dependent filtering"},
    NatPresetInfo{NatPreset::easy, "easy", "endpoint-independent mapping, address-and-port-dependent filtering"},
    NatPresetInfo{NatPreset::hardaf, "hardaf", "address-dependent mapping and filtering"},
    NatPresetInfo{NatPreset::hard, "hard", "address-and-port-dependent mapping and filtering, random ports"},
    NatPresetInfo{NatPreset::cgnat, "cgnat", "an easy NAT behind a carrier's, which is easy, too"},
};

[[nodiscard]] constexpr std::string_view to_string(NatPreset preset) noexcept {
  return kNatPresets[static_cast<std::size_t>(preset)].name;
}

[[nodiscard]] constexpr NatBehavior behavior_of(NatPreset preset) noexcept {
  NatBehavior behavior;
  switch (preset) {
    case NatPreset::none: behavior.translates = false; break;
    case NatPreset::one2one:
      behavior.one_to_one = true;
      behavior.filtering = Dependence::endpoint_independent;
      break;
    case NatPreset::fullcone: behavior.filtering = Dependence::endpoint_independent; break;
    case NatPreset::easyaf: behavior.filtering = Dependence::address_dependent; break;
    case NatPreset::easy: break;
    case NatPreset::hardaf:
      behavior.mapping = behavior.filtering = Dependence::address_dependent;
      behavior.ports = PortChoice::random;
      break;
    case NatPreset::hard:
      behavior.mapping = Dependence::address_and_port_dependent;
      behavior.ports = PortChoice::random;
      break;
    case NatPreset::cgnat: behavior.behind_carrier = true; break;
  }
  return behavior;
}

}  // namespace vnet::nat
