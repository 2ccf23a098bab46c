// events, top: what happens, as it happens.
#include <algorithm>
#include <memory>

#include "adapter/commands.hpp"

namespace vnet::adapter {
namespace {

constexpr double kMinInterval = 0.1;  // seconds; a shorter one measures its own jitter
constexpr double kMaxInterval = 3600;
constexpr int kMaxCount = 1'000'000'000;

void add_events(CommandTree& tree) {
  CLI::App& events =
      tree.add(tree.root(), "events", "What happened, and with --follow what happens",
               "  vnet events                                  what is remembered\n"
               "  vnet events --follow --nic alice             until Ctrl-C, over restarts of the daemon\n"
               "  vnet events --follow --kind nic.,dhcp.granted --json");
  struct Given {
    EventsOptions options;
    std::optional<std::string> nic, network, kind;
  };
  const auto given = std::make_shared<Given>();
  events.add_flag("--follow,-f", given->options.follow, "Go on as things happen");
  tree.completes(events.add_option("--nic", given->nic, "Only of this NIC")->type_name("NIC"), Ask::nics);
  tree.completes(events.add_option("--network", given->network, "Only of this network")->type_name("NETWORK"),
                 Ask::networks);
  events
      .add_option("--kind", given->kind, "Only these, with commas; a name that ends in a dot stands for all below it")
      ->type_name("LIST");
  events.add_option("--since", given->options.since, "Only those behind the one of this number")
      ->type_name("ID")
      ->check(CLI::NonNegativeNumber.description(""));
  tree.on(events, CommandTree::Json::taken, [given](bool json) -> Command {
    EventsOptions options = given->options;
    options.json = json;
    if (given->nic) options.filter.emplace_back("nic", *given->nic);
    if (given->network) options.filter.emplace_back("network", *given->network);
    if (given->kind) options.filter.emplace_back("kind", *given->kind);
    return options;
  });
}

void add_top(CommandTree& tree) {
  CLI::App& top = tree.add(tree.root(), "top", "Live rates of every NIC; q quits",
                           "  vnet top\n"
                           "  vnet top --interval 0.5\n"
                           "  vnet top --count 3 > rates.txt               three tables, one after another");
  const auto options = std::make_shared<TopOptions>();
  top.add_option("--interval", options->interval_s, "Seconds between looks, 0.1 to 3600; default 1")
      ->type_name("SECONDS")
      ->check(CLI::Range(kMinInterval, kMaxInterval).description(""));
  top.add_option("--count", options->count, "End after so many tables")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxCount).description(""));
  tree.on(top, CommandTree::Json::refused, [options](bool /*json*/) -> Command { return *options; });
}

}  // namespace

void add_watch_commands(CommandTree& tree) {
  add_events(tree);
  add_top(tree);
}

}  // namespace vnet::adapter
