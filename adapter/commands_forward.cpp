// forward, forwards: sockets of the daemon's host that lead to guests.
#include <memory>

#include "adapter/commands.hpp"

namespace vnet::adapter {
namespace {

constexpr int kMaxProxyProtocol = 2;

struct GivenForward {
  std::string proto, listen, to;
  std::optional<std::string> network;
  std::optional<std::uint32_t> proxy_protocol;
};

Command decide_add(const GivenForward& given, const std::string& folder, bool json) {
  if (given.proto.empty()) return missing("forward add", "protocol", "tcp");
  if (given.listen.empty()) return missing("forward add", "address", "one to listen at, such as 127.0.0.1:2222");
  if (given.to.empty()) return missing("forward add", "guest", "its address and port, such as 192.168.127.2:22");
  constexpr std::string_view kUnix = "unix:";
  const bool path = given.listen.starts_with(kUnix);
  Call call{.method = "POST", .target = api_target({"forwards"}), .show = Show::forward_line, .json = json};
  RequestBody body;
  body.set("proto", given.proto, "PROTO");
  body.set("listen", path ? std::string{kUnix} + absolute(folder, given.listen.substr(kUnix.size())) : given.listen,
           "LISTEN");
  body.set("to", given.to, "TO");
  body.set_if("network", given.network, "--network");
  body.set_if("proxy_protocol", given.proxy_protocol, "--proxy-protocol");
  body.into(call);
  return call;
}

void add_add(CommandTree& tree, CLI::App& forward) {
  CLI::App& add = tree.add(forward, "add", "Listen on the daemon's host, and lead connections to a guest",
                           "  vnet forward add tcp 127.0.0.1:2222 192.168.127.2:22\n"
                           "  vnet forward add udp 127.0.0.1:5353 192.168.127.2:53\n"
                           "  vnet forward add tcp unix:ssh.sock 192.168.127.2:22\n"
                           "  vnet forward add tcp 0.0.0.0:8080 10.0.0.5:80 --network lab --proxy-protocol 2");
  const auto given = std::make_shared<GivenForward>();
  add.add_option("proto", given->proto, "tcp or udp")->type_name("PROTO");
  add.add_option("listen", given->listen, "An address and a port of the host, or unix: and a path")
      ->type_name("LISTEN");
  add.add_option("to", given->to, "The guest's address and port")->type_name("TO");
  tree.completes(
      add.add_option("--network", given->network, "The guest's network; default: the first")->type_name("NETWORK"),
      Ask::networks);
  add.add_option("--proxy-protocol", given->proxy_protocol, "Begin connections with a PROXY header of this version")
      ->type_name("VERSION")
      ->check(CLI::Range(0, kMaxProxyProtocol).description(""));
  tree.on(add, CommandTree::Json::taken,
          [given, folder = tree.surroundings().folder](bool json) { return decide_add(*given, folder, json); });
}

void add_forward_rm(CommandTree& tree, CLI::App& forward) {
  CLI::App& rm =
      tree.add(forward, "rm", "Listen no more; connections that have been made go on", "  vnet forward rm 1");
  const auto id = std::make_shared<std::string>();
  tree.completes(rm.add_option("id", *id, "Its number, as `vnet forwards` shows it")->type_name("ID"), Ask::forwards);
  tree.on(rm, CommandTree::Json::taken, [id](bool json) -> Command {
    if (id->empty()) return missing("forward rm", "id", "one that `vnet forwards` shows");
    return Call{.method = "DELETE", .target = api_target({"forwards", *id}), .json = json};
  });
}

}  // namespace

void add_forward_commands(CommandTree& tree) {
  const CLI::App& forwards =
      tree.add(tree.root(), "forwards", "The host's sockets that lead to guests", "  vnet forwards");
  tree.on(forwards, CommandTree::Json::taken, [](bool json) -> Command {
    return Call{.target = api_target({"forwards"}), .show = Show::forwards, .json = json};
  });
  CLI::App& forward = tree.add(tree.root(), "forward", "Lead connections to the host on to a guest, or no more",
                               "  vnet forward add tcp 127.0.0.1:2222 192.168.127.2:22\n"
                               "  vnet forward rm 1");
  add_add(tree, forward);
  add_forward_rm(tree, forward);
}

}  // namespace vnet::adapter
