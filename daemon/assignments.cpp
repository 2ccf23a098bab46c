#include "daemon/assignments.hpp"

#include <algorithm>
#include <utility>

#include "daemon/network_setup.hpp"
#include "network/nic_names.hpp"

namespace vnet::daemon {
namespace {

/// The address that the NIC would make itself from the prefix that its router announces (RFC 4862, RFC 4291 appendix
/// A), so that a guest which does both has one.
std::optional<Ipv6Prefix> ipv6_of(const MacAddress& mac, const network::NetworkConfig& network) {
  constexpr std::uint8_t kLength = 64;
  if (!network.ipv6 || network.ipv6->length != kLength) return std::nullopt;
  auto octets = network.ipv6->network().octets();
  const Ipv6Address interface = Ipv6Address::link_local(mac);
  std::copy(interface.octets().begin() + kLength / 8, interface.octets().end(), octets.begin() + kLength / 8);
  const Ipv6Address address{octets};
  return address == network.ipv6->address ? std::nullopt : std::optional{Ipv6Prefix{address, kLength}};
}

std::vector<IpAddress> dns_of(const network::NetworkConfig& network) {
  std::vector<IpAddress> servers;
  if (network.ipv4) servers.emplace_back(network.dns_ipv4.value_or(network.ipv4->address));
  if (network.ipv6) servers.emplace_back(network.dns_ipv6.value_or(network.ipv6->address));
  return servers;
}

}  // namespace

std::vector<const Nic*> Assignments::candidates(const Asker& asker) const {
  const bool over_vsock = asker.entry.path.starts_with(kVsockScheme);
  std::vector<const Nic*> found;
  for (const Nic& nic : parts_.config().nics) {
    if (over_vsock && (!asker.cid || nic.cid != asker.cid)) continue;
    const bool asked = asker.entry.nic ? network::lower_case(nic.name) == network::lower_case(*asker.entry.nic)
                                       : nic.network == asker.entry.network;
    if (asked) found.push_back(&nic);
  }
  return found;
}

bool Assignments::may_ask(const Asker& asker, const MacAddress& mac) const {
  return std::ranges::any_of(candidates(asker), [&](const Nic* nic) { return nic->mac == mac; });
}

std::optional<MacAddress> Assignments::only(const Asker& asker) const {
  const auto found = candidates(asker);
  return found.size() == 1 ? std::optional{found.front()->mac} : std::nullopt;
}

Assignments::Found Assignments::find(const Nic& nic) {
  network::Fabric& fabric = parts_.fabric;
  const l2::PortId port = fabric.find(nic.mac);
  if (nic.assign != Assign::ready) return fail("vnet assign " + nic.name + " ready");
  if (port == l2::kNoPort) return fail(std::string{"the NIC"});
  const std::size_t number = fabric.nic(port).config.network;
  const network::NetworkConfig& network = fabric.network_config(number);
  Assignment found;
  found.mac = nic.mac;
  if (network.ipv4) {
    network::AddressService* const addresses = fabric.gateway(number).addresses();
    const auto ip = addresses != nullptr ? addresses->assign(nic.mac, nic.hostname, parts_.clock()) : nic.ip;
    if (!ip) return fail("an address of network " + network.name);
    found.ipv4 = {*ip, network.ipv4->length};
    found.gateway = network.ipv4->address;
  }
  found.ipv6 = ipv6_of(nic.mac, network);
  if (network.ipv6) found.gateway6 = network.ipv6->address;
  if (!found.ipv4 && !found.ipv6) return fail("an address of network " + network.name);
  found.dns = dns_of(network);
  found.mtu = network.mtu;
  found.hostname = nic.hostname;
  return found;
}

std::string Assignments::answer(const std::optional<MacAddress>& mac) {
  const Nic* const nic = mac ? find_nic(parts_.config(), *mac) : nullptr;
  if (nic == nullptr) return std::string{kAssignWait};
  const Found found = find(*nic);
  std::string line = found ? to_line(*found) : std::string{kAssignWait};
  tell(*nic, found, line);
  return line;
}

void Assignments::tell(const Nic& nic, const Found& found, const std::string& line) {
  forget_gone();
  const Instant now = parts_.clock();
  const auto network = parts_.fabric.find_network(nic.network);
  Told& told = told_[nic.mac];
  told.renew = kNever;
  if (found && network) {
    const auto& dhcp = parts_.fabric.network_config(*network).dhcp;
    if (dhcp) told.renew = now + dhcp->lease_time / 2;
    next_ = std::min(next_, told.renew);
  }
  if (std::exchange(told.line, line) == line) return;
  network::Event event{network::EventKind::assign_waiting, now, nic.network, nic.name, nic.mac};
  if (found) {
    event.kind = network::EventKind::assign_given;
    event.subject = found->ipv4 ? found->ipv4->address.to_string() : found->ipv6->address.to_string();
  } else {
    event.cause = "for " + found.error();
  }
  parts_.fabric.announce(std::move(event));
}

/// There are never more of them than NICs.
void Assignments::forget_gone() {
  if (told_.size() <= parts_.config().nics.size()) return;
  std::erase_if(told_, [this](const auto& entry) { return find_nic(parts_.config(), entry.first) == nullptr; });
}

void Assignments::expire(Instant now) {
  if (now < next_) return;
  std::vector<MacAddress> due;
  next_ = kNever;
  for (auto& [mac, told] : told_) {
    if (told.renew <= now) due.push_back(mac);
    if (told.renew > now) next_ = std::min(next_, told.renew);
  }
  for (const MacAddress& mac : due) {
    const Nic* const nic = find_nic(parts_.config(), mac);
    if (nic != nullptr && nic->assign == Assign::ready) {
      (void)answer(mac);
    } else {
      told_.erase(mac);
    }
  }
}

}  // namespace vnet::daemon
