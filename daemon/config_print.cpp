#include "daemon/config_print.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/config_words.hpp"

namespace vnet::daemon {
namespace {

/// Whole numbers without a fraction, as people write them.
Json number(double value) {
  constexpr double kExact = 9007199254740992.0;
  if (std::nearbyint(value) == value && std::fabs(value) <= kExact) return static_cast<std::int64_t>(value);
  return value;
}

Json seconds(Duration duration) { return number(static_cast<double>(duration.count()) / 1e9); }
Json milliseconds(Duration duration) { return number(static_cast<double>(duration.count()) / 1e6); }

std::string text(const std::string& value) { return value; }
std::string text(const IpAddress& address) { return vnet::to_string(address); }
std::string text(const IpPrefix& prefix) { return vnet::to_string(prefix); }
std::string text(const Endpoint& endpoint) { return to_string(endpoint); }
std::string text(const auto& value) { return value.to_string(); }

template <typename T, typename Convert>
Json array(const std::vector<T>& values, Convert convert) {
  Json result = Json::array();
  for (const T& value : values) result.push_back(convert(value));
  return result;
}

template <typename T>
Json texts(const std::vector<T>& values) {
  return array(values, [](const T& value) { return Json(text(value)); });
}

template <typename T>
void put_if(Json& object, const char* name, const std::optional<T>& value) {
  if (value) object[name] = text(*value);
}

Json impair_one_way(const l2::Impairment& way) {
  return {{"latency_ms", milliseconds(way.latency)},
          {"jitter_ms", milliseconds(way.jitter)},
          {"jitter_reorders", way.jitter_reorders},
          {"loss", number(way.loss)},
          {"loss_burst",
           {{"enter", number(way.loss_burst.enter)},
            {"leave", number(way.loss_burst.leave)},
            {"loss", number(way.loss_burst.loss)}}},
          {"duplicate", number(way.duplicate)},
          {"reorder", number(way.reorder)},
          {"corrupt", number(way.corrupt)},
          {"rate_mbps", number(way.rate_mbps)},
          {"queue_kb", way.queue_kb}};
}

Json impair(const Impair& impair) {
  if (impair.up == impair.down) return impair_one_way(impair.up);
  return {{"up", impair_one_way(impair.up)}, {"down", impair_one_way(impair.down)}};
}

Json egress_rule(const nat::EgressRule& rule) {
  if (!rule.protocol && rule.ports.empty()) return text(rule.to);
  Json object = {{"to", text(rule.to)}};
  if (rule.protocol) object["proto"] = to_word(kEgressProtocolWords, *rule.protocol);
  if (!rule.ports.empty()) object["ports"] = to_string(rule.ports);
  return object;
}

Json egress(const Egress& egress) {
  return {{"enabled", egress.enabled},
          {"allow", array(egress.allow, egress_rule)},
          {"deny", array(egress.deny, egress_rule)}};
}

Json nat(const Nat& nat) {
  if (nat.preset && nat == nat_of(*nat.preset)) return to_string(*nat.preset);
  const nat::NatBehavior& behavior = nat.behavior;
  Json object = Json::object();
  if (nat.preset) object["preset"] = to_string(*nat.preset);
  object["mapping"] = to_string(behavior.mapping);
  object["filtering"] = to_string(behavior.filtering);
  object["ports"] = to_string(behavior.ports);
  object["hairpin"] = behavior.hairpin;
  object["inbound_refresh"] = behavior.inbound_refresh;
  object["udp_timeout_s"] = seconds(behavior.udp_timeout);
  object["icmp_timeout_s"] = seconds(behavior.icmp_timeout);
  object["tcp_established_timeout_s"] = seconds(behavior.tcp_established_timeout);
  object["tcp_transitory_timeout_s"] = seconds(behavior.tcp_transitory_timeout);
  object["ipv6"] = to_string(behavior.ipv6);
  object["firewall"] = behavior.firewall;
  put_if(object, "behind", nat.behind);
  put_if(object, "host", nat.host);
  return object;
}

Json wan(const Wan& wan) {
  Json object = Json::object();
  put_if(object, "ipv4", wan.ipv4);
  put_if(object, "ipv6", wan.ipv6);
  return object;
}

Json dns_record(const DnsRecord& record) {
  Json object = {{"name", record.name}};
  if (!record.a.empty()) object["a"] = texts(record.a);
  if (!record.aaaa.empty()) object["aaaa"] = texts(record.aaaa);
  put_if(object, "cname", record.cname);
  if (!record.txt.empty()) object["txt"] = texts(record.txt);
  if (!record.mx.empty()) {
    object["mx"] = array(record.mx, [](const MxRecord& mx) {
      return Json{{"preference", mx.preference}, {"exchange", mx.exchange}};
    });
  }
  if (!record.srv.empty()) {
    object["srv"] = array(record.srv, [](const SrvRecord& srv) {
      return Json{{"priority", srv.priority}, {"weight", srv.weight}, {"port", srv.port}, {"target", srv.target}};
    });
  }
  put_if(object, "ptr", record.ptr);
  object["ttl_s"] = record.ttl_s;
  return object;
}

Json dns(const Dns& dns) {
  Json object = {{"domain", dns.domain}, {"search", texts(dns.search)}};
  if (dns.system_upstream || dns.upstream.empty()) {
    object["upstream"] = dns.system_upstream ? "system" : "none";
  } else {
    object["upstream"] = texts(dns.upstream);
  }
  object["records"] = array(dns.records, dns_record);
  object["address"] = texts(dns.address);
  return object;
}

/// Text where it is printable ASCII, which survives the way there and back, else bytes.
Json option_content(const std::vector<std::uint8_t>& content) {
  const bool printable = std::ranges::all_of(content, [](std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
  if (printable) return std::string(content.begin(), content.end());
  return content;
}

Json dhcp(const Network& network) {
  const Dhcp& dhcp = network.dhcp;
  Json object = {{"enabled", dhcp.enabled}};
  if (network.ipv4) object["range"] = {dhcp.first.to_string(), dhcp.last.to_string()};
  object["lease_s"] = seconds(dhcp.lease);
  object["routes"] = array(dhcp.routes, [](const DhcpRoute& route) {
    return Json{{"to", route.to.to_string()}, {"via", route.via.to_string()}};
  });
  object["options"] = Json::object();
  for (const auto& [code, content] : dhcp.options) object["options"][std::to_string(code)] = option_content(content);
  return object;
}

Json network(const Network& network) {
  Json object = {{"name", network.name}};
  put_if(object, "ipv4", network.ipv4);
  put_if(object, "ipv6", network.ipv6);
  object["mac"] = network.mac.to_string();
  object["mtu"] = network.mtu;
  if (network.wan) object["wan"] = wan(*network.wan);
  object["nat"] = nat(network.nat);
  object["port_mapping"] = array(
      network.port_mapping, [](PortMappingProtocol protocol) { return Json(to_word(kPortMappingWords, protocol)); });
  object["dhcp"] = dhcp(network);
  object["dns"] = dns(network.dns);
  put_if(object, "host_alias", network.host_alias);
  object["egress"] = egress(network.egress);
  object["forwards"] = array(network.forwards, [](const Forward& forward) { return to_json(forward); });
  object["members"] = to_word(kMembersWords, network.members);
  object["port_security"] = network.port_security;
  object["impair"] = impair(network.impair);
  object["blackhole"] = texts(network.blackhole);
  return object;
}

Json nic(const Nic& nic) {
  Json object = {{"name", nic.name}, {"mac", nic.mac.to_string()}, {"network", nic.network}};
  put_if(object, "ip", nic.ip);
  object["hostname"] = nic.hostname;
  object["link"] = to_word(kLinkWords, nic.link);
  object["assign"] = to_word(kAssignWords, nic.assign);
  if (nic.cid) object["cid"] = *nic.cid;
  put_if(object, "dgram", nic.dgram);
  object["impair"] = impair(nic.impair);
  return object;
}

Json listen(const Listen& listen) {
  const auto entry = [](const ListenEntry& value) { return Json{{"path", value.path}, {"network", value.network}}; };
  const auto assign_entry = [](const AssignEntry& value) {
    Json shown = {{"path", value.path}, {"network", value.network}};
    put_if(shown, "nic", value.nic);
    shown["serial"] = value.serial;
    return shown;
  };
  Json object = {{"dgram", array(listen.dgram, entry)},
                 {"stream", array(listen.stream, entry)},
                 {"control", listen.control},
                 {"assign", array(listen.assign, assign_entry)}};
  if (listen.control_tcp) {
    object["control_tcp"] = {{"address", to_string(listen.control_tcp->address)},
                             {"token_file", listen.control_tcp->token_file}};
  }
  return object;
}

Json service(const Service& service) {
  Json object = {{"name", service.name}};
  if (!service.ipv4.empty()) object["ipv4"] = texts(service.ipv4);
  if (!service.ipv6.empty()) object["ipv6"] = texts(service.ipv6);
  if (service.kind) object["kind"] = to_word(kServiceKindWords, *service.kind);
  put_if(object, "root", service.root);
  if (!service.records.empty()) object["records"] = array(service.records, dns_record);
  if (!service.forward.empty()) object["forward"] = Json::object();
  for (const auto& [port, where] : service.forward) {
    const std::string name = std::string{to_word(kProtocolWords, port.first)} + "/" + std::to_string(port.second);
    object["forward"][name] = to_string(where);
  }
  if (service.proxy_protocol == 0) {
    object["proxy_protocol"] = false;
  } else {
    object["proxy_protocol"] = service.proxy_protocol;
  }
  return object;
}

Json timeline_event(const TimelineEvent& event) {
  Json object = {{"at_s", seconds(event.at)}};
  put_if(object, "nic", event.nic);
  put_if(object, "network", event.network);
  put_if(object, "service", event.service);
  if (event.up) object["up"] = *event.up;
  if (event.link) object["link"] = to_word(kLinkWords, *event.link);
  if (event.assign) object["assign"] = to_word(kAssignWords, *event.assign);
  if (event.nat) object["nat"] = nat(*event.nat);
  if (event.wan) object["wan"] = *event.wan ? wan(**event.wan) : Json{};
  put_if(object, "ipv4", event.ipv4);
  if (event.reboot) object["reboot"] = true;
  if (event.impair) object["impair"] = impair(*event.impair);
  if (event.blackhole) object["blackhole"] = texts(*event.blackhole);
  if (event.egress) object["egress"] = egress(*event.egress);
  return object;
}

}  // namespace

Json to_json(const Nic& value) { return nic(value); }

std::string to_string(const EndpointOrUnix& endpoint) {
  const auto* const path = std::get_if<UnixPath>(&endpoint);
  return path != nullptr ? "unix:" + path->path : to_string(std::get<Endpoint>(endpoint));
}

std::string forward_key(const Forward& forward) {
  return std::string{to_word(kProtocolWords, forward.proto)} + " " + to_string(forward.listen);
}

Json to_json(const Forward& value) {
  return {{"proto", to_word(kProtocolWords, value.proto)},
          {"listen", to_string(value.listen)},
          {"to", to_string(value.to)},
          {"proxy_protocol", value.proxy_protocol}};
}
Json to_json(const DnsRecord& value) { return dns_record(value); }

Json to_json(const Service& value) { return service(value); }

Json to_json(const Impair& value) { return impair(value); }

Json to_json(const Egress& value) { return egress(value); }

Json to_json(const Nat& value) { return nat(value); }

Json to_json(const Wan& value) { return wan(value); }

Json to_json(const Ipv4Prefix& prefix) { return prefix.to_string(); }

Json to_json(const std::vector<IpPrefix>& prefixes) { return texts(prefixes); }

Json to_json(const Config& config) {
  Json document = {{"networks", array(config.networks, network)},
                   {"nics", array(config.nics, nic)},
                   {"listen", listen(config.listen)},
                   {"services", array(config.services, service)},
                   {"timeline", array(config.timeline, timeline_event)}};
  if (config.capture) {
    document["capture"] = {{"file", config.capture->file},
                           {"filter", config.capture->filter},
                           {"snaplen", config.capture->snaplen},
                           {"rotate_mb", config.capture->rotate_mb},
                           {"keep", config.capture->keep}};
  }
  put_if(document, "state", config.state);
  if (config.seed) document["seed"] = *config.seed;
  return document;
}

std::string print_config(const Config& config) {
  // A path from the command line may be no UTF-8, which JSON cannot hold.
  return to_json(config).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace vnet::daemon
