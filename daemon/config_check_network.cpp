#include "daemon/config_check_network.hpp"

#include <algorithm>
#include <array>

#include "daemon/config_defaults.hpp"
#include "daemon/config_once.hpp"
#include "daemon/config_words.hpp"
#include "daemon/json_text.hpp"
#include "nat/egress_policy.hpp"

namespace vnet::daemon {
namespace {

// Shorter: more hosts than a /8 has no address plan. Longer: no room for a gateway and a guest (RFC 3021's /31 aside).
constexpr unsigned kMinIpv4Length = 8;
constexpr unsigned kMaxIpv4Length = 30;
constexpr unsigned kSlaacLength = 64;        // RFC 4862, 5.5.3 d with RFC 4291's 64-bit interface identifiers
constexpr std::uint16_t kMinIpv6Mtu = 1280;  // RFC 8200, 5

/// What the server itself puts into its messages (RFC 2131, RFC 2132, RFC 3046): a second opinion would break them.
constexpr std::array<std::uint8_t, 12> kServersOptions = {50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82};

/// Whether `address` is a host's in `prefix`, not the prefix itself and not its broadcast address.
bool is_host_of(const Ipv4Prefix& prefix, Ipv4Address address) {
  return prefix.contains(address) && address != prefix.network() && address != prefix.broadcast();
}

std::string host_of(const Ipv4Prefix& prefix) {
  return "a host address of " + Ipv4Prefix{prefix.network(), prefix.length}.to_string();
}

void check_ipv4(const Network& network, const std::string& pointer, Problems& problems) {
  const Ipv4Prefix& prefix = *network.ipv4;
  if (prefix.length < kMinIpv4Length || prefix.length > kMaxIpv4Length) {
    problems.add(pointer, found_expected("a prefix length of " + std::to_string(prefix.length), "8 to 30"));
  } else if (!is_assignable(prefix.address)) {
    problems.add(pointer, found_expected(prefix.address.to_string(), "a unicast address, not in 0/8 or 127/8"));
  } else if (prefix.address == prefix.network()) {
    problems.add(pointer,
                 found_expected(prefix.address.to_string() + ", the address of the network itself",
                                "the gateway's, such as " + Ipv4Address{prefix.network().to_u32() + 1}.to_string() +
                                    "/" + std::to_string(prefix.length)));
  } else if (prefix.address == prefix.broadcast()) {
    problems.add(pointer, found_expected(prefix.address.to_string() + ", the broadcast address of the network",
                                         "the gateway's"));
  }
}

void check_ipv6(const Network& network, const std::string& pointer, Problems& problems) {
  const Ipv6Prefix& prefix = *network.ipv6;
  const std::string text = prefix.address.to_string();
  if (prefix.length != kSlaacLength) {
    problems.add(pointer, found_expected("a prefix length of " + std::to_string(prefix.length), "64, as SLAAC needs"));
  } else if (prefix.address.is_multicast() || prefix.address.is_link_local() || prefix.network().is_unspecified()) {
    problems.add(pointer, found_expected(text, "a global or unique local unicast address"));
  } else if (prefix.address == prefix.network()) {
    problems.add(pointer, found_expected(text + ", the anycast address of the prefix's routers (RFC 4291, 2.6.1)",
                                         "the gateway's, such as " + text + "1/64"));
  }
}

void check_range(const Network& network, const std::string& pointer, Problems& problems) {
  const Dhcp& dhcp = network.dhcp;
  if (!network.ipv4) {
    if (!dhcp.first.is_unspecified() || !dhcp.last.is_unspecified()) {
      problems.add(pointer, found_expected("a range on a network without ipv4", "none"));
    }
    return;
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const Ipv4Address end = i == 0 ? dhcp.first : dhcp.last;
    if (is_host_of(*network.ipv4, end)) continue;
    problems.add(child_pointer(pointer, i), found_expected(end.to_string(), host_of(*network.ipv4)));
  }
  if (dhcp.first > dhcp.last) {
    problems.add(pointer, found_expected(dhcp.first.to_string() + " before " + dhcp.last.to_string(),
                                         "the lower address first"));
  }
}

void check_dhcp(const Network& network, const std::string& pointer, Problems& problems) {
  const Dhcp& dhcp = network.dhcp;
  if (dhcp.enabled && !network.ipv4) {
    problems.add(child_pointer(pointer, "enabled"), found_expected("true on a network without ipv4", "false"));
  }
  check_range(network, child_pointer(pointer, "range"), problems);
  for (std::size_t i = 0; i < dhcp.routes.size(); ++i) {
    const DhcpRoute& route = dhcp.routes[i];
    if (network.ipv4 && is_host_of(*network.ipv4, route.via)) continue;
    problems.add(child_pointer(child_pointer(child_pointer(pointer, "routes"), i), "via"),
                 found_expected(route.via.to_string(), network.ipv4 ? host_of(*network.ipv4) : "a network with ipv4"));
  }
  for (const auto& [code, content] : dhcp.options) {
    if (std::ranges::find(kServersOptions, code) == kServersOptions.end()) continue;
    problems.add(child_pointer(child_pointer(pointer, "options"), std::to_string(code)),
                 found_expected("an option that the server writes itself", "any but 50 to 59, 61 and 82"));
  }
}

void check_host_alias(const Network& network, const std::string& pointer, Problems& problems) {
  if (const auto* v4 = std::get_if<Ipv4Address>(&*network.host_alias)) {
    if (!network.ipv4 || !is_host_of(*network.ipv4, *v4) || *v4 == network.ipv4->address) {
      problems.add(pointer,
                   found_expected(v4->to_string(), network.ipv4 ? host_of(*network.ipv4) + " other than the gateway's"
                                                                : "an address of the network's ipv6"));
    }
    return;
  }
  const auto& v6 = std::get<Ipv6Address>(*network.host_alias);
  if (!network.ipv6 || !network.ipv6->contains(v6) || v6 == network.ipv6->address || v6 == network.ipv6->network()) {
    problems.add(pointer,
                 found_expected(v6.to_string(), network.ipv6 ? "a host address of " + network.ipv6->to_string() +
                                                                   " other than the gateway's"
                                                             : "an address of the network's ipv4"));
  }
}

void check_dns(const Network& network, const std::string& pointer, Problems& problems) {
  check_records(network.dns.records, child_pointer(pointer, "records"), problems);
  const std::vector<IpAddress> of_gateway = gateway_addresses(network);  // looked at where they were given
  for (const IpAddress& address : network.dns.address) {
    if (std::ranges::find(of_gateway, address) != of_gateway.end()) continue;
    const auto* v4 = std::get_if<Ipv4Address>(&address);
    const auto* v6 = std::get_if<Ipv6Address>(&address);
    const bool unusable = v4 != nullptr ? !is_assignable(*v4) || (network.ipv4 && network.ipv4->contains(*v4) &&
                                                                  !is_host_of(*network.ipv4, *v4))
                                        : v6->is_multicast() || v6->is_unspecified();
    if (unusable) {
      problems.add(child_pointer(pointer, "address"), found_expected(vnet::to_string(address), "a host's address"));
    }
  }
}

bool is_inside(const Network& network, const IpAddress& address) {
  if (const auto* v4 = std::get_if<Ipv4Address>(&address)) return network.ipv4 && is_host_of(*network.ipv4, *v4);
  return network.ipv6 && network.ipv6->contains(std::get<Ipv6Address>(address));
}

void check_forwards(const Network& network, const std::string& pointer, Once& listened, Problems& problems) {
  for (std::size_t i = 0; i < network.forwards.size(); ++i) {
    const Forward& forward = network.forwards[i];
    const std::string at = child_pointer(pointer, i);
    if (std::holds_alternative<Endpoint>(forward.listen)) {
      listened.add(forward_key(forward), child_pointer(at, "listen"));
    } else if (forward.proto == Protocol::udp) {
      problems.add(child_pointer(at, "listen"), found_expected("a UNIX socket for udp", "an address and a port"));
    }
    if (forward.proto == Protocol::udp && forward.proxy_protocol != 0) {
      problems.add(child_pointer(at, "proxy_protocol"), found_expected("a header for udp", "0, or a forward for tcp"));
    }
    if (!is_inside(network, forward.to.address)) {
      problems.add(child_pointer(at, "to"),
                   found_expected(vnet::to_string(forward.to.address), "an address of a host inside the network"));
    }
  }
}

void check_ports_of_icmp(const std::vector<nat::EgressRule>& rules, const std::string& pointer, Problems& problems) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].protocol != nat::EgressProtocol::icmp || rules[i].ports.empty()) continue;
    problems.add(child_pointer(child_pointer(pointer, i), "ports"),
                 found_expected("ports of icmp", "them for tcp and udp only"));
  }
}

}  // namespace

void check_network(const Network& network, const std::string& pointer, Problems& problems) {
  if (!network.ipv4 && !network.ipv6) {
    problems.add(pointer, found_expected("neither ipv4 nor ipv6", "one of them; only the first network has a default"));
  }
  if (network.ipv4) check_ipv4(network, child_pointer(pointer, "ipv4"), problems);
  if (network.ipv6) check_ipv6(network, child_pointer(pointer, "ipv6"), problems);
  if (network.ipv6 && network.mtu < kMinIpv6Mtu) {
    problems.add(child_pointer(pointer, "mtu"),
                 found_expected(std::to_string(network.mtu), "at least 1280 on a network with ipv6 (RFC 8200, 5)"));
  }
  if (network.wan && !network.wan->ipv4 && !network.wan->ipv6) {
    problems.add(child_pointer(pointer, "wan"), found_expected("neither ipv4 nor ipv6", "at least one of them"));
  }
  check_dhcp(network, child_pointer(pointer, "dhcp"), problems);
  check_dns(network, child_pointer(pointer, "dns"), problems);
  if (network.host_alias) check_host_alias(network, child_pointer(pointer, "host_alias"), problems);
  check_egress(network.egress, child_pointer(pointer, "egress"), problems);
}

void check_networks(const Config& config, Problems& problems) {
  Once names{problems};
  Once listened{problems};
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const Network& network = config.networks[i];
    const std::string pointer = child_pointer("/networks", i);
    names.add_name(network.name, child_pointer(pointer, "name"));
    check_network(network, pointer, problems);
    check_forwards(network, child_pointer(pointer, "forwards"), listened, problems);
  }
}

bool is_assignable(Ipv4Address address) {
  const std::uint32_t top = address.to_u32() >> 24U;
  return top != 0 && top != 127 && top < 224;
}

void check_host_address(const Network& network, Ipv4Address address, const std::string& pointer, Problems& problems) {
  if (!network.ipv4) {
    problems.add(pointer, found_expected("an IPv4 address in a network without ipv4", "none"));
    return;
  }
  if (!is_host_of(*network.ipv4, address)) {
    problems.add(pointer, found_expected(address.to_string(), host_of(*network.ipv4)));
    return;
  }
  const auto taken_by = [&](std::string_view owner) {
    problems.add(pointer, found_expected(address.to_string() + ", " + std::string{owner}, "an address that is free"));
  };
  const IpAddress any = address;
  if (address == network.ipv4->address) {
    taken_by("the gateway's address");
  } else if (network.host_alias == any) {
    taken_by("the host alias");
  } else if (std::ranges::find(network.dns.address, any) != network.dns.address.end()) {
    taken_by("the DNS server's address");
  }
}

void check_egress(const Egress& egress, const std::string& pointer, Problems& problems) {
  const std::string allow = child_pointer(pointer, "allow");
  check_ports_of_icmp(egress.allow, allow, problems);
  check_ports_of_icmp(egress.deny, child_pointer(pointer, "deny"), problems);
  for (std::size_t i = 0; i < egress.allow.size(); ++i) {
    const nat::EgressVerdict verdict = nat::built_in_verdict(egress.allow[i].to);
    if (verdict == nat::EgressVerdict::allowed) continue;
    const std::string found = vnet::to_string(egress.allow[i].to) + " (" + std::string{to_string(verdict)} + ")";
    problems.add(child_pointer(allow, i),
                 found_expected(found, verdict == nat::EgressVerdict::loopback
                                           ? "a prefix that guests may reach; host_alias leads to the host's loopback"
                                           : "a prefix that guests may reach"));
  }
}

void check_records(const std::vector<DnsRecord>& records, const std::string& pointer, Problems& problems) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const DnsRecord& record = records[i];
    const bool has_data = !record.a.empty() || !record.aaaa.empty() || !record.txt.empty() || !record.mx.empty() ||
                          !record.srv.empty() || record.ptr;
    if (record.cname && has_data) {
      problems.add(child_pointer(pointer, i),
                   found_expected("cname beside other records", "cname alone (RFC 1034, 3.6.2)"));
    } else if (!record.cname && !has_data) {
      problems.add(child_pointer(pointer, i),
                   found_expected("a name without records", "a, aaaa, cname, txt, mx, srv or ptr"));
    }
  }
}

}  // namespace vnet::daemon
