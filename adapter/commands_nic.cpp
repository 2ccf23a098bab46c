// nic: one NIC; its link, network, impairments and attachment; adding and removing one.
//
// `vnet nic NAME ...` has its verb behind the name, `vnet nic add` and `vnet nic rm` before it. A NIC that is itself
// called add or rm is named behind `--`: vnet nic -- add link down.
#include <algorithm>
#include <memory>

#include "adapter/commands.hpp"
#include "adapter/impair_words.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

const Words& verbs() {
  static const Words kVerbs = {"link", "move", "impair", "detach"};
  return kVerbs;
}

Call change(const std::string& name, const std::string& member, const std::string& value, const std::string& argument,
            bool json) {
  Call call{.method = "PATCH", .target = api_target({"nics", name}), .show = Show::nic_line, .json = json};
  RequestBody body;
  body.set(member, value, argument);
  body.set("cause", "vnet nic " + argument, argument);
  body.into(call);
  return call;
}

Command decide_link(const Words& words, bool json) {
  const Words states = {"up", "down"};
  if (words.size() < 3) return missing("nic " + words[0] + " link", "state", "up or down");
  if (words[2] != "up" && words[2] != "down") return no_such_word("nic " + words[0] + " link", words[2], states);
  return change(words[0], "link", words[2], "link", json);
}

Command decide_detach(const Words& words, bool json) {
  Call call{.method = "DELETE", .target = api_target({"nics", words[0], "attach"}), .json = json};
  RequestBody body;
  body.set("cause", "vnet nic detach", "detach");
  body.into(call);
  return call;
}

Command decide_nic(const Words& words, bool json) {
  if (words.empty() || words[0].empty())
    return missing("nic", "name", "a NIC's name or MAC address; `vnet nics` shows them");
  if (words.size() == 1) return Call{.target = api_target({"nics", words[0]}), .show = Show::nic, .json = json};
  const std::string& verb = words[1];
  if (std::ranges::find(verbs(), verb) == verbs().end()) return no_such_word("nic " + words[0], verb, verbs());
  if (verb == "impair") {
    return decide_impair("nic " + words[0] + " impair", api_target({"nics", words[0]}),
                         {words.begin() + 2, words.end()}, Show::nic_line, json);
  }
  const std::size_t most = verb == "detach" ? 2 : 3;
  if (words.size() > most) {
    return usage("nic " + words[0] + " " + verb + ": " +
                 found_expected("the argument " + in_quotes(words[most]), "no more of them"));
  }
  if (verb == "link") return decide_link(words, json);
  if (verb == "detach") return decide_detach(words, json);
  if (words.size() < 3 || words[2].empty())
    return missing("nic " + words[0] + " move", "network", "one that `vnet networks` shows");
  return change(words[0], "network", words[2], "move", json);
}

Candidates complete_nic(const Words& earlier) {
  if (earlier.empty()) return {{}, Ask::nics};
  if (earlier.size() == 1)
    return {{{"link", "set its link"},
             {"move", "to another network"},
             {"impair", "make its link bad"},
             {"detach", "end its attachment"}},
            {}};
  if (earlier[1] == "impair") return complete_impair();
  if (earlier.size() == 2 && earlier[1] == "link") return {{{"up", ""}, {"down", ""}}, {}};
  if (earlier.size() == 2 && earlier[1] == "move") return {{}, Ask::networks};
  return {};
}

/// Words that CLI11 gave to `nic` because the command below it has no place for them: the name came first, or there are
/// two.
std::optional<Exit> stray(const std::string& command, const std::string& name, const Words& words) {
  if (words.empty()) return std::nullopt;
  const std::string found = found_expected("the argument " + in_quotes(words[0]), "one NAME behind " + command);
  return usage("nic " + command + ": " + found +
               (name.empty() ? "; did you mean vnet nic " + command + " " + words[0] + "?" : ""));
}

void add_add(CommandTree& tree, CLI::App& nic, const std::shared_ptr<Words>& words) {
  CLI::App& add = tree.add(nic, "add", "Add a NIC; it stays until it is removed, over a restart too",
                           "  vnet nic add carol                           its MAC address is derived from the name\n"
                           "  vnet nic add carol --mac 52:cc:cc:cc:cc:03 --network lab --ip 10.0.0.9\n"
                           "  vnet nic add carol --dgram /tmp/carol.sock   with a socket of its own");
  struct Given {
    std::string name;
    std::optional<std::string> mac, network, ip, link, dgram;
  };
  const auto given = std::make_shared<Given>();
  add.add_option("name", given->name, "What to call it: letters, digits and hyphens")->type_name("NAME");
  add.add_option("--mac", given->mac, "Its MAC address; default: derived from the name, always the same")
      ->type_name("MAC");
  tree.completes(add.add_option("--network", given->network, "The network that it joins; default: the first")
                     ->type_name("NETWORK"),
                 Ask::networks);
  add.add_option("--ip", given->ip, "The address that DHCP keeps for it")->type_name("IP");
  tree.completes(add.add_option("--link", given->link, "up or down; default up")->type_name("STATE"), {"up", "down"});
  tree.completes(add.add_option("--dgram", given->dgram, "Make a UNIX datagram socket for it alone")->type_name("PATH"),
                 Ask::files);
  tree.on(add, CommandTree::Json::taken, [given, words, folder = tree.surroundings().folder](bool json) -> Command {
    if (auto exit = stray("add", given->name, *words)) return *exit;
    if (given->name.empty()) return missing("nic add", "name", "what to call the NIC");
    if (given->link && *given->link != "up" && *given->link != "down") {
      return no_such_word("nic add: --link", *given->link, {"up", "down"});
    }
    if (given->dgram && given->dgram->empty()) return missing("nic add: --dgram", "path", "where to make the socket");
    Call call{.method = "POST", .target = api_target({"nics"}), .show = Show::nic_line, .json = json};
    RequestBody body;
    body.set("name", given->name, "NAME");
    body.set_if("mac", given->mac, "--mac");
    body.set_if("network", given->network, "--network");
    body.set_if("ip", given->ip, "--ip");
    body.set_if("link", given->link, "--link");
    if (given->dgram) body.set("dgram", absolute(folder, *given->dgram), "--dgram");
    body.into(call);
    return call;
  });
}

void add_rm(CommandTree& tree, CLI::App& nic, const std::shared_ptr<Words>& words) {
  CLI::App& rm = tree.add(nic, "rm", "Remove a NIC; its attachment ends", "  vnet nic rm carol");
  const auto name = std::make_shared<std::string>();
  tree.completes(rm.add_option("name", *name, "Its name or MAC address")->type_name("NAME"), Ask::nics);
  tree.on(rm, CommandTree::Json::taken, [name, words](bool json) -> Command {
    if (auto exit = stray("rm", *name, *words)) return *exit;
    if (name->empty()) return missing("nic rm", "name", "a NIC's name or MAC address; `vnet nics` shows them");
    return Call{.method = "DELETE", .target = api_target({"nics", *name}), .json = json};
  });
}

void add_assign(CommandTree& tree) {
  CLI::App& assign =
      tree.add(tree.root(), "assign", "What a NIC is told when it asks for its address without the network",
               "  vnet assign alice ready                      its address, at once\n"
               "  vnet assign alice wait                       nothing yet; an address that it has it keeps");
  struct Given {
    std::string name, state;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(assign.add_option("name", given->name, "The NIC's name or MAC address")->type_name("NAME"), Ask::nics);
  tree.completes(assign.add_option("state", given->state, "ready or wait")->type_name("STATE"), {"ready", "wait"});
  tree.on(assign, CommandTree::Json::taken, [given](bool json) -> Command {
    if (given->name.empty()) return missing("assign", "name", "a NIC's name or MAC address; `vnet nics` shows them");
    if (given->state.empty()) return missing("assign " + given->name, "state", "ready or wait");
    if (given->state != "ready" && given->state != "wait")
      return no_such_word("assign " + given->name, given->state, {"ready", "wait"});
    Call call{.method = "PATCH", .target = api_target({"nics", given->name}), .show = Show::nic_line, .json = json};
    RequestBody body;
    body.set("assign", given->state, "STATE");
    body.set("cause", "vnet assign", "assign");
    body.into(call);
    return call;
  });
}

}  // namespace

void add_nic_commands(CommandTree& tree) {
  CLI::App& nic =
      tree.add(tree.root(), "nic", "One NIC: show it, set its link, impair it, move it, detach it; add and remove NICs",
               "  vnet nic alice                               all there is to know about it\n"
               "  vnet nic alice link down                     no frames from it and none for it\n"
               "  vnet nic alice move lab                      to another network\n"
               "  vnet nic alice impair latency_ms=50 loss=2%  a bad link; vnet.json(5) has all of them\n"
               "  vnet nic alice impair up.rate_mbps=10        one direction only; none: a good link again\n"
               "  vnet nic alice detach                        end its attachment\n"
               "  vnet nic add carol --network lab             see vnet nic add --help\n"
               "  vnet nic rm carol\n"
               "  vnet nic -- add link up                      a NIC that is called add, or rm");
  const auto words = std::make_shared<Words>();
  tree.completes(
      nic.add_option("words", *words,
                     "NAME, NAME link up|down, NAME move NETWORK, NAME impair MEMBER=VALUE ..., or NAME detach; NAME "
                     "may be a MAC address")
          ->type_name(""),
      complete_nic);
  tree.on(nic, CommandTree::Json::taken, [words](bool json) { return decide_nic(*words, json); });
  add_add(tree, nic, words);
  add_rm(tree, nic, words);
  add_assign(tree);
}

}  // namespace vnet::adapter
