#include "adapter/options.hpp"

#include <CLI/CLI.hpp>

#include "adapter/tap_names.hpp"
#include "dgram/socket.hpp"
#include "packet/ethernet.hpp"

namespace vnet::adapter {
namespace {

constexpr int kMinMtu = 68;  // RFC 791, 3.2: what every IPv4 link carries
constexpr int kMaxQueue = 1'000'000;

constexpr const char* kExamples = R"(
Exit codes: 0 asked to stop, 1 failed while running, 2 bad command line.
See vnet(1).)";

constexpr const char* kTapExamples = R"(
Examples:
  ip netns add a && vnet tap --netns a --name eth0 --dhcp   a namespace on the switch, with an address
  unshare -rn vnet tap --dhcp                               as an ordinary user, in a namespace of its own
  vnet tap --socket /tmp/vnet.sock --mtu 9000               another switch, large frames

The interface exists until the command ends (Ctrl-C). While there is no switch, its carrier is down.)";

/// What CLI11 fills in; the MAC address stays text until it has been looked at.
struct Parsed {
  TapOptions tap;
  std::string mac;
};

CLI::App* describe_tap(CLI::App& app, Parsed& parsed) {
  CLI::App* tap = app.add_subcommand("tap", "Join a network namespace to the switch by a TAP interface");
  tap->add_option("--name", parsed.tap.name, "The interface's name; default tap0")->type_name("NAME");
  tap->add_option("--mac", parsed.mac, "Its MAC address; by default the same on every start")->type_name("MAC");
  tap->add_option("--netns", parsed.tap.netns, "Make it in this network namespace: a name of ip-netns(8), or a path")
      ->type_name("NS");
  tap->add_option("--socket", parsed.tap.socket, "The switch's UNIX datagram socket; default: vnetd's")
      ->type_name("PATH");
  tap->add_option("--mtu", parsed.tap.mtu, "68 to 65520 bytes; default 1500")
      ->type_name("BYTES")
      ->check(CLI::Range(kMinMtu, static_cast<int>(kMaxMtu)).description(""));
  tap->add_option("--queue", parsed.tap.queue, "Frames that wait while the switch has no room; default: the system's")
      ->type_name("FRAMES")
      ->check(CLI::Range(1, kMaxQueue).description(""));
  tap->add_flag("--dhcp", parsed.tap.dhcp, "Get an address, with udhcpc or dhclient");
  tap->footer(kTapExamples);
  return tap;
}

Exit usage(const std::string& message) { return {ExitCode::usage, "vnet: " + message + "\nTry vnet --help.\n"}; }

/// CLI11 calls a misspelled command a missing one.
std::optional<Exit> unknown_command(const std::vector<std::string>& arguments, const CLI::App& app) {
  if (!arguments.empty() && arguments.front().starts_with('-')) return std::nullopt;
  std::string commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!arguments.empty() && command->get_name() == arguments.front()) return std::nullopt;
    commands += " " + command->get_name();
  }
  return usage("found " + (arguments.empty() ? "no command" : "the command \"" + arguments.front() + "\"") +
               ", expected one of:" + commands);
}

Command check_tap(Parsed& parsed) {
  if (const std::string problem = interface_name_problem(parsed.tap.name); !problem.empty()) {
    return usage("--name: found " + problem);
  }
  if (!parsed.mac.empty()) {
    parsed.tap.mac = MacAddress::parse(parsed.mac);
    if (!parsed.tap.mac) {
      return usage("--mac: found \"" + parsed.mac + "\", expected six pairs of hexadecimal digits: 52:cc:cc:cc:cc:01");
    }
    if (parsed.tap.mac->is_group() || parsed.tap.mac->is_zero()) {
      return usage("--mac: found \"" + parsed.mac +
                   "\", expected the address of one interface: an even first byte, not "
                   "all zero");
    }
  }
  if (parsed.tap.socket && (parsed.tap.socket->empty() || parsed.tap.socket->size() > dgram::kMaxPath)) {
    return usage("--socket: found a path of " + std::to_string(parsed.tap.socket->size()) + " bytes, expected 1 to " +
                 std::to_string(dgram::kMaxPath));
  }
  if (parsed.tap.netns && parsed.tap.netns->empty()) return usage("--netns: found an empty name");
  return parsed.tap;
}

}  // namespace

Command parse_options(const std::vector<std::string>& arguments, const std::string& version) {
  CLI::App app{"vnet: talks to vnetd, the virtual network switch, and joins to it", "vnet"};
  app.set_version_flag("--version", "vnet " + version, "Print the version and exit");
  app.footer(kExamples);
  app.require_subcommand(1);
  Parsed parsed;
  const CLI::App* tap = describe_tap(app, parsed);
  if (auto unknown = unknown_command(arguments, app)) return *unknown;
  try {
    // CLI11 takes a vector in reverse order.
    app.parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
  } catch (const CLI::CallForHelp&) {
    return Exit{ExitCode::ok, tap->parsed() ? tap->help("vnet") : app.help()};
  } catch (const CLI::CallForVersion& text) {
    return Exit{ExitCode::ok, std::string{text.what()} + "\n"};
  } catch (const CLI::ParseError& error) {
    return usage(error.what());
  }
  return check_tap(parsed);
}

}  // namespace vnet::adapter
