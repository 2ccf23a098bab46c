// /v1/snapshot and /v1/restore: what the switch remembers of NICs, as one document that somebody else keeps.
//
// A VM that is restored from a snapshot believes what it believed when it was saved: its name, its address, its
// network. Restoring makes the switch believe it, too, as far as nothing else has taken that place meanwhile. It also
// believes in its connections, which are gone: what is left of them ends, and the guest is told, for which the snapshot
// lists them. Connections between guests are not in it: the switch does not know them.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "daemon/config_check_network.hpp"
#include "daemon/config_once.hpp"
#include "daemon/config_words.hpp"
#include "daemon/control/api.hpp"
#include "daemon/control/hex.hpp"
#include "daemon/control/views.hpp"
#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

constexpr int kSnapshotVersion = 1;

/// Of all NICs of one snapshot, so that it fits into a request.
constexpr std::size_t kMaxConnections = network::StaleConnections::kMaxConnections;

using ConnectionsByMac = std::unordered_map<MacAddress, std::vector<network::GuestConnection>>;

ConnectionsByMac connections_of(const network::Fabric& fabric, const std::vector<l2::PortId>& ports) {
  ConnectionsByMac by_mac;
  for (const l2::PortId port : ports) by_mac[fabric.nic(port).config.mac];
  fabric.each_connection([&](const MacAddress& mac, const network::GuestConnection& connection) {
    const auto wanted = by_mac.find(mac);
    if (wanted != by_mac.end() && wanted->second.size() < kMaxConnections) wanted->second.push_back(connection);
  });
  return by_mac;
}

Json connection_json(const network::GuestConnection& connection) {
  return {{"guest", to_string(Endpoint{connection.guest.address, connection.guest.port})},
          {"remote", to_string(Endpoint{connection.remote.address, connection.remote.port})},
          {"sequence", connection.sequence},
          {"acknowledgment", connection.acknowledgment}};
}

nat::Endpoint read_endpoint(const Json& text) {
  const Endpoint endpoint = parse_endpoint(text.get_ref<const std::string&>()).value();
  return {endpoint.address, endpoint.port};
}

std::vector<network::GuestConnection> read_connections(const Json& nic) {
  std::vector<network::GuestConnection> connections;
  for (const Json& object : nic.value("connections", Json::array())) {
    connections.push_back({read_endpoint(object.at("guest")), read_endpoint(object.at("remote")),
                           object.at("sequence").get<std::uint32_t>(),
                           object.at("acknowledgment").get<std::uint32_t>()});
  }
  return connections;
}

Json remember(network::Fabric& fabric, l2::PortId port, Instant now) {
  const network::NicConfig& nic = fabric.nic(port).config;
  Json object = {{"name", nic.name},
                 {"mac", nic.mac.to_string()},
                 {"network", fabric.network_config(nic.network).name},
                 {"link", nic.link_up ? "up" : "down"}};
  if (nic.ip) object["ip"] = nic.ip->to_string();
  if (!nic.hostname.empty()) object["hostname"] = nic.hostname;
  if (const dhcp::Lease* const lease = fabric.lease_of(port); lease != nullptr) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(lease->expires - now).count();
    object["lease"] = {{"ip", lease->ip.to_string()},
                       {"hostname", lease->hostname},
                       {"client_id", to_hex(lease->client)},
                       {"remaining_s", std::max<std::int64_t>(0, left)}};
  }
  return object;
}

std::optional<dhcp::Lease> read_lease(const Json& object, const MacAddress& mac, Instant now) {
  dhcp::Lease lease;
  lease.ip = Ipv4Address::parse(object.at("ip").get<std::string>()).value();
  lease.mac = mac;
  lease.hostname = object.value("hostname", "");
  auto client = from_hex(object.value("client_id", ""));
  if (!client) return std::nullopt;
  lease.client = std::move(*client);
  lease.state = dhcp::LeaseState::bound;
  lease.expires = now + std::chrono::seconds{object.at("remaining_s").get<std::int64_t>()};
  return lease;
}

}  // namespace

http::Response Api::post_snapshot(Call& call) {
  std::vector<l2::PortId> ports;
  if (call.document.is_object() && call.document.contains("nics")) {
    const Json& names = call.document.at("nics");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto name = names[i].get<std::string>();
      const l2::PortId port = parts_.fabric.find(std::string_view{name});
      if (port == l2::kNoPort) {
        return problem(404, "there is no NIC " + in_quotes(name) + did_you_mean(name, nic_names()),
                       child_pointer("/nics", i));
      }
      ports.push_back(port);
    }
  } else {
    for (std::size_t i = 0; i < parts_.fabric.nic_slots(); ++i) {
      const l2::PortId port{static_cast<std::uint32_t>(i)};
      if (parts_.fabric.nic(port).in_use) ports.push_back(port);
    }
  }
  Json document = {{"version", kSnapshotVersion}, {"nics", Json::array()}};
  const Instant now = parts_.clock().now;
  auto connections = connections_of(parts_.fabric, ports);
  std::size_t room = kMaxConnections;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    Json nic = remember(parts_.fabric, ports[i], now);
    auto& own = connections[parts_.fabric.nic(ports[i]).config.mac];
    // What some leave of their share is for those after them.
    own.resize(std::min(own.size(), room / (ports.size() - i)));
    room -= own.size();
    for (const network::GuestConnection& connection : own) nic["connections"].push_back(connection_json(connection));
    document["nics"].push_back(std::move(nic));
  }
  return answer(document);
}

/// What of a snapshot's NICs does not go together with the NICs that there are.
std::optional<http::Response> Api::look_at_snapshot(const Json& nics) const {
  Problems problems;
  Once names{problems};
  Once macs{problems};
  Once addresses{problems};
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const std::string pointer = child_pointer("/nics", i);
    auto network = find_network(nics[i].at("network"));
    if (!network) {
      return problem(409, "the network " + in_quotes(nics[i].at("network").get<std::string>()) + " is not here",
                     pointer + "/network");
    }
    const MacAddress mac = MacAddress::parse(nics[i].at("mac").get<std::string>()).value();
    if (mac == parts_.fabric.network_config(*network).mac) {
      return problem(409, "the MAC address " + mac.to_string() + " is the gateway's", pointer + "/mac");
    }
    names.add_name(nics[i].at("name"), pointer + "/name");
    macs.add(mac.to_string(), pointer + "/mac");
    if (nics[i].contains("ip")) {
      const Ipv4Address ip = Ipv4Address::parse(nics[i].at("ip").get<std::string>()).value();
      check_host_address(config_of(*network), ip, pointer + "/ip", problems);
      addresses.add(ip.to_string() + " in network " + config_of(*network).name, pointer + "/ip");
      for (std::size_t slot = 0; slot < parts_.fabric.nic_slots(); ++slot) {
        const network::Nic& other = parts_.fabric.nic(l2::PortId{static_cast<std::uint32_t>(slot)});
        if (!other.in_use || other.config.network != *network || other.config.ip != ip) continue;
        if (other.config.mac == mac) continue;
        return problem(409, ip.to_string() + " is reserved for NIC " + other.config.name, pointer + "/ip");
      }
    }
    const l2::PortId named = parts_.fabric.find(std::string_view{nics[i].at("name").get_ref<const std::string&>()});
    if (named != l2::kNoPort && parts_.fabric.nic(named).config.mac != mac) {
      return problem(409, "the name is the NIC's with MAC address " + parts_.fabric.nic(named).config.mac.to_string(),
                     pointer + "/name");
    }
    if (nics[i].contains("lease") && !from_hex(nics[i].at("lease").value("client_id", ""))) {
      return problem(400, "expected pairs of hexadecimal digits", pointer + "/lease/client_id");
    }
  }
  if (!problems.empty()) return problem(400, problems);
  return std::nullopt;
}

http::Response Api::post_restore(Call& call) {
  // First look, then act: a snapshot that does not fit changes nothing.
  const Json& nics = call.document.at("nics");
  if (auto wrong = look_at_snapshot(nics)) return std::move(*wrong);
  Json restored = Json::array();
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const Json& object = nics[i];
    Nic nic;
    nic.name = object.at("name");
    nic.mac = MacAddress::parse(object.at("mac").get<std::string>()).value();
    nic.network = object.at("network");
    nic.link = from_word<Link>(kLinkWords, object.at("link").get<std::string>());
    nic.hostname = object.value("hostname", nic.name);
    if (object.contains("ip")) nic.ip = Ipv4Address::parse(object.at("ip").get<std::string>());
    if (auto done = restore_nic(nic); !done) {
      Refusal refusal = done.error();
      refusal.place = child_pointer("/nics", i) + refusal.place;
      refusal.problems = {};
      return problem(refusal);
    }
    std::string lease = "none";
    if (object.contains("lease")) {
      const auto wanted = read_lease(object.at("lease"), nic.mac, parts_.clock().now);
      const auto network = parts_.fabric.find_network(nic.network);
      const bool back = wanted && parts_.operations.restore_lease(*network, *wanted);
      lease = back ? "restored" : wanted->ip.to_string() + " is not free, or not of this network any more";
    }
    parts_.operations.restart_guest(parts_.fabric.find(nic.mac), read_connections(object));
    restored.push_back({{"name", nic.name}, {"lease", lease}});
  }
  return answer({{"nics", std::move(restored)}});
}

Outcome<void> Api::restore_nic(const Nic& nic) {
  constexpr std::string_view kCause = "restored from a snapshot";
  const l2::PortId known = parts_.fabric.find(nic.mac);
  if (known == l2::kNoPort) {
    const auto added = parts_.operations.add_nic(nic);
    if (!added) return fail(added.error());
    return {};
  }
  return parts_.operations.change_nic(known, {nic.name, nic.network, nic.link, nic.ip, nic.hostname}, kCause);
}

}  // namespace vnet::daemon
