#include "daemon/config_read.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/config_defaults.hpp"
#include "daemon/config_words.hpp"

namespace vnet::daemon {
namespace {

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

/// Sets `target` to the member, converted, when it is there.
template <typename T, typename Convert>
void read(const Json& object, const char* name, T& target, Convert convert) {
  if (const Json* value = member(object, name)) target = convert(*value);
}

std::string text(const Json& value) { return value.get<std::string>(); }
bool truth(const Json& value) { return value.get<bool>(); }
double number(const Json& value) { return value.get<double>(); }
template <typename T>
T integer(const Json& value) {
  return value.get<T>();
}

Duration from_seconds(double seconds) { return Duration{std::llround(seconds * 1e9)}; }
Duration seconds(const Json& value) { return from_seconds(value.get<double>()); }
Duration milliseconds(const Json& value) { return from_seconds(value.get<double>() / 1e3); }

MacAddress mac(const Json& value) { return MacAddress::parse(text(value)).value(); }
Ipv4Address ipv4(const Json& value) { return Ipv4Address::parse(text(value)).value(); }
Ipv6Address ipv6(const Json& value) { return Ipv6Address::parse(text(value)).value(); }
IpAddress ip(const Json& value) { return parse_ip(text(value)).value(); }
Ipv4Prefix ipv4_prefix(const Json& value) { return Ipv4Prefix::parse(text(value)).value(); }
Ipv6Prefix ipv6_prefix(const Json& value) { return Ipv6Prefix::parse(text(value)).value(); }
IpPrefix ip_prefix(const Json& value) { return parse_ip_prefix(text(value)).value(); }
Endpoint endpoint(const Json& value) { return parse_endpoint(text(value)).value(); }
Endpoint dns_server(const Json& value) { return parse_dns_server(text(value)).value(); }

template <typename Enum, std::size_t N>
auto word(const std::array<std::string_view, N>& words) {
  return [&words](const Json& value) { return from_word<Enum>(words, value.get_ref<const std::string&>()); };
}

/// A converter of arrays, from one of elements. A value that is no array counts as an array of itself.
template <typename Convert>
auto each(Convert convert) {
  return [convert](const Json& value) {
    std::vector<decltype(convert(value))> values;
    if (!value.is_array()) {
      values.push_back(convert(value));
    } else {
      for (const Json& element : value) values.push_back(convert(element));
    }
    return values;
  };
}

/// One direction: what the object says, and `otherwise` for what it does not.
l2::Impairment impair_one_way(const Json& object, l2::Impairment otherwise) {
  l2::Impairment way = std::move(otherwise);
  read(object, "latency_ms", way.latency, milliseconds);
  read(object, "jitter_ms", way.jitter, milliseconds);
  read(object, "jitter_reorders", way.jitter_reorders, truth);
  read(object, "loss", way.loss, number);
  read(object, "loss_burst", way.loss_burst, [](const Json& value) {
    l2::LossBurst burst;
    read(value, "enter", burst.enter, number);
    read(value, "leave", burst.leave, number);
    read(value, "loss", burst.loss, number);
    return burst;
  });
  read(object, "duplicate", way.duplicate, number);
  read(object, "reorder", way.reorder, number);
  read(object, "corrupt", way.corrupt, number);
  read(object, "rate_mbps", way.rate_mbps, number);
  read(object, "queue_kb", way.queue_kb, integer<std::uint32_t>);
  return way;
}

Impair impair(const Json& object) {
  const l2::Impairment both = impair_one_way(object, {});
  Impair impair{both, both};
  if (const Json* up = member(object, "up")) impair.up = impair_one_way(*up, both);
  if (const Json* down = member(object, "down")) impair.down = impair_one_way(*down, both);
  return impair;
}

nat::PortRanges port_ranges(const Json& value) { return nat::parse_port_ranges(text(value)).value(); }

nat::EgressRule egress_rule(const Json& value) {
  if (value.is_string()) return {ip_prefix(value), {}, {}};
  nat::EgressRule rule{ip_prefix(value.at("to")), {}, {}};
  read(value, "proto", rule.protocol, word<nat::EgressProtocol>(kEgressProtocolWords));
  read(value, "ports", rule.ports, port_ranges);
  return rule;
}

Egress egress(const Json& object) {
  Egress egress;
  read(object, "enabled", egress.enabled, truth);
  read(object, "allow", egress.allow, each(egress_rule));
  read(object, "deny", egress.deny, each(egress_rule));
  return egress;
}

Nat nat(const Json& value) {
  if (value.is_string()) return nat_of(word<nat::NatPreset>(kNatPresetWords)(value));
  Nat nat;
  read(value, "preset", nat.preset, word<nat::NatPreset>(kNatPresetWords));
  if (nat.preset) nat = nat_of(*nat.preset);
  nat::NatBehavior& behavior = nat.behavior;
  read(value, "mapping", behavior.mapping, word<nat::Dependence>(kDependenceWords));
  read(value, "filtering", behavior.filtering, word<nat::Dependence>(kDependenceWords));
  read(value, "ports", behavior.ports, word<nat::PortChoice>(kPortChoiceWords));
  read(value, "hairpin", behavior.hairpin, truth);
  read(value, "inbound_refresh", behavior.inbound_refresh, truth);
  read(value, "udp_timeout_s", behavior.udp_timeout, seconds);
  read(value, "icmp_timeout_s", behavior.icmp_timeout, seconds);
  read(value, "tcp_established_timeout_s", behavior.tcp_established_timeout, seconds);
  read(value, "tcp_transitory_timeout_s", behavior.tcp_transitory_timeout, seconds);
  read(value, "ipv6", behavior.ipv6, word<nat::Ipv6Way>(kIpv6WayWords));
  read(value, "firewall", behavior.firewall, truth);
  read(value, "behind", nat.behind, text);
  read(value, "host", nat.host, ipv4);
  return nat;
}

Wan wan(const Json& object) {
  Wan wan;
  read(object, "ipv4", wan.ipv4, ipv4);
  read(object, "ipv6", wan.ipv6, ipv6);
  return wan;
}

MxRecord mx_record(const Json& object) {
  return {integer<std::uint16_t>(object.at("preference")), text(object.at("exchange"))};
}

SrvRecord srv_record(const Json& object) {
  SrvRecord record;
  read(object, "priority", record.priority, integer<std::uint16_t>);
  read(object, "weight", record.weight, integer<std::uint16_t>);
  record.port = integer<std::uint16_t>(object.at("port"));
  record.target = text(object.at("target"));
  return record;
}

DnsRecord dns_record(const Json& object) {
  DnsRecord record;
  record.name = text(object.at("name"));
  read(object, "a", record.a, each(ipv4));
  read(object, "aaaa", record.aaaa, each(ipv6));
  read(object, "cname", record.cname, text);
  read(object, "txt", record.txt, each(text));
  read(object, "mx", record.mx, each(mx_record));
  read(object, "srv", record.srv, each(srv_record));
  read(object, "ptr", record.ptr, text);
  read(object, "ttl_s", record.ttl_s, integer<std::uint32_t>);
  return record;
}

void read_dns(const Json& object, Dns& dns) {
  read(object, "domain", dns.domain, text);
  read(object, "search", dns.search, each(text));
  if (const Json* upstream = member(object, "upstream")) {
    dns.system_upstream = *upstream == "system";
    if (upstream->is_array()) dns.upstream = each(dns_server)(*upstream);
  }
  read(object, "records", dns.records, each(dns_record));
  read(object, "address", dns.address, each(ip));
}

std::vector<std::uint8_t> option_bytes(const Json& value) {
  if (value.is_array()) return each(integer<std::uint8_t>)(value);
  const std::string content = text(value);
  return {content.begin(), content.end()};
}

void read_dhcp(const Json& object, Dhcp& dhcp) {
  read(object, "enabled", dhcp.enabled, truth);
  if (const Json* range = member(object, "range")) {
    dhcp.first = ipv4((*range)[0]);
    dhcp.last = ipv4((*range)[1]);
  }
  read(object, "lease_s", dhcp.lease, seconds);
  read(object, "routes", dhcp.routes, each([](const Json& route) {
         return DhcpRoute{ipv4_prefix(route.at("to")), ipv4(route.at("via"))};
       }));
  if (const Json* options = member(object, "options")) {
    for (const auto& option : options->items()) {
      const auto code = static_cast<std::uint8_t>(parse_number(option.key(), 1, 254).value());
      dhcp.options[code] = option_bytes(option.value());
    }
  }
}

EndpointOrUnix endpoint_or_unix(const Json& value, const Folders& folders) {
  const std::string where = text(value);
  if (!where.starts_with(kUnixScheme)) return endpoint(value);
  return UnixPath{resolve_path(folders.config, where.substr(kUnixScheme.size()))};
}

Network network(const Json& object, bool is_first, const Folders& folders) {
  const bool has_prefix = object.contains("ipv4") || object.contains("ipv6");
  const bool is_builtin = is_first && !has_prefix;
  Network network = is_builtin ? builtin_network() : Network{};
  read(object, "name", network.name, text);
  if (!is_builtin) network.mac = gateway_mac(network.name);
  read(object, "ipv4", network.ipv4, ipv4_prefix);
  read(object, "ipv6", network.ipv6, ipv6_prefix);
  read(object, "mac", network.mac, mac);
  read(object, "mtu", network.mtu, integer<std::uint16_t>);
  read(object, "wan", network.wan, wan);
  if (network.wan) network.nat = nat_of(nat::NatPreset::easy);
  read(object, "nat", network.nat, nat);
  read(object, "port_mapping", network.port_mapping, each(word<PortMappingProtocol>(kPortMappingWords)));
  read(object, "host_alias", network.host_alias, ip);
  network.dns.address = gateway_addresses(network);
  if (const Json* dns = member(object, "dns")) read_dns(*dns, network.dns);
  network.dhcp.enabled = network.ipv4.has_value();
  if (network.ipv4) set_default_range(network);
  if (const Json* dhcp = member(object, "dhcp")) read_dhcp(*dhcp, network.dhcp);
  read(object, "egress", network.egress, egress);
  read(object, "forwards", network.forwards,
       each([&folders](const Json& value) { return read_forward(value, folders); }));
  read(object, "members", network.members, word<Members>(kMembersWords));
  read(object, "port_security", network.port_security, truth);
  read(object, "impair", network.impair, impair);
  read(object, "blackhole", network.blackhole, each(ip_prefix));
  return network;
}

Nic nic(const Json& object, const std::string& default_network, const Folders& folders) {
  Nic nic;
  nic.mac = mac(object.at("mac"));
  nic.name = nic.mac.to_string();
  std::ranges::replace(nic.name, ':', '-');
  read(object, "name", nic.name, text);
  nic.network = default_network;
  read(object, "network", nic.network, text);
  read(object, "ip", nic.ip, ipv4);
  nic.hostname = nic.name;
  read(object, "hostname", nic.hostname, text);
  read(object, "link", nic.link, word<Link>(kLinkWords));
  read(object, "assign", nic.assign, word<Assign>(kAssignWords));
  read(object, "cid", nic.cid, [](const Json& value) { return value.get<std::uint32_t>(); });
  read(object, "dgram", nic.dgram, [&](const Json& path) { return resolve_path(folders.config, text(path)); });
  read(object, "impair", nic.impair, impair);
  return nic;
}

void read_listen(const Json& object, const std::string& default_network, const Folders& folders, Listen& listen) {
  const auto resolved = [&](const Json& path) { return resolve_path(folders.config, text(path)); };
  const auto resolved_or_vsock = [&](const Json& path) {
    return text(path).starts_with(kVsockScheme) ? text(path) : resolved(path);
  };
  const auto entries = [&](auto resolve) {
    return each([&default_network, resolve](const Json& value) {
      if (!value.is_object()) return ListenEntry{resolve(value), default_network};
      ListenEntry entry{resolve(value.at("path")), default_network};
      read(value, "network", entry.network, text);
      return entry;
    });
  };
  read(object, "dgram", listen.dgram, entries(resolved));
  read(object, "stream", listen.stream, entries(resolved));
  read(object, "control", listen.control, resolved);
  read(object, "control_tcp", listen.control_tcp, [&](const Json& value) {
    return ControlTcp{endpoint(value.at("address")), resolved(value.at("token_file"))};
  });
  read(object, "assign", listen.assign, each([&](const Json& value) {
         AssignEntry entry;
         entry.network = default_network;
         entry.path = resolved_or_vsock(value.is_object() ? value.at("path") : value);
         if (!value.is_object()) return entry;
         read(value, "network", entry.network, text);
         read(value, "nic", entry.nic, text);
         read(value, "serial", entry.serial, truth);
         return entry;
       }));
}

Service service(const Json& object, const Folders& folders) {
  Service service;
  service.name = text(object.at("name"));
  read(object, "ipv4", service.ipv4, each(ipv4));
  read(object, "ipv6", service.ipv6, each(ipv6));
  read(object, "kind", service.kind, word<ServiceKind>(kServiceKindWords));
  read(object, "root", service.root, [&](const Json& path) { return resolve_path(folders.config, text(path)); });
  read(object, "records", service.records, each(dns_record));
  if (const Json* forward = member(object, "forward")) {
    for (const auto& entry : forward->items()) {
      const auto protocol = from_word<Protocol>(kProtocolWords, std::string_view{entry.key()}.substr(0, 3));
      const auto port =
          static_cast<std::uint16_t>(parse_number(std::string_view{entry.key()}.substr(4), 1, 65535).value());
      service.forward[{protocol, port}] = endpoint_or_unix(entry.value(), folders);
    }
  }
  read(object, "proxy_protocol", service.proxy_protocol, [](const Json& value) {
    return value.is_boolean() ? std::uint8_t{value.get<bool>()} : value.get<std::uint8_t>();
  });
  return service;
}

TimelineEvent timeline_event(const Json& object) {
  TimelineEvent event;
  event.at = seconds(object.at("at_s"));
  read(object, "nic", event.nic, text);
  read(object, "network", event.network, text);
  read(object, "service", event.service, text);
  read(object, "up", event.up, truth);
  read(object, "link", event.link, word<Link>(kLinkWords));
  read(object, "assign", event.assign, word<Assign>(kAssignWords));
  read(object, "nat", event.nat, nat);
  read(object, "wan", event.wan,
       [](const Json& value) { return value.is_null() ? std::nullopt : std::optional{wan(value)}; });
  read(object, "ipv4", event.ipv4, ipv4_prefix);
  read(object, "reboot", event.reboot, truth);
  read(object, "impair", event.impair, impair);
  read(object, "blackhole", event.blackhole, each(ip_prefix));
  read(object, "egress", event.egress, egress);
  return event;
}

Capture capture(const Json& object, const Folders& folders) {
  Capture capture;
  capture.file = text(object.at("file"));
  if (capture.file != "-") capture.file = resolve_path(folders.config, capture.file);
  read(object, "filter", capture.filter, text);
  read(object, "snaplen", capture.snaplen, integer<std::uint32_t>);
  read(object, "rotate_mb", capture.rotate_mb, integer<std::uint32_t>);
  read(object, "keep", capture.keep, integer<std::uint32_t>);
  return capture;
}

}  // namespace

Nic read_nic(const Json& object, const std::string& default_network, const Folders& folders) {
  return nic(object, default_network, folders);
}

Forward read_forward(const Json& object, const Folders& folders) {
  Forward forward;
  read(object, "proto", forward.proto, word<Protocol>(kProtocolWords));
  forward.listen = endpoint_or_unix(object.at("listen"), folders);
  forward.to = endpoint(object.at("to"));
  forward.proxy_protocol = object.value("proxy_protocol", std::uint8_t{0});
  return forward;
}

DnsRecord read_dns_record(const Json& object) { return dns_record(object); }

Impair read_impair(const Json& object) { return impair(object); }

Egress read_egress(const Json& object) { return egress(object); }

Nat read_nat(const Json& value) { return nat(value); }

Wan read_wan(const Json& object) { return wan(object); }

std::vector<IpPrefix> read_prefixes(const Json& array) { return each(ip_prefix)(array); }

std::string resolve_path(const std::string& folder, const std::string& path) {
  return (std::filesystem::path{folder} / path).lexically_normal().string();
}

Config read_config(const Json& document, const Folders& folders) {
  Config config;
  if (const Json* networks = member(document, "networks")) {
    for (const Json& object : *networks) config.networks.push_back(network(object, config.networks.empty(), folders));
  } else {
    config.networks.push_back(network(Json::object(), true, folders));
  }
  const std::string first = config.networks.front().name;
  read(document, "nics", config.nics, each([&](const Json& object) { return nic(object, first, folders); }));
  config.listen.dgram = {{resolve_path(folders.runtime, "dgram.sock"), first}};
  config.listen.stream = {{resolve_path(folders.runtime, "stream.sock"), first}};
  config.listen.control = resolve_path(folders.runtime, "control.sock");
  if (const Json* listen = member(document, "listen")) read_listen(*listen, first, folders, config.listen);
  read(document, "services", config.services, each([&](const Json& object) { return service(object, folders); }));
  read(document, "timeline", config.timeline, each(timeline_event));
  read(document, "capture", config.capture, [&](const Json& object) { return capture(object, folders); });
  read(document, "state", config.state, [&](const Json& path) { return resolve_path(folders.config, text(path)); });
  read(document, "seed", config.seed, integer<std::uint64_t>);
  return config;
}

}  // namespace vnet::daemon
