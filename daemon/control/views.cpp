#include "daemon/control/views.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/config_print.hpp"

namespace vnet::daemon {
namespace {

Json counters(std::uint64_t frames, std::uint64_t bytes, const DropCounters& drops) {
  return {{"frames", frames}, {"bytes", bytes}, {"drops", to_json(drops)}};
}

Json attachment(const network::Attachment& attachment, const Moment& at) {
  if (attachment.kind == network::AttachmentKind::none) return nullptr;
  return {{"kind", to_string(attachment.kind)},
          {"peer", attachment.peer},
          {"since", to_rfc3339(at.unix_ms_of(attachment.since))}};
}

/// The members that are not as without them.
Json impair(const Impair& impair) {
  Json shown = to_json(impair);
  const Json none = to_json(Impair{});
  const auto shorten = [&none](Json& way) {
    for (const auto& member : none.items()) {
      if (way.at(member.key()) == member.value()) way.erase(member.key());
    }
  };
  if (impair.up == impair.down) {
    shorten(shown);
  } else {
    for (const char* direction : {"up", "down"}) shorten(shown.at(direction));
  }
  return shown;
}

Json upstream(const Dns& dns) {
  if (dns.system_upstream) return "system";
  if (dns.upstream.empty()) return "none";
  Json servers = Json::array();
  for (const Endpoint& server : dns.upstream) servers.push_back(to_string(server));
  return servers;
}

/// `egress` is null where the network has none, because it was switched off from the start.
Json egress_view(const nat::Egress* egress, const Network& config) {
  Json object = to_json(config.egress);
  if (config.host_alias) object["host_alias"] = vnet::to_string(*config.host_alias);
  object["verdicts"] = Json::object();
  object["flows"] = Json::object();
  if (egress == nullptr) return object;
  for (std::size_t i = 0; i < nat::kEgressVerdicts.size(); ++i) {
    const std::uint64_t count = egress->counters().verdicts[i];
    if (count > 0) object["verdicts"][std::string{nat::kEgressVerdicts[i].name}] = count;
  }
  object["flows"]["tcp"] = {{"used", egress->tcp().size()}, {"limit", egress->tcp().limits().flows}};
  object["flows"]["datagram"] = {{"used", egress->datagrams().size()}, {"limit", egress->datagrams().limits().flows}};
  return object;
}

}  // namespace

Json to_json(const DropCounters& drops) {
  Json object = Json::object();
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (drops[reason] > 0) object[std::string{to_string(reason)}] = drops[reason];
  }
  return object;
}

Json to_json(const NumberedEvent& numbered) {
  const network::Event& event = numbered.event;
  Json object = {{"id", numbered.id}, {"time", to_rfc3339(numbered.unix_ms)}, {"event", to_string(event.kind)}};
  if (!event.network.empty()) object["network"] = event.network;
  if (!event.nic.empty()) object["nic"] = event.nic;
  if (event.mac) object["mac"] = event.mac->to_string();
  if (!event.subject.empty()) object["subject"] = event.subject;
  if (!event.cause.empty()) object["cause"] = event.cause;
  return object;
}

Json to_json(const Captures::Running& running) {
  const CaptureRequest& request = running.request;
  const capture::Counters counted = running.recorder->counters();
  Json object = {{"id", request.id}, {"live", running.live}};
  if (!running.live) object["file"] = request.file;
  object["nics"] = request.nics;
  object["filter"] = request.filter;
  object["snaplen"] = request.snaplen;
  if (!running.live) object["rotate_mb"] = request.rotate_mb;
  if (!running.live) object["keep"] = request.keep;
  object["started"] = to_rfc3339(running.started_unix_ms);
  object["frames"] = counted.received;
  object["accepted"] = counted.accepted;
  object["lost"] = counted.lost;
  object["written"] = counted.written;
  return object;
}

Json nic_view(network::Fabric& fabric, l2::PortId port, const Nic* configured, const Moment& at) {
  const network::Nic& nic = fabric.nic(port);
  Json object = {{"name", nic.config.name},
                 {"mac", nic.config.mac.to_string()},
                 {"network", fabric.network_config(nic.config.network).name},
                 {"link", nic.config.link_up ? "up" : "down"},
                 {"configured", nic.configured}};
  if (nic.config.ip) object["ip"] = nic.config.ip->to_string();
  if (!nic.config.hostname.empty()) object["hostname"] = nic.config.hostname;
  const bool ready = configured != nullptr && configured->assign == Assign::ready;
  object["assign"] = ready ? "ready" : "wait";
  if (configured != nullptr && configured->dgram) object["dgram"] = *configured->dgram;
  object["impair"] = impair(nic.config.impair);
  object["attachment"] = attachment(nic.attachment, at);
  object["addresses"] = Json::array();
  const auto addresses = fabric.gateway(nic.config.network).addresses_of(nic.config.mac);
  if (addresses.v4) object["addresses"].push_back(addresses.v4->to_string());
  for (const Ipv6Address& address : addresses.v6) object["addresses"].push_back(address.to_string());
  const network::NicCounters& counted = nic.counters;
  object["in"] = counters(counted.frames_in, counted.bytes_in, counted.drops_in);
  object["out"] = counters(counted.frames_out, counted.bytes_out, counted.drops_out);
  return object;
}

Json network_view(network::Fabric& fabric, std::size_t network, const Network& config, const Moment&) {
  std::size_t nics = 0;
  std::size_t attached = 0;
  for (std::size_t i = 0; i < fabric.nic_slots(); ++i) {
    const network::Nic& nic = fabric.nic(l2::PortId{static_cast<std::uint32_t>(i)});
    if (!nic.in_use || nic.config.network != network) continue;
    ++nics;
    if (nic.is_attached()) ++attached;
  }
  Json object = {{"name", config.name}, {"mac", config.mac.to_string()}};
  if (config.ipv4) object["ipv4"] = config.ipv4->to_string();
  if (config.ipv6) object["ipv6"] = config.ipv6->to_string();
  object["mtu"] = config.mtu;
  if (config.wan) object["wan"] = to_json(*config.wan);
  object["nat"] = to_json(config.nat);
  object["blackhole"] = to_json(config.blackhole);
  object["members"] = config.members == Members::open ? "open" : "listed";
  object["port_security"] = config.port_security;
  object["impair"] = impair(config.impair);
  object["nics"] = nics;
  object["attached"] = attached;
  if (network::AddressService* const addresses = fabric.gateway(network).addresses(); addresses != nullptr) {
    object["dhcp"] = {{"range", {config.dhcp.first.to_string(), config.dhcp.last.to_string()}},
                      {"lease_s", std::chrono::duration_cast<std::chrono::seconds>(config.dhcp.lease).count()},
                      {"leases", addresses->server().lease_count()}};
  }
  object["egress"] = egress_view(fabric.egress(network), config);
  object["dns"] = {
      {"domain", config.dns.domain}, {"upstream", upstream(config.dns)}, {"records", config.dns.records.size()}};
  return object;
}

Json service_view(const Service& service, bool up) {
  Json object = to_json(service);
  object["up"] = up;
  object["addresses"] = Json::array();
  for (const Ipv4Address& address : service.ipv4) object["addresses"].push_back(address.to_string());
  for (const Ipv6Address& address : service.ipv6) object["addresses"].push_back(address.to_string());
  for (const char* const shown_otherwise : {"ipv4", "ipv6"}) object.erase(shown_otherwise);
  object["proxy_protocol"] = service.proxy_protocol;
  return object;
}

Json lease_view(const network::Fabric& fabric, std::size_t network, const dhcp::Lease& lease, const Moment& at) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(lease.expires - at.now).count();
  Json object = {{"network", fabric.network_config(network).name},
                 {"ip", lease.ip.to_string()},
                 {"mac", lease.mac.to_string()},
                 {"hostname", lease.hostname}};
  if (const l2::PortId port = fabric.find(lease.mac); port != l2::kNoPort) {
    object["nic"] = fabric.nic(port).config.name;
  }
  object["expires"] = to_rfc3339(at.unix_ms_of(lease.expires));
  object["remaining_s"] = std::max<std::int64_t>(0, left);
  return object;
}

}  // namespace vnet::daemon
