// What is changed about a whole network.
#include <algorithm>

#include "daemon/operations.hpp"

namespace vnet::daemon {

void Operations::change_network(std::size_t network, const NetworkChange& change, std::string_view cause) {
  if (!change.impair) return;
  fabric().impair_network(network, *change.impair, cause, parts_.clock().now);
  Network& now = network_now(network);
  now.impair = *change.impair;
  const auto in_file = std::ranges::find(file_.networks, now.name, &Network::name);
  // A network that the file does not have is there no more after a restart.
  if (in_file != file_.networks.end()) {
    RuntimeChanges changed;
    changed.impaired.push_back({{in_file->impair, now.impair}, now.name});
    save(std::move(changed));
  }
  parts_.hub.end_batch();
}

}  // namespace vnet::daemon
