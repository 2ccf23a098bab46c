// What is changed about a whole network, and about a service.
#include <algorithm>

#include "daemon/config_check.hpp"
#include "daemon/config_defaults.hpp"
#include "daemon/network_setup.hpp"
#include "daemon/operations.hpp"

namespace vnet::daemon {

Problems Operations::problems_with(const Network& now, const Network& wanted) const {
  Config tried = now_;
  tried.timeline.clear();
  // What two networks cannot both have is the fault of the later one, and here that is the one that changes.
  const auto at = std::ranges::find(tried.networks, now.name, &Network::name);
  std::rotate(at, at + 1, tried.networks.end());
  Problems before;
  check_config(tried, before);
  tried.networks.back() = wanted;
  Problems after;
  check_config(tried, after);
  const std::string place = child_pointer("/networks", tried.networks.size() - 1);
  Problems fresh;
  const auto add = [&](bool of_its_own) {
    for (const Problem& problem : after.listed()) {
      const bool own = problem.place.starts_with(place + "/");
      if (own != of_its_own || std::ranges::find(before.listed(), problem) != before.listed().end()) continue;
      if (own) {
        fresh.add(problem.place.substr(place.size()), problem.text);
      } else {
        fresh.add({}, problem.place == place ? problem.text : problem.place + ": " + problem.text);
      }
    }
  };
  add(true);
  add(false);
  return fresh;
}

Outcome<void> Operations::change_network(std::size_t network, const NetworkChange& change, std::string_view cause) {
  const Network before = network_now(network);
  Network wanted = before;
  if (change.ipv4 && !before.ipv4) {
    return fail(Refusal{Refusal::Kind::conflict, "/ipv4", "network " + before.name + " has no ipv4 to change"});
  }
  if (change.ipv4) renumber(wanted, *change.ipv4);
  if (change.impair) wanted.impair = *change.impair;
  if (change.egress) wanted.egress = *change.egress;
  if (change.nat) wanted.nat = placed(*change.nat, before.nat);
  if (change.wan) wanted.wan = *change.wan;
  if (change.blackhole) wanted.blackhole = *change.blackhole;
  if (Problems problems = problems_with(before, wanted); !problems.empty()) {
    const Problem first = problems.listed().front();
    return fail(Refusal{Refusal::Kind::invalid, first.place, first.text, std::move(problems)});
  }
  network_now(network) = wanted;
  apply(network, before, now_, wanted, cause);
  if (before.wan != wanted.wan || before.nat.behind != wanted.nat.behind) {
    remake_parent(before.nat.behind);
    if (before.nat.behind != wanted.nat.behind) remake_parent(wanted.nat.behind);
  }
  const auto in_file = std::ranges::find(file_.networks, wanted.name, &Network::name);
  // A network that the file does not have is there no more after a restart.
  if (in_file == file_.networks.end()) return {};
  RuntimeChanges changed;
  if (change.impair) changed.impaired.push_back({{in_file->impair, wanted.impair}, wanted.name});
  if (change.egress) changed.egress.push_back({{in_file->egress, wanted.egress}, wanted.name});
  if (change.nat) changed.nats.push_back({{in_file->nat, wanted.nat}, wanted.name});
  if (change.wan) changed.wans.push_back({{in_file->wan, wanted.wan}, wanted.name});
  if (change.blackhole) changed.blackholes.push_back({{in_file->blackhole, wanted.blackhole}, wanted.name});
  if (change.ipv4) changed.renumbered.push_back({{in_file->ipv4, wanted.ipv4}, wanted.name});
  if (!changed.empty()) save(std::move(changed));
  return {};
}

bool Operations::needs_new_gateway(Network before, Network after) {
  before.dns.records.clear();
  after.dns.records.clear();
  before.impair = after.impair;
  before.egress = after.egress;
  before.forwards = after.forwards;
  before.nat.preset = after.nat.preset;
  before.nat.behavior = after.nat.behavior;
  before.wan = after.wan;
  before.blackhole = after.blackhole;
  return before != after;
}

void Operations::apply(std::size_t slot, const Network& before, const Config& config, const Network& wanted,
                       std::string_view cause) {
  const Instant now = parts_.clock().now;
  if (needs_new_gateway(before, wanted)) {
    fabric().reconfigure(slot, network_config(config, wanted), now);
    parts_.names.set_network(slot, wanted.dns);
    parts_.hub.end_batch();
    return;
  }
  if (before.impair != wanted.impair) fabric().impair_network(slot, wanted.impair, cause, now);
  if (before.nat.behavior != wanted.nat.behavior) fabric().change_nat(slot, wanted.nat.behavior, cause, now);
  if (before.wan != wanted.wan) fabric().change_wan(slot, network_config(config, wanted).wan, cause, now);
  if (before.blackhole != wanted.blackhole) fabric().change_blackhole(slot, wanted.blackhole, cause, now);
  if (before.egress != wanted.egress) fabric().change_egress(slot, egress_rules(config, wanted), cause, now);
  parts_.hub.end_batch();  // resets of flows that have ended
}

void Operations::remake_parent(const std::optional<std::string>& name) {
  const auto parent = std::ranges::find_if(now_.networks, [&](const Network& network) { return network.name == name; });
  if (parent == now_.networks.end()) return;
  const std::size_t slot = fabric().find_network(parent->name).value();
  fabric().reconfigure(slot, network_config(now_, *parent), parts_.clock().now);
  parts_.names.set_network(slot, parent->dns);
  parts_.hub.end_batch();
}

void Operations::reboot_router(std::size_t network, std::string_view cause) {
  fabric().reboot_router(network, cause, parts_.clock().now);
  parts_.hub.end_batch();
}

Outcome<void> Operations::change_service(std::string_view name, bool up, std::string_view cause) {
  if (!parts_.services.set_up(name, up, cause)) {
    return fail(Refusal{Refusal::Kind::unknown, "/service", "there is no service " + in_quotes(name)});
  }
  parts_.hub.end_batch();
  return {};
}

}  // namespace vnet::daemon
