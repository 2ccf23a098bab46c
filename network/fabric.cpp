// The fabric's NICs: who is plugged in where. The frames' way is in fabric_forward.cpp.
#include "network/fabric.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace vnet::network {
namespace {

/// `nic-52cccccccc01`: a name that is also a DNS label, for a NIC that nobody named.
std::string name_from(const MacAddress& mac) {
  std::string name = "nic-" + mac.to_string();
  std::erase(name, ':');
  return name;
}

}  // namespace

Fabric::Fabric(std::vector<NetworkConfig> configs, std::vector<NicConfig> nics, std::uint64_t seed,
               dns::RandomSource dns_random)
    : random_(seed) {
  assert(!configs.empty());
  if (!dns_random) dns_random = [this] { return random_.next(); };
  for (NetworkConfig& config : configs) {
    networks_.push_back(std::make_unique<Network>(std::move(config), random_, dns_random, events_));
    networks_.back()->table.pin(networks_.back()->config.mac, l2::kGatewayPort);
  }
  for (NicConfig& nic : nics) add_nic(std::move(nic), true, Instant{});
}

l2::PortId Fabric::find(const MacAddress& mac) const {
  const auto found = by_mac_.find(mac);
  return found == by_mac_.end() ? l2::kNoPort : found->second;
}

l2::PortId Fabric::find(std::string_view name) const {
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    if (nics_[i].in_use && nics_[i].config.name == name) return l2::PortId{static_cast<std::uint32_t>(i)};
  }
  return l2::kNoPort;
}

std::size_t Fabric::max_frame_size() const noexcept {
  std::size_t mtu = 0;
  for (const auto& network : networks_) mtu = std::max<std::size_t>(mtu, network->config.mtu);
  return kEthernetHeaderSize + 2 * kVlanTagSize + mtu;
}

Result<l2::PortId, DropReason> Fabric::admit(const MacAddress& source, std::optional<std::size_t> network,
                                             Instant now) {
  if (source.is_group() || source.is_zero()) return fail(DropReason::source_group);
  if (const l2::PortId known = find(source); known != l2::kNoPort) {
    // A configured NIC is where its configuration says. Any other is where it shows up.
    const Nic& nic = at(known);
    if (nic.configured || !network || nic.config.network == *network) return known;
    if (nic.is_attached()) return fail(DropReason::not_member);
    remove_nic(known, now);
  }
  const std::size_t target = network.value_or(0);
  const NetworkConfig& config = networks_[target]->config;
  if (source == config.mac) return fail(DropReason::source_gateway);
  if (!config.open) return fail(DropReason::not_member);
  if (by_mac_.size() >= kMaxNics && !make_room(now)) return fail(DropReason::too_many_nics);
  return add_nic({name_from(source), source, target, true}, false, now);
}

l2::PortId Fabric::add_nic(NicConfig config, bool configured, Instant now) {
  l2::PortId port{static_cast<std::uint32_t>(nics_.size())};
  if (free_.empty()) {
    nics_.emplace_back();
  } else {
    port = free_.back();
    free_.pop_back();
  }
  by_mac_[config.mac] = port;
  Nic& nic = at(port);
  nic = Nic{};
  nic.config = std::move(config);
  nic.configured = configured;
  nic.in_use = true;
  nic.detached_at = now;
  network_of(nic).gateway.add_nic(nic.config.mac, nic.config.name);
  if (!configured) report(EventKind::nic_added, port, nic, nic.config.mac.to_string(), now);
  return port;
}

void Fabric::remove_nic(l2::PortId port, Instant now) {
  Nic& nic = at(port);
  report(EventKind::nic_removed, port, nic, nic.config.mac.to_string(), now);
  Network& network = network_of(nic);
  network.table.forget(port);
  network.guard.forget(nic.config.mac);
  network.gateway.remove_nic(nic.config.mac);
  by_mac_.erase(nic.config.mac);
  nic = Nic{};
  free_.push_back(port);
}

bool Fabric::make_room(Instant now) {
  l2::PortId oldest = l2::kNoPort;
  for (const auto& [mac, port] : by_mac_) {
    const Nic& nic = at(port);
    if (nic.configured || nic.is_attached()) continue;
    if (oldest == l2::kNoPort || nic.detached_at < at(oldest).detached_at) oldest = port;
  }
  if (oldest == l2::kNoPort) return false;
  remove_nic(oldest, now);
  return true;
}

bool Fabric::may_move(l2::PortId port, Instant now) {
  Nic& nic = at(port);
  if (!nic.is_attached()) return true;
  if (now - nic.moves_since >= kMoveWindow) {
    nic.moves_since = now;
    nic.moves = 0;
  }
  if (nic.moves == kMaxMoves) report(EventKind::mac_flapping, port, nic, "claimed by several clients", now);
  return nic.moves++ < kMaxMoves;
}

void Fabric::attach(l2::PortId port, AttachmentKind kind, std::string peer, Instant now) {
  Nic& nic = at(port);
  nic.attachment = {kind, std::move(peer), now};
  set_live(port, nic.is_live());
  report(EventKind::nic_attached, port, nic, nic.attachment.peer, now);
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
  nic.attachment = {};
  nic.detached_at = now;
  if (!nic.configured) next_linger_check_ = std::min<Instant>(next_linger_check_, now + kLinger);
  report(EventKind::nic_detached, port, nic, std::string{cause}, now);
}

void Fabric::set_link(l2::PortId port, bool up, std::string_view cause, Instant now) {
  Nic& nic = at(port);
  if (nic.config.link_up == up) return;
  nic.config.link_up = up;
  set_live(port, nic.is_live());
  report(EventKind::nic_link, port, nic, std::string{up ? "up: " : "down: "} + std::string{cause}, now);
}

void Fabric::set_live(l2::PortId port, bool live) {
  auto& ports = network_of(at(port)).live;
  const auto found = std::ranges::find(ports, port);
  if (live && found == ports.end()) ports.push_back(port);
  if (!live && found != ports.end()) ports.erase(found);
}

Instant Fabric::next_deadline() const {
  Instant next = next_linger_check_;
  for (const auto& network : networks_) next = std::min(next, network->gateway.next_deadline());
  return next;
}

void Fabric::expire(Instant now) {
  for (const auto& network : networks_) {
    network->gateway.expire(now);
    forward_from_gateway(*network, now);
  }
  if (now < next_linger_check_) return;
  next_linger_check_ = kNever;
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    const Nic& nic = nics_[i];
    if (!nic.in_use || nic.configured || nic.is_attached()) continue;
    const Instant due = nic.detached_at + kLinger;
    if (due <= now) {
      remove_nic(l2::PortId{static_cast<std::uint32_t>(i)}, now);
    } else {
      next_linger_check_ = std::min(next_linger_check_, due);
    }
  }
}

void Fabric::report(EventKind kind, l2::PortId port, const Nic& nic, std::string detail, Instant now) {
  Event event{kind, now, networks_[nic.config.network]->config.name, nic.config.name, std::move(detail)};
  if (observer_ != nullptr) observer_->on_event(port, event);
  events_.add(std::move(event));
}

}  // namespace vnet::network
