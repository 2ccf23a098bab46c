// /v1/status, /v1/openapi.json, /v1/reload and the hand-over to a successor.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "daemon/control/api.hpp"
#include "daemon/control/metrics.hpp"
#include "daemon/control/views.hpp"

namespace vnet::daemon {

http::Response Api::get_status(Call&) {
  const Moment at = parts_.clock();
  const network::Fabric& fabric = parts_.fabric;
  std::size_t networks = 0;
  std::size_t leases = 0;
  std::size_t max_leases = 0;
  for (std::size_t i = 0; i < fabric.network_count(); ++i) {
    if (!fabric.has_network(i)) continue;
    ++networks;
    if (network::AddressService* const addresses = parts_.fabric.gateway(i).addresses(); addresses != nullptr) {
      leases += addresses->server().lease_count();
      max_leases += addresses->server().config().max_leases;
    }
  }
  std::size_t flows = 0;
  std::size_t max_flows = 0;
  for (std::size_t i = 0; i < fabric.network_count(); ++i) {
    const nat::Egress* const egress = fabric.has_network(i) ? fabric.egress(i) : nullptr;
    if (egress == nullptr) continue;
    flows += egress->tcp().size() + egress->datagrams().size();
    max_flows += egress->tcp().limits().flows + egress->datagrams().limits().flows;
  }
  const SystemSockets* const sockets = parts_.sockets;
  std::size_t nics = 0;
  std::size_t attached = 0;
  for (std::size_t i = 0; i < fabric.nic_slots(); ++i) {
    const network::Nic& nic = fabric.nic(l2::PortId{static_cast<std::uint32_t>(i)});
    if (nic.in_use) ++nics;
    if (nic.is_attached()) ++attached;
  }
  const auto limit = [](std::size_t used, std::size_t most) { return Json{{"used", used}, {"limit", most}}; };
  return answer({{"version", VNET_VERSION},
                 {"pid", ::getpid()},
                 {"started", to_rfc3339(started_unix_ms_)},
                 {"uptime_s", static_cast<double>((at.now - started_).count() / 1'000'000) / 1e3},
                 {"networks", networks},
                 {"nics", nics},
                 {"attached", attached},
                 {"drops", to_json(parts_.hub.door_drops())},
                 {"limits",
                  {{"nics", limit(nics, network::Fabric::kMaxNics)},
                   {"leases", limit(leases, max_leases)},
                   {"egress_flows", limit(flows, max_flows)},
                   {"egress_sockets", sockets ? limit(sockets->open(), sockets->max_sockets()) : limit(0, 0)},
                   {"captures", limit(parts_.captures.running().size(), Captures::kMaxCaptures)},
                   {"events", limit(parts_.events.size(), EventBacklog::kCapacity)},
                   {"control_clients", limit(parts_.control_clients(), parts_.max_control_clients)}}}});
}

http::Response Api::get_openapi(Call&) {
  http::Response response;
  response.body = openapi_text();
  return response;
}

http::Response Api::get_metrics(Call&) {
  http::Response response;
  response.type = "text/plain; version=0.0.4; charset=utf-8";
  response.stream = metrics({parts_.fabric, parts_.hub, parts_.captures, parts_.events, parts_.server_counters,
                             parts_.sockets, static_cast<double>(started_unix_ms_) / 1e3});
  return response;
}

http::Response Api::post_reload(Call&) {
  auto reloaded = parts_.reload();
  if (!reloaded) return problem(reloaded.error());
  return answer({{"changed", reloaded->changed}, {"restart_needed", reloaded->restart_needed}});
}

http::Response Api::post_take_over(Call&) {
  http::Response response;
  response.status = 101;
  response.headers = {{"Connection", "Upgrade"}, {"Upgrade", "vnet-take-over"}};
  response.hand_over = parts_.hand_over;
  return response;
}

}  // namespace vnet::daemon
