#include "adapter/command_tree.hpp"

#include <algorithm>

#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr const char* kFooter = R"(
Examples:
  vnet status                     is it running, how full is it
  vnet nics                       who is there
  vnet nic alice link down        pull the cable
  vnet capture -w - | wireshark -k -i -
  vnet COMMAND --help             more of them

Exit codes: 0 done, 1 it failed, 2 bad command line.
See vnet(1).)";

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const std::string& name : option.get_lnames()) flags.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

/// Those of the command and those that all share. A flag of the command between, such as `-w` of `capture` for
/// `capture start`, is not one of them.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  const CLI::App* top = &app;
  while (top->get_parent() != nullptr && top->get_fallthrough()) top = top->get_parent();
  if (top == &app) return options;
  for (const CLI::Option* option : top->get_options()) {
    if (!option->check_lname("version") && !option->check_lname("help")) options.push_back(option);
  }
  return options;
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

/// "nic add", without the program's name.
std::string path_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  if (parent == nullptr) return {};
  const std::string above = path_of(*parent);
  return above.empty() ? app.get_name() : above + " " + app.get_name();
}

}  // namespace

Exit usage(const std::string& message) { return {ExitCode::usage, "vnet: " + message + "\nTry vnet --help.\n"}; }

CommandTree::CommandTree(Surroundings surroundings)
    : surroundings_(std::move(surroundings)),
      root_("vnet: talks to vnetd, the virtual network switch, and joins to it", "vnet") {
  root_.set_version_flag("--version", "vnet " + surroundings_.version, "Print the version and exit");
  root_.set_help_flag("-h,--help", "Print this help and exit");
  root_.footer(kFooter);
  root_.allow_extras();
  // One command; without this limit CLI11 would take a NIC that is called `top` for the command of that name.
  root_.require_subcommand(0, 1);
  completes(root_
                .add_option("--control", common_.control,
                            "The switch's control socket; default: VNET_CONTROL, or where vnetd makes it")
                ->type_name("PATH"),
            Ask::files);
  completes(root_.add_option("--color", color_, "auto, always or never; default auto")->type_name("WHEN"),
            {"auto", "always", "never"});
  root_.add_flag("--json", json_, "Print the API's JSON instead of a table");
}

CLI::App& CommandTree::add(CLI::App& parent, const std::string& name, const std::string& description,
                           const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->require_subcommand(0, 1);
  command->footer("\nExamples:\n" + examples +
                  "\n\nEvery command takes --control PATH, --color WHEN and, where there is a table, --json.");
  return *command;
}

void CommandTree::on(const CLI::App& command, Json json, Decide decide) {
  nodes_[&command] = {json, std::move(decide)};
}

void CommandTree::completes(const CLI::Option* option, Ask ask) {
  completions_[option] = [ask](const std::vector<std::string>&) { return Candidates{{}, ask}; };
}

void CommandTree::completes(const CLI::Option* option, const std::vector<std::string>& words) {
  Candidates fixed;
  for (const std::string& word : words) fixed.words.emplace_back(word, "");
  completions_[option] = [fixed](const std::vector<std::string>&) { return fixed; };
}

const CLI::App& CommandTree::deepest() const {
  const CLI::App* app = &root_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

Exit CommandTree::unknown(const CLI::App& command, const std::vector<std::string>& extra) const {
  const std::string where = path_of(command).empty() ? "" : path_of(command) + ": ";
  const auto flag =
      std::ranges::find_if(extra, [](const std::string& word) { return word.size() > 1 && word[0] == '-'; });
  if (flag != extra.end()) {
    std::vector<std::string> flags;
    for (const CLI::Option* option : options_of(command)) {
      const std::vector<std::string> names = flags_of(*option);
      flags.insert(flags.end(), names.begin(), names.end());
    }
    const std::string name = flag->substr(0, flag->find('='));
    return usage(where + found_expected("an unknown flag " + in_quotes(name), "one of " + join(flags)) +
                 did_you_mean(name, flags));
  }
  const std::vector<std::string> commands = names_of_commands(command);
  if (!commands.empty()) {
    return usage(where + found_expected("the command " + in_quotes(extra.front()), "one of " + join(commands)) +
                 did_you_mean(extra.front(), commands));
  }
  return usage(where + found_expected("the argument " + in_quotes(extra.front()), "no more of them"));
}

CommandLine CommandTree::parse(const std::vector<std::string>& arguments) {
  try {
    // CLI11 takes a vector in reverse order.
    root_.parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
  } catch (const CLI::CallForHelp&) {
    const CLI::App& command = deepest();
    const std::string above = command.get_parent() == nullptr ? "" : path_of(*command.get_parent());
    const std::string before = &command == &root_ ? "" : above.empty() ? "vnet" : "vnet " + above;
    return {{}, Exit{ExitCode::ok, command.help(before) + "\n"}};
  } catch (const CLI::CallForVersion& text) {
    return {{}, Exit{ExitCode::ok, std::string{text.what()} + "\n"}};
  } catch (const CLI::ParseError& error) {
    return {{}, usage(error.what())};
  }
  const CLI::App& command = deepest();
  std::vector<std::string> extra = root_.remaining(/*recurse=*/true);
  std::erase(extra, "--");
  if (!extra.empty()) return {{}, unknown(command, extra)};
  const std::vector<std::string> colors = {"auto", "always", "never"};
  const auto color = std::ranges::find(colors, color_);
  if (color == colors.end()) {
    return {{},
            usage("--color: " + found_expected(in_quotes(color_), "one of " + join(colors)) +
                  did_you_mean(color_, colors))};
  }
  common_.color = static_cast<Color>(color - colors.begin());
  if (common_.control && common_.control->empty())
    return {{}, usage("--control: found an empty path; expected a socket's")};
  const auto node = nodes_.find(&command);
  if (node == nodes_.end()) {
    const std::string where = path_of(command).empty() ? "" : path_of(command) + ": ";
    return {{}, usage(where + found_expected("no command", "one of " + join(names_of_commands(command))))};
  }
  if (json_ && node->second.json == Json::refused) {
    return {{}, usage(path_of(command) + ": found --json; expected nothing of the kind: there is no table")};
  }
  return {common_, node->second.decide(json_)};
}

Candidates CommandTree::values_of(const CLI::Option* option, const std::vector<std::string>& earlier) const {
  const auto found = completions_.find(option);
  return found == completions_.end() ? Candidates{} : found->second(earlier);
}

Candidates CommandTree::candidates(const std::vector<std::string>& words) const {
  const CLI::App* app = &root_;
  const CLI::Option* waiting = nullptr;  // the flag whose value comes next
  bool flags_end = false;
  std::vector<std::string> earlier;
  const std::string last = words.empty() ? "" : words.back();
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (std::exchange(waiting, nullptr) != nullptr) continue;
    if (!flags_end && word == "--") {
      flags_end = true;
    } else if (!flags_end && word.size() > 1 && word[0] == '-') {
      const std::vector<const CLI::Option*> options = options_of(*app);
      const auto option = std::ranges::find_if(options, [&](const CLI::Option* o) { return o->check_name(word); });
      if (option != options.end() && (*option)->get_items_expected_max() > 0) waiting = *option;
    } else if (const CLI::App* below = flags_end || !earlier.empty() ? nullptr : find_command(*app, word)) {
      app = below;
    } else {
      earlier.push_back(word);
    }
  }
  if (waiting != nullptr) return values_of(waiting, {});
  Candidates result;
  if (!flags_end && last.starts_with('-')) {
    for (const CLI::Option* option : options_of(*app)) {
      for (const std::string& flag : flags_of(*option)) result.words.emplace_back(flag, option->get_description());
    }
    return result;
  }
  const std::vector<const CLI::Option*> positionals = positionals_of(*app);
  if (!positionals.empty()) {
    const std::size_t place = std::min(earlier.size(), positionals.size() - 1);
    const bool room = earlier.size() < positionals.size() || positionals.back()->get_items_expected_max() > 1;
    if (room) result = values_of(positionals[place], earlier);
  }
  if (!flags_end && earlier.empty()) {
    for (const CLI::App* below : app->get_subcommands([](const CLI::App*) { return true; })) {
      result.words.emplace_back(below->get_name(), below->get_description());
    }
  }
  return result;
}

}  // namespace vnet::adapter
