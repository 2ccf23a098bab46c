#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "daemon/config_check.hpp"
#include "daemon/config_read.hpp"
#include "daemon/config_words.hpp"

namespace vnet::daemon {
namespace {

constexpr std::array<std::string_view, 5> kLogLevelWords = {"trace", "debug", "info", "warn", "error"};

constexpr const char* kExamples = R"(Examples:
  vnetd                                          the built-in network, sockets in the runtime folder
  vnetd --config homes.json                      the networks of a file
  vnetd --dgram /tmp/vnet.sock --pcap run.pcapng one socket, every frame recorded
  vnetd --config homes.json --check              is the file right?
  vnetd --print-config > my.json                 a file to start from

Exit codes: 0 asked to stop, 1 failed while running, 2 bad command line or config.
See vnetd(8) and vnet.json(5).)";

/// What CLI11 fills in; the log level stays text until it has been looked at.
struct Parsed {
  Options options;
  std::string log_level = "info";
};

void describe(CLI::App& app, Parsed& parsed, const std::string& version) {
  Options& options = parsed.options;
  app.set_version_flag("--version", "vnetd " + version, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(kExamples);
  app.allow_extras();
  app.add_option("--config", options.config, "Read the config from this file; see vnet.json(5)")->type_name("FILE");
  // One value for each --dgram: a second word after it is a mistake, not another path.
  app.add_option("--dgram", options.dgram, "Listen on this UNIX datagram socket; may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--stream", options.stream, "Listen on this UNIX stream socket; may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--control", options.control, "The UNIX socket of the control API")->type_name("PATH");
  app.add_option("--control-tcp", options.control_tcp, "The control API on this TCP address and port, too")
      ->type_name("ADDRESS:PORT");
  app.add_option("--control-token-file", options.control_token_file, "The token that its clients must send")
      ->type_name("FILE");
  app.add_flag("--take-over", options.take_over, "Take everything over from the vnetd that runs, which then ends");
  app.add_option("--pcap", options.pcap, "Record every frame to this pcapng file; - is stdout")->type_name("FILE");
  app.add_option("--state", options.state, "Keep leases in this folder over a restart")->type_name("DIR");
  app.add_option("--log-level", parsed.log_level, "trace, debug, info, warn or error; default info")
      ->type_name("LEVEL");
  app.add_flag("--log-json", options.log_json, "Log one JSON object per line");
  app.add_flag("--check", options.check, "Check the config and exit");
  app.add_flag("--print-config", options.print_config, "Print the config with all defaults filled in and exit");
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) flags.push_back("--" + option->get_lnames().front());
  return flags;
}

Exit usage(const std::string& message) { return {ExitCode::usage, "vnetd: " + message + "\nTry vnetd --help.\n"}; }

/// Something that is no flag of ours: a misspelled flag, or a word where none belongs.
Exit unknown_argument(const std::string& argument, const CLI::App& app) {
  const std::vector<std::string> flags = flags_of(app);
  const std::string flag = argument.substr(0, argument.find('='));
  if (flag.starts_with('-')) {
    return usage(found_expected("an unknown flag " + in_quotes(flag), "one of " + join(flags)) +
                 did_you_mean(flag, flags));
  }
  const std::string hint = argument.ends_with(".json") ? "; did you mean --config " + argument + "?" : "";
  return usage(found_expected("the argument " + in_quotes(argument), "flags only") + hint);
}

}  // namespace

std::variant<Options, Exit> parse_options(const std::vector<std::string>& arguments, const std::string& version) {
  CLI::App app{"vnetd: a userspace virtual network switch", "vnetd"};
  Parsed parsed;
  describe(app, parsed, version);
  try {
    // CLI11 takes a vector in reverse order.
    app.parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
  } catch (const CLI::CallForHelp&) {
    return Exit{ExitCode::ok, app.help()};
  } catch (const CLI::CallForVersion& version_text) {
    return Exit{ExitCode::ok, std::string{version_text.what()} + "\n"};
  } catch (const CLI::ParseError& error) {
    return usage(error.what());
  }
  if (const std::vector<std::string> extra = app.remaining(); !extra.empty()) {
    const auto flag = std::ranges::find_if(extra, [](const std::string& word) { return word.starts_with('-'); });
    return unknown_argument(flag == extra.end() ? extra.front() : *flag, app);
  }
  if (std::ranges::find(kLogLevelWords, parsed.log_level) == kLogLevelWords.end()) {
    const std::vector<std::string> levels(kLogLevelWords.begin(), kLogLevelWords.end());
    return usage("--log-level: " + found_expected(in_quotes(parsed.log_level), "one of " + join(levels)) +
                 did_you_mean(parsed.log_level, levels));
  }
  parsed.options.log_level = from_word<LogLevel>(kLogLevelWords, parsed.log_level);
  return parsed.options;
}

namespace {

/// The two flags belong together; each may also complete what the file says.
template <typename Resolve>
void apply_control_tcp(const Options& options, Resolve resolve, Config& config, Problems& problems) {
  ControlTcp tcp = config.listen.control_tcp.value_or(ControlTcp{});
  if (options.control_tcp) {
    if (const auto address = parse_endpoint(*options.control_tcp)) {
      tcp.address = *address;
    } else {
      problems.add("--control-tcp",
                   found_expected(in_quotes(*options.control_tcp), "an address and a port such as 127.0.0.1:7070"));
    }
  }
  if (options.control_token_file) tcp.token_file = resolve(*options.control_token_file, "--control-token-file");
  if (tcp.token_file.empty()) {
    problems.add("--control-tcp",
                 found_expected("no --control-token-file", "one: without a token anybody could connect"));
  }
  if (tcp.address.port == 0 && !options.control_tcp) {
    problems.add("--control-token-file", found_expected("no --control-tcp", "one: the token is for TCP alone"));
  }
  config.listen.control_tcp = std::move(tcp);
}

}  // namespace

Problems apply_options(const Options& options, const std::string& current_folder, Config& config) {
  Problems problems;
  const auto resolve = [&](const std::string& path, const char* flag) {
    if (path.empty()) problems.add(flag, found_expected("an empty path", "a path"));
    return resolve_path(current_folder, path);
  };
  const auto replace = [&](const std::vector<std::string>& paths, const char* flag, std::vector<ListenEntry>& entries) {
    if (paths.empty()) return;
    entries.clear();
    for (const std::string& path : paths) entries.push_back({resolve(path, flag), config.networks.front().name});
  };
  replace(options.dgram, "--dgram", config.listen.dgram);
  replace(options.stream, "--stream", config.listen.stream);
  if (options.control) config.listen.control = resolve(*options.control, "--control");
  if (options.control_tcp || options.control_token_file) apply_control_tcp(options, resolve, config, problems);
  if (options.state) config.state = resolve(*options.state, "--state");
  if (options.pcap) {
    if (!config.capture) config.capture.emplace();
    config.capture->file = *options.pcap == "-" ? "-" : resolve(*options.pcap, "--pcap");
  }
  if (!problems.empty()) return problems;
  Problems of_sockets;
  check_sockets(config, of_sockets);
  const auto place = [&](const std::string& pointer) -> std::string {
    if (!options.dgram.empty() && pointer.starts_with("/listen/dgram/")) return "--dgram";
    if (!options.stream.empty() && pointer.starts_with("/listen/stream/")) return "--stream";
    return options.control && pointer == "/listen/control" ? "--control" : pointer;
  };
  for (const Problem& problem : of_sockets.listed()) problems.add(place(problem.place), problem.text);
  return problems;
}

std::string runtime_folder(const char* xdg_runtime_dir, unsigned uid) {
  if (xdg_runtime_dir != nullptr && xdg_runtime_dir[0] == '/') return resolve_path(xdg_runtime_dir, "vnet");
  return "/tmp/vnet-" + std::to_string(uid);
}

}  // namespace vnet::daemon
