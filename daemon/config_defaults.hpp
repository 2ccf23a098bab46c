// What the config's members are when the file does not say, as far as it takes more than a constant.
//
// The built-in network is what gvproxy's users rely on (podman machine, crc, Lima): 192.168.127.0/24, gateway
// .1 with MAC 5a:94:ef:e4:0c:dd, host alias .254, three well-known names. Its IPv6 prefix is a ULA (RFC 4193)
// that never changes, so a restored VM finds its address valid.
#pragma once

#include "daemon/config.hpp"

namespace vnet::daemon {

/// The network that exists when the file names none.
[[nodiscard]] Network builtin_network();

/// A locally administered unicast address that depends on the name alone.
[[nodiscard]] MacAddress gateway_mac(std::string_view network_name);
/// The same for a NIC that was given a name and no address.
[[nodiscard]] MacAddress nic_mac(std::string_view nic_name);

/// The gateway's own addresses.
[[nodiscard]] std::vector<IpAddress> gateway_addresses(const Network& network);

/// Sets the range to every host address of `network.ipv4`, which is there, without those at either end that are
/// taken by the gateway, the host alias or the DNS server. Taken ones in between are the DHCP server's to avoid.
void set_default_range(Network& network);

/// Another address for the gateway of a network with `ipv4`. Whoever found DNS there finds it at the new one; a range
/// that is not inside the prefix any more becomes the default one.
void renumber(Network& network, const Ipv4Prefix& ipv4);

}  // namespace vnet::daemon
