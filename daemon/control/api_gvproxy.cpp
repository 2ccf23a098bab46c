// The forms of gvproxy's HTTP API, so that its clients work unchanged. It has one network; ours is the first.
//
// Its clients are written in Go, whose JSON reader does not mind upper and lower case in the names of members; neither
// do we here. Errors are text, as there. Not supported: records by regular expression.
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "daemon/control/api.hpp"

namespace vnet::daemon {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The member of that name in any case; null where there is none.
const Json* member(const Json& object, std::string_view name) {
  for (const auto& each : object.items()) {
    if (lower(each.key()) == name) return &each.value();
  }
  return nullptr;
}

/// Nothing: it is there and no text.
std::optional<std::string> text(const Json& object, std::string_view name) {
  const Json* const value = member(object, name);
  if (value == nullptr || value->is_null()) return "";
  if (!value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

std::optional<GvproxyZone> zone_asked_for(const Json& document) {
  if (!document.is_object()) return std::nullopt;
  const auto name = text(document, "name");
  const auto default_ip = text(document, "defaultip");
  if (!name || !default_ip) return std::nullopt;
  GvproxyZone zone{*name, {}, *default_ip};
  const Json* const records = member(document, "records");
  if (records == nullptr || records->is_null()) return zone;
  if (!records->is_array()) return std::nullopt;
  for (const Json& record : *records) {
    if (!record.is_object()) return std::nullopt;
    const Json* const expression = member(record, "regexp");
    const auto host = text(record, "name");
    const auto ip = text(record, "ip");
    if (!host || !ip || (expression != nullptr && !expression->is_null())) return std::nullopt;
    zone.records.push_back({*host, *ip});
  }
  return zone;
}

http::Response bad_request(const std::string& why) {
  http::Response response;
  response.status = 400;
  response.type = "text/plain; charset=utf-8";
  response.body = why + "\n";
  return response;
}

}  // namespace

http::Response Api::get_gvproxy_leases(Call&) {
  Json leases = Json::object();
  const network::NetworkConfig& network = parts_.fabric.network_config(0);
  if (network.ipv4) leases[network.ipv4->address.to_string()] = network.mac.to_string();
  if (network::AddressService* const addresses = parts_.fabric.gateway(0).addresses(); addresses != nullptr) {
    for (const dhcp::Lease& lease : addresses->server().leases_after({}, kMaxGvproxyLeases)) {
      leases[lease.ip.to_string()] = lease.mac.to_string();
    }
  }
  return answer(leases);
}

http::Response Api::get_gvproxy_zones(Call&) {
  Json zones = Json::array();
  for (const GvproxyZone& zone : parts_.operations.zones()) {
    Json records = Json::array();
    for (const auto& record : zone.records) records.push_back({{"Name", record.name}, {"IP", record.ip}});
    zones.push_back({{"Name", zone.name}, {"Records", std::move(records)}, {"DefaultIP", zone.default_ip}});
  }
  return answer(zones);
}

http::Response Api::post_gvproxy_zone(Call& call) {
  const auto document = parse_json_text(call.request.body);
  if (!document) return bad_request(document.error().listed().front().text);
  const auto zone = zone_asked_for(*document);
  if (!zone)
    return bad_request(
        "expected {\"Name\": zone, \"Records\": [{\"Name\": host, \"IP\": address}], \"DefaultIP\": address}");
  if (const auto added = parts_.operations.add_zone(*zone); !added) {
    return bad_request(added.error().place + ": " + added.error().text);
  }
  http::Response response;
  response.type = "text/plain; charset=utf-8";
  return response;
}

}  // namespace vnet::daemon
