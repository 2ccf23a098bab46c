// Rules and destinations written as people write them.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "nat/egress_policy.hpp"

namespace vnet::nat::test {

inline IpAddress ip(std::string_view text) { return parse_ip(text).value(); }
inline IpPrefix prefix(std::string_view text) { return parse_ip_prefix(text).value(); }

inline EgressRule rule(std::string_view to, std::optional<EgressProtocol> protocol = {}, std::string_view ports = {}) {
  return {prefix(to), protocol, ports.empty() ? PortRanges{} : parse_port_ranges(ports).value()};
}

inline std::vector<EgressRule> rules(std::initializer_list<std::string_view> prefixes) {
  std::vector<EgressRule> result;
  for (const std::string_view to : prefixes) result.push_back(rule(to));
  return result;
}

/// Of rules that are prefixes alone.
inline EgressPolicy policy(std::initializer_list<std::string_view> allow,
                           std::initializer_list<std::string_view> deny) {
  return EgressPolicy{{true, rules(allow), rules(deny)}, {}, {}};
}

inline EgressVerdict tcp(const EgressPolicy& policy, std::string_view destination, std::uint16_t port = 443) {
  return policy.judge(EgressProtocol::tcp, ip(destination), port);
}

}  // namespace vnet::nat::test
