// Zones that never leave to an upstream server, whatever is or is not known here.
//
// Host-only and reserved trees: localhost, invalid, local, onion, alt, home.arpa, resolver.arpa (RFC 6761, 6762, 7686,
// 9476, 8375, 9462); reverse trees of addresses that mean something different in every network (RFC 6303, and
// RFC 7793 for the shared space 100.64/10). `test` and `example` are left out on purpose: people who test serve names
// there from servers of their own.
#pragma once

#include <vector>

#include "dns/name.hpp"

namespace vnet::dns {

/// The apexes, in no order.
[[nodiscard]] std::vector<Name> locally_served_zones();

}  // namespace vnet::dns
