// /v1/forwards, and gvproxy's form of them.
//
// gvproxy has one network; ours is the first. There a port alone, `:6443`, is that port at every IPv4 address. Errors
// are text, as there: 400 for what cannot be read, 500 for what cannot be done. Not supported of it: named pipes,
// tunnels through SSH.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/config_print.hpp"
#include "daemon/config_read.hpp"
#include "daemon/config_words.hpp"
#include "daemon/control/api.hpp"

namespace vnet::daemon {
namespace {

http::Response no_forward(const std::string& id) { return problem(404, "there is no forward " + in_quotes(id)); }

http::Response text(int status, const std::string& why = {}) {
  http::Response response;
  response.status = status;
  response.type = "text/plain; charset=utf-8";
  if (!why.empty()) response.body = why + "\n";
  return response;
}

/// What stands behind a scheme such as `tcp://`, or all.
std::string without_scheme(const std::string& text) {
  const auto at = text.find("://");
  return at == std::string::npos ? text : text.substr(at + 3);
}

struct GvproxyForward {
  std::string protocol;
  std::string local;
  std::string remote;

  [[nodiscard]] std::optional<EndpointOrUnix> listen() const {
    if (protocol == "unix") return UnixPath{without_scheme(local)};
    const auto endpoint = parse_endpoint(local.starts_with(':') ? "0.0.0.0" + local : local);
    return endpoint ? std::optional<EndpointOrUnix>{*endpoint} : std::nullopt;
  }
  [[nodiscard]] bool is_known() const { return protocol == "tcp" || protocol == "udp" || protocol == "unix"; }
  [[nodiscard]] Protocol proto() const { return protocol == "udp" ? Protocol::udp : Protocol::tcp; }
};

std::optional<GvproxyForward> read_gvproxy(const std::string& body) {
  const auto document = parse_json_text(body);
  if (!document || !document->is_object()) return std::nullopt;
  GvproxyForward forward{"tcp", {}, {}};
  for (const auto& member : document->items()) {
    std::string name = member.key();
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto& [wanted, value] :
         {std::pair{"protocol", &forward.protocol}, {"local", &forward.local}, {"remote", &forward.remote}}) {
      if (name != wanted) continue;
      if (!member.value().is_string()) return std::nullopt;
      *value = member.value().get<std::string>();
    }
  }
  if (forward.protocol.empty()) forward.protocol = "tcp";
  return forward;
}

constexpr std::string_view kExpected =
    R"(expected {"local": ":6443", "remote": "192.168.127.2:6443", "protocol": "tcp", "udp" or "unix"})";

}  // namespace

Json Api::view(const Forwards::Running& running) const {
  Json view = to_json(running.forward);
  view["id"] = running.id;
  view["network"] = parts_.fabric.network_config(running.network).name;
  view["state"] = running.ready ? "ready" : "waiting";
  view["waiting"] = running.waiting;
  view["accepted"] = running.accepted;
  view["refused"] = running.refused;
  return view;
}

http::Response Api::get_forwards(Call&) {
  Json forwards = Json::array();
  for (const Forwards::Running& running : parts_.forwards.running()) forwards.push_back(view(running));
  return answer(forwards);
}

http::Response Api::get_forward(Call& call) {
  const auto running = parts_.forwards.running();
  const auto found = std::ranges::find(running, call.argument, &Forwards::Running::id);
  return found == running.end() ? no_forward(call.argument) : answer(view(*found));
}

http::Response Api::post_forward(Call& call) {
  std::size_t network = 0;
  if (const auto named = call.document.find("network"); named != call.document.end()) {
    auto found = find_network(named->get<std::string>());
    if (!found) return std::move(found.error());
    network = *found;
  }
  const auto id = parts_.operations.add_forward(network, read_forward(call.document, {}));
  if (!id) return problem(id.error());
  const auto running = parts_.forwards.running();
  http::Response response = answer(view(*std::ranges::find(running, *id, &Forwards::Running::id)), 201);
  response.headers.emplace_back("Location", "/v1/forwards/" + *id);
  return response;
}

http::Response Api::delete_forward(Call& call) {
  return parts_.operations.remove_forward(call.argument) ? no_content() : no_forward(call.argument);
}

http::Response Api::get_gvproxy_forwards(Call&) {
  Json forwards = Json::array();
  for (const Forwards::Running& running : parts_.forwards.running()) {
    const auto* const path = std::get_if<UnixPath>(&running.forward.listen);
    const std::string to = to_string(running.forward.to);
    forwards.push_back({{"local", path != nullptr ? path->path : to_string(running.forward.listen)},
                        {"remote", path != nullptr ? "tcp://" + to : to},
                        {"protocol", path != nullptr ? "unix" : to_word(kProtocolWords, running.forward.proto)}});
  }
  return answer(forwards);
}

http::Response Api::post_gvproxy_expose(Call& call) {
  const auto asked = read_gvproxy(call.request.body);
  const auto listen = asked ? asked->listen() : std::nullopt;
  const auto to = asked ? parse_endpoint(without_scheme(asked->remote)) : std::nullopt;
  if (!listen || !to || !asked->is_known()) return text(400, std::string{kExpected});
  const auto added = parts_.operations.add_forward(0, Forward{asked->proto(), *listen, *to});
  return added ? text(200) : text(500, added.error().text);
}

http::Response Api::post_gvproxy_unexpose(Call& call) {
  const auto asked = read_gvproxy(call.request.body);
  const auto listen = asked ? asked->listen() : std::nullopt;
  if (!listen) return text(400, std::string{kExpected});
  const auto id = parts_.forwards.find(asked->proto(), *listen);
  return id && parts_.operations.remove_forward(*id) ? text(200) : text(500, "proxy not found");
}

}  // namespace vnet::daemon
