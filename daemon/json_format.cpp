#include "daemon/json_format.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "nat/egress_rules.hpp"
#include "packet/mac_address.hpp"

namespace vnet::daemon {
namespace {

constexpr std::size_t kMaxLabelBytes = 63;    // RFC 1035, 2.3.4
constexpr std::size_t kMaxDomainBytes = 253;  // the same limit of 255 octets on the wire, as text
constexpr std::size_t kMaxPathBytes = 4095;   // PATH_MAX less its terminator
constexpr std::uint32_t kMaxPort = 65535;
constexpr std::uint32_t kMaxVsockPort = 0xfffffffe;  // the next one is VMADDR_PORT_ANY
constexpr std::uint16_t kDnsPort = 53;

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// RFC 1123, 2.1: what a host name's label may be, so that every NIC's name is also a DNS name.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelBytes && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

/// Underscores too: service names have them (RFC 2782).
bool is_domain_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxDomainBytes) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabelBytes) return false;
    if (!std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; })) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// A domain name, or a wildcard (RFC 4592).
bool is_record_name(std::string_view text) {
  constexpr std::string_view kWildcard = "*.";
  if (!text.starts_with(kWildcard)) return is_domain_name(text);
  return text.size() <= kMaxDomainBytes && is_domain_name(text.substr(kWildcard.size()));
}

bool is_unicast_mac(std::string_view text) {
  const auto mac = MacAddress::parse(text);
  return mac && !mac->is_group() && !mac->is_zero();
}

bool is_path(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPathBytes && text.find('\0') == std::string_view::npos;
}

bool is_path_or_vsock(std::string_view text) {
  if (!text.starts_with(kVsockScheme)) return is_path(text);
  return parse_number(text.substr(kVsockScheme.size()), 1, kMaxVsockPort).has_value();
}

bool is_endpoint_or_unix(std::string_view text) {
  if (!text.starts_with(kUnixScheme)) return parse_endpoint(text).has_value();
  return is_path(text.substr(kUnixScheme.size()));
}

bool is_protocol_and_port(std::string_view text) {
  if (!text.starts_with("tcp/") && !text.starts_with("udp/")) return false;
  return parse_number(text.substr(4), 1, kMaxPort).has_value();
}

constexpr std::array kFormats = {
    Format{"name", "a name of at most 63 letters, digits and inner hyphens, such as alice", is_name},
    Format{"domain-name", "a domain name such as a.test", is_domain_name},
    Format{"record-name", "a domain name such as a.test, or *.a.test for all below it", is_record_name},
    Format{"unicast-mac", "a unicast MAC address such as 52:cc:cc:cc:cc:01", is_unicast_mac},
    Format{"ipv4", "an IPv4 address such as 192.168.1.1",
           [](std::string_view text) { return Ipv4Address::parse(text).has_value(); }},
    Format{"ipv6", "an IPv6 address such as 2052::1",
           [](std::string_view text) { return Ipv6Address::parse(text).has_value(); }},
    Format{"ip", "an IP address such as 192.168.1.1 or 2052::1",
           [](std::string_view text) { return parse_ip(text).has_value(); }},
    Format{"ipv4-prefix", "an IPv4 address and a prefix length such as 192.168.1.1/24",
           [](std::string_view text) { return Ipv4Prefix::parse(text).has_value(); }},
    Format{"ipv6-prefix", "an IPv6 address and a prefix length such as 2052::1/64",
           [](std::string_view text) { return Ipv6Prefix::parse(text).has_value(); }},
    Format{"ip-prefix", "an IP prefix such as 10.0.0.0/8 or 2052::/16",
           [](std::string_view text) { return parse_ip_prefix(text).has_value(); }},
    Format{"ports", "ports and ranges of ports such as 80,443,8000-8100",
           [](std::string_view text) { return nat::parse_port_ranges(text).has_value(); }},
    Format{"endpoint", "an address and a port such as 127.0.0.1:2222 or [::1]:2222",
           [](std::string_view text) { return parse_endpoint(text).has_value(); }},
    Format{"endpoint-or-unix", "an address and a port such as 127.0.0.1:2222, or unix: and a path",
           is_endpoint_or_unix},
    Format{"dns-server", "an IP address, with or without a port, such as 9.9.9.9 or 127.0.0.1:5353",
           [](std::string_view text) { return parse_dns_server(text).has_value(); }},
    Format{"path", "a path of at most 4095 bytes", is_path},
    Format{"path-or-vsock", "a path, or vsock: and a port such as vsock:51011", is_path_or_vsock},
    Format{"proto-port", "a protocol and a port such as tcp/8008", is_protocol_and_port},
    Format{"dhcp-option-code", "an option code from 1 to 254",
           [](std::string_view text) { return parse_number(text, 1, 254).has_value(); }},
};

}  // namespace

const Format* find_format(std::string_view name) {
  const auto* found = std::ranges::find(kFormats, name, &Format::name);
  return found == kFormats.end() ? nullptr : found;
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t least, std::uint32_t most) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if ((text.size() > 1 && text.front() == '0') || value < least || value > most) return std::nullopt;
  return value;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), 1, kMaxPort);
  const std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto v6 = Ipv6Address::parse(host.substr(1, host.size() - 2));
    if (!v6) return std::nullopt;
    return Endpoint{*v6, static_cast<std::uint16_t>(*port)};
  }
  const auto v4 = Ipv4Address::parse(host);
  if (!v4) return std::nullopt;
  return Endpoint{*v4, static_cast<std::uint16_t>(*port)};
}

std::string to_string(const Endpoint& endpoint) {
  const std::string port = ":" + std::to_string(endpoint.port);
  if (const auto* v4 = std::get_if<Ipv4Address>(&endpoint.address)) return v4->to_string() + port;
  return "[" + vnet::to_string(endpoint.address) + "]" + port;
}

std::optional<Endpoint> parse_dns_server(std::string_view text) {
  if (const auto address = parse_ip(text)) return Endpoint{*address, kDnsPort};
  return parse_endpoint(text);
}

}  // namespace vnet::daemon
