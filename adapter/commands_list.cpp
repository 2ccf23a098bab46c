// status, nics, networks, services, flows, mappings, leases, lease, captures: what is there.
#include <memory>

#include "adapter/commands.hpp"

namespace vnet::adapter {
namespace {

/// A command without words of its own: one question, one table.
void add_question(CommandTree& tree, const std::string& name, const std::string& description,
                  const std::string& examples, Show show) {
  const CLI::App& command = tree.add(tree.root(), name, description, examples);
  tree.on(command, CommandTree::Json::taken, [name, show](bool json) -> Command {
    return Call{.target = api_target({name}), .show = show, .json = json};
  });
}

/// The same, for the things of one network or of all.
void add_list(CommandTree& tree, const std::string& name, const std::string& description, const std::string& examples,
              Show show) {
  CLI::App& command = tree.add(tree.root(), name, description, examples);
  const auto network = std::make_shared<std::optional<std::string>>();
  tree.completes(command.add_option("--network", *network, "Only those of this network")->type_name("NETWORK"),
                 Ask::networks);
  tree.on(command, CommandTree::Json::taken, [name, show, network](bool json) -> Command {
    const Query query = *network ? Query{{"network", **network}} : Query{};
    return Call{.target = api_target({name}, query), .show = show, .json = json};
  });
}

void add_flows(CommandTree& tree) {
  CLI::App& flows = tree.add(tree.root(), "flows", "What guests exchange with the world: TCP, UDP, pings",
                             "  vnet flows\n"
                             "  vnet flows --nic alice                       only those of one NIC\n"
                             "  vnet flows --json | jq 'map(select(.retransmitted > 0))'");
  struct Given {
    std::optional<std::string> network;
    std::optional<std::string> nic;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(flows.add_option("--network", given->network, "Only those of this network")->type_name("NETWORK"),
                 Ask::networks);
  tree.completes(flows.add_option("--nic", given->nic, "Only those of this NIC")->type_name("NIC"), Ask::nics);
  tree.on(flows, CommandTree::Json::taken, [given](bool json) -> Command {
    Query query;
    if (given->network) query.emplace_back("network", *given->network);
    if (given->nic) query.emplace_back("nic", *given->nic);
    return Call{.target = api_target({"flows"}, query), .show = Show::flows, .json = json};
  });
}

void add_mappings(CommandTree& tree) {
  CLI::App& mappings = tree.add(tree.root(), "mappings", "What the routers translate: inside and outside, for how long",
                                "  vnet mappings\n"
                                "  vnet mappings --network home                 only those of one network\n"
                                "  vnet mappings --json | jq '.mappings[] | select(.proto == \"udp\")'");
  struct Given {
    std::optional<std::string> network;
    std::optional<std::uint32_t> limit;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(mappings.add_option("--network", given->network, "Only those of this network")->type_name("NETWORK"),
                 Ask::networks);
  mappings.add_option("--limit", given->limit, "At most this many; default 10000")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  tree.on(mappings, CommandTree::Json::taken, [given](bool json) -> Command {
    Query query;
    if (given->network) query.emplace_back("network", *given->network);
    if (given->limit) query.emplace_back("limit", std::to_string(*given->limit));
    return Call{.target = api_target({"nat", "mappings"}, query), .show = Show::mappings, .json = json};
  });
}

void add_lease(CommandTree& tree) {
  CLI::App& lease =
      tree.add(tree.root(), "lease", "End a DHCP lease",
               "  vnet lease rm 192.168.127.2                  forget it; its client asks again in its own time");
  CLI::App& rm = tree.add(lease, "rm", "End and forget the lease of an address",
                          "  vnet lease rm 192.168.127.2\n"
                          "  vnet lease rm 10.0.0.2 --network lab         where several networks have this address");
  struct Given {
    std::string ip;
    std::optional<std::string> network;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(rm.add_option("ip", given->ip, "The address")->type_name("IP"), Ask::leases);
  tree.completes(rm.add_option("--network", given->network, "The network that it is of")->type_name("NETWORK"),
                 Ask::networks);
  tree.on(rm, CommandTree::Json::taken, [given](bool json) -> Command {
    if (given->ip.empty()) return missing("lease rm", "address", "one that `vnet leases` shows");
    const Query query = given->network ? Query{{"network", *given->network}} : Query{};
    return Call{.method = "DELETE", .target = api_target({"leases", given->ip}, query), .json = json};
  });
}

}  // namespace

void add_list_commands(CommandTree& tree) {
  add_question(tree, "status", "The switch: version, uptime, limits and how near each is",
               "  vnet status\n  vnet status --json | jq .limits", Show::status);
  add_list(tree, "nics", "The NICs: link, attachment, addresses, counters",
           "  vnet nics\n  vnet nics --network home --json", Show::nics);
  add_question(tree, "networks", "The networks", "  vnet networks", Show::networks);
  add_question(tree, "services", "The services of the simulated internet: addresses, state, where they lead",
               "  vnet services\n  vnet services --json | jq 'map(select(.up | not).name)'", Show::services);
  add_flows(tree);
  add_mappings(tree);
  add_list(tree, "leases", "The DHCP leases in force", "  vnet leases\n  vnet leases --network home", Show::leases);
  add_lease(tree);
  add_question(tree, "captures", "The captures that run", "  vnet captures", Show::captures);
}

}  // namespace vnet::adapter
