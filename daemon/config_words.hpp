// The words of the config file for our enums, in the order of the enumerators. configs/schema.json has the same
// words, which a test compares.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <string_view>

#include "daemon/config.hpp"

namespace vnet::daemon {

/// Of an enum whose first N enumerators have a `to_string`.
template <typename Enum, std::size_t N>
[[nodiscard]] constexpr std::array<std::string_view, N> words_of() {
  std::array<std::string_view, N> words;
  for (std::size_t i = 0; i < N; ++i) words[i] = to_string(static_cast<Enum>(i));
  return words;
}

inline constexpr auto kNatPresetWords = words_of<nat::NatPreset, nat::kNatPresets.size()>();
inline constexpr auto kDependenceWords = words_of<nat::Dependence, 3>();
inline constexpr auto kPortChoiceWords = words_of<nat::PortChoice, 3>();
inline constexpr auto kIpv6WayWords = words_of<nat::Ipv6Way, 3>();
inline constexpr std::array<std::string_view, 3> kPortMappingWords = {"nat-pmp", "pcp", "upnp"};
inline constexpr std::array<std::string_view, 2> kProtocolWords = {"tcp", "udp"};
inline constexpr std::array<std::string_view, 3> kEgressProtocolWords = {"tcp", "udp", "icmp"};
inline constexpr std::array<std::string_view, 2> kMembersWords = {"open", "listed"};
inline constexpr std::array<std::string_view, 2> kLinkWords = {"up", "down"};
inline constexpr std::array<std::string_view, 2> kAssignWords = {"wait", "ready"};
inline constexpr std::array<std::string_view, 8> kServiceKindWords = {"stun", "files", "syslog", "cloud-init",
                                                                      "dns",  "ntp",   "echo",   "discard"};

/// The enumerator whose word `text` is; the schema has made sure that there is one.
template <typename Enum, std::size_t N>
[[nodiscard]] Enum from_word(const std::array<std::string_view, N>& words, std::string_view text) {
  const auto found = std::ranges::find(words, text);
  assert(found != words.end());
  return static_cast<Enum>(found - words.begin());
}

template <typename Enum, std::size_t N>
[[nodiscard]] constexpr std::string_view to_word(const std::array<std::string_view, N>& words, Enum value) {
  return words[static_cast<std::size_t>(value)];
}

}  // namespace vnet::daemon
