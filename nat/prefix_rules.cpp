#include "nat/prefix_rules.hpp"

#include <algorithm>
#include <tuple>

namespace vnet::nat {
namespace {

constexpr std::uint64_t leading_ones(unsigned count) noexcept {
  return count == 0 ? 0 : ~std::uint64_t{0} << (64U - count);
}

}  // namespace

PrefixRules::Key PrefixRules::key_of(const IpAddress& address) noexcept {
  if (const auto* v4 = std::get_if<Ipv4Address>(&address)) return {std::uint64_t{v4->to_u32()} << 32U, 0};
  const std::uint8_t* octets = std::get_if<Ipv6Address>(&address)->octets().data();
  return {load_be<std::uint64_t>(octets), load_be<std::uint64_t>(octets + 8)};
}

PrefixRules::Key PrefixRules::masked(Key key, unsigned length) noexcept {
  return {key[0] & leading_ones(std::min(length, 64U)), key[1] & leading_ones(length > 64 ? length - 64 : 0)};
}

PrefixRules::PrefixRules(std::span<const EgressRule> allow, std::span<const EgressRule> deny) {
  for (const EgressRule& rule : allow) add(rule, Match::allow);
  for (const EgressRule& rule : deny) add(rule, Match::deny);
  for (Family& family : families_) put_in_order(family);
}

void PrefixRules::add(const EgressRule& rule, Match effect) {
  Rule added;
  const auto take = [&added](const auto& prefix) {
    added.length = prefix.length;
    added.network = masked(key_of(prefix.address), prefix.length);
  };
  std::visit(take, rule.to);
  added.effect = effect;
  added.protocol = rule.protocol;
  added.first_port = static_cast<std::uint32_t>(ports_.size());
  added.port_count = static_cast<std::uint32_t>(rule.ports.size());
  ports_.insert(ports_.end(), rule.ports.begin(), rule.ports.end());
  families_[rule.to.index()].rules.push_back(added);
}

void PrefixRules::put_in_order(Family& family) {
  std::ranges::sort(family.rules, [](const Rule& a, const Rule& b) {
    const bool a_allows = a.effect == Match::allow;
    const bool b_allows = b.effect == Match::allow;
    return std::tie(b.length, a.network, a_allows) < std::tie(a.length, b.network, b_allows);
  });
  for (std::size_t i = 0; i < family.rules.size(); ++i) {
    if (family.groups.empty() || family.groups.back().length != family.rules[i].length) {
      family.groups.push_back({family.rules[i].length, i, i});
    }
    family.groups.back().end = i + 1;
  }
}

bool PrefixRules::matches(const Rule& rule, EgressProtocol protocol, std::uint16_t port) const noexcept {
  if (rule.protocol && *rule.protocol != protocol) return false;
  if (rule.port_count == 0) return true;
  if (protocol == EgressProtocol::icmp) return false;
  const auto ranges = std::span{ports_}.subspan(rule.first_port, rule.port_count);
  const auto beyond = std::ranges::upper_bound(ranges, port, {}, &PortRange::first);
  return beyond != ranges.begin() && port <= (beyond - 1)->last;
}

PrefixRules::Match PrefixRules::find(const IpAddress& address, EgressProtocol protocol,
                                     std::uint16_t port) const noexcept {
  const Key key = key_of(address);
  const Family& family = families_[address.index()];
  for (const Group& group : family.groups) {
    const auto rules = std::span{family.rules}.subspan(group.begin, group.end - group.begin);
    const Key network = masked(key, group.length);
    for (auto rule = std::ranges::lower_bound(rules, network, {}, &Rule::network);
         rule != rules.end() && rule->network == network; ++rule) {
      if (matches(*rule, protocol, port)) return rule->effect;
    }
  }
  return Match::none;
}

}  // namespace vnet::nat
