// What one daemon leaves to its successor, and how the successor asks for it (`vnetd --take-over`).
//
// The successor connects to the control socket of its own configuration. Who answers there gives it every socket with
// what is to be known of it, the leases, the run-time changes, and the number of the next event. The new daemon goes on
// with its own configuration file and its own code: what it does not know any more is left out, which it says.
// The wire is in take_over_wire.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/hub.hpp"
#include "daemon/lease_store.hpp"
#include "daemon/runtime_changes.hpp"
#include "daemon/take_over_wire.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

/// A socket, with its network by name, since the successor's networks have numbers of their own.
struct LeftSocket {
  HandedSocket socket;
  std::string network;
  dgram::Fd fd;
};

struct Predecessor {
  dgram::Fd connection;  ///< where it waits to be told that all is well
  RuntimeChanges changes;
  std::vector<StoredLease> leases;
  std::vector<LeftSocket> sockets;
  std::map<std::string, dgram::Fd> forwards;  ///< by forward_key
  dgram::Fd control;
  bool owns_control_file = false;
  dgram::Fd control_tcp;
  std::uint64_t first_event = 0;  ///< see EventBacklog
  std::uint64_t next_event = 0;
  std::vector<std::string> services_down;
  std::optional<Duration> timeline;  ///< see Timeline::elapsed; none: it is older than timelines
};

/// Asks the daemon at the control socket `path`. Nothing: nobody listens there. Throws std::runtime_error when somebody
/// does and will not or cannot be succeeded.
[[nodiscard]] std::optional<Predecessor> find_predecessor(const std::string& path);

/// What a predecessor has sent; the error says what of it cannot be. It is another program's, and trusted in nothing.
[[nodiscard]] Result<Predecessor, std::string> read_estate(Estate estate, Instant now);

// The parts of the document, as the predecessor writes them. Descriptors are appended to `fds`.

[[nodiscard]] Json sockets_to_json(const network::Fabric& fabric, const std::vector<HandedSocket>& sockets,
                                   std::vector<int>& fds);
[[nodiscard]] Json leases_to_json(network::Fabric& fabric, Instant now);

}  // namespace vnet::daemon
