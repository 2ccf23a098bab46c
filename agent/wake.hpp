// Waking up: what a machine has to be told when it was restored from a snapshot, of which it notices nothing itself.
//
//   seed      a copy draws the same random numbers as its siblings: these bytes are stirred in
//   unix_ms   its clock stands where it was saved
//   macs      siblings would share their MAC addresses: each interface that has the first gets the second
//
// And what it believes to be connected is not any more: every TCP connection but those within the machine is ended
// (sock_diag(7), where the kernel has INET_DIAG_DESTROY), so that programs hear of it now and not after a time-out.
#pragma once

#include <string>

#include "agent/json.hpp"

namespace vnet::agent {

/// Does what `restored` says; empty, or what could not be done.
[[nodiscard]] std::string wake_up(const Json& restored);

/// Ends the TCP connections that lead out of the machine; how many. Connections of others than us: CAP_NET_ADMIN.
int end_connections();

}  // namespace vnet::agent
