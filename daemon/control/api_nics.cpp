// /v1/nics: what there is, and everything that can be done to one.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/assign_protocol.hpp"
#include "daemon/config_defaults.hpp"
#include "daemon/config_read.hpp"
#include "daemon/config_words.hpp"
#include "daemon/control/api.hpp"
#include "daemon/control/views.hpp"
#include "daemon/network_setup.hpp"

namespace vnet::daemon {
namespace {

bool is_absolute(const std::string& path) { return path.starts_with('/'); }

}  // namespace

Json Api::view(l2::PortId port) const {
  const Nic* const configured = daemon::find_nic(parts_.operations.config(), parts_.fabric.nic(port).config.mac);
  return nic_view(parts_.fabric, port, configured, parts_.clock());
}

http::Response Api::get_nics(Call& call) {
  std::optional<std::size_t> only;
  if (call.request.parameter("network") != nullptr) {
    auto network = network_of(call);
    if (!network) return std::move(network.error());
    only = *network;
  }
  std::optional<bool> attached;
  if (const std::string* const wanted = call.request.parameter("attached"); wanted != nullptr) {
    if (*wanted != "true" && *wanted != "false") {
      return problem(400, found_expected("attached=" + in_quotes(*wanted), "true or false"));
    }
    attached = *wanted == "true";
  }
  return list([this, only, attached, next = std::uint32_t{0}]() mutable -> std::optional<Json> {
    while (next < parts_.fabric.nic_slots()) {
      const l2::PortId port{next++};
      const network::Nic& nic = parts_.fabric.nic(port);
      if (!nic.in_use || (only && nic.config.network != *only)) continue;
      if (attached && nic.is_attached() != *attached) continue;
      return view(port);
    }
    return std::nullopt;
  });
}

http::Response Api::get_nic(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  return answer(view(*port));
}

http::Response Api::post_nic(Call& call) {
  Json& document = call.document;
  if (!document.contains("mac") && !document.contains("name")) {
    return problem(400, found_expected("neither name nor mac", "one of them at least"));
  }
  if (!document.contains("mac")) document["mac"] = nic_mac(document.at("name").get<std::string>()).to_string();
  if (document.contains("dgram") && !is_absolute(document.at("dgram").get<std::string>())) {
    return problem(400, found_expected(in_quotes(document.at("dgram").get<std::string>()), "an absolute path"),
                   "/dgram");
  }
  const Nic nic = read_nic(document, parts_.operations.config().networks.front().name, {});
  const auto port = parts_.operations.add_nic(nic);
  if (!port) return problem(port.error());
  http::Response response = answer(view(*port), 201);
  response.headers.emplace_back("Location", "/v1/nics/" + nic.name);
  return response;
}

http::Response Api::patch_nic(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  const Json& document = call.document;
  NicChange change;
  if (document.contains("name")) change.name = document.at("name");
  if (document.contains("network")) change.network = document.at("network");
  if (document.contains("hostname")) change.hostname = document.at("hostname");
  if (document.contains("link")) change.link = from_word<Link>(kLinkWords, document.at("link").get<std::string>());
  if (document.contains("assign"))
    change.assign = from_word<Assign>(kAssignWords, document.at("assign").get<std::string>());
  if (document.contains("impair")) change.impair = read_impair(document.at("impair"));
  if (const auto ip = document.find("ip"); ip != document.end()) {
    change.ip.emplace();
    if (ip->is_string()) *change.ip = Ipv4Address::parse(ip->get<std::string>()).value();
  }
  if (const auto changed = parts_.operations.change_nic(*port, change, cause_of(call)); !changed) {
    return problem(changed.error());
  }
  return answer(view(*port));
}

http::Response Api::delete_nic(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  parts_.operations.remove_nic(*port, kAskedFor);
  return no_content();
}

http::Response Api::post_attach(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  std::vector<dgram::Fd>& fds = call.request.fds;
  if (fds.size() != 1) {
    return problem(400, found_expected(std::to_string(fds.size()) + " descriptors with the request",
                                       "one, passed by SCM_RIGHTS together with the request's bytes"));
  }
  if (const auto attached = parts_.operations.attach(*port, std::move(fds.front())); !attached) {
    return problem(attached.error());
  }
  return answer(view(*port));
}

http::Response Api::delete_attach(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  const std::string cause = cause_of(call);
  if (const auto detached = parts_.operations.detach(*port, cause); !detached) return problem(detached.error());
  // Whoever its connections are with need not find out by a time-out.
  if (call.document.is_object() && call.document.value("ended", false)) parts_.operations.restart_guest(*port, {});
  return no_content();
}

/// Of whoever passes it on to the NIC's guest, such as a VM's supervisor by a serial port.
http::Response Api::post_assignment(Call& call) {
  auto port = find_nic(call.argument);
  if (!port) return std::move(port.error());
  const std::string line = parts_.assign(parts_.fabric.nic(*port).config.mac);
  return answer({{"assignment", line == kAssignWait ? Json{} : Json::parse(line)}});
}

}  // namespace vnet::daemon
