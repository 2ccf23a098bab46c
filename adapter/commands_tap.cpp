// tap: joins a network namespace to the switch. It needs no control API, so it takes none of the common flags.
#include <memory>

#include "adapter/commands.hpp"
#include "adapter/tap_names.hpp"
#include "dgram/socket.hpp"
#include "packet/ethernet.hpp"

namespace vnet::adapter {
namespace {

constexpr int kMinMtu = 68;  // RFC 791, 3.2: what every IPv4 link carries
constexpr int kMaxQueue = 1'000'000;

constexpr const char* kExamples = R"(
Examples:
  ip netns add a && vnet tap --netns a --name eth0 --dhcp   a namespace on the switch, with an address
  unshare -rn vnet tap --dhcp                               as an ordinary user, in a namespace of its own
  vnet tap --socket /tmp/vnet.sock --mtu 9000               another switch, large frames

The interface exists until the command ends (Ctrl-C). While there is no switch, its carrier is down.)";

/// What CLI11 fills in; the MAC address stays text until it has been looked at.
struct GivenTap {
  TapOptions tap;
  std::string mac;
};

CLI::App& describe_tap(CommandTree& tree, GivenTap& given) {
  CLI::App& tap = tree.add(tree.root(), "tap", "Join a network namespace to the switch by a TAP interface", "");
  tap.fallthrough(false);
  tap.footer(kExamples);
  tap.add_option("--name", given.tap.name, "The interface's name; default tap0")->type_name("NAME");
  tap.add_option("--mac", given.mac, "Its MAC address; by default the same on every start")->type_name("MAC");
  tap.add_option("--netns", given.tap.netns, "Make it in this network namespace: a name of ip-netns(8), or a path")
      ->type_name("NS");
  tree.completes(tap.add_option("--socket", given.tap.socket, "The switch's UNIX datagram socket; default: vnetd's")
                     ->type_name("PATH"),
                 Ask::files);
  tap.add_option("--mtu", given.tap.mtu, "68 to 65520 bytes; default 1500")
      ->type_name("BYTES")
      ->check(CLI::Range(kMinMtu, static_cast<int>(kMaxMtu)).description(""));
  tap.add_option("--queue", given.tap.queue, "Frames that wait while the switch has no room; default: the system's")
      ->type_name("FRAMES")
      ->check(CLI::Range(1, kMaxQueue).description(""));
  tap.add_flag("--dhcp", given.tap.dhcp, "Get an address, with udhcpc or dhclient");
  return tap;
}

Command check_tap(GivenTap& given) {
  if (const std::string problem = interface_name_problem(given.tap.name); !problem.empty()) {
    return usage("--name: found " + problem);
  }
  if (!given.mac.empty()) {
    given.tap.mac = MacAddress::parse(given.mac);
    if (!given.tap.mac) {
      return usage("--mac: found \"" + given.mac + "\", expected six pairs of hexadecimal digits: 52:cc:cc:cc:cc:01");
    }
    if (given.tap.mac->is_group() || given.tap.mac->is_zero()) {
      return usage("--mac: found \"" + given.mac +
                   "\", expected the address of one interface: an even first byte, not "
                   "all zero");
    }
  }
  if (given.tap.socket && (given.tap.socket->empty() || given.tap.socket->size() > dgram::kMaxPath)) {
    return usage("--socket: found a path of " + std::to_string(given.tap.socket->size()) + " bytes, expected 1 to " +
                 std::to_string(dgram::kMaxPath));
  }
  if (given.tap.netns && given.tap.netns->empty()) return usage("--netns: found an empty name");
  return given.tap;
}

}  // namespace

void add_tap_command(CommandTree& tree) {
  const auto given = std::make_shared<GivenTap>();
  tree.on(describe_tap(tree, *given), CommandTree::Json::refused, [given](bool /*json*/) { return check_tap(*given); });
}

}  // namespace vnet::adapter
