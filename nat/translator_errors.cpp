// ICMP errors on their way through a NAT (RFC 5508, 4).
//
// An error is about a packet that it quotes, and that packet has been here before, on its way in the other direction:
// so the quote is translated as that packet was, backwards, and the error around it goes to whom the packet came from.
// Who has sent the error may be anybody on the way.
#include "nat/translator.hpp"

namespace vnet::nat {
namespace {

using Kind = PacketEditor::Kind;

/// Of the packet that is quoted; none: it does not say whose it is.
std::optional<NatProtocol> quoted_protocol(const PacketEditor& packet, bool has_ports) noexcept {
  switch (packet.quoted_kind()) {
    case Kind::tcp: return NatProtocol::tcp;
    case Kind::udp: return NatProtocol::udp;
    case Kind::query: return NatProtocol::icmp;
    case Kind::icmp_error: return std::nullopt;
    case Kind::other: break;
  }
  if (has_ports) return std::nullopt;
  return NatProtocol::other;
}

}  // namespace

/// About a packet that has come in, from somebody inside.
std::optional<DropReason> Translator::outbound_error(PacketEditor& packet) {
  const bool v6 = !packet.is_v4();
  const bool has_ports = way(v6) == Way::ports;
  const auto protocol = quoted_protocol(packet, has_ports);
  if (!protocol || packet.destination() != packet.quoted_source()) return DropReason::nat_unmapped;
  Flow flow{*protocol, v6, packet.quoted_destination_port(), pack(packet.quoted_destination()),
            Peer{pack(packet.quoted_source()), packet.quoted_source_port()}};
  if (*protocol == NatProtocol::icmp) flow.remote.port = 0;
  if (*protocol == NatProtocol::other) flow.port = flow.remote.port = packet.quoted_protocol();
  std::uint16_t port = packet.quoted_destination_port();
  if (way(v6) != Way::stateless) {
    const Found found = find(flow);
    if (found.mapping == kNone || (found.session == kNone && !lets_in(found.mapping, flow.remote))) {
      return DropReason::nat_unmapped;
    }
    if (has_ports) port = table_.mapping(found.mapping).outside_port;
  }
  const auto quoted = has_ports ? outside_address(v6) : outward(packet.quoted_destination());
  if (!quoted) return DropReason::nat_unmapped;
  // A router between here and the guest has no address outside, unless all of its prefix have.
  const auto source = has_ports ? quoted : outward(packet.source());
  packet.set_quoted_destination(*quoted, port);
  packet.set_source(source ? *source : *quoted, 0);
  return std::nullopt;
}

/// About a packet that has gone out, from somebody outside.
std::optional<DropReason> Translator::inbound_error(PacketEditor& packet) {
  const bool v6 = !packet.is_v4();
  const bool has_ports = way(v6) == Way::ports;
  const auto protocol = quoted_protocol(packet, has_ports);
  if (!protocol || packet.destination() != packet.quoted_source()) return DropReason::nat_unmapped;
  if (has_ports && !is_outside(packet.destination())) return DropReason::nat_unmapped;
  const auto host = has_ports ? packet.destination() : inward(packet.destination());
  if (!host) return DropReason::nat_unmapped;
  IpAddress inside = *host;
  std::uint16_t port = packet.quoted_source_port();
  if (way(v6) != Way::stateless) {
    Flow flow{*protocol, v6, port, pack(inside),
              Peer{pack(packet.quoted_destination()), packet.quoted_destination_port()}};
    if (*protocol == NatProtocol::icmp) flow.remote.port = 0;
    if (*protocol == NatProtocol::other) flow.port = flow.remote.port = packet.quoted_protocol();
    const Id id = find_inbound(flow);
    if (id == kNone || table_.find_session(id, flow.remote) == kNone) return DropReason::nat_unmapped;
    if (has_ports) {
      inside = unpack(table_.mapping(id).inside, v6);
      port = table_.mapping(id).inside_port;
    }
  }
  packet.set_quoted_source(inside, port);
  packet.set_destination(inside, 0);
  return std::nullopt;
}

}  // namespace vnet::nat
