// The gateway's front desk: who is it for, and which service answers. ICMP is in gateway_icmp.cpp.
#include "network/gateway.hpp"

#include <algorithm>
#include <array>

namespace vnet::network {
namespace {

DropReason reason_of(ParseError error) {
  return error == ParseError::bad_checksum ? DropReason::bad_checksum : DropReason::malformed;
}

/// What an error about a refusal quotes: the packet put together, where it came in fragments.
template <typename Packet>
Packet subject_of(const nat::EgressRefusal& refused, const Packet& given) {
  return refused.about.empty() ? given : Packet::parse(refused.about).value_or(given);
}

std::vector<IpAddress> own_addresses(const NetworkConfig& config) {
  std::vector<IpAddress> own;
  if (config.ipv4) own.emplace_back(config.ipv4->address);
  if (config.dns_ipv4) own.emplace_back(*config.dns_ipv4);
  if (config.ipv6) {
    own.emplace_back(config.ipv6->address);
    own.emplace_back(Ipv6Address::link_local(config.mac));
  }
  if (config.dns_ipv6) own.emplace_back(*config.dns_ipv6);
  return own;
}

dns::ServerOptions dns_options(const NetworkConfig& config) {
  constexpr std::size_t kHeaders = Ipv6Packet::kHeaderSize + UdpDatagram::kHeaderSize;
  dns::ServerOptions options;
  if (const auto domain = dns::Name::parse(config.domain)) options.local.domain = *domain;
  // The guest is one link away: what its OPT allows and the link carries in one piece need not be asked for by TCP.
  options.max_udp_payload =
      static_cast<std::uint16_t>(std::clamp<std::size_t>(config.mtu - kHeaders, 512, NameService::kMaxUdpPayload));
  return options;
}

RouterConfig router_config(const NetworkConfig& config) {
  RouterConfig router;
  router.mac = config.mac;
  router.prefix = *config.ipv6;
  router.alias = config.dns_ipv6;
  router.mtu = config.mtu;
  router.dns_servers = {config.dns_ipv6.value_or(config.ipv6->address)};
  router.search_domains = config.search;
  if (!config.domain.empty()) router.search_domains.insert(router.search_domains.begin(), config.domain);
  return router;
}

}  // namespace

Gateway::Gateway(const NetworkConfig& config, Random& random, const dns::RandomSource& dns_random, EventLog& events,
                 SourceGuard& guard)
    : config_(config),
      random_(random),
      guard_(guard),
      tcp_({.mtu = config.mtu, .timeouts = {}, .limits = {}}, random, *this),
      dns_(dns_options(config), dns_random, config.mac, own_addresses(config), tcp_),
      names_(dns_.server().local()) {
  // Who configured a record was told of its errors when the configuration was checked.
  for (const dns::Record& record : config.records) (void)dns_.server().local().put(record);
  if (config.dhcp) {
    dhcp::ServerConfig dhcp = *config.dhcp;
    // Else a NIC could get, or give up, addresses in another's name.
    if (config.port_security) dhcp.require_source_mac = true;
    dhcp_.emplace(std::move(dhcp), config.name, config.mac, names_, guard, events);
  }
  if (config.ipv6) discovery_.emplace(router_config(config));
  for (const IpAddress& address : own_addresses(config)) {
    if (const auto* v6 = std::get_if<Ipv6Address>(&address)) guard.bind(*v6, config.mac);
  }
}

void Gateway::set_port_mapper(PortMapper* mapper) {
  mapper_ = mapper;
  if (mapper == nullptr || upnp_ || !config_.port_mapping.upnp || !config_.ipv4) return;
  const UpnpConfig upnp{.gateway = *config_.ipv4, .mac = config_.mac, .name = "vnet, network " + config_.name};
  upnp_.emplace(upnp, tcp_, mapper->mappings());
  tcp_.listen(upnp.port, *upnp_);
  ssdp_.emplace(upnp);
}

bool Gateway::is_own(Ipv4Address address) const noexcept {
  return (config_.ipv4 && address == config_.ipv4->address) || (config_.dns_ipv4 && address == *config_.dns_ipv4);
}

bool Gateway::answers_arp_for(Ipv4Address address) const noexcept {
  if (is_own(address) || (uplink_ != nullptr && uplink_->answers_for(address))) return true;
  return egress_ != nullptr && egress_->config().host_alias == IpAddress{address};
}

bool Gateway::is_own(const Ipv6Address& address) const noexcept { return discovery_ && discovery_->is_own(address); }

bool Gateway::is_broadcast(Ipv4Address address) const noexcept {
  return address.is_broadcast() || (config_.ipv4 && address == config_.ipv4->broadcast());
}

Gateway::Verdict Gateway::handle(ByteView bytes, Instant now) {
  const auto frame = EthernetFrame::parse(bytes);
  if (!frame) return DropReason::runt;
  switch (frame->type()) {
    case ethertype::kArp: return handle_arp(*frame, now);
    case ethertype::kIpv4: return handle_ipv4(*frame, now);
    case ethertype::kIpv6: return handle_ipv6(*frame, now);
    default: return frame->destination().is_group() ? Verdict{} : DropReason::no_service;
  }
}

Gateway::Verdict Gateway::handle_arp(const EthernetFrame& frame, Instant now) {
  const auto arp = ArpPacket::parse(frame.payload());
  if (!arp) return reason_of(arp.error());
  if (config_.ipv4 && config_.ipv4->contains(arp->sender_ip) && !is_own(arp->sender_ip)) {
    remember(arp->sender_ip, arp->sender_mac, now);
  }
  if (arp->operation != ArpPacket::kRequest || !answers_arp_for(arp->target_ip)) return std::nullopt;
  const ArpPacket reply{ArpPacket::kReply, config_.mac, arp->target_ip, arp->sender_mac, arp->sender_ip};
  FrameBuilder answer{outbox_.room(ArpPacket::kSize)};
  ByteWriter payload{answer.payload_room()};
  reply.emit(payload);
  answer.commit_payload(payload.position());
  answer.prepend_ethernet(frame.source(), config_.mac, ethertype::kArp);
  outbox_.send(answer);
  return std::nullopt;
}

Gateway::Verdict Gateway::handle_ipv4(const EthernetFrame& frame, Instant now) {
  const bool for_us_alone = !frame.destination().is_group();
  const auto packet = Ipv4Packet::parse(frame.payload());
  if (!packet) return reason_of(packet.error());
  const Ipv4Address source = packet->source();
  if (source.is_multicast() || is_broadcast(source) || source.is_loopback() || is_own(source)) {
    return DropReason::malformed;
  }
  const Ipv4Address destination = packet->destination();
  if (destination.is_multicast()) return handle_multicast4(frame, *packet, now);
  const bool own = is_own(destination);
  if (!own && !is_broadcast(destination)) {
    if (!for_us_alone) return std::nullopt;
    if (uplink_ != nullptr) {
      const auto refused = uplink_->leave(frame.source(), *packet, now);
      if (!refused) return std::nullopt;
      if (!refused->answer) return refused->reason;
      return icmp_error4(frame, subject_of(*refused, *packet), *refused->answer, refused->reason, now);
    }
    constexpr std::uint8_t kNetUnreachable = 0;
    return unreachable4(frame, *packet, kNetUnreachable, DropReason::no_route, now);
  }
  if (packet->is_fragment()) return DropReason::no_service;
  switch (packet->protocol()) {
    case ip_protocol::kUdp: return handle_udp4(frame, *packet, now);
    case ip_protocol::kIcmp: return own ? handle_icmp4(frame, *packet) : Verdict{};
    case ip_protocol::kTcp: return own ? handle_tcp(frame, *packet, now) : Verdict{};
    default: break;
  }
  constexpr std::uint8_t kProtocolUnreachable = 2;
  return own ? unreachable4(frame, *packet, kProtocolUnreachable, DropReason::no_service, now) : Verdict{};
}

/// Of what guests say to each other, a search for the gateway's UPnP device is our business.
Gateway::Verdict Gateway::handle_multicast4(const EthernetFrame& frame, const Ipv4Packet& packet, Instant now) {
  if (!ssdp_ || packet.destination() != Ssdp::kGroup || packet.protocol() != ip_protocol::kUdp) return std::nullopt;
  const auto udp = packet.is_fragment() ? fail(ParseError::bad_field) : UdpDatagram::parse(packet.payload());
  if (!udp || udp->destination_port() != Ssdp::kPort) return std::nullopt;
  remember(packet.source(), frame.source(), now);
  ssdp_->handle({packet.source(), udp->source_port()}, udp->payload(), now,
                [this](const nat::Endpoint& to, ByteView payload) { send_udp(Ssdp::kPort, to, payload); });
  return std::nullopt;
}

Gateway::Verdict Gateway::handle_udp4(const EthernetFrame& frame, const Ipv4Packet& packet, Instant now) {
  const auto udp = UdpDatagram::parse(packet.payload());
  if (!udp) return reason_of(udp.error());
  if (udp->checksum_field() != 0 && !upper_checksum_ok(packet, ip_protocol::kUdp, udp->bytes())) {
    return DropReason::bad_checksum;
  }
  const bool own = is_own(packet.destination());
  if (own && answers_call(packet, *udp)) return to_egress(frame, packet, now);
  if (udp->destination_port() == dhcp::kServerPort && dhcp_) {
    return dhcp_->handle(frame.source(), udp->payload(), now, outbox_);
  }
  if (own && packet.source().is_unspecified()) return DropReason::malformed;
  if (udp->destination_port() == kDnsPort && own) {
    return dns_.handle(frame.source(), packet.destination(), packet.source(), udp->source_port(), udp->payload(), now,
                       outbox_);
  }
  if (own && udp->destination_port() == nat::PortControl::kServerPort && mapper_ != nullptr) {
    return answer_mapping_request(frame, packet, *udp, now);
  }
  constexpr std::uint8_t kPortUnreachable = 3;
  return own ? unreachable4(frame, packet, kPortUnreachable, DropReason::no_service, now) : Verdict{};
}

template <typename Packet>
Gateway::Verdict Gateway::answer_mapping_request(const EthernetFrame& frame, const Packet& packet,
                                                 const UdpDatagram& udp, Instant now) {
  const ByteView answer = mapper_->handle({packet.source(), udp.source_port()}, udp.payload(), now);
  if (answer.empty()) return DropReason::no_service;
  put_udp(frame.source(), packet.destination(), udp.destination_port(), packet.source(), udp.source_port(), answer);
  return std::nullopt;
}

template <typename Address>
void Gateway::put_udp(const MacAddress& mac, const Address& from, std::uint16_t from_port, const Address& to,
                      std::uint16_t to_port, ByteView payload) {
  constexpr bool kV4 = std::is_same_v<Address, Ipv4Address>;
  FrameBuilder frame{outbox_.room(payload.size())};
  frame.append_payload(payload);
  frame.prepend_udp(from, to, from_port, to_port);
  if constexpr (kV4) {
    frame.prepend_ipv4(from, to, ip_protocol::kUdp);
  } else {
    frame.prepend_ipv6(from, to, ip_protocol::kUdp);
  }
  frame.prepend_ethernet(mac, config_.mac, kV4 ? ethertype::kIpv4 : ethertype::kIpv6);
  outbox_.send(frame);
}

void Gateway::send_udp(std::uint16_t from_port, const nat::Endpoint& to, ByteView payload) {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&to.address)) {
    const auto mac = v4->is_multicast() ? v4->multicast_mac() : heard_at(*v4);
    if (config_.ipv4 && mac) put_udp(*mac, config_.ipv4->address, from_port, *v4, to.port, payload);
  } else {
    const auto& v6 = std::get<Ipv6Address>(to.address);
    const auto mac = v6.is_multicast() ? v6.multicast_mac() : heard_at(v6);
    if (config_.ipv6 && mac) put_udp(*mac, config_.ipv6->address, from_port, v6, to.port, payload);
  }
}

/// Whether it is for whom a forward's client is seen as.
template <typename Packet>
bool Gateway::answers_call(const Packet& packet, const UdpDatagram& udp) const {
  return egress_ != nullptr &&
         egress_->carries({packet.source(), udp.source_port()}, {packet.destination(), udp.destination_port()});
}

template <typename Packet>
Gateway::Verdict Gateway::to_egress(const EthernetFrame& frame, const Packet& packet, Instant now) {
  const auto refused = egress_->handle(frame.source(), packet, now);
  return refused ? Verdict{refused->reason} : std::nullopt;
}

template <typename Packet>
Gateway::Verdict Gateway::handle_tcp(const EthernetFrame& frame, const Packet& packet, Instant now) {
  const auto segment = TcpSegment::parse(packet.payload());
  if (!segment) return reason_of(segment.error());
  if (!upper_checksum_ok(packet, ip_protocol::kTcp, segment->bytes())) return DropReason::bad_checksum;
  const TcpFlow flow{packet.destination(), packet.source(), segment->destination_port(), segment->source_port()};
  remember(flow.remote, frame.source(), now);
  if (egress_ != nullptr && egress_->carries(flow)) return to_egress(frame, packet, now);
  const TcpVerdict verdict = tcp_.handle(flow, *segment, now);
  switch (verdict) {
    case TcpVerdict::handled: return std::nullopt;
    case TcpVerdict::no_listener: return DropReason::no_service;
    case TcpVerdict::limited: return DropReason::rate_limited;
    case TcpVerdict::bad_endpoint: return DropReason::malformed;
  }
  return std::nullopt;
}

Gateway::Verdict Gateway::handle_ipv6(const EthernetFrame& frame, Instant now) {
  const auto packet = Ipv6Packet::parse(frame.payload());
  if (!packet) return reason_of(packet.error());
  if (!discovery_) return frame.destination().is_group() ? Verdict{} : DropReason::no_route;
  if (packet->source().is_multicast() || is_own(packet->source())) return DropReason::malformed;
  const Ipv6Address destination = packet->destination();
  if (destination.is_multicast()) {
    return packet->protocol() == ip_protocol::kIcmp6 ? handle_icmp6(frame, *packet, now) : Verdict{};
  }
  if (!is_own(destination)) {
    if (frame.destination().is_group()) return std::nullopt;
    if (uplink_ != nullptr) {
      const auto refused = uplink_->leave(frame.source(), *packet, now);
      if (!refused) return std::nullopt;
      if (!refused->answer) return refused->reason;
      return icmp_error6(frame, subject_of(*refused, *packet), *refused->answer, refused->reason, now);
    }
    constexpr std::uint8_t kNoRoute = 0;
    return unreachable6(frame, *packet, kNoRoute, DropReason::no_route, now);
  }
  if (packet->source().is_unspecified()) return DropReason::malformed;
  switch (packet->protocol()) {
    case ip_protocol::kIcmp6: return handle_icmp6(frame, *packet, now);
    case ip_protocol::kUdp: return handle_udp6(frame, *packet, now);
    case ip_protocol::kTcp: return handle_tcp(frame, *packet, now);
    default: return DropReason::no_service;
  }
}

Gateway::Verdict Gateway::handle_udp6(const EthernetFrame& frame, const Ipv6Packet& packet, Instant now) {
  const auto udp = UdpDatagram::parse(packet.payload());
  if (!udp) return reason_of(udp.error());
  // A zero checksum is not "none" over IPv6 (RFC 8200, 8.1); the sum catches it.
  if (udp->checksum_field() == 0 || !upper_checksum_ok(packet, ip_protocol::kUdp, udp->bytes())) {
    return DropReason::bad_checksum;
  }
  if (answers_call(packet, *udp)) return to_egress(frame, packet, now);
  if (udp->destination_port() == kDnsPort) {
    return dns_.handle(frame.source(), packet.destination(), packet.source(), udp->source_port(), udp->payload(), now,
                       outbox_);
  }
  if (udp->destination_port() == nat::PortControl::kServerPort && mapper_ != nullptr) {
    return answer_mapping_request(frame, packet, *udp, now);
  }
  constexpr std::uint8_t kPortUnreachable = 4;
  return unreachable6(frame, packet, kPortUnreachable, DropReason::no_service, now);
}

void Gateway::remember(const IpAddress& address, const MacAddress& mac, Instant now) {
  if (neighbors_.size() >= kMaxNeighbors && !neighbors_.contains(address)) {
    neighbors_.erase(std::min_element(neighbors_.begin(), neighbors_.end(),
                                      [](const auto& a, const auto& b) { return a.second.seen < b.second.seen; }));
  }
  neighbors_[address] = {mac, now};
}

void Gateway::emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) {
  const auto neighbor = neighbors_.find(flow.remote);
  if (neighbor == neighbors_.end()) return;
  FrameBuilder frame{outbox_.room(payload.size())};
  build_tcp(frame, flow, header, payload);
  const bool v4 = is_v4(flow.local);
  frame.prepend_ethernet(neighbor->second.mac, config_.mac, v4 ? ethertype::kIpv4 : ethertype::kIpv6);
  outbox_.send(frame);
}

Instant Gateway::next_deadline() const {
  Instant next = std::min(tcp_.next_deadline(), dns_.next_deadline());
  if (dhcp_) next = std::min(next, dhcp_->next_deadline());
  if (discovery_) next = std::min(next, discovery_->next_deadline());
  if (ssdp_) next = std::min(next, ssdp_->next_deadline());
  return next;
}

void Gateway::expire(Instant now) {
  if (now >= tcp_.next_deadline()) tcp_.expire(now);
  if (now >= dns_.next_deadline()) dns_.expire(now, outbox_);
  if (dhcp_ && now >= dhcp_->next_deadline()) dhcp_->expire(now);
  if (discovery_) discovery_->expire(now, random_, outbox_);
  if (ssdp_ && now >= ssdp_->next_deadline()) {
    ssdp_->expire(now, [this](const nat::Endpoint& to, ByteView payload) { send_udp(Ssdp::kPort, to, payload); });
  }
}

}  // namespace vnet::network
