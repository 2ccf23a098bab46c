// What people change while the fabric runs: NICs and networks are added, changed and removed.
#include <algorithm>
#include <cassert>
#include <utility>

#include "dhcp/option_values.hpp"
#include "network/fabric.hpp"

namespace vnet::network {
namespace {

/// What is to change besides network and link, as people read it.
std::string difference(const Nic& nic, const NicConfig& after) {
  const NicConfig& before = nic.config;
  std::string text;
  const auto add = [&text](bool differs, const std::string& member) {
    if (differs) text += (text.empty() ? "" : ", ") + member;
  };
  add(!nic.configured, "configured");
  add(before.name != after.name, "name (was " + before.name + ")");
  add(before.ip != after.ip, "ip");
  add(before.hostname != after.hostname, "hostname");
  return text;
}

}  // namespace

std::optional<NicProblem> Fabric::problem(const NicConfig& wanted, l2::PortId self) const {
  if (!dhcp::is_host_label(wanted.name)) {
    return NicProblem{"name", "\"" + wanted.name + "\" is not a name of at most 63 letters, digits and inner hyphens"};
  }
  if (const l2::PortId other = find(wanted.name); other != l2::kNoPort && other != self) {
    return NicProblem{"name", "there is a NIC " + nic(other).config.name + " already"};
  }
  const std::string mac = wanted.mac.to_string();
  if (wanted.mac.is_group() || wanted.mac.is_zero()) return NicProblem{"mac", mac + " is not the address of a NIC"};
  if (const l2::PortId other = find(wanted.mac); other != l2::kNoPort && other != self) {
    return NicProblem{"mac", "the MAC address " + mac + " is NIC " + nic(other).config.name + "'s"};
  }
  if (!has_network(wanted.network)) return NicProblem{"network", "there is no such network"};
  const Network& network = *networks_[wanted.network];
  if (wanted.mac == network.config.mac) {
    return NicProblem{"mac", "the MAC address " + mac + " is the gateway's of network " + network.config.name};
  }
  if (!wanted.hostname.empty() && !dhcp::is_host_label(wanted.hostname)) {
    return NicProblem{"hostname", "\"" + wanted.hostname + "\" is not a host name without a domain"};
  }
  if (!wanted.ip) return std::nullopt;
  for (const Nic& other : nics_) {
    const bool same = other.in_use && other.config.network == wanted.network && other.config.ip == wanted.ip;
    if (!same || other.config.mac == wanted.mac) continue;
    return NicProblem{"ip", wanted.ip->to_string() + " is reserved for NIC " + other.config.name};
  }
  if (auto text = network.gateway.address_problem(wanted)) return NicProblem{"ip", std::move(*text)};
  return std::nullopt;
}

Result<l2::PortId, NicProblem> Fabric::add(NicConfig config, Instant now) {
  const l2::PortId known = find(config.mac);
  const bool takes_over = known != l2::kNoPort && !at(known).configured;
  if (auto wrong = problem(config, takes_over ? known : l2::kNoPort)) return fail(std::move(*wrong));
  if (takes_over) {
    apply(known, std::move(config), "it is configured now", now);
    return known;
  }
  if (by_mac_.size() >= kMaxNics && !make_room(now)) {
    return fail(NicProblem{{}, "there are " + std::to_string(kMaxNics) + " NICs already"});
  }
  const l2::PortId port = insert(std::move(config), true, now);
  report(EventKind::nic_added, port, {}, "it is configured", now);
  return port;
}

Result<void, NicProblem> Fabric::change(l2::PortId port, NicConfig wanted, std::string_view cause, Instant now) {
  assert(at(port).in_use);
  if (wanted.mac != at(port).config.mac) {
    return fail(NicProblem{"mac", "the MAC address of a NIC cannot be changed; remove the NIC and add another"});
  }
  if (auto wrong = problem(wanted, port)) return fail(std::move(*wrong));
  apply(port, std::move(wanted), cause, now);
  return {};
}

l2::PortId Fabric::insert(NicConfig config, bool configured, Instant now) {
  l2::PortId port{static_cast<std::uint32_t>(nics_.size())};
  if (free_.empty()) {
    nics_.emplace_back();
  } else {
    port = free_.back();
    free_.pop_back();
  }
  by_mac_[config.mac] = port;
  by_name_[lower_case(config.name)] = port;
  Nic& nic = at(port);
  nic = Nic{};
  nic.config = std::move(config);
  nic.configured = configured;
  nic.in_use = true;
  nic.detached_at = now;
  network_of(nic).gateway.set_nic(nic.config);
  update_link(port, now);
  return port;
}

void Fabric::apply(l2::PortId port, NicConfig wanted, std::string_view cause, Instant now) {
  Nic& nic = at(port);
  const NicConfig before = nic.config;
  const bool moves = wanted.network != before.network;
  const std::string changed = difference(nic, wanted);
  const bool impairs = wanted.impair != before.impair;
  if (moves) {
    leave(port, now);
    network_of(nic).gateway.forget_nic(before);
  } else if (!changed.empty()) {
    network_of(nic).gateway.give_up_address(before);
  }
  by_name_.erase(lower_case(before.name));
  by_name_[lower_case(wanted.name)] = port;
  const bool up = std::exchange(wanted.link_up, before.link_up);
  nic.config = std::move(wanted);
  nic.configured = true;
  if (moves || !changed.empty()) network_of(nic).gateway.set_nic(nic.config);
  if (moves || impairs) update_link(port, now);
  if (moves) {
    set_live(port, nic.is_live());
    tell(port, {EventKind::nic_moved, now, networks_[before.network]->config.name, nic.config.name, nic.config.mac,
                network_of(nic).config.name, std::string{cause}});
  }
  set_link(port, up, cause, now);
  if (!changed.empty()) report(EventKind::nic_changed, port, changed, cause, now);
  if (impairs) report(EventKind::nic_changed, port, "impair", cause, now);
}

/// No frame of its network reaches the NIC any more.
void Fabric::leave(l2::PortId port, Instant now) {
  Network& network = network_of(at(port));
  set_live(port, false);
  network.table.forget(port);
  network.guard.forget(at(port).config.mac);
  if (network.egress) network.egress->forget(at(port).config.mac);
  at(port).stale.reset();  // elsewhere nothing of it would be answered from here
  end_link(port, now);
  for (const ByteView frame : transmit_.take_back(port)) sent(port, frame, DropReason::detached, now);
}

void Fabric::remove(l2::PortId port, std::string_view cause, Instant now) {
  Nic& nic = at(port);
  assert(nic.in_use);
  detach(port, cause, now);
  report(EventKind::nic_removed, port, {}, cause, now);
  leave(port, now);
  network_of(nic).gateway.remove_nic(nic.config);
  by_mac_.erase(nic.config.mac);
  by_name_.erase(lower_case(nic.config.name));
  nic = Nic{};
  nic.config.link_up = false;  // a client that is still heard although its NIC is gone gets nowhere
  free_.push_back(port);
}

std::unique_ptr<Fabric::Network> Fabric::make_network(std::size_t number, NetworkConfig config) {
  return std::make_unique<Network>(std::move(config), *this, number, random_, dns_random_, events_, nics_);
}

std::optional<std::size_t> Fabric::find_network(std::string_view name) const {
  const std::string wanted = lower_case(name);
  const auto found = std::ranges::find_if(
      networks_, [&](const auto& network) { return network && lower_case(network->config.name) == wanted; });
  if (found == networks_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - networks_.begin());
}

std::size_t Fabric::add_network(NetworkConfig config, Instant now) {
  assert(!find_network(config.name));
  auto slot = std::find(networks_.begin(), networks_.end(), nullptr);
  assert(slot != networks_.end() || networks_.size() < kMaxNetworks);
  if (slot == networks_.end()) slot = networks_.emplace(slot);
  const auto number = static_cast<std::size_t>(slot - networks_.begin());
  *slot = make_network(number, std::move(config));
  internet_.join(number, **slot, now);
  internet_.build_routes();
  make_egress(number, **slot);
  report(EventKind::network_added, **slot, {}, now);
  return number;
}

void Fabric::reconfigure(std::size_t network, NetworkConfig config, Instant now) {
  assert(has_network(network) && transmit_.empty());
  auto& slot = networks_[network];
  assert(find_network(config.name).value_or(network) == network);
  const std::string name = config.name == slot->config.name ? std::string{} : config.name;
  report(EventKind::network_changed, *slot, name, now);
  auto fresh = make_network(network, std::move(config));
  const bool same_mac = fresh->config.mac == slot->config.mac;
  fresh->table = std::move(slot->table);
  fresh->table.set_limits(fresh->config.mac_limits);
  if (!same_mac) {
    fresh->table.forget(slot->config.mac);
    fresh->table.pin(fresh->config.mac, l2::kGatewayPort);
  }
  fresh->live = std::move(slot->live);
  for (const Nic& nic : nics_) {
    if (nic.in_use && nic.config.network == network) fresh->gateway.set_nic(nic.config);
  }
  fresh->gateway.succeed(slot->gateway, now);
  internet_.join(network, *fresh, now);
  internet_.build_routes();
  succeed_egress(network, *slot, *fresh);
  const bool impairs = fresh->config.impair != slot->config.impair;
  slot = std::move(fresh);
  if (impairs) update_links(network, now);
}

bool Fabric::remove_network(std::size_t network, Instant now) {
  assert(has_network(network) && transmit_.empty());
  const auto is_here = [network](const Nic& nic) { return nic.in_use && nic.config.network == network; };
  const auto holds = [&](const Nic& nic) { return is_here(nic) && (nic.configured || nic.is_attached()); };
  if (network == kDefaultNetwork || std::ranges::any_of(nics_, holds)) return false;
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    if (is_here(nics_[i])) remove(l2::PortId{static_cast<std::uint32_t>(i)}, "its network is removed", now);
  }
  report(EventKind::network_removed, *networks_[network], {}, now);
  internet_.leave(network);
  internet_.build_routes();
  networks_[network].reset();
  return true;
}

}  // namespace vnet::network
