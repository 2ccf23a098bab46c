// The most specific rule decides: allow and deny rules by longest prefix.
//
// Of the rules that match an address, a protocol and a port, the one with the longest prefix says what happens; of two
// with the same prefix, the one that denies. A rule whose protocol or ports do not match is as if it were not there.
//
// The rules are grouped by prefix length, the longest first, and are in order of their prefix within a group. A look-up
// is one binary search for each length that occurs and allocates nothing: at most 33 or 129 searches, mostly two or
// three. Rules with the same prefix are tried one after the other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nat/egress_rules.hpp"

namespace vnet::nat {

class PrefixRules {
 public:
  /// Matches nothing.
  PrefixRules() = default;
  PrefixRules(std::span<const EgressRule> allow, std::span<const EgressRule> deny);

  enum class Match : std::uint8_t { none, allow, deny };
  /// `port` is not looked at for ICMP.
  [[nodiscard]] Match find(const IpAddress& address, EgressProtocol protocol, std::uint16_t port) const noexcept;

 private:
  /// The bits of an address, from the left, so that one mask serves both families.
  using Key = std::array<std::uint64_t, 2>;
  struct Rule {
    Key network{};
    std::uint8_t length = 0;
    Match effect = Match::none;
    std::optional<EgressProtocol> protocol;
    std::uint32_t first_port = 0;  ///< into ports_
    std::uint32_t port_count = 0;
  };
  struct Group {
    std::uint8_t length = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  /// The rules of one family.
  struct Family {
    std::vector<Rule> rules;
    std::vector<Group> groups;
  };

  [[nodiscard]] static Key key_of(const IpAddress& address) noexcept;
  [[nodiscard]] static Key masked(Key key, unsigned length) noexcept;
  void add(const EgressRule& rule, Match effect);
  static void put_in_order(Family& family);
  [[nodiscard]] bool matches(const Rule& rule, EgressProtocol protocol, std::uint16_t port) const noexcept;

  std::array<Family, 2> families_;  ///< by IpAddress::index()
  std::vector<PortRange> ports_;
};

}  // namespace vnet::nat
