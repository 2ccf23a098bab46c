// The fabric's clients: who is admitted, attached, detached, and what their absence means in time. What people ask for
// is in fabric_change.cpp, the frames' way in fabric_forward.cpp.
#include "network/fabric.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace vnet::network {

Fabric::Fabric(std::vector<NetworkConfig> configs, std::vector<NicConfig> nics, std::uint64_t seed,
               dns::RandomSource dns_random)
    : seed_(seed), random_(seed), dns_random_(std::move(dns_random)) {
  assert(!configs.empty() && configs.size() <= kMaxNetworks);
  if (!dns_random_) dns_random_ = [this] { return random_.next(); };
  for (NetworkConfig& config : configs) {
    networks_.push_back(make_network(networks_.size(), std::move(config)));
    internet_.join(networks_.size() - 1, *networks_.back(), Instant{});
  }
  internet_.build_routes();
  for (NicConfig& nic : nics) {
    assert(!problem(nic));
    insert(std::move(nic), true, Instant{});
  }
}

l2::PortId Fabric::find(const MacAddress& mac) const {
  const auto found = by_mac_.find(mac);
  return found == by_mac_.end() ? l2::kNoPort : found->second;
}

l2::PortId Fabric::find(std::string_view name) const {
  const auto found = by_name_.find(lower_case(name));
  return found == by_name_.end() ? l2::kNoPort : found->second;
}

std::size_t Fabric::learned_macs(l2::PortId port) const noexcept { return network_of(nic(port)).table.size(port); }

const dhcp::Lease* Fabric::lease_of(l2::PortId port) const {
  const AddressService* const addresses = network_of(nic(port)).gateway.addresses();
  return addresses == nullptr ? nullptr : addresses->lease_of(nic(port).config.mac);
}

std::size_t Fabric::max_frame_size() const noexcept {
  std::size_t mtu = 0;
  for (const auto& network : networks_) {
    if (network) mtu = std::max<std::size_t>(mtu, network->config.mtu);
  }
  return kEthernetHeaderSize + 2 * kVlanTagSize + mtu;
}

Result<l2::PortId, DropReason> Fabric::admit(const MacAddress& source, std::optional<std::size_t> network,
                                             Instant now) {
  if (source.is_group() || source.is_zero()) return fail(DropReason::source_group);
  const l2::PortId known = find(source);
  // A configured NIC is where its configuration says. Any other is where it shows up.
  if (known != l2::kNoPort) {
    const Nic& nic = at(known);
    if (nic.configured || !network || nic.config.network == *network) return known;
    if (nic.is_attached()) return fail(DropReason::not_member);
  }
  const std::size_t target = network.value_or(kDefaultNetwork);
  if (!has_network(target)) return fail(DropReason::not_member);
  if (known != l2::kNoPort) remove(known, "it has appeared in another network", now);
  const NetworkConfig& config = networks_[target]->config;
  if (source == config.mac) return fail(DropReason::source_gateway);
  if (!config.open) return fail(DropReason::not_member);
  if (by_mac_.size() >= kMaxNics && !make_room(now)) return fail(DropReason::too_many_nics);
  const l2::PortId port = insert({default_name(source), source, target, true}, false, now);
  report(EventKind::nic_added, port, {}, "it has appeared", now);
  return port;
}

/// `nic-52cccccccc01`: also a DNS label.
std::string Fabric::default_name(const MacAddress& mac) const {
  std::string name = "nic-" + mac.to_string();
  std::erase(name, ':');
  // Somebody may have given just this name to another NIC.
  const std::string plain = name;
  for (unsigned i = 2; find(name) != l2::kNoPort; ++i) name = plain + "-" + std::to_string(i);
  return name;
}

bool Fabric::make_room(Instant now) {
  l2::PortId oldest = l2::kNoPort;
  for (const auto& [mac, port] : by_mac_) {
    const Nic& nic = at(port);
    if (nic.configured || nic.is_attached()) continue;
    if (oldest == l2::kNoPort || nic.detached_at < at(oldest).detached_at) oldest = port;
  }
  if (oldest == l2::kNoPort) return false;
  remove(oldest, "it makes room for another NIC", now);
  return true;
}

bool Fabric::may_move(l2::PortId port, Instant now) {
  Nic& nic = at(port);
  if (!nic.is_attached()) return true;
  if (now - nic.moves_since >= kMoveWindow) {
    nic.moves_since = now;
    nic.moves = 0;
  }
  if (nic.moves == kMaxMoves) report(EventKind::mac_flapping, port, {}, "claimed by several clients", now);
  return nic.moves++ < kMaxMoves;
}

void Fabric::attach(l2::PortId port, AttachmentKind kind, std::string peer, Instant now) {
  Nic& nic = at(port);
  nic.attachment = {kind, std::move(peer), now};
  nic.backlog_frames = nic.backlog_bytes = 0;  // what its predecessor still had is no burden of its
  nic.has_left = false;
  set_live(port, nic.is_live());
  report(EventKind::nic_attached, port, nic.attachment.peer, to_string(kind), now);
}

void Fabric::introduce(l2::PortId port, Instant now) {
  (void)network_of(at(port)).table.learn(at(port).config.mac, port, now);
}

void Fabric::detach(l2::PortId port, std::string_view cause, Instant now) {
  Nic& nic = at(port);
  if (!nic.is_attached()) return;
  set_live(port, false);
  network_of(nic).table.forget(port);
  network_of(nic).guard.forget(nic.config.mac);
  drop_delayed(port, DropReason::detached, now);
  nic.attachment = {};
  nic.detached_at = now;
  nic.has_left = true;
  next_linger_check_ = std::min<Instant>(next_linger_check_, now + kLinger);
  report(EventKind::nic_detached, port, {}, cause, now);
}

void Fabric::set_link(l2::PortId port, bool up, std::string_view cause, Instant now) {
  Nic& nic = at(port);
  if (nic.config.link_up == up) return;
  nic.config.link_up = up;
  set_live(port, nic.is_live());
  if (!up) drop_delayed(port, DropReason::link_down, now);
  report(EventKind::nic_link, port, up ? "up" : "down", cause, now);
}

void Fabric::set_live(l2::PortId port, bool live) {
  Nic& nic = at(port);
  auto& ports = network_of(nic).live;
  const auto found = std::ranges::find(ports, port);
  if (live == (found != ports.end())) return;
  if (live) {
    ports.push_back(port);
    if (nic.stale) begin_asking(nic);
  } else {
    ports.erase(found);
    if (nic.stale) nic.stale->pause();
  }
}

Instant Fabric::next_deadline() const {
  Instant next = std::min({next_linger_check_, next_delayed_, next_stale_, internet_.next_deadline()});
  for (const auto& network : networks_) {
    if (!network) continue;
    next = std::min(next, network->gateway.next_deadline());
    if (network->egress) next = std::min(next, network->egress->next_deadline());
  }
  return next;
}

void Fabric::expire(Instant now) {
  if (now >= next_delayed_) expire_impaired(now);
  if (now >= next_stale_) ask_guests(now);
  if (now >= internet_.next_deadline()) internet_.expire(now);
  for (const auto& network : networks_) {
    if (!network) continue;
    network->gateway.expire(now);
    if (network->egress && now >= network->egress->next_deadline()) {
      network->now = now;
      network->egress->expire(now);
    }
    forward_from_gateway(*network, now);
  }
  if (now >= next_linger_check_) expire_detached(now);
}

void Fabric::expire_detached(Instant now) {
  next_linger_check_ = kNever;
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    Nic& nic = nics_[i];
    if (!nic.in_use || nic.is_attached() || (nic.configured && !nic.has_left)) continue;
    const Instant due = nic.detached_at + kLinger;
    if (due > now) {
      next_linger_check_ = std::min(next_linger_check_, due);
    } else if (nic.configured) {
      nic.has_left = false;
      network_of(nic).gateway.forget_ipv6(nic.config.mac);
    } else {
      remove(l2::PortId{static_cast<std::uint32_t>(i)}, "it has been gone for long", now);
    }
  }
}

void Fabric::report(EventKind kind, l2::PortId port, std::string subject, std::string_view cause, Instant now,
                    std::optional<MacAddress> station) {
  const NicConfig& nic = at(port).config;
  const MacAddress mac = station.value_or(nic.mac);
  tell(port, {kind, now, networks_[nic.network]->config.name, nic.name, mac, std::move(subject), std::string{cause}});
}

void Fabric::report(EventKind kind, const Network& network, std::string subject, Instant now) {
  tell(l2::kGatewayPort, {kind, now, network.config.name, {}, std::nullopt, std::move(subject), {}});
}

void Fabric::tell(l2::PortId port, Event event) {
  if (observer_ != nullptr) observer_->on_event(port, event);
  events_.add(std::move(event));
}

void Fabric::announce(Event event) {
  const l2::PortId port = event.nic.empty() ? l2::kNoPort : find(event.nic);
  if (observer_ != nullptr && port != l2::kNoPort) observer_->on_event(port, event);
  events_.add(std::move(event));
}

}  // namespace vnet::network
