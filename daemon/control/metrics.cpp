#include "daemon/control/metrics.hpp"

#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

namespace vnet::daemon {
namespace {

/// A label's value, escaped as the format asks.
std::string label_value(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text + "\"";
}

struct Family {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  /// Appends the samples from position `next` on, some at a time; false: those were the last.
  bool (*samples)(const MetricSources& sources, std::string_view name, std::size_t& next, std::string& out);
};

void sample(std::string& out, std::string_view name, const std::string& labels, std::uint64_t value) {
  out += name;
  if (!labels.empty()) out += "{" + labels + "}";
  out += " " + std::to_string(value) + "\n";
}

constexpr std::size_t kNicsPerPiece = 64;

/// Calls `write(nic, labels)` for a piece of the NICs.
template <typename Write>
bool each_nic(const MetricSources& sources, std::size_t& next, Write write) {
  const std::size_t end = std::min(next + kNicsPerPiece, sources.fabric.nic_slots());
  for (; next < end; ++next) {
    const network::Nic& nic = sources.fabric.nic(l2::PortId{static_cast<std::uint32_t>(next)});
    if (!nic.in_use) continue;
    write(nic, "nic=" + label_value(nic.config.name) +
                   ",network=" + label_value(sources.fabric.network_config(nic.config.network).name));
  }
  return next < sources.fabric.nic_slots();
}

template <auto Value>
bool nic_samples(const MetricSources& sources, std::string_view name, std::size_t& next, std::string& out) {
  return each_nic(sources, next,
                  [&](const network::Nic& nic, const std::string& labels) { sample(out, name, labels, Value(nic)); });
}

bool nic_drops(const MetricSources& sources, std::string_view name, std::size_t& next, std::string& out) {
  return each_nic(sources, next, [&](const network::Nic& nic, const std::string& labels) {
    for (std::size_t i = 0; i < kDropReasonCount; ++i) {
      const auto reason = static_cast<DropReason>(i);
      const std::string of = labels + ",reason=" + label_value(to_string(reason)) + ",direction=";
      if (nic.counters.drops_in[reason] > 0) sample(out, name, of + "\"in\"", nic.counters.drops_in[reason]);
      if (nic.counters.drops_out[reason] > 0) sample(out, name, of + "\"out\"", nic.counters.drops_out[reason]);
    }
  });
}

template <auto Value>
bool one_sample(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  sample(out, name, {}, Value(sources));
  return false;
}

bool build_info(const MetricSources&, std::string_view name, std::size_t&, std::string& out) {
  sample(out, name, "version=" + label_value(VNET_VERSION), 1);
  return false;
}

bool door_drops(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    const std::uint64_t count = sources.hub.door_drops()[reason];
    if (count > 0) sample(out, name, "reason=" + label_value(to_string(reason)), count);
  }
  return false;
}

/// Calls `write(network, label)` for each network.
template <typename Write>
bool each_network(const MetricSources& sources, Write write) {
  for (std::size_t i = 0; i < sources.fabric.network_count(); ++i) {
    if (sources.fabric.has_network(i)) write(i, "network=" + label_value(sources.fabric.network_config(i).name));
  }
  return false;
}

bool leases(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_network(sources, [&](std::size_t network, const std::string& label) {
    network::AddressService* const addresses = sources.fabric.gateway(network).addresses();
    if (addresses != nullptr) sample(out, name, label, addresses->server().lease_count());
  });
}

bool dns_queries(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_network(sources, [&](std::size_t network, const std::string& label) {
    sample(out, name, label, sources.fabric.gateway(network).dns().counters().queries);
  });
}

bool dns_replies(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_network(sources, [&](std::size_t network, const std::string& label) {
    const auto& replies = sources.fabric.gateway(network).dns().counters().replies;
    for (std::size_t rcode = 0; rcode < replies.size(); ++rcode) {
      if (replies[rcode] > 0) sample(out, name, label + ",rcode=\"" + std::to_string(rcode) + "\"", replies[rcode]);
    }
  });
}

/// Calls `write(egress, label)` for each network that has a way out.
template <typename Write>
bool each_egress(const MetricSources& sources, Write write) {
  return each_network(sources, [&](std::size_t network, const std::string& label) {
    if (const nat::Egress* const egress = sources.fabric.egress(network); egress != nullptr) write(*egress, label);
  });
}

template <auto Value>
bool egress_samples(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(
      sources, [&](const nat::Egress& egress, const std::string& label) { sample(out, name, label, Value(egress)); });
}

template <auto Value>
bool tcp_samples(const MetricSources& sources, std::string_view name, std::size_t& next, std::string& out) {
  return egress_samples<[](const nat::Egress& egress) { return Value(egress.tcp().counters()); }>(sources, name, next,
                                                                                                  out);
}

template <auto Value>
bool datagram_samples(const MetricSources& sources, std::string_view name, std::size_t& next, std::string& out) {
  return egress_samples<[](const nat::Egress& egress) { return Value(egress.datagrams().counters()); }>(sources, name,
                                                                                                        next, out);
}

bool egress_flows(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(sources, [&](const nat::Egress& egress, const std::string& label) {
    const nat::DatagramFlows& datagrams = egress.datagrams();
    sample(out, name, label + ",proto=\"tcp\"", egress.tcp().size());
    sample(out, name, label + ",proto=\"udp\"", datagrams.size(nat::DatagramKind::udp));
    sample(out, name, label + ",proto=\"icmp\"", datagrams.size(nat::DatagramKind::echo));
  });
}

bool egress_datagrams(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(sources, [&](const nat::Egress& egress, const std::string& label) {
    sample(out, name, label + ",direction=\"in\"", egress.datagrams().counters().from_guests);
    sample(out, name, label + ",direction=\"out\"", egress.datagrams().counters().to_guests);
  });
}

bool egress_reassembly(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(sources, [&](const nat::Egress& egress, const std::string& label) {
    const nat::ReassemblyCounters& counted = egress.reassembler().counters();
    sample(out, name, label + ",result=\"completed\"", counted.completed);
    sample(out, name, label + ",result=\"condemned\"", counted.condemned);
    sample(out, name, label + ",result=\"evicted\"", counted.evicted);
    sample(out, name, label + ",result=\"timed-out\"", counted.timed_out);
  });
}

bool egress_verdicts(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(sources, [&](const nat::Egress& egress, const std::string& label) {
    for (std::size_t i = 0; i < nat::kEgressVerdicts.size(); ++i) {
      const std::uint64_t count = egress.counters().verdicts[i];
      if (count > 0) sample(out, name, label + ",verdict=" + label_value(nat::kEgressVerdicts[i].name), count);
    }
  });
}

/// Calls `write(router, labels)` for each router: every network has one, and some have a carrier's.
template <typename Write>
bool each_router(const MetricSources& sources, Write write) {
  return each_network(sources, [&](std::size_t network, const std::string& label) {
    const network::Router* const router = sources.fabric.internet().router(network);
    if (router == nullptr) return;
    write(*router, label + ",router=\"home\"");
    if (router->carrier) write(*router->carrier, label + ",router=\"carrier\"");
  });
}

template <auto Value>
bool router_samples(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_router(sources, [&](const network::Router& router, const std::string& labels) {
    sample(out, name, labels, Value(router.translator));
  });
}

bool router_drops(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_router(sources, [&](const network::Router& router, const std::string& labels) {
    for (std::size_t i = 0; i < kDropReasonCount; ++i) {
      const auto reason = static_cast<DropReason>(i);
      if (router.drops[reason] > 0)
        sample(out, name, labels + ",reason=" + label_value(to_string(reason)), router.drops[reason]);
    }
  });
}

bool egress_services(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  return each_egress(sources, [&](const nat::Egress& egress, const std::string& label) {
    const nat::ServiceCounters& counted = egress.counters().services;
    sample(out, name, label + ",what=\"connections\"", counted.connections);
    sample(out, name, label + ",what=\"refused\"", counted.refused);
    sample(out, name, label + ",what=\"datagrams\"", counted.datagrams);
    sample(out, name, label + ",what=\"vanished\"", counted.vanished);
  });
}

template <auto Value>
bool socket_sample(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  if (sources.sockets != nullptr) sample(out, name, {}, Value(*sources.sockets));
  return false;
}

bool capture_lost(const MetricSources& sources, std::string_view name, std::size_t&, std::string& out) {
  for (const Captures::Running& capture : sources.captures.running()) {
    sample(out, name, "capture=" + label_value(capture.request.id), capture.recorder->counters().lost);
  }
  return false;
}

constexpr std::array kFamilies = {
    Family{"vnet_build_info", "gauge", "The version that runs; always 1.", build_info},
    Family{"vnet_start_time_seconds", "gauge", "When the daemon began to serve, in Unix time.",
           one_sample<[](const MetricSources& s) { return static_cast<std::uint64_t>(s.started_unix_s); }>},
    Family{"vnet_nic_link_up", "gauge", "Whether the NIC's link is up.",
           nic_samples<[](const network::Nic& nic) { return std::uint64_t{nic.config.link_up}; }>},
    Family{"vnet_nic_attached", "gauge", "Whether something is attached to the NIC.",
           nic_samples<[](const network::Nic& nic) { return std::uint64_t{nic.is_attached()}; }>},
    Family{"vnet_nic_received_frames_total", "counter", "Frames that the switch accepted from the NIC.",
           nic_samples<[](const network::Nic& nic) { return nic.counters.frames_in; }>},
    Family{"vnet_nic_received_bytes_total", "counter", "Bytes of these frames.",
           nic_samples<[](const network::Nic& nic) { return nic.counters.bytes_in; }>},
    Family{"vnet_nic_sent_frames_total", "counter", "Frames that were handed to the NIC.",
           nic_samples<[](const network::Nic& nic) { return nic.counters.frames_out; }>},
    Family{"vnet_nic_sent_bytes_total", "counter", "Bytes of these frames.",
           nic_samples<[](const network::Nic& nic) { return nic.counters.bytes_out; }>},
    Family{"vnet_nic_dropped_frames_total", "counter", "Frames from (in) and to (out) the NIC that were dropped.",
           nic_drops},
    Family{"vnet_refused_frames_total", "counter", "Frames of clients that are no NIC.", door_drops},
    Family{"vnet_dhcp_leases", "gauge", "Leases in force.", leases},
    Family{"vnet_dns_queries_total", "counter", "Queries that reached the gateway's DNS server.", dns_queries},
    Family{"vnet_dns_replies_total", "counter", "Its replies, by response code.", dns_replies},
    Family{"vnet_egress_flows", "gauge", "Flows of guests with the world that are open.", egress_flows},
    Family{"vnet_egress_verdicts_total", "counter", "Packets that the rules of egress were asked about, by answer.",
           egress_verdicts},
    Family{
        "vnet_egress_services_total", "counter",
        "What guests sent to services that end in sockets of the host: connections, those of them that were refused, "
        "datagrams, and packets to services that are down.",
        egress_services},
    Family{"vnet_egress_tcp_opened_total", "counter", "TCP connections that guests began.",
           tcp_samples<[](const nat::TcpFlowCounters& counted) { return counted.opened; }>},
    Family{"vnet_egress_tcp_called_total", "counter", "TCP connections that were forwarded to guests.",
           tcp_samples<[](const nat::TcpFlowCounters& counted) { return counted.called; }>},
    Family{"vnet_egress_tcp_refused_total", "counter", "TCP connections that the host could not make.",
           tcp_samples<[](const nat::TcpFlowCounters& counted) { return counted.refused; }>},
    Family{"vnet_egress_tcp_limited_total", "counter", "TCP connections beyond a limit.",
           tcp_samples<[](const nat::TcpFlowCounters& counted) { return counted.limited; }>},
    Family{"vnet_egress_tcp_stray_segments_total", "counter", "Segments of guests that belong to no connection.",
           tcp_samples<[](const nat::TcpFlowCounters& counted) { return counted.stray; }>},
    Family{"vnet_egress_tcp_retransmitted_segments_total", "counter", "Segments that were sent to guests again.",
           egress_samples<[](const nat::Egress& egress) { return egress.tcp().retransmitted(); }>},
    Family{"vnet_egress_datagram_flows_opened_total", "counter", "UDP and echo flows that guests began.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.opened; }>},
    Family{"vnet_egress_datagram_flows_evicted_total", "counter", "Those that made room for another of their guest.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.evicted; }>},
    Family{"vnet_egress_datagram_flows_limited_total", "counter", "Those that a limit or the host refused.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.limited; }>},
    Family{"vnet_egress_datagrams_total", "counter", "UDP datagrams and echoes from (in) and to (out) guests.",
           egress_datagrams},
    Family{"vnet_egress_datagrams_failed_total", "counter", "Datagrams of guests that the host did not send.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.send_failed; }>},
    Family{"vnet_egress_datagrams_lost_total", "counter",
           "Datagrams for guests that are larger than the MTU and found no room to wait.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.lost; }>},
    Family{"vnet_egress_reassembly_total", "counter",
           "Datagrams of guests that came in fragments, by what became of them.", egress_reassembly},
    Family{"vnet_egress_icmp_errors_total", "counter", "ICMP errors about datagrams that were passed on to guests.",
           datagram_samples<[](const nat::DatagramCounters& counted) { return counted.errors; }>},
    Family{"vnet_egress_sockets", "gauge", "Sockets of the host that flows hold.",
           socket_sample<[](const SystemSockets& s) { return std::uint64_t{s.open()}; }>},
    Family{"vnet_egress_max_sockets", "gauge", "How many they may be.",
           socket_sample<[](const SystemSockets& s) { return std::uint64_t{s.max_sockets()}; }>},
    Family{"vnet_egress_sockets_refused_total", "counter", "Flows that found no socket left.",
           socket_sample<[](const SystemSockets& s) { return s.refused(); }>},
    Family{"vnet_nat_mappings", "gauge", "Mappings of a router.",
           router_samples<[](const nat::Translator& t) { return std::uint64_t{t.size()}; }>},
    Family{"vnet_nat_mappings_created_total", "counter", "Mappings that it has made.",
           router_samples<[](const nat::Translator& t) { return t.counters().created; }>},
    Family{"vnet_nat_mappings_expired_total", "counter", "Mappings that were unused for too long.",
           router_samples<[](const nat::Translator& t) { return t.counters().expired; }>},
    Family{"vnet_nat_filtered_packets_total", "counter", "Packets from outside that a mapping did not let in.",
           router_samples<[](const nat::Translator& t) { return t.counters().filtered; }>},
    Family{"vnet_nat_unmapped_packets_total", "counter", "Packets from outside that were for nobody.",
           router_samples<[](const nat::Translator& t) { return t.counters().unmapped; }>},
    Family{"vnet_nat_exhausted_packets_total", "counter", "Packets for which no mapping or port was left.",
           router_samples<[](const nat::Translator& t) { return t.counters().exhausted; }>},
    Family{"vnet_router_dropped_packets_total", "counter", "Packets from outside that went no further.", router_drops},
    Family{"vnet_events_total", "counter", "Events since an arbitrary time in the past.",
           one_sample<[](const MetricSources& s) { return s.events.next(); }>},
    Family{"vnet_captures", "gauge", "Captures that run.",
           one_sample<[](const MetricSources& s) { return std::uint64_t{s.captures.running().size()}; }>},
    Family{"vnet_capture_lost_records_total", "counter", "Records that a capture lost because its output was slower.",
           capture_lost},
    Family{"vnet_control_requests_total", "counter", "Requests to the control API.",
           one_sample<[](const MetricSources& s) { return s.server_counters().requests; }>},
    Family{"vnet_control_refused_connections_total", "counter", "Connections of other users, and beyond the limit.",
           one_sample<[](const MetricSources& s) {
             const http::ServerCounters counters = s.server_counters();
             return counters.refused_user + counters.refused_limit;
           }>},
};

class MetricsBody final : public http::Body {
 public:
  explicit MetricsBody(MetricSources sources) : sources_(std::move(sources)) {}

  More produce(std::string& out) override {
    const Family& family = kFamilies[family_];
    if (position_ == 0) {
      out.append("# HELP ").append(family.name).append(" ").append(family.help).append("\n");
      out.append("# TYPE ").append(family.name).append(" ").append(family.type).append("\n");
    }
    if (family.samples(sources_, family.name, position_, out)) return More::yes;
    position_ = 0;
    return ++family_ == kFamilies.size() ? More::no : More::yes;
  }

 private:
  MetricSources sources_;
  std::size_t family_ = 0;
  std::size_t position_ = 0;
};

}  // namespace

std::unique_ptr<http::Body> metrics(MetricSources sources) { return std::make_unique<MetricsBody>(std::move(sources)); }

}  // namespace vnet::daemon
