// What a network is told when it is made: plain values, checked by whoever read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dhcp/server.hpp"
#include "dns/server.hpp"
#include "nat/behavior.hpp"
#include "nat/egress_rules.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"
#include "switch/impairment.hpp"
#include "switch/mac_table.hpp"

namespace vnet::network {

/// The outside addresses of a network's router.
struct Wan {
  std::optional<Ipv4Address> ipv4;
  std::optional<Ipv6Address> ipv6;

  bool operator==(const Wan&) const noexcept = default;
};

/// The protocols by which guests may ask the router for port mappings.
struct PortMappingProtocols {
  bool nat_pmp = false;
  bool pcp = false;
  bool upnp = false;

  bool operator==(const PortMappingProtocols&) const noexcept = default;
  [[nodiscard]] bool any() const noexcept { return nat_pmp || pcp || upnp; }
};

struct NetworkConfig {
  std::string name;
  MacAddress mac;                  ///< the gateway's
  std::optional<Ipv4Prefix> ipv4;  ///< the gateway's address, and the subnet
  std::optional<Ipv6Prefix> ipv6;
  std::uint16_t mtu = 1500;  ///< the largest IP packet, in bytes
  bool open = true;          ///< any MAC may join; false: configured NICs only
  bool port_security = false;
  std::optional<Ipv4Address> dns_ipv4;  ///< where DNS answers, if not only at the gateway's address
  std::optional<Ipv6Address> dns_ipv6;
  std::optional<dhcp::ServerConfig> dhcp;  ///< none: no DHCP here
  std::string domain = "vnet";             ///< where the NICs' names live
  std::vector<std::string> search;
  std::vector<dns::Record> records;
  l2::MacTable::Limits mac_limits;
  std::optional<nat::EgressRules> egress;  ///< in effect when the fabric has the host's sockets; none: no way out
  std::optional<IpAddress> host_alias;     ///< by which guests reach the host's loopback; none: not at all
  std::optional<Wan> wan;                  ///< none: the network is not joined to the internet
  nat::NatBehavior nat;                    ///< between both; its times are those of egress, too
  std::string behind;                      ///< the network whose router its own stands behind; empty: none
  std::optional<Ipv4Address> one_to_one_host;
  PortMappingProtocols port_mapping;
  std::vector<IpPrefix> blackhole;  ///< beyond the network: what goes there, or comes from there, vanishes
  l2::Impairments impair;           ///< of every NIC's link here, behind the NIC's own

  /// Whether the address is of one of the network's prefixes.
  [[nodiscard]] bool has_inside(const IpAddress& address) const noexcept {
    if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) return ipv4 && ipv4->contains(*v4);
    return ipv6 && ipv6->contains(std::get<Ipv6Address>(address));
  }
};

}  // namespace vnet::network
