// service: one service of the simulated internet; whether it answers.
#include <memory>

#include "adapter/commands.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

Command decide_service(const Words& words, bool json) {
  if (words.empty() || words[0].empty()) return missing("service", "name", "one that `vnet services` shows");
  const std::string target = api_target({"services", words[0]});
  if (words.size() == 1) return Call{.target = target, .show = Show::service, .json = json};
  const std::string where = "service " + words[0];
  if (words[1] != "up" && words[1] != "down") return no_such_word(where, words[1], {"up", "down"});
  if (words.size() > 2) {
    return usage(where + ": " + found_expected("the argument " + in_quotes(words[2]), "no more of them"));
  }
  return Call{.method = "PATCH",
              .target = target,
              .body = compact({{"up", words[1] == "up"}, {"cause", "vnet service " + words[1]}}),
              .show = Show::service,
              .json = json};
}

Candidates complete_service(const Words& earlier) {
  if (earlier.empty()) return {{}, Ask::services};
  if (earlier.size() == 1) return {{{"up", "it answers"}, {"down", "it is silent"}}, {}};
  return {};
}

}  // namespace

void add_service_command(CommandTree& tree) {
  CLI::App& service = tree.add(tree.root(), "service", "One service of the simulated internet: show it, switch it off",
                               "  vnet service stun.test                       all there is to know about it\n"
                               "  vnet service stun.test down                  as silent as a host without power\n"
                               "  vnet service stun.test up");
  const auto words = std::make_shared<Words>();
  tree.completes(service.add_option("words", *words, "NAME; with up or down to switch it on or off")->type_name(""),
                 complete_service);
  tree.on(service, CommandTree::Json::taken, [words](bool json) { return decide_service(*words, json); });
}

}  // namespace vnet::adapter
