#include "network/address_service.hpp"

#include <algorithm>

namespace vnet::network {
namespace {

/// The largest DHCP message that fits a packet of `mtu` bytes: what an IPv4 and a UDP header leave.
constexpr std::size_t kMaxMessage = 1472;

EventKind kind_of(dhcp::LeaseEvent::Kind kind) {
  using Kind = dhcp::LeaseEvent::Kind;
  switch (kind) {
    case Kind::granted: return EventKind::dhcp_granted;
    case Kind::renewed: return EventKind::dhcp_renewed;
    case Kind::released: return EventKind::dhcp_released;
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
    guard_.bind(reservation.ip, reservation.mac);
    names_.set_lease(reservation.mac, reservation.ip, reservation.hostname);
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

bool AddressService::restore(const dhcp::Lease& lease, Instant now) {
  if (!server_.restore(lease, now)) return false;
  if (const dhcp::Lease* bound = server_.lease(lease.ip); bound != nullptr && bound->state == dhcp::LeaseState::bound) {
    guard_.bind(bound->ip, bound->mac);
    names_.set_lease(bound->mac, bound->ip, bound->hostname);
  }
  return true;
}

void AddressService::apply_events(Instant now) {
  for (const dhcp::LeaseEvent& event : server_.events()) apply(event, now);
  server_.clear_events();
}

bool AddressService::is_reserved(const dhcp::Lease& lease) const {
  return std::ranges::any_of(server_.config().reservations, [&](const dhcp::Reservation& reservation) {
    return reservation.mac == lease.mac && reservation.ip == lease.ip;
  });
}

void AddressService::apply(const dhcp::LeaseEvent& event, Instant now) {
  using Kind = dhcp::LeaseEvent::Kind;
  const dhcp::Lease& lease = event.lease;
  if (event.kind == Kind::granted || event.kind == Kind::renewed) {
    guard_.bind(lease.ip, lease.mac);
    names_.set_lease(lease.mac, lease.ip, lease.hostname);
  } else if (event.kind != Kind::refused && event.kind != Kind::exhausted && !is_reserved(lease)) {
    guard_.unbind(lease.ip);
    names_.end_lease(lease.mac, lease.ip);
  }
  if (changes_.size() == kMaxChanges) changes_.erase(changes_.begin(), changes_.begin() + kMaxChanges / 2);
  changes_.push_back(event);
  events_.add({kind_of(event.kind), now, network_, std::string{names_.nic_name(lease.mac)},
               lease.ip.to_string() + " " + lease.mac.to_string()});
}

}  // namespace vnet::network
