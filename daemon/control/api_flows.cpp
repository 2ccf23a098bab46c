// /v1/flows: what guests exchange with the real world now.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/control/api.hpp"
#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

Json flow_json(const network::Fabric& fabric, nat::FlowId id, const MacAddress& mac) {
  Json object = {{"id", nat::Egress::number_of(id)},
                 {"network", fabric.network_config(nat::Egress::network_of(id)).name},
                 {"mac", mac.to_string()}};
  if (const l2::PortId port = fabric.find(mac); port != l2::kNoPort) object["nic"] = fabric.nic(port).config.name;
  return object;
}

std::int64_t seconds_since(Instant began, const Moment& at) {
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(at.now - began).count());
}

Json tcp_view(const network::Fabric& fabric, const nat::TcpSplice& flow, const Moment& at) {
  Json object = flow_json(fabric, flow.id(), flow.guest());
  object["proto"] = "tcp";
  object["guest"] = to_string(Endpoint{flow.flow().remote, flow.flow().remote_port});
  object["remote"] = to_string(Endpoint{flow.flow().local, flow.flow().local_port});
  object["state"] = to_string(flow.phase());
  object["age_s"] = seconds_since(flow.began(), at);
  object["bytes_from_guest"] = flow.bytes_to_host();
  object["bytes_to_guest"] = flow.bytes_to_guest();
  object["retransmitted"] = flow.retransmitted();
  object["buffered_bytes"] = flow.kept_bytes();
  return object;
}

/// An echo's port is its identifier, which the remote end has none of.
Json datagram_view(const network::Fabric& fabric, const nat::DatagramView& flow, const Moment& at) {
  const bool echo = flow.key.kind == nat::DatagramKind::echo;
  Json object = flow_json(fabric, flow.id, flow.mac);
  object["proto"] = echo ? "icmp" : "udp";
  object["guest"] = to_string(Endpoint{flow.key.guest, flow.key.port});
  object["remote"] = echo ? vnet::to_string(flow.last.address) : to_string(Endpoint{flow.last.address, flow.last.port});
  object["age_s"] = seconds_since(flow.began, at);
  object["bytes_from_guest"] = flow.bytes_to_host;
  object["bytes_to_guest"] = flow.bytes_to_guest;
  return object;
}

/// Nothing once it is over.
std::optional<Json> flow_view(const network::Fabric& fabric, nat::FlowId id, const Moment& at) {
  const std::size_t network = nat::Egress::network_of(id);
  const nat::Egress* const egress = fabric.has_network(network) ? fabric.egress(network) : nullptr;
  if (egress == nullptr) return std::nullopt;
  if (const nat::TcpSplice* const flow = egress->tcp().find(id)) return tcp_view(fabric, *flow, at);
  if (const nat::DatagramView* const flow = egress->datagrams().find(id)) return datagram_view(fabric, *flow, at);
  return std::nullopt;
}

/// The flows of some networks, the oldest of each network first. Their numbers are noted when the network's turn comes,
/// which is quick; each is looked up when its own turn comes, and passed over if it has ended by then.
class FlowCursor {
 public:
  FlowCursor(const network::Fabric& fabric, std::size_t first, std::size_t end, std::optional<MacAddress> only)
      : fabric_(fabric), next_network_(first), end_(end), only_(only) {}

  std::optional<Json> next(const Moment& at) {
    while (true) {
      while (position_ < ids_.size()) {
        if (auto flow = flow_view(fabric_, ids_[position_++], at)) return flow;
      }
      if (next_network_ >= std::min(end_, fabric_.network_count())) return std::nullopt;
      note(next_network_++);
    }
  }

 private:
  void note(std::size_t network) {
    ids_.clear();
    position_ = 0;
    const nat::Egress* const egress = fabric_.has_network(network) ? fabric_.egress(network) : nullptr;
    if (egress == nullptr) return;
    ids_.reserve(egress->tcp().size() + egress->datagrams().size());
    egress->tcp().for_each([this](const nat::TcpSplice& flow) {
      if (!only_ || flow.guest() == *only_) ids_.push_back(flow.id());
    });
    egress->datagrams().for_each([this](const nat::DatagramView& flow) {
      if (!only_ || flow.mac == *only_) ids_.push_back(flow.id);
    });
    std::ranges::sort(ids_);
  }

  const network::Fabric& fabric_;
  std::size_t next_network_;
  std::size_t end_;
  std::optional<MacAddress> only_;
  std::vector<nat::FlowId> ids_;
  std::size_t position_ = 0;
};

}  // namespace

http::Response Api::get_flows(Call& call) {
  std::size_t first = 0;
  std::size_t end = network::Fabric::kMaxNetworks;
  if (call.request.parameter("network") != nullptr) {
    auto network = network_of(call);
    if (!network) return std::move(network.error());
    first = *network;
    end = first + 1;
  }
  std::optional<MacAddress> only;
  if (const std::string* const nic = call.request.parameter("nic"); nic != nullptr) {
    auto port = find_nic(*nic);
    if (!port) return std::move(port.error());
    only = parts_.fabric.nic(*port).config.mac;
  }
  return list(
      [this, flows = FlowCursor{parts_.fabric, first, end, only}]() mutable { return flows.next(parts_.clock()); });
}

}  // namespace vnet::daemon
