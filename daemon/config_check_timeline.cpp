#include "daemon/config_check_timeline.hpp"

#include <algorithm>

#include "daemon/config_check_internet.hpp"
#include "daemon/config_check_network.hpp"
#include "daemon/config_defaults.hpp"
#include "daemon/config_known.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {
namespace {

bool is_of_network(const TimelineEvent& event) {
  return event.nat || event.wan || event.ipv4 || event.blackhole || event.egress || event.reboot;
}

/// Whether an event says what it changes, and changes something.
void check_event(const TimelineEvent& event, const std::string& pointer, Problems& problems) {
  const bool of_nic = event.link || event.assign;
  const bool of_network = is_of_network(event);
  const auto wrong = [&](const char* found, const char* expected) {
    problems.add(pointer, found_expected(found, expected));
  };
  if (event.service) {
    if (event.nic || event.network) {
      wrong("a service beside a nic or a network", "an event for each");
    } else if (of_nic || of_network || event.impair) {
      wrong("a service with another member than up", "up alone");
    } else if (!event.up) {
      wrong("a service without up", "up, true or false");
    }
  } else if (event.up) {
    wrong("up without service", "the service that changes");
  } else if (!event.nic && !event.network) {
    wrong("neither nic nor network nor service", "what changes");
  } else if (event.nic && of_network) {
    wrong("nat, wan, ipv4, blackhole, egress or reboot of a NIC", "them with network alone");
  } else if (!event.nic && of_nic) {
    wrong("link or assign without nic", "the NIC that changes");
  } else if (!of_nic && !of_network && !event.impair && !(event.nic && event.network)) {
    wrong("an event that changes nothing", "link, assign, nat, impair, ...");
  }
}

bool says(const TimelineEvent& event, std::string_view member) {
  return (member == "nat" && event.nat) || (member == "wan" && event.wan) || (member == "ipv4" && event.ipv4) ||
         (member == "egress" && event.egress);
}

/// Makes the change in `config`, if what comes of it goes together.
void play(const TimelineEvent& event, const std::string& pointer, Config& config, Problems& problems) {
  const auto network = std::ranges::find(config.networks, *event.network, &Network::name);
  if (network == config.networks.end()) return;
  const Network before = *network;
  if (event.ipv4 && !before.ipv4) {
    problems.add(child_pointer(pointer, "ipv4"), found_expected("an address for a network without ipv4", "none"));
    return;
  }
  if (event.ipv4) renumber(*network, *event.ipv4);
  if (event.nat) network->nat = placed(*event.nat, before.nat);
  if (event.wan) network->wan = *event.wan;
  if (event.egress) network->egress = *event.egress;
  Problems found;
  check_network(*network, {}, found);
  check_changed_router(config, static_cast<std::size_t>(network - config.networks.begin()), {}, found);
  if (found.empty()) return;
  *network = before;
  for (const Problem& problem : found.listed()) {
    const std::string member = problem.place.substr(0, problem.place.find('/', 1));
    const bool is_said = !member.empty() && says(event, std::string_view{member}.substr(1));
    problems.add(is_said ? pointer + problem.place : pointer, problem.text);
  }
}

}  // namespace

void check_timeline(const Config& config, Problems& problems) {
  const bool is_sound = problems.empty();
  const std::vector<std::string> networks = names_of(config.networks);
  const std::vector<std::string> nics = names_of(config.nics);
  const std::vector<std::string> services = names_of(config.services);
  std::vector<std::pair<const TimelineEvent*, std::string>> of_networks;
  for (std::size_t i = 0; i < config.timeline.size(); ++i) {
    const TimelineEvent& event = config.timeline[i];
    const std::string pointer = child_pointer("/timeline", i);
    if (event.nic) check_known("NIC", *event.nic, nics, child_pointer(pointer, "nic"), problems);
    if (event.network) check_known("network", *event.network, networks, child_pointer(pointer, "network"), problems);
    if (event.service) check_known("service", *event.service, services, child_pointer(pointer, "service"), problems);
    check_event(event, pointer, problems);
    if (event.network && !event.nic && is_of_network(event)) of_networks.emplace_back(&event, pointer);
  }
  if (!is_sound) return;  // what is wrong at the start would be found again with each event
  std::ranges::stable_sort(of_networks, {}, [](const auto& one) { return one.first->at; });
  Config at_the_time = config;
  at_the_time.timeline.clear();
  for (const auto& [event, pointer] : of_networks) play(*event, pointer, at_the_time, problems);
}

}  // namespace vnet::daemon
