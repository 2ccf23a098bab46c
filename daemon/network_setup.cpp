#include "daemon/network_setup.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

#include "daemon/socket_address.hpp"
#include "dns/record.hpp"
#include "pcap/filter.hpp"

namespace vnet::daemon {
namespace {

/// Names were checked by the schema's format; one that is still none becomes the root and is refused with its record.
dns::Name name_of(const std::string& text) { return dns::Name::parse(text).value_or(dns::Name{}); }

template <typename Address>
std::optional<Address> first_of(const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    if (const auto* found = std::get_if<Address>(&address)) return *found;
  }
  return std::nullopt;
}

std::optional<dhcp::ServerConfig> dhcp_config(const Config& config, const Network& network) {
  if (!network.dhcp.enabled || !network.ipv4) return std::nullopt;
  dhcp::ServerConfig dhcp;
  dhcp.gateway = *network.ipv4;
  dhcp.range_first = network.dhcp.first;
  dhcp.range_last = network.dhcp.last;
  dhcp.lease_time = network.dhcp.lease;
  dhcp.router = network.ipv4->address;
  const Ipv4Address dns = first_of<Ipv4Address>(network.dns.address).value_or(network.ipv4->address);
  dhcp.dns_servers = {dns};
  if (network.ipv4->contains(dns)) dhcp.excluded.push_back(dns);
  if (network.host_alias) {
    if (const auto* alias = std::get_if<Ipv4Address>(&*network.host_alias)) dhcp.excluded.push_back(*alias);
  }
  for (const Network& other : config.networks) {
    const bool stands_here = other.nat.behind == network.name && other.wan && other.wan->ipv4;
    if (stands_here && network.ipv4->contains(*other.wan->ipv4)) dhcp.excluded.push_back(*other.wan->ipv4);
  }
  dhcp.domain = network.dns.domain;
  dhcp.search = network.dns.search;
  dhcp.mtu = network.mtu;
  for (const DhcpRoute& route : network.dhcp.routes) dhcp.routes.push_back({route.to, route.via});
  dhcp.options = network.dhcp.options;
  return dhcp;
}

/// Of all interfaces of the host; none where the system does not say.
std::vector<IpAddress> host_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{list, &::freeifaddrs};
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      const auto* const v4 = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
      addresses.emplace_back(Ipv4Address{ntohl(v4->sin_addr.s_addr)});
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr);
      addresses.emplace_back(Ipv6Address::load(v6->sin6_addr.s6_addr));
    }
  }
  return addresses;
}

nat::EgressRule exactly(const IpAddress& address, std::uint16_t port) {
  const IpPrefix prefix = is_v4(address) ? IpPrefix{Ipv4Prefix{std::get<Ipv4Address>(address), 32}}
                                         : IpPrefix{Ipv6Prefix{std::get<Ipv6Address>(address), 128}};
  return {prefix, nat::EgressProtocol::tcp, {{port, port}}};
}

}  // namespace

nat::EgressRules egress_rules(const Config& config, const Network& network) {
  nat::EgressRules rules = network.egress;
  if (!config.listen.control_tcp) return rules;
  const Endpoint& api = config.listen.control_tcp->address;
  std::vector<IpAddress> addresses;
  if (is_unspecified(api.address)) {
    addresses = host_addresses();
  } else {
    addresses.push_back(api.address);
  }
  if (network.host_alias) addresses.push_back(*network.host_alias);
  for (const IpAddress& address : addresses) rules.deny.push_back(exactly(address, api.port));
  return rules;
}

network::NetworkConfig network_config(const Config& config, const Network& from) {
  network::NetworkConfig network;
  network.name = from.name;
  network.mac = from.mac;
  network.ipv4 = from.ipv4;
  network.ipv6 = from.ipv6;
  network.mtu = from.mtu;
  network.open = from.members == Members::open;
  network.port_security = from.port_security;
  network.dns_ipv4 = first_of<Ipv4Address>(from.dns.address);
  network.dns_ipv6 = first_of<Ipv6Address>(from.dns.address);
  network.dhcp = dhcp_config(config, from);
  network.egress = egress_rules(config, from);
  network.host_alias = from.host_alias;
  if (from.wan) network.wan = network::Wan{from.wan->ipv4, from.wan->ipv6};
  network.nat = from.nat.behavior;
  network.behind = from.nat.behind.value_or("");
  network.one_to_one_host = from.nat.host;
  network.blackhole = from.blackhole;
  network.domain = from.dns.domain;
  network.search = from.dns.search;
  for (const PortMappingProtocol protocol : from.port_mapping) {
    if (protocol == PortMappingProtocol::nat_pmp) network.port_mapping.nat_pmp = true;
    if (protocol == PortMappingProtocol::pcp) network.port_mapping.pcp = true;
    if (protocol == PortMappingProtocol::upnp) network.port_mapping.upnp = true;
  }
  network.impair = from.impair;
  for (const DnsRecord& record : records_of(config, from)) network.records.push_back(record_of(record));
  return network;
}

std::vector<DnsRecord> records_of(const Config& config, const Network& network) {
  std::vector<DnsRecord> records = network.dns.records;
  // A service is a name that every network can look up, whatever stands behind it.
  for (const Service& service : config.services) {
    DnsRecord record;
    record.name = service.name;
    record.a = service.ipv4;
    record.aaaa = service.ipv6;
    if (!record.a.empty() || !record.aaaa.empty()) records.push_back(std::move(record));
  }
  return records;
}

dns::Record record_of(const DnsRecord& from) {
  dns::Record record;
  record.name = name_of(from.name);
  record.ttl_s = from.ttl_s;
  record.a = from.a;
  record.aaaa = from.aaaa;
  if (from.cname) record.cname = name_of(*from.cname);
  record.txt = from.txt;
  for (const MxRecord& mx : from.mx) record.mx.push_back({mx.preference, name_of(mx.exchange)});
  for (const SrvRecord& srv : from.srv) {
    record.srv.push_back({srv.priority, srv.weight, srv.port, name_of(srv.target)});
  }
  if (from.ptr) record.ptr.push_back(name_of(*from.ptr));
  return record;
}

std::vector<network::NetworkConfig> network_configs(const Config& config) {
  std::vector<network::NetworkConfig> networks;
  for (const Network& network : config.networks) networks.push_back(network_config(config, network));
  return networks;
}

network::NicConfig nic_config(const Nic& nic, std::size_t network) {
  return {nic.name, nic.mac, network, nic.link == Link::up, nic.ip, nic.hostname, nic.impair};
}

std::vector<network::NicConfig> nic_configs(const Config& config) {
  std::vector<network::NicConfig> nics;
  for (const Nic& nic : config.nics) nics.push_back(nic_config(nic, network_index(config, nic.network)));
  return nics;
}

CaptureRequest configured_capture(const Capture& capture) {
  return {"config", capture.file, {}, capture.filter, capture.snaplen, capture.rotate_mb, capture.keep};
}

const Nic* find_nic(const Config& config, const MacAddress& mac) {
  const auto found = std::ranges::find(config.nics, mac, &Nic::mac);
  return found == config.nics.end() ? nullptr : &*found;
}

std::size_t network_index(const Config& config, std::string_view name) {
  const auto found = std::ranges::find(config.networks, name, &Network::name);
  return static_cast<std::size_t>(found - config.networks.begin());
}

Problems setup_problems(const Config& config) {
  Problems problems;
  if (config.capture) {
    const auto filter = capture::Filter::compile(config.capture->filter);
    if (!filter) {
      problems.add("/capture/filter",
                   found_expected(in_quotes(config.capture->filter), "a filter as tcpdump takes it") +
                       " (libpcap: " + filter.error() + ")");
    }
  }
  auto networks = network_configs(config);
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const std::string place = "/networks/" + std::to_string(i);
    if (networks[i].dhcp) {
      // The fabric makes these itself, one with each NIC.
      for (const Nic& nic : config.nics) {
        const bool reserves = nic.network == networks[i].name && nic.ip;
        if (reserves) networks[i].dhcp->reservations.push_back({nic.mac, *nic.ip, nic.hostname});
      }
      if (auto problem = dhcp::problem(*networks[i].dhcp)) problems.add(place + "/dhcp", std::move(*problem));
    }
    const std::size_t own_records = config.networks[i].dns.records.size();
    for (std::size_t k = 0; k < own_records; ++k) {
      const dns::Record& record = networks[i].records[k];
      if (const auto data = dns::encode(record); !data) {
        problems.add(place + "/dns/records/" + std::to_string(k),
                     "record " + in_quotes(record.name.to_string()) + ": " + std::string{to_string(data.error())});
      }
    }
  }
  return problems;
}

}  // namespace vnet::daemon
