// What an event of the timeline does: the same as somebody who asks for it.
#include "daemon/operations.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kCause = "the timeline";

}  // namespace

Outcome<void> Operations::run(const TimelineEvent& event) {
  if (event.nic) {
    const l2::PortId port = fabric().find(std::string_view{*event.nic});
    if (port == l2::kNoPort) {
      return fail(Refusal{Refusal::Kind::unknown, "/nic", "there is no NIC " + in_quotes(*event.nic)});
    }
    NicChange change;
    change.network = event.network;
    change.link = event.link;
    change.assign = event.assign;
    change.impair = event.impair;
    return change_nic(port, change, kCause);
  }
  if (event.service) return change_service(*event.service, event.up.value_or(true), kCause);
  const auto network = find_network(event.network.value_or(""), "/network");
  if (!network) return fail(network.error());
  NetworkChange change;
  change.impair = event.impair;
  change.egress = event.egress;
  change.nat = event.nat;
  change.wan = event.wan;
  change.blackhole = event.blackhole;
  change.ipv4 = event.ipv4;
  const bool only_reboots = event.reboot && !change.impair && !change.egress && !change.nat && !change.wan &&
                            !change.blackhole && !change.ipv4;
  if (!only_reboots) {
    if (auto changed = change_network(*network, change, kCause); !changed) return changed;
  }
  if (event.reboot) reboot_router(*network, kCause);
  return {};
}

}  // namespace vnet::daemon
