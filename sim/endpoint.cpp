#include "sim/endpoint.hpp"

#include <charconv>

namespace vnet::sim {

std::string to_string(const Endpoint& endpoint) {
  const std::string address = vnet::to_string(endpoint.address);
  const bool v4 = is_v4(endpoint.address);
  return (v4 ? address : "[" + address + "]") + ":" + std::to_string(endpoint.port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  if (!address || bracketed != std::holds_alternative<Ipv6Address>(*address)) return std::nullopt;
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return Endpoint{*address, port};
}

}  // namespace vnet::sim
