#include "dhcp/parameters.hpp"

#include <algorithm>
#include <bitset>
#include <span>

namespace vnet::dhcp {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes encode(std::span<const Ipv4Address> addresses) {
  Bytes bytes(addresses.size() * Ipv4Address::kSize);
  std::uint8_t* at = bytes.data();
  for (const Ipv4Address address : addresses) {
    address.store(at);
    at += Ipv4Address::kSize;
  }
  return bytes;
}

Bytes encode(Ipv4Address address) { return encode(std::span{&address, 1}); }

Bytes encode(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Bytes encode(std::uint16_t number) {
  return {static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)};
}

/// The routes with the default route, unless the configuration has one of its own.
Bytes routes_option(const ServerConfig& config) {
  std::vector<Route> routes = config.routes;
  const bool has_default =
      std::ranges::any_of(routes, [](const Route& route) { return route.destination.length == 0; });
  if (!has_default && !config.router.is_unspecified()) routes.push_back({Ipv4Prefix{Ipv4Address{}, 0}, config.router});
  return encode_routes(routes);
}

}  // namespace

Parameters::Parameters(const ServerConfig& config) {
  const auto set = [this](std::uint8_t code, Bytes bytes) { values_[code] = {std::move(bytes), false}; };
  set(option::kSubnetMask, encode(config.gateway.mask()));
  set(option::kBroadcastAddress, encode(config.gateway.broadcast()));
  if (!config.router.is_unspecified()) set(option::kRouter, encode(config.router));
  if (!config.dns_servers.empty()) set(option::kDomainNameServer, encode(std::span{config.dns_servers}));
  if (!config.domain.empty()) set(option::kDomainName, encode(config.domain));
  if (!config.search.empty()) set(option::kDomainSearch, encode_search_list(config.search));
  if (config.mtu != 0) set(option::kInterfaceMtu, encode(config.mtu));
  if (!config.routes.empty()) set(option::kClasslessStaticRoute, routes_option(config));
  for (const auto& [code, bytes] : config.options) {
    if (bytes.empty()) {
      values_.erase(code);
    } else {
      values_[code] = {bytes, true};
    }
  }
}

void Parameters::write(MessageWriter& out, std::optional<ByteView> request_list, std::string_view hostname) const {
  std::bitset<256> done;
  const auto add = [&](std::uint8_t code) {
    if (done.test(code)) return;
    done.set(code);
    if (code == option::kHostName && !hostname.empty()) {
      out.add(code, as_bytes(hostname));
      return;
    }
    const auto found = values_.find(code);
    if (found != values_.end()) out.add(code, found->second.bytes);
  };

  // The mask stands before the router whatever the client's order is (RFC 2132, 3.3).
  add(option::kSubnetMask);
  if (request_list) {
    // A client that takes classless routes gets no second default route from option 3 (RFC 3442).
    const bool takes_routes = std::ranges::find(*request_list, option::kClasslessStaticRoute) != request_list->end();
    if (takes_routes && values_.contains(option::kClasslessStaticRoute)) done.set(option::kRouter);
    for (const std::uint8_t code : *request_list) add(code);
  } else {
    add(option::kHostName);
  }
  for (const auto& [code, value] : values_) {
    if (!request_list || value.unasked) add(code);
  }
}

}  // namespace vnet::dhcp
