// Option values that are more than a number or an address: search lists, routes and host names.
//
//   119  domain search list: DNS names with compression pointers inside the option (RFC 3397)
//   121  classless static routes (RFC 3442)
//    12  host name, as a client sends it: hostile text until it has passed `clean_host_name`
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"

namespace vnet::dhcp {

struct Route {
  Ipv4Prefix destination;  ///< host bits are ignored
  Ipv4Address router;
};

/// Letters, digits and inner hyphens, 1 to 63 of them: a host name's label (RFC 1123, 2.1).
[[nodiscard]] bool is_host_label(std::string_view label) noexcept;

/// Labels between dots, at most 253 characters (RFC 1035, 2.3.4); underscores are allowed, a trailing dot is not.
[[nodiscard]] bool is_domain_name(std::string_view name) noexcept;

/// The first label of what a client calls itself, in lower case; empty when it is not a host name. Some clients send
/// their full name, some a terminating NUL.
[[nodiscard]] std::string clean_host_name(ByteView value);

/// The value of option 119. Each name must satisfy `is_domain_name`.
[[nodiscard]] std::vector<std::uint8_t> encode_search_list(std::span<const std::string> names);

/// The value of option 121.
[[nodiscard]] std::vector<std::uint8_t> encode_routes(std::span<const Route> routes);

}  // namespace vnet::dhcp
