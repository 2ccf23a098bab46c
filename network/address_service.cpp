#include "network/address_service.hpp"

namespace vnet::network {
namespace {

/// The largest DHCP message that fits a packet of `mtu` bytes: what an IPv4 and a UDP header leave.
constexpr std::size_t kMaxMessage = 1472;

EventKind kind_of(dhcp::LeaseEvent::Kind kind) {
  using Kind = dhcp::LeaseEvent::Kind;
  switch (kind) {
    case Kind::granted: return EventKind::dhcp_granted;
    case Kind::renewed: return EventKind::dhcp_renewed;
    case Kind::released:
    case Kind::removed: return EventKind::dhcp_released;
    case Kind::expired: return EventKind::dhcp_expired;
    case Kind::declined: return EventKind::dhcp_declined;
    case Kind::refused:
    case Kind::exhausted: return EventKind::dhcp_refused;
  }
  return EventKind::dhcp_refused;
}

}  // namespace

AddressService::AddressService(dhcp::ServerConfig config, std::string network, const MacAddress& mac, NicNames& names,
                               SourceGuard& guard, EventLog& events)
    : server_(std::move(config)),
      network_(std::move(network)),
      mac_(mac),
      names_(names),
      guard_(guard),
      events_(events) {
  for (const dhcp::Reservation& reservation : server_.config().reservations) {
    bind_guard(reservation.ip);
    publish(reservation.mac);
  }
}

std::optional<DropReason> AddressService::handle(const MacAddress& from, ByteView payload, Instant now, Outbox& out) {
  FrameBuilder frame{out.room(kMaxMessage)};
  if (!frame.ok()) return DropReason::rate_limited;
  const auto reply = server_.handle(payload, {from}, now, frame.payload_room());
  apply_events(now);
  if (!reply) {
    return reply.error() == dhcp::Refusal::malformed ? DropReason::malformed : DropReason::no_service;
  }
  if (!*reply) return std::nullopt;
  const dhcp::Reply& answer = **reply;
  const Ipv4Address source = server_.config().gateway.address;
  frame.commit_payload(answer.size);
  frame.prepend_udp(source, answer.destination, dhcp::kServerPort, answer.destination_port);
  frame.prepend_ipv4(source, answer.destination, ip_protocol::kUdp);
  frame.prepend_ethernet(answer.destination_mac, mac_, ethertype::kIpv4);
  out.send(frame);
  return std::nullopt;
}

void AddressService::expire(Instant now) {
  server_.expire(now);
  apply_events(now);
}

std::optional<Ipv4Address> AddressService::assign(const MacAddress& mac, std::string_view hostname, Instant now) {
  const dhcp::Reservation* const reserved = server_.reservation(mac);
  const dhcp::Lease* const lease = lease_of(mac);
  // What a DHCP client has taken it renews itself.
  const bool is_clients = lease != nullptr && !dhcp::is_assigned_key(lease->client);
  if (is_clients && (reserved == nullptr || reserved->ip == lease->ip)) return lease->ip;
  if (reserved != nullptr) {
    // It is the NIC's without a lease, unless another station has not given it back yet.
    const dhcp::Lease* const other = server_.lease(reserved->ip);
    return other == nullptr || other->mac == mac ? std::optional{reserved->ip} : std::nullopt;
  }
  const auto ip = server_.assign(mac, hostname, now);
  apply_events(now);
  return ip;
}

bool AddressService::reserve(const dhcp::Reservation& reservation) {
  unreserve(reservation.mac);
  if (server_.add_reservation(reservation)) return false;
  bind_guard(reservation.ip);
  publish(reservation.mac);
  return true;
}

void AddressService::unreserve(const MacAddress& mac) {
  const dhcp::Reservation* const kept = server_.reservation(mac);
  if (kept == nullptr) return;
  const Ipv4Address ip = kept->ip;
  server_.remove_reservation(mac);
  bind_guard(ip);
  publish(mac);
}

const dhcp::Lease* AddressService::lease_of(const MacAddress& mac) const {
  const auto found = leased_.find(mac);
  const dhcp::Lease* const lease = found == leased_.end() ? nullptr : server_.lease(found->second);
  return lease != nullptr && lease->mac == mac ? lease : nullptr;
}

void AddressService::publish(const MacAddress& mac) {
  const dhcp::Lease* const lease = lease_of(mac);
  const dhcp::Reservation* const reserved = server_.reservation(mac);
  if (lease != nullptr) {
    names_.set_ipv4(mac, lease->ip, lease->hostname);
  } else if (reserved != nullptr) {
    names_.set_ipv4(mac, reserved->ip, reserved->hostname);
  } else {
    names_.clear_ipv4(mac);
  }
}

void AddressService::bind_guard(Ipv4Address ip) {
  const dhcp::Lease* const lease = server_.lease(ip);
  const dhcp::Reservation* const reserved = server_.reservation(ip);
  if (lease != nullptr) {
    guard_.bind(ip, lease->mac);
  } else if (reserved != nullptr) {
    guard_.bind(ip, reserved->mac);
  } else {
    guard_.unbind(ip);
  }
}

void AddressService::bind(const dhcp::Lease& lease) {
  const auto before = guard_.owner(lease.ip);
  leased_[lease.mac] = lease.ip;
  bind_guard(lease.ip);
  if (!before || *before == lease.mac) return;
  // The client has come with another MAC address, or the address was reserved for a NIC that has to wait.
  if (const auto last = leased_.find(*before); last != leased_.end() && last->second == lease.ip) leased_.erase(last);
  publish(*before);
}

bool AddressService::restore(const dhcp::Lease& lease, Instant now) {
  if (!server_.restore(lease, now)) return false;
  if (server_.lease(lease.ip) != nullptr) {
    bind(lease);
    publish(lease.mac);
  }
  return true;
}

bool AddressService::remove(Ipv4Address ip, Instant now, std::string_view cause) {
  const bool known = server_.remove(ip);
  apply_events(now, cause);
  return known;
}

void AddressService::succeed(AddressService& former, Instant now) {
  dhcp::ServerConfig config = server_.config();  // with the reservations that the NICs have made
  server_ = std::move(former.server_);
  server_.reconfigure(std::move(config));
  changes_ = former.take_changes();
  for (const dhcp::Lease& lease : server_.leases()) {
    if (!server_.may_keep(lease)) {
      remove(lease.ip, now, "the network's new configuration has no place for it");
      continue;
    }
    bind(lease);
    // Not that of a NIC which lives elsewhere by now.
    if (former.names_.addresses(lease.mac).v4 == lease.ip) publish(lease.mac);
  }
}

void AddressService::close(Instant now) {
  for (const dhcp::Lease& lease : server_.leases()) {
    tell({dhcp::LeaseEvent::Kind::removed, lease}, "the network has no DHCP any more", now);
  }
}

void AddressService::apply_events(Instant now, std::string_view cause) {
  for (const dhcp::LeaseEvent& event : server_.events()) {
    apply(event);
    tell(event, cause.empty() ? event.cause : cause, now);
    if (changes_.size() == kMaxChanges) changes_.erase(changes_.begin(), changes_.begin() + kMaxChanges / 2);
    changes_.push_back(event);
  }
  server_.clear_events();
}

void AddressService::apply(const dhcp::LeaseEvent& event) {
  using Kind = dhcp::LeaseEvent::Kind;
  const dhcp::Lease& lease = event.lease;
  switch (event.kind) {
    case Kind::refused:
    case Kind::exhausted: return;
    case Kind::granted:
    case Kind::renewed: bind(lease); break;
    case Kind::released:
    case Kind::expired:
    case Kind::declined:
    case Kind::removed:
      if (const auto last = leased_.find(lease.mac); last != leased_.end() && last->second == lease.ip) {
        leased_.erase(last);
      }
      break;
  }
  bind_guard(lease.ip);
  publish(lease.mac);
}

void AddressService::tell(const dhcp::LeaseEvent& event, std::string_view cause, Instant now) {
  const dhcp::Lease& lease = event.lease;
  // What was only offered or remembered is no lease that could end.
  if (event.kind == dhcp::LeaseEvent::Kind::removed && lease.state != dhcp::LeaseState::bound) return;
  events_.add({.kind = kind_of(event.kind),
               .at = now,
               .network = network_,
               .nic = std::string{names_.nic_name(lease.mac)},
               .mac = lease.mac,
               .subject = lease.ip.is_unspecified() ? std::string{} : lease.ip.to_string(),
               .cause = std::string{cause}});
}

}  // namespace vnet::network
