// dns: the names that a network's resolver was given, beside those of its NICs.
#include <memory>

#include "adapter/commands.hpp"

namespace vnet::adapter {
namespace {

Query of_network(const std::optional<std::string>& network) { return network ? Query{{"network", *network}} : Query{}; }

CLI::Option* add_network(CLI::App& command, std::optional<std::string>& network) {
  return command.add_option("--network", network, "The network; default: the first")->type_name("NETWORK");
}

struct Records {
  std::string name;
  std::vector<std::string> a, aaaa, txt;
  std::optional<std::string> cname, network;
  std::optional<std::uint32_t> ttl_s;
};

Command decide_set(const Records& records, bool json) {
  if (records.name.empty()) return missing("dns set", "name", "one such as printer.vnet");
  if (records.a.empty() && records.aaaa.empty() && records.txt.empty() && !records.cname) {
    return missing("dns set", "record", "--a, --aaaa, --cname or --txt; `vnet dns rm` removes a name");
  }
  Call call{.method = "PUT",
            .target = api_target({"dns", "records", records.name}, of_network(records.network)),
            .show = Show::dns,
            .json = json};
  RequestBody body;
  if (!records.a.empty()) body.set("a", records.a, "--a");
  if (!records.aaaa.empty()) body.set("aaaa", records.aaaa, "--aaaa");
  body.set_if("cname", records.cname, "--cname");
  if (!records.txt.empty()) body.set("txt", records.txt, "--txt");
  body.set_if("ttl_s", records.ttl_s, "--ttl");
  body.into(call);
  return call;
}

void add_set(CommandTree& tree, CLI::App& dns) {
  CLI::App& set = tree.add(dns, "set", "Give a name these records and no others",
                           "  vnet dns set printer.vnet --a 192.168.127.50 --ttl 300\n"
                           "  vnet dns set www.test --cname printer.vnet --network lab");
  const auto given = std::make_shared<Records>();
  tree.completes(set.add_option("name", given->name, "The name")->type_name("NAME"), Ask::dns_names);
  repeated(set.add_option("--a", given->a, "An IPv4 address; may be repeated")->type_name("IP"));
  repeated(set.add_option("--aaaa", given->aaaa, "An IPv6 address; may be repeated")->type_name("IP"));
  set.add_option("--cname", given->cname, "The name that this one stands for")->type_name("NAME");
  repeated(set.add_option("--txt", given->txt, "A text; may be repeated")->type_name("TEXT"));
  set.add_option("--ttl", given->ttl_s, "Seconds that an answer may be cached; default 60")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 2147483647).description(""));
  tree.completes(add_network(set, given->network), Ask::networks);
  tree.on(set, CommandTree::Json::taken, [given](bool json) { return decide_set(*given, json); });
}

void add_dns_rm(CommandTree& tree, CLI::App& dns) {
  CLI::App& rm = tree.add(dns, "rm", "Remove all records of a name", "  vnet dns rm printer.vnet");
  struct Given {
    std::string name;
    std::optional<std::string> network;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(rm.add_option("name", given->name, "The name")->type_name("NAME"), Ask::dns_names);
  tree.completes(add_network(rm, given->network), Ask::networks);
  tree.on(rm, CommandTree::Json::taken, [given](bool json) -> Command {
    if (given->name.empty()) return missing("dns rm", "name", "one that `vnet dns` shows");
    return Call{.method = "DELETE",
                .target = api_target({"dns", "records", given->name}, of_network(given->network)),
                .json = json};
  });
}

}  // namespace

void add_dns_commands(CommandTree& tree) {
  CLI::App& dns = tree.add(tree.root(), "dns", "The names that were given to a network; set and remove them",
                           "  vnet dns                                     those of the first network\n"
                           "  vnet dns --network lab\n"
                           "  vnet dns set printer.vnet --a 192.168.127.50\n"
                           "  vnet dns rm printer.vnet");
  const auto network = std::make_shared<std::optional<std::string>>();
  tree.completes(add_network(dns, *network), Ask::networks);
  tree.on(dns, CommandTree::Json::taken, [network](bool json) -> Command {
    return Call{.target = api_target({"dns", "records"}, of_network(*network)), .show = Show::dns, .json = json};
  });
  add_set(tree, dns);
  add_dns_rm(tree, dns);
}

}  // namespace vnet::adapter
