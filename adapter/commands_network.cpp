// network: one network; its impairments.
#include <algorithm>
#include <memory>

#include "adapter/commands.hpp"
#include "adapter/impair_words.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

Command decide_network(const Words& words, bool json) {
  if (words.empty() || words[0].empty()) return missing("network", "name", "one that `vnet networks` shows");
  const std::string target = api_target({"networks", words[0]});
  if (words.size() == 1) return Call{.target = target, .show = Show::network, .json = json};
  const std::string where = "network " + words[0];
  if (words[1] != "impair") return no_such_word(where, words[1], {"impair"});
  return decide_impair(where + " impair", target, {words.begin() + 2, words.end()}, Show::network, json);
}

Candidates complete_network(const Words& earlier) {
  if (earlier.empty()) return {{}, Ask::networks};
  if (earlier.size() == 1) return {{{"impair", "make its links bad"}}, {}};
  return earlier[1] == "impair" ? complete_impair() : Candidates{};
}

}  // namespace

void add_network_command(CommandTree& tree) {
  CLI::App& network = tree.add(tree.root(), "network", "One network: show it, make its links bad",
                               "  vnet network home                            all there is to know about it\n"
                               "  vnet network home impair latency_ms=20 loss=1%\n"
                               "  vnet network home impair none");
  const auto words = std::make_shared<Words>();
  tree.completes(
      network.add_option("words", *words, "NAME, NAME impair MEMBER=VALUE ..., or NAME impair none")->type_name(""),
      complete_network);
  tree.on(network, CommandTree::Json::taken, [words](bool json) { return decide_network(*words, json); });
}

}  // namespace vnet::adapter
