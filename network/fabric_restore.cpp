// Guests that are restored from snapshots: what is remembered of their connections when they are saved, and what ends
// when they come back.
//
// What there is of a restored guest ends here at once, and whoever is at its other end sees that: the guest knows
// nothing of it, or has other numbers. What the guest believes in, it is asked about; see stale_connections.hpp.
//
// A home's router keeps its mappings: what has ended beyond it shortens its patience by its own reset (RFC 7857, 2),
// and what else comes in for the guest, from guests of other homes, is better answered by the guest, who knows that
// there is no such connection, than lost in the router.
#include <algorithm>
#include <utility>

#include "network/fabric.hpp"

namespace vnet::network {
namespace {

/// Of all NICs together.
constexpr std::size_t kMaxStaleConnections = 65'536;

nat::Endpoint guest_of(const TcpFlow& flow) { return {flow.remote, flow.remote_port}; }
nat::Endpoint remote_of(const TcpFlow& flow) { return {flow.local, flow.local_port}; }

/// In TIME-WAIT the guest has ended it.
bool is_alive(const TcpConnection& connection) { return connection.state() != TcpState::time_wait; }
bool is_alive(const nat::TcpSplice& splice) {
  return splice.phase() == nat::TcpPhase::open || splice.phase() == nat::TcpPhase::syn_received;
}

bool may_be_a_guests(const NetworkConfig& config, const IpAddress& address) noexcept {
  const auto* const v6 = std::get_if<Ipv6Address>(&address);
  return config.has_inside(address) || (v6 != nullptr && config.ipv6 && v6->is_link_local());
}

}  // namespace

std::optional<MacAddress> Fabric::owner_of(const Network& network, const IpAddress& address) const {
  const auto assigned = network.gateway.assigned_to(address);
  return assigned ? assigned : network.gateway.heard_at(address);
}

void Fabric::each_connection(const std::function<void(const MacAddress&, const GuestConnection&)>& see) const {
  const auto seen = [&](const auto& connection, const std::optional<MacAddress>& mac, const nat::Endpoint& guest) {
    const nat::Endpoint remote = remote_of(connection.flow());
    if (mac && is_alive(connection)) see(*mac, {guest, remote, connection.unacknowledged(), connection.expected()});
  };
  for (const auto& network : networks_) {
    if (!network) continue;
    network->gateway.each_connection([&](const TcpConnection& connection) {
      seen(connection, owner_of(*network, connection.flow().remote), guest_of(connection.flow()));
    });
    if (!network->egress) continue;
    network->egress->tcp().for_each([&](const nat::TcpSplice& splice) {
      const nat::Endpoint end = guest_of(splice.flow());
      if (may_be_a_guests(network->config, end.address)) return seen(splice, splice.guest(), end);
      if (const auto place = internet_.find_guest(end, remote_of(splice.flow()))) {
        seen(splice, splice.guest(), place->guest);
      }
    });
  }
  internet_.each_connection([&](const TcpConnection& connection) {
    const auto place = internet_.find_guest(guest_of(connection.flow()), remote_of(connection.flow()));
    if (!place || !has_network(place->network)) return;
    seen(connection, owner_of(*networks_[place->network], place->guest.address), place->guest);
  });
}

void Fabric::restart_guest(l2::PortId port, std::vector<GuestConnection> believed, Instant now) {
  Nic& nic = at(port);
  Network& network = network_of(nic);
  const MacAddress& mac = nic.config.mac;
  const bool tell = nic.is_live();
  // Beyond a router the guest is told in any case: the routers on the way are to see it.
  const bool tell_routers = tell || network.config.wan;
  const auto is_its_own = [&](const IpAddress& address) { return owner_of(network, address) == mac; };
  if (network.egress) {
    network.egress->forget(mac, tell_routers);
    network.egress->calls().end_if(is_its_own);
  }
  network.gateway.end_connections(mac, tell, now);
  internet_.end_connections(
      [&](const TcpFlow& flow) {
        const auto place = internet_.find_guest(guest_of(flow), remote_of(flow));
        return place && place->network == network.number && is_its_own(place->guest.address);
      },
      tell_routers, now);
  // Nobody is asked about what is another guest's.
  std::erase_if(believed, [&](const GuestConnection& connection) {
    const IpAddress& address = connection.guest.address;
    if (address.index() != connection.remote.address.index()) return true;
    const auto owner = owner_of(network, address);
    return owner ? *owner != mac : !may_be_a_guests(network.config, address);
  });
  remember_stale(port, std::move(believed));
  forward_from_gateway(network, now);
}

void Fabric::remember_stale(l2::PortId port, std::vector<GuestConnection> connections) {
  Nic& nic = at(port);
  nic.stale.reset();
  std::erase(stale_, port);
  std::size_t known = 0;
  for (const l2::PortId other : stale_) known += at(other).stale ? at(other).stale->size() : 0;
  const std::size_t room = kMaxStaleConnections - std::min(known, kMaxStaleConnections);
  connections.resize(std::min({connections.size(), room, StaleConnections::kMaxConnections}));
  if (connections.empty()) return;
  nic.stale = std::make_unique<StaleConnections>(std::move(connections));
  stale_.push_back(port);
  if (nic.is_live()) begin_asking(nic);
}

void Fabric::begin_asking(Nic& nic) noexcept {
  nic.stale->begin();
  next_stale_ = kAtOnce;
}

void Fabric::ask_guests(Instant now) {
  next_stale_ = kNever;
  std::erase_if(stale_, [&](l2::PortId port) {
    Nic& nic = at(port);
    if (!nic.stale) return true;
    Network& network = network_of(nic);
    const MacAddress& mac = nic.config.mac;
    if (now >= nic.stale->due()) {
      // It may not have sent anything yet, and what is for it is for nobody else.
      if (network.table.lookup(mac, now) != port) introduce(port, now);
      network.now = now;
      const std::size_t room = network.frames(mac, kEthernetHeaderSize);
      const auto asked = nic.stale->take(now, room, nic.counters.drops_in[DropReason::no_service]);
      for (const GuestConnection& connection : asked) network.gateway.ask_about(connection, mac);
    }
    if (nic.stale->over()) {
      nic.stale.reset();
      return true;
    }
    next_stale_ = std::min(next_stale_, nic.stale->due());
    return false;
  });
}

}  // namespace vnet::network
