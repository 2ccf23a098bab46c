#include "nat/egress_policy.hpp"

#include <cassert>
#include <vector>

namespace vnet::nat {
namespace {

constexpr Ipv4Address kLoopback4{127, 0, 0, 1};
constexpr Ipv6Address kLoopback6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

IpAddress loopback_like(const IpAddress& address) noexcept {
  if (is_v4(address)) return kLoopback4;
  return kLoopback6;
}

struct Halves {
  std::uint64_t high;
  std::uint64_t low;
};

Halves halves_of(const Ipv6Address& address) noexcept {
  const std::uint8_t* octets = address.octets().data();
  return {load_be<std::uint64_t>(octets), load_be<std::uint64_t>(octets + 8)};
}

EgressVerdict built_in(Ipv4Address address) noexcept {
  if (address.to_u32() >> 24U == 0) return EgressVerdict::unspecified;
  if (address.is_loopback()) return EgressVerdict::loopback;
  if (address.is_multicast()) return EgressVerdict::multicast;
  if (address.to_u32() >> 28U == 0xfU) return EgressVerdict::reserved;
  return EgressVerdict::allowed;
}

EgressVerdict built_in(const Ipv6Address& address) noexcept {
  if (address.is_unspecified()) return EgressVerdict::unspecified;
  if (address == kLoopback6) return EgressVerdict::loopback;
  if (address.is_multicast()) return EgressVerdict::multicast;
  if (address.is_link_local()) return EgressVerdict::link_local;
  const auto [high, low] = halves_of(address);
  // ::a.b.c.d and ::ffff:a.b.c.d (RFC 4291, 2.5.5), ::ffff:0:a.b.c.d (RFC 2765, 2.1).
  const std::uint64_t form = low >> 32U;
  if (high == 0 && (form == 0 || form == 0xffffU || form == 0xffff0000U)) return EgressVerdict::ipv4_in_ipv6;
  return EgressVerdict::allowed;
}

Ipv4Address first_of(const Ipv4Prefix& prefix) noexcept { return prefix.network(); }
Ipv4Address last_of(const Ipv4Prefix& prefix) noexcept { return prefix.broadcast(); }
Ipv6Address first_of(const Ipv6Prefix& prefix) noexcept { return prefix.network(); }
Ipv6Address last_of(const Ipv6Prefix& prefix) noexcept {
  auto octets = prefix.network().octets();
  for (unsigned bit = prefix.length; bit < 128; ++bit) {
    octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] | 0x80U >> bit % 8);
  }
  return Ipv6Address{octets};
}

Ipv4Prefix prefix_of(Ipv4Address address) noexcept { return {address}; }
Ipv6Prefix prefix_of(const Ipv6Address& address) noexcept { return {address}; }

/// The IPv4 addresses that a translator or a tunnel of the host would read in an IPv6 address.
class EmbeddedIpv4 {
 public:
  explicit EmbeddedIpv4(const Ipv6Address& address) noexcept {
    constexpr std::uint64_t kWellKnown = 0x0064ff9b'00000000U;
    constexpr std::uint64_t kLocalUse = 0x0064ff9b0001U;
    const auto [high, low] = halves_of(address);
    if (high == kWellKnown && low >> 32U == 0) add(low);
    if (high >> 16U == kLocalUse) add_local_use(high, low);
    if (high >> 48U == 0x2002U) add(high >> 16U);
    if (high >> 32U == 0x20010000U) {
      add(high);
      add(~low);
    }
  }

  [[nodiscard]] auto begin() const noexcept { return addresses_.begin(); }
  [[nodiscard]] auto end() const noexcept { return addresses_.begin() + count_; }

 private:
  /// The low 32 bits.
  void add(std::uint64_t bits) noexcept {
    addresses_[static_cast<std::size_t>(count_++)] = Ipv4Address{static_cast<std::uint32_t>(bits)};
  }
  /// For each prefix length of RFC 6052, 2.2; bits 64 to 71 hold nothing.
  void add_local_use(std::uint64_t high, std::uint64_t low) noexcept {
    const std::uint64_t of48 = (high & 0xffffU) << 16U | (low >> 40U & 0xffffU);
    const std::uint64_t of56 = (high & 0xffU) << 24U | (low >> 32U & 0xffffffU);
    for (const std::uint64_t bits : {of48, of56, low >> 24U, low}) {
      if ((bits >> 24U & 0xffU) != 0) add(bits);
    }
    if (count_ == 0) add(low);
  }

  std::array<Ipv4Address, 4> addresses_;
  std::ptrdiff_t count_ = 0;
};

std::vector<EgressRule> rules_for(std::span<const IpPrefix> prefixes) {
  std::vector<EgressRule> rules;
  for (const IpPrefix& prefix : prefixes) rules.push_back({prefix, {}, {}});
  return rules;
}

std::vector<EgressRule> with_alias(std::vector<EgressRule> allow, const std::optional<IpAddress>& host_alias) {
  if (!host_alias) return allow;
  const auto whole = [](const auto& address) -> IpPrefix { return prefix_of(address); };
  allow.push_back({std::visit(whole, *host_alias), {}, {}});
  return allow;
}

}  // namespace

EgressVerdict built_in_verdict(const IpAddress& address) noexcept {
  return std::visit([](const auto& value) { return built_in(value); }, address);
}

EgressVerdict built_in_verdict(const IpPrefix& prefix) noexcept {
  const auto of_both_ends = [](const auto& value) {
    const EgressVerdict first = built_in(first_of(value));
    return first == built_in(last_of(value)) ? first : EgressVerdict::allowed;
  };
  return std::visit(of_both_ends, prefix);
}

EgressPolicy::EgressPolicy(const EgressRules& rules, std::span<const IpPrefix> inside,
                           std::optional<IpAddress> host_alias)
    : rules_(with_alias(rules.allow, host_alias), rules.deny),
      inside_(rules_for(inside), {}),
      host_alias_(host_alias),
      enabled_(rules.enabled),
      only_listed_(!rules.allow.empty()) {
  assert(rules.allow.size() + rules.deny.size() <= kMaxEgressRules);
}

EgressVerdict EgressPolicy::judge(EgressProtocol protocol, const IpAddress& destination,
                                  std::uint16_t port) const noexcept {
  if (!enabled_) return EgressVerdict::disabled;
  if (host_alias_ == destination) {
    const bool denied = rules_.find(destination, protocol, port) == PrefixRules::Match::deny;
    return denied ? EgressVerdict::denied : EgressVerdict::allowed;
  }
  const EgressVerdict verdict = judge_plain(protocol, destination, port);
  const auto* v6 = std::get_if<Ipv6Address>(&destination);
  if (verdict != EgressVerdict::allowed || v6 == nullptr) return verdict;
  for (const Ipv4Address& within : EmbeddedIpv4{*v6}) {
    const EgressVerdict harsher = judge_plain(protocol, within, port);
    if (harsher != EgressVerdict::allowed) return harsher;
  }
  return EgressVerdict::allowed;
}

EgressVerdict EgressPolicy::judge_plain(EgressProtocol protocol, const IpAddress& destination,
                                        std::uint16_t port) const noexcept {
  const EgressVerdict verdict = before_rules(destination);
  if (verdict != EgressVerdict::allowed) return verdict;
  switch (rules_.find(destination, protocol, port)) {
    case PrefixRules::Match::allow: return EgressVerdict::allowed;
    case PrefixRules::Match::deny: return EgressVerdict::denied;
    case PrefixRules::Match::none: break;
  }
  return only_listed_ ? EgressVerdict::unlisted : EgressVerdict::allowed;
}

EgressVerdict EgressPolicy::before_rules(const IpAddress& address) const noexcept {
  const EgressVerdict built_in = built_in_verdict(address);
  if (built_in != EgressVerdict::allowed) return built_in;
  const bool is_inside = inside_.find(address, EgressProtocol::icmp, 0) != PrefixRules::Match::none;
  return is_inside ? EgressVerdict::inside : EgressVerdict::allowed;
}

std::optional<IpAddress> EgressPolicy::host_target(const IpAddress& destination) const noexcept {
  if (host_alias_ == destination) return loopback_like(destination);
  if (before_rules(destination) != EgressVerdict::allowed) return std::nullopt;
  return destination;
}

std::optional<IpAddress> EgressPolicy::guest_source(const IpAddress& host_source) const noexcept {
  if (host_alias_ && host_source == loopback_like(*host_alias_)) return host_alias_;
  if (before_rules(host_source) != EgressVerdict::allowed) return std::nullopt;
  return host_source;
}

}  // namespace vnet::nat
