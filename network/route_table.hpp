// RouteTable: the longest prefix that an address lies in, and what stands behind it.
//
// Routers, services and routed networks are all prefixes to the internet, most of them of a single address. There are
// few lengths and many prefixes, so a look-up tries the lengths that occur, the longest first, each by one hash.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "packet/ip_address.hpp"

namespace vnet::network {

template <typename Target>
class RouteTable {
 public:
  /// A prefix has one target; the first stays. False: it had one already.
  bool add(const IpPrefix& prefix, const Target& target) {
    const IpPrefix key = normalized(prefix);
    if (!targets_.emplace(key, target).second) return false;
    ++lengths_[key.index()][length(key)];
    return true;
  }
  void clear() {
    targets_.clear();
    lengths_ = {};
  }
  /// Null: no prefix has it.
  [[nodiscard]] const Target* find(const IpAddress& address) const {
    for (const auto& [length, count] : lengths_[address.index()]) {
      const auto found = targets_.find(normalized(prefix_of(address, length)));
      if (found != targets_.end()) return &found->second;
    }
    return nullptr;
  }
  [[nodiscard]] std::size_t size() const noexcept { return targets_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const IpPrefix& prefix) const noexcept {
      return std::visit(
          [](const auto& of) { return std::hash<std::decay_t<decltype(of.address)>>{}(of.address) * 131 + of.length; },
          prefix);
    }
  };

  [[nodiscard]] static IpPrefix normalized(const IpPrefix& prefix) noexcept {
    if (const auto* const v4 = std::get_if<Ipv4Prefix>(&prefix)) return Ipv4Prefix{v4->network(), v4->length};
    const auto& v6 = std::get<Ipv6Prefix>(prefix);
    return Ipv6Prefix{v6.network(), v6.length};
  }
  [[nodiscard]] static IpPrefix prefix_of(const IpAddress& address, std::uint8_t length) noexcept {
    if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) return Ipv4Prefix{*v4, length};
    return Ipv6Prefix{std::get<Ipv6Address>(address), length};
  }
  [[nodiscard]] static std::uint8_t length(const IpPrefix& prefix) noexcept {
    return std::visit([](const auto& of) { return of.length; }, prefix);
  }

  std::unordered_map<IpPrefix, Target, Hash> targets_;
  /// How many prefixes of each length there are, by family.
  std::array<std::map<std::uint8_t, std::size_t, std::greater<>>, 2> lengths_;
};

}  // namespace vnet::network
