// The part of daemon/config_check that is about one network: its prefixes, and who may have which address.
#pragma once

#include "daemon/config.hpp"

namespace vnet::daemon {

void check_networks(const Config& config, Problems& problems);
/// One of them, without its forwards, which are compared with those of others.
void check_network(const Network& network, const std::string& pointer, Problems& problems);

/// Not in 0/8, loopback, multicast or reserved: no interface has such an address (RFC 1122, 3.2.1.3).
[[nodiscard]] bool is_assignable(Ipv4Address address);

/// Whether `address` may be a guest's: inside the prefix, neither end of it, and neither the gateway nor its aliases.
void check_host_address(const Network& network, Ipv4Address address, const std::string& pointer, Problems& problems);

/// Rules that can never match, and allow rules for what no rule opens (nat/egress_policy).
void check_egress(const Egress& egress, const std::string& pointer, Problems& problems);

/// A name with a CNAME has nothing else (RFC 1034, 3.6.2), and every name has something.
void check_records(const std::vector<DnsRecord>& records, const std::string& pointer, Problems& problems);

}  // namespace vnet::daemon
