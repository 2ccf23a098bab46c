// network: one network; its impairments, its router, its way out.
#include <algorithm>
#include <array>
#include <memory>

#include "adapter/commands.hpp"
#include "adapter/impair_words.hpp"
#include "adapter/network_words.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

constexpr std::array<std::pair<const char*, const char*>, 6> kActions = {
    {{"impair", "make its links bad"},
     {"nat", "how its router translates"},
     {"wan", "the outside addresses of its router"},
     {"blackhole", "destinations whose packets vanish"},
     {"egress", "whether guests reach the world"},
     {"reboot", "switch its router off and on"}}};

Command decide_network(const Words& words, bool json) {
  if (words.empty() || words[0].empty()) return missing("network", "name", "one that `vnet networks` shows");
  const std::string target = api_target({"networks", words[0]});
  if (words.size() == 1) return Call{.target = target, .show = Show::network, .json = json};
  const std::string& action = words[1];
  const std::string where = "network " + words[0] + " " + action;
  const Words rest{words.begin() + 2, words.end()};
  const Call change{.method = "PATCH", .target = target, .show = Show::network, .json = json};
  if (action == "impair") return decide_impair(where, target, rest, Show::network, json);
  if (action == "nat") return decide_nat(where, change, rest);
  if (action == "wan") return decide_wan(where, change, rest);
  if (action == "blackhole") return decide_blackhole(where, change, rest);
  if (action == "egress") return decide_egress(where, change, rest);
  if (action == "reboot") {
    if (!rest.empty()) {
      return usage(where + ": " + found_expected("the argument " + in_quotes(rest[0]), "no more of them"));
    }
    return Call{.method = "POST",
                .target = api_target({"networks", words[0], "reboot"}),
                .body = compact({{"cause", "vnet network reboot"}}),
                .json = json};
  }
  Words known;
  for (const auto& [name, meaning] : kActions) known.emplace_back(name);
  return no_such_word("network " + words[0], action, known);
}

Candidates complete_network(const Words& earlier) {
  if (earlier.empty()) return {{}, Ask::networks};
  Candidates found;
  if (earlier.size() == 1) {
    for (const auto& [name, meaning] : kActions) found.words.emplace_back(name, meaning);
    return found;
  }
  if (earlier[1] == "impair") return complete_impair();
  if (earlier[1] == "nat") return complete_nat();
  if (earlier.size() > 2) return {};
  if (earlier[1] == "wan") return {{{"none", "join the internet no more"}}, {}};
  if (earlier[1] == "blackhole") return {{{"add", ""}, {"rm", ""}, {"clear", ""}}, {}};
  if (earlier[1] == "egress") return {{{"on", ""}, {"off", ""}}, {}};
  return {};
}

}  // namespace

void add_network_command(CommandTree& tree) {
  CLI::App& network = tree.add(tree.root(), "network", "One network: show it; its links, its NAT, its way out",
                               "  vnet network home                            all there is to know about it\n"
                               "  vnet network home impair latency_ms=20 loss=1%\n"
                               "  vnet network home impair none\n"
                               "  vnet network home nat hard                   another NAT, while connections run\n"
                               "  vnet network home nat preset=easy udp_timeout_s=30\n"
                               "  vnet network home wan 2.1.1.9                its provider gives it another address\n"
                               "  vnet network home blackhole add 52.52.0.3/32\n"
                               "  vnet network home egress off                 no way to the real world\n"
                               "  vnet network home reboot                     the router forgets its mappings");
  const auto words = std::make_shared<Words>();
  tree.completes(network
                     .add_option("words", *words,
                                 "NAME; with impair MEMBER=VALUE ... or none; nat PRESET or MEMBER=VALUE ...; wan "
                                 "ADDRESS ... or none; blackhole add or rm PREFIX ..., or clear; egress on or off; "
                                 "reboot")
                     ->type_name(""),
                 complete_network);
  tree.on(network, CommandTree::Json::taken, [words](bool json) { return decide_network(*words, json); });
}

}  // namespace vnet::adapter
