// What is changed about a whole network.
#include <algorithm>

#include "daemon/config_check_network.hpp"
#include "daemon/network_setup.hpp"
#include "daemon/operations.hpp"

namespace vnet::daemon {

Outcome<void> Operations::change_network(std::size_t network, const NetworkChange& change, std::string_view cause) {
  if (change.egress) {
    Problems problems;
    check_egress(*change.egress, "/egress", problems);
    if (!problems.empty()) {
      const Problem& first = problems.listed().front();
      return fail(Refusal{Refusal::Kind::invalid, first.place, first.text, problems});
    }
  }
  Network& now = network_now(network);
  const auto in_file = std::ranges::find(file_.networks, now.name, &Network::name);
  // A network that the file does not have is there no more after a restart.
  const bool lasts = in_file != file_.networks.end();
  RuntimeChanges changed;
  if (change.impair) {
    fabric().impair_network(network, *change.impair, cause, parts_.clock().now);
    now.impair = *change.impair;
    if (lasts) changed.impaired.push_back({{in_file->impair, now.impair}, now.name});
  }
  if (change.egress) {
    now.egress = *change.egress;
    fabric().change_egress(network, egress_rules(now_, now), cause, parts_.clock().now);
    if (lasts) changed.egress.push_back({{in_file->egress, now.egress}, now.name});
  }
  if (!changed.empty()) save(std::move(changed));
  parts_.hub.end_batch();
  return {};
}

}  // namespace vnet::daemon
