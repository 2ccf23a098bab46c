#include "daemon/config_defaults.hpp"

#include <algorithm>

#include "packet/random.hpp"

namespace vnet::daemon {
namespace {

constexpr Ipv4Prefix kBuiltinIpv4{Ipv4Address{192, 168, 127, 1}, 24};
constexpr Ipv4Address kBuiltinHostAlias{192, 168, 127, 254};
constexpr Ipv6Prefix kBuiltinIpv6{Ipv6Address{{0xfd, 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, 64};
constexpr MacAddress kBuiltinMac = MacAddress::from_u64(0x5a94efe40cddU);

DnsRecord address_record(std::string name, Ipv4Address v4) {
  DnsRecord record;
  record.name = std::move(name);
  record.a = {v4};
  return record;
}

}  // namespace

Network builtin_network() {
  Network network;
  network.ipv4 = kBuiltinIpv4;
  network.ipv6 = kBuiltinIpv6;
  network.mac = kBuiltinMac;
  network.host_alias = kBuiltinHostAlias;
  DnsRecord gateway = address_record("gateway.containers.internal", kBuiltinIpv4.address);
  gateway.aaaa = {kBuiltinIpv6.address};
  network.dns.records = {std::move(gateway), address_record("host.containers.internal", kBuiltinHostAlias),
                         address_record("host.docker.internal", kBuiltinHostAlias)};
  return network;
}

MacAddress gateway_mac(std::string_view network_name) {
  constexpr std::uint64_t kGroup = 1ULL << 40U;
  constexpr std::uint64_t kLocal = 2ULL << 40U;
  constexpr std::uint64_t kAll = (1ULL << 48U) - 1;
  std::uint64_t hash = 0;
  for (const char c : network_name) hash = mix64(static_cast<unsigned char>(c), hash);
  return MacAddress::from_u64(((hash & kAll) | kLocal) & ~kGroup);
}

// A network and a NIC of one name are two stations.
MacAddress nic_mac(std::string_view nic_name) { return gateway_mac("NIC " + std::string{nic_name}); }

std::vector<IpAddress> gateway_addresses(const Network& network) {
  std::vector<IpAddress> addresses;
  if (network.ipv4) addresses.emplace_back(network.ipv4->address);
  if (network.ipv6) addresses.emplace_back(network.ipv6->address);
  return addresses;
}

void set_default_range(Network& network) {
  const auto taken = [&network](std::uint32_t value) {
    const IpAddress address = Ipv4Address{value};
    return address == IpAddress{network.ipv4->address} || network.host_alias == address ||
           std::ranges::find(network.dns.address, address) != network.dns.address.end();
  };
  std::uint32_t first = network.ipv4->network().to_u32() + 1;
  std::uint32_t last = network.ipv4->broadcast().to_u32() - 1;
  while (first < last && taken(first)) ++first;
  while (first < last && taken(last)) --last;
  network.dhcp.first = Ipv4Address{first};
  network.dhcp.last = Ipv4Address{last};
}

void renumber(Network& network, const Ipv4Prefix& ipv4) {
  std::ranges::replace(network.dns.address, IpAddress{network.ipv4->address}, IpAddress{ipv4.address});
  network.ipv4 = ipv4;
  if (!ipv4.contains(network.dhcp.first) || !ipv4.contains(network.dhcp.last)) set_default_range(network);
}

}  // namespace vnet::daemon
