#include "dns/special_names.hpp"

#include <array>
#include <cassert>
#include <string>
#include <string_view>

namespace vnet::dns {
namespace {

constexpr std::array<std::string_view, 7> kReservedTrees{"localhost", "invalid",   "local",        "onion",
                                                         "alt",       "home.arpa", "resolver.arpa"};

// In front of in-addr.arpa.
constexpr std::array<std::string_view, 9> kReverseV4{"0",       "10",         "127",       "254.169",        "168.192",
                                                     "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"};

// In front of ip6.arpa. RFC 6303, 4.5 also lists single addresses, which `reverse_name` writes.
constexpr std::array<std::string_view, 6> kReverseV6{"d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"};

Name must_parse(const std::string& text) {
  const auto name = Name::parse(text);
  assert(name.has_value());
  return *name;
}

}  // namespace

std::vector<Name> locally_served_zones() {
  std::vector<Name> zones;
  for (const std::string_view tree : kReservedTrees) zones.push_back(must_parse(std::string{tree}));
  for (const std::string_view prefix : kReverseV4) zones.push_back(must_parse(std::string{prefix} + ".in-addr.arpa"));
  for (int second = 16; second < 32; ++second) {
    zones.push_back(must_parse(std::to_string(second) + ".172.in-addr.arpa"));
  }
  for (int second = 64; second < 128; ++second) {
    zones.push_back(must_parse(std::to_string(second) + ".100.in-addr.arpa"));
  }
  for (const std::string_view prefix : kReverseV6) zones.push_back(must_parse(std::string{prefix} + ".ip6.arpa"));
  zones.push_back(reverse_name(Ipv6Address{}));
  std::array<std::uint8_t, Ipv6Address::kSize> loopback{};
  loopback.back() = 1;
  zones.push_back(reverse_name(Ipv6Address{loopback}));
  return zones;
}

}  // namespace vnet::dns
