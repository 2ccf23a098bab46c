// The gateway's ICMP: echo (RFC 792, 4443), neighbor discovery by NeighborDiscovery, and errors that quote the packet
// they are about, never about an error, a fragment, or what came to a group or as a link-layer broadcast (RFC
// 1122, 3.2.2; RFC 4443, 2.4 e).
#include "network/gateway.hpp"
#include "packet/icmp_echo.hpp"
#include "packet/icmp_error.hpp"

namespace vnet::network {

Gateway::Verdict Gateway::handle_icmp4(const EthernetFrame& frame, const Ipv4Packet& packet) {
  const auto message = IcmpMessage::parse(packet.payload());
  if (!message) return DropReason::malformed;
  if (checksum(message->bytes()) != 0) return DropReason::bad_checksum;
  if (message->type() != icmp_type::kEchoRequest) return std::nullopt;
  if (packet.source().is_unspecified()) return DropReason::malformed;
  FrameBuilder answer{outbox_.room(message->bytes().size())};
  build_echo_reply(answer, packet.destination(), packet.source(), message->bytes());
  answer.prepend_ethernet(frame.source(), config_.mac, ethertype::kIpv4);
  outbox_.send(answer);
  return std::nullopt;
}

Gateway::Verdict Gateway::handle_icmp6(const EthernetFrame& frame, const Ipv6Packet& packet, Instant now) {
  const auto message = IcmpMessage::parse(packet.payload());
  if (!message) return DropReason::malformed;
  if (!upper_checksum_ok(packet, ip_protocol::kIcmp6, message->bytes())) return DropReason::bad_checksum;
  const std::uint8_t type = message->type();
  if (type >= icmp6_type::kRouterSolicitation && type <= icmp6_type::kNeighborAdvertisement) {
    const auto dropped = discovery_->handle(frame.source(), packet, *message, now, random_, outbox_);
    const auto seen = NeighborDiscovery::seen_address(packet, *message);
    if (!dropped && seen && guard_.claim(seen->address, frame.source())) {
      names_.add_ipv6(frame.source(), seen->address);
      if (!seen->tentative) remember(seen->address, frame.source(), now);
    }
    return dropped;
  }
  if (type != icmp6_type::kEchoRequest) return std::nullopt;
  if (packet.source().is_unspecified()) return DropReason::malformed;
  const Ipv6Address destination = packet.destination();
  if (destination.is_multicast() && destination != Ipv6Address::all_nodes() &&
      destination != Ipv6Address::all_routers()) {
    return std::nullopt;
  }
  const Ipv6Address source = destination.is_multicast() ? discovery_->link_local() : destination;
  FrameBuilder answer{outbox_.room(message->bytes().size())};
  build_echo_reply(answer, source, packet.source(), message->bytes());
  answer.prepend_ethernet(frame.source(), config_.mac, ethertype::kIpv6);
  outbox_.send(answer);
  return std::nullopt;
}

Gateway::Verdict Gateway::icmp_error4(const EthernetFrame& frame, const Ipv4Packet& packet, const IcmpError& error,
                                      DropReason reason, Instant now) {
  const bool about_icmp_error = packet.protocol() == ip_protocol::kIcmp && !packet.payload().empty() &&
                                packet.payload()[0] != icmp_type::kEchoRequest;
  const bool to_all = frame.destination().is_group();
  if (!config_.ipv4 || about_icmp_error || to_all || packet.fragment_offset() != 0 ||
      packet.source().is_unspecified()) {
    return reason;
  }
  if (!errors_.take(now)) return DropReason::rate_limited;
  const IpAddress source = config_.ipv4->address;
  FrameBuilder answer{outbox_.room(IcmpMessage::kHeaderSize + max_quote(source))};
  build_icmp_error(answer, source, packet.source(), error, packet.bytes());
  answer.prepend_ethernet(frame.source(), config_.mac, ethertype::kIpv4);
  outbox_.send(answer);
  return reason;
}

Gateway::Verdict Gateway::icmp_error6(const EthernetFrame& frame, const Ipv6Packet& packet, const IcmpError& error,
                                      DropReason reason, Instant now) {
  constexpr std::uint8_t kInformational = 0x80;
  const bool about_icmp_error = packet.protocol() == ip_protocol::kIcmp6 && !packet.payload().empty() &&
                                (packet.payload()[0] & kInformational) == 0;
  const bool to_all = frame.destination().is_group();
  if (about_icmp_error || to_all || packet.is_fragment() || packet.source().is_unspecified()) return reason;
  if (!errors_.take(now)) return DropReason::rate_limited;
  const IpAddress source = packet.source().is_link_local() ? discovery_->link_local() : config_.ipv6->address;
  FrameBuilder answer{outbox_.room(IcmpMessage::kHeaderSize + max_quote(source))};
  build_icmp_error(answer, source, packet.source(), error, packet.bytes());
  answer.prepend_ethernet(frame.source(), config_.mac, ethertype::kIpv6);
  outbox_.send(answer);
  return reason;
}

}  // namespace vnet::network
