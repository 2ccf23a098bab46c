// The gateway's memory of the network's NICs: their names, the addresses that are kept for them, and how both outlive a
// change of the configuration.
#include <utility>

#include "network/gateway.hpp"

namespace vnet::network {

void Gateway::set_nic(const NicConfig& nic) {
  names_.add_nic(nic.mac, nic.name);
  if (nic.ip && !address_problem(nic)) {
    if (dhcp_) {
      dhcp_->reserve({nic.mac, *nic.ip, nic.hostname});
    } else {
      guard_.bind(*nic.ip, nic.mac);
      names_.set_ipv4(nic.mac, *nic.ip, nic.hostname);
    }
  } else if (dhcp_) {
    // Its host name may have been hidden by the name that it had as a NIC.
    dhcp_->publish(nic.mac);
  }
}

std::optional<std::string> Gateway::address_problem(const NicConfig& nic) const {
  if (!nic.ip) return std::nullopt;
  const std::string text = nic.ip->to_string();
  if (!config_.ipv4) return "network " + config_.name + " has no IPv4";
  const Ipv4Prefix& prefix = *config_.ipv4;
  const bool is_host = prefix.contains(*nic.ip) && *nic.ip != prefix.network() && *nic.ip != prefix.broadcast();
  if (!is_host) return text + " is no address of a host in " + prefix.to_string() + " of network " + config_.name;
  if (is_own(*nic.ip)) return text + " is the gateway's of network " + config_.name;
  if (!dhcp_) return std::nullopt;
  const dhcp::Server& server = dhcp_->server();
  if (!dhcp::is_assignable(server.config(), *nic.ip))
    return text + " is never given to a NIC of network " + config_.name;
  const dhcp::Reservation* const taken = server.reservation(*nic.ip);
  if (taken != nullptr && taken->mac != nic.mac) return text + " is reserved for " + taken->mac.to_string();
  if (server.config().reservations.size() >= dhcp::kMaxReservations && server.reservation(nic.mac) == nullptr) {
    return "network " + config_.name + " has " + std::to_string(dhcp::kMaxReservations) + " reservations already";
  }
  return std::nullopt;
}

void Gateway::give_up_address(const NicConfig& nic) {
  if (!nic.ip) return;
  if (dhcp_) {
    dhcp_->unreserve(nic.mac);
  } else if (guard_.owner(*nic.ip) == nic.mac) {
    guard_.unbind(*nic.ip);
    names_.clear_ipv4(nic.mac);
  }
}

void Gateway::remove_nic(const NicConfig& nic) {
  give_up_address(nic);
  names_.remove_nic(nic.mac);
  if (dhcp_) dhcp_->publish(nic.mac);
}

void Gateway::forget_nic(const NicConfig& nic) {
  give_up_address(nic);
  names_.forget(nic.mac);
}

std::optional<MacAddress> Gateway::heard_at(const IpAddress& address) const {
  const auto neighbor = neighbors_.find(address);
  return neighbor == neighbors_.end() ? std::nullopt : std::optional{neighbor->second.mac};
}

std::optional<MacAddress> Gateway::assigned_to(const IpAddress& address) const {
  const auto* const v4 = std::get_if<Ipv4Address>(&address);
  if (v4 == nullptr || !dhcp_) return std::nullopt;
  if (const dhcp::Lease* const lease = dhcp_->server().lease(*v4)) return lease->mac;
  const dhcp::Reservation* const reserved = dhcp_->server().reservation(*v4);
  return reserved == nullptr ? std::nullopt : std::optional{reserved->mac};
}

void Gateway::solicit(const IpAddress& address) {
  const auto* const v4 = std::get_if<Ipv4Address>(&address);
  if (v4 == nullptr) {
    if (discovery_) discovery_->solicit(std::get<Ipv6Address>(address), outbox_);
    return;
  }
  if (!config_.ipv4) return;
  const ArpPacket request{ArpPacket::kRequest, config_.mac, config_.ipv4->address, {}, *v4};
  FrameBuilder frame{outbox_.room(ArpPacket::kSize)};
  ByteWriter payload{frame.payload_room()};
  request.emit(payload);
  frame.commit_payload(payload.position());
  frame.prepend_ethernet(MacAddress::broadcast(), config_.mac, ethertype::kArp);
  outbox_.send(frame);
}

void Gateway::succeed(Gateway& former, Instant now) {
  guard_.adopt_claims(former.guard_);
  neighbors_ = std::move(former.neighbors_);
  for (const auto& [mac, address] : former.names_.ipv6()) {
    if (config_.ipv6 && config_.ipv6->contains(address) && !is_own(address)) names_.add_ipv6(mac, address);
  }
  if (former.dhcp_ && dhcp_) {
    dhcp_->succeed(*former.dhcp_, now);
  } else if (former.dhcp_) {
    former.dhcp_->close(now);
  }
}

}  // namespace vnet::network
