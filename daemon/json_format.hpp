// The `format` names of configs/schema.json: how each is called in a message, and which texts have it.
//
// `ipv4` and `ipv6` are JSON Schema's own; the others are ours, which the standard allows. Formats say what a
// text must look like; whether an address makes sense where it stands is for daemon/config_check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet/ip_address.hpp"

namespace vnet::daemon {

struct Format {
  std::string_view name;
  std::string_view expected;          ///< as in "expected an IPv4 address such as 192.168.1.1"
  bool (*matches)(std::string_view);  ///< whether a text has the format
};

/// Null when the name is not one of ours.
[[nodiscard]] const Format* find_format(std::string_view name);

/// An address and a TCP or UDP port: `192.168.1.101:22`, `[2052::1]:22`.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;  ///< 1 to 65535

  bool operator==(const Endpoint&) const = default;
};

[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

/// An Endpoint, or an address alone, which takes port 53.
[[nodiscard]] std::optional<Endpoint> parse_dns_server(std::string_view text);

/// A decimal number without sign or leading zeros, `least` to `most`.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t least, std::uint32_t most);

inline constexpr std::string_view kUnixScheme = "unix:";
inline constexpr std::string_view kVsockScheme = "vsock:";

}  // namespace vnet::daemon
