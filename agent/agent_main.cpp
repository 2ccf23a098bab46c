// vnet-agent: the program; see agent/agent.hpp and vnet-agent(8).
#include <getopt.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "agent/agent.hpp"

namespace {

using vnet::agent::Address;
using vnet::agent::Channel;
using vnet::agent::Settings;

constexpr const char* kHelp =
    "vnet-agent: inside a guest, sets the address that the host assigns, and dials the test driver.\n"
    "\n"
    "  vnet-agent --serial vnet.agent --dial 52.52.0.2:8008\n"
    "  vnet-agent --vsock 51011 --mac 52:cc:cc:cc:cc:01\n"
    "\n"
    "  --serial PORT       ask over this serial port: a path, or a virtio port's name\n"
    "  --vsock PORT        ask the host at this vsock port\n"
    "  --unix PATH         ask at this UNIX socket\n"
    "  --mac MAC           the NIC, where there are several\n"
    "  --interface NAME    likewise\n"
    "  --dial IP:PORT      the test driver; of IPv6 [IP]:PORT\n"
    "  --resolv-conf PATH  instead of /etc/resolv.conf; none: leave it alone\n"
    "  --version, --help\n";

bool read_port(std::string_view text, unsigned& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

bool read_driver(std::string_view text, Settings& settings) {
  const std::size_t colon = text.rfind(':');
  unsigned port = 0;
  if (colon == std::string_view::npos || !read_port(text.substr(colon + 1), port) || port > 65535) return false;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = Address::parse(host);
  if (!address) return false;
  settings.dial = *address;
  settings.dial_port = static_cast<std::uint16_t>(port);
  return true;
}

/// False: the value makes no sense.
bool read_option(int option, const char* value, Settings& settings) {
  switch (option) {
    case 's':
      settings.host.kind = Channel::Kind::serial;
      settings.host.path = value;
      return true;
    case 'u':
      settings.host.kind = Channel::Kind::unix_path;
      settings.host.path = value;
      return true;
    case 'v': settings.host.kind = Channel::Kind::vsock; return read_port(value, settings.host.port);
    case 'm':
      settings.mac = vnet::agent::parse_mac(value);
      settings.host.mac = value;
      return settings.mac.has_value();
    case 'i': settings.interface = value; return true;
    case 'd': return read_driver(value, settings);
    case 'r': settings.resolv_conf = std::string_view{value} == "none" ? "" : value; return true;
    default: return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUsage = 2;
  const std::array<option, 10> options = {{{"serial", required_argument, nullptr, 's'},
                                           {"vsock", required_argument, nullptr, 'v'},
                                           {"unix", required_argument, nullptr, 'u'},
                                           {"mac", required_argument, nullptr, 'm'},
                                           {"interface", required_argument, nullptr, 'i'},
                                           {"dial", required_argument, nullptr, 'd'},
                                           {"resolv-conf", required_argument, nullptr, 'r'},
                                           {"version", no_argument, nullptr, 'V'},
                                           {"help", no_argument, nullptr, 'h'},
                                           {nullptr, 0, nullptr, 0}}};
  Settings settings;
  int index = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, "", options.data(), &index)) != -1;) {
    if (found == 'h') return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
    if (found == 'V') return std::puts("vnet-agent " VNET_VERSION) < 0 ? 1 : 0;
    if (found == '?') return kUsage;
    if (read_option(found, optarg, settings)) continue;
    std::fprintf(stderr, "vnet-agent: --%s: found \"%s\"; expected another, see --help\n",
                 options[static_cast<std::size_t>(index)].name, optarg);
    return kUsage;
  }
  if (optind < argc || settings.host.kind == Channel::Kind::none) {
    std::fputs("vnet-agent: expected one of --serial, --vsock, --unix, and no other words; see --help\n", stderr);
    return kUsage;
  }
  vnet::agent::Agent agent{std::move(settings)};
  return agent.run();
}
