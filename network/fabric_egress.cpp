// The fabric's way out: each network's egress, the room that its guests' ports have for what comes back, and events of
// the host's sockets.
#include <algorithm>
#include <cassert>

#include "network/fabric.hpp"

namespace vnet::network {
namespace {

/// What egress lets wait for one port, well below what its queue holds (dgram/frame_queue.hpp): the rest is for what
/// other guests send it.
constexpr std::size_t kMaxBacklogFrames = 128;
constexpr std::size_t kMaxBacklogBytes = 512 * 1024;

}  // namespace

nat::EgressConfig Fabric::egress_config(const NetworkConfig& config) {
  nat::EgressConfig egress;
  egress.mac = config.mac;
  egress.mtu = config.mtu;
  if (config.ipv4) {
    egress.ipv4 = config.ipv4->address;
    egress.inside.emplace_back(*config.ipv4);
  }
  if (config.ipv6) {
    egress.ipv6 = config.ipv6->address;
    egress.inside.emplace_back(*config.ipv6);
  }
  if (config.wan) {
    // It stands beyond the router, whose outside addresses the guests have there.
    egress.whole_datagrams = true;
    if (config.wan->ipv4) egress.ipv4 = config.wan->ipv4;
    if (config.wan->ipv6) egress.ipv6 = config.wan->ipv6;
  }
  egress.rules = *config.egress;
  egress.host_alias = config.host_alias;
  egress.udp_timeout = config.nat.udp_timeout;
  egress.tcp_established_timeout = config.nat.tcp_established_timeout;
  return egress;
}

std::size_t Fabric::Network::frames(const MacAddress& guest, std::size_t frame_bytes) const {
  const l2::PortId port = table.lookup(guest, now);
  if (port == l2::kNoPort || port == l2::kGatewayPort) return kMaxBacklogFrames;
  const Nic& nic = nics[index(port)];
  if (nic.backlog_frames >= kMaxBacklogFrames || nic.backlog_bytes >= kMaxBacklogBytes) return 0;
  // At least one, or a frame larger than the limit would wait for ever.
  return std::clamp<std::size_t>((kMaxBacklogBytes - nic.backlog_bytes) / std::max<std::size_t>(frame_bytes, 1), 1,
                                 kMaxBacklogFrames - nic.backlog_frames);
}

void Fabric::open_egress(nat::HostSockets& sockets) {
  egress_shared_.sockets = &sockets;
  for (std::size_t i = 0; i < networks_.size(); ++i) {
    if (networks_[i]) make_egress(i, *networks_[i]);
  }
}

void Fabric::make_egress(std::size_t number, Network& network) {
  if (egress_shared_.sockets == nullptr || !network.config.egress) return;
  network.egress =
      std::make_unique<nat::Egress>(egress_config(network.config), number, egress_shared_, random_, network);
  network.gateway.set_egress(network.egress.get());
}

/// Flows go on under the new configuration, as far as its rules let them.
void Fabric::succeed_egress(std::size_t number, Network& former, Network& fresh) {
  if (!former.egress || !fresh.config.egress) return make_egress(number, fresh);
  fresh.egress = std::move(former.egress);
  fresh.egress->reconfigure(egress_config(fresh.config), fresh);
  fresh.gateway.set_egress(fresh.egress.get());
}

void Fabric::change_egress(std::size_t network, const nat::EgressRules& rules, std::string_view cause, Instant now) {
  assert(has_network(network));
  Network& changed = *networks_[network];
  changed.config.egress = rules;
  if (changed.egress) {
    // One that is switched off stays for its counters, and refuses everything.
    changed.egress->reconfigure(egress_config(changed.config), changed);
    end_egress_batch(changed, now);
    forward_from_gateway(changed, now);
  } else {
    make_egress(network, changed);
  }
  tell(l2::kGatewayPort,
       {EventKind::network_changed, now, changed.config.name, {}, std::nullopt, {}, "egress: " + std::string{cause}});
}

void Fabric::end_egress_batch(Network& network, Instant now) {
  network.now = now;
  network.egress->end_batch(now);
}

std::optional<MacAddress> Fabric::guest_at(std::size_t network, const IpAddress& address) const {
  const Gateway& gateway = networks_[network]->gateway;
  for (const auto& mac : {gateway.heard_at(address), gateway.assigned_to(address)}) {
    if (!mac) continue;
    const l2::PortId port = find(*mac);
    // A station behind a bridge has no NIC of its own.
    if (port == l2::kNoPort || (nic(port).config.network == network && nic(port).is_live())) return mac;
  }
  return std::nullopt;
}

void Fabric::solicit(std::size_t network, const IpAddress& address, Instant now) {
  networks_[network]->gateway.solicit(address);
  forward_from_gateway(*networks_[network], now);
}

void Fabric::on_host(nat::FlowId id, nat::HostEvents events, Instant now) {
  const std::size_t number = nat::Egress::network_of(id);
  if (!has_network(number) || !networks_[number]->egress) return;
  networks_[number]->egress->on_host(id, events, now);
}

void Fabric::end_host_events(Instant now) {
  for (const auto& network : networks_) {
    if (!network || !network->egress) continue;
    forward_from_gateway(*network, now);
  }
}

}  // namespace vnet::network
