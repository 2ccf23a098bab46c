// Services on the internet: packets for their addresses, and what they answer. What a service is, is in
// network/services/; one that ends in a socket of the host is reached by the egress of whoever asks.
#include <algorithm>

#include "nat/icmp_answer.hpp"
#include "network/internet.hpp"
#include "packet/icmp_echo.hpp"
#include "packet/tcp.hpp"

namespace vnet::network {
namespace {

/// How guests' packets arrive: their own MSS is what limits a service's segments.
constexpr std::size_t kServiceMtu = 65'520;

/// Whether an ICMP error may be sent about it: not about one, nor about what may be one (RFC 1122, 3.2.2; RFC 4443,
/// 2.4 e).
bool may_tell_about(ByteView bytes) noexcept {
  if (const auto v4 = Ipv4Packet::parse(bytes)) {
    if (v4->protocol() != ip_protocol::kIcmp) return v4->fragment_offset() == 0;
    return !v4->payload().empty() && icmp_type::is_query(v4->payload()[0]);
  }
  const auto v6 = Ipv6Packet::parse(bytes);
  if (!v6) return false;
  constexpr std::uint8_t kInformational = 0x80;
  return v6->protocol() != ip_protocol::kIcmp6 || (!v6->payload().empty() && v6->payload()[0] >= kInformational);
}

bool checksum_ok(const PacketEditor& packet, std::uint8_t protocol, ByteView segment) noexcept {
  return std::visit(
      [&](const auto& source) {
        const auto to = std::get<std::decay_t<decltype(source)>>(packet.destination());
        return Checksum{}.add_pseudo(source, to, protocol, segment.size()).add(segment).finish() == 0;
      },
      packet.source());
}

}  // namespace

template <typename Build>
void Internet::originate(Router* realm, std::size_t payload, Build build, Instant now) {
  // The IP header is put in front, and there must be as much room before it as before any packet.
  constexpr std::size_t kBefore = 128;
  const ByteSpan storage = arena_.room(kBefore + payload);
  if (storage.empty()) return;
  FrameBuilder frame{storage.subspan(kBefore)};
  build(frame);
  const ByteView bytes = frame.bytes();
  if (bytes.empty()) return;
  arena_.keep(frame);
  const auto begin = static_cast<std::size_t>(bytes.data() - storage.data());
  const auto editor = PacketEditor::parse(storage.subspan(begin, bytes.size()));
  if (!editor) return;
  Parcel parcel{*editor, storage.subspan(begin - FrameBuilder::kHeadroom)};
  parcel.cut = true;  // whoever sends a packet may cut it
  (void)travel(realm, parcel, now);
}

void Internet::tell_from(Router* realm, const IpAddress& source, const IcmpError& error, ByteView about, Instant now) {
  const bool v4 = about[0] >> 4U == 4;
  const IpAddress to = v4 ? IpAddress{Ipv4Address::load(about.data() + 12)} : Ipv6Address::load(about.data() + 8);
  if (to.index() != source.index() || !may_tell_about(about) || !errors_.take(now)) return;
  originate(
      realm, IcmpMessage::kHeaderSize + max_quote(source),
      [&](FrameBuilder& frame) { build_icmp_error(frame, source, to, error, about); }, now);
}

void Internet::set_services(std::vector<ServiceConfig> services) {
  ServiceOutput& datagrams = *this;
  TcpOutput& segments = *this;
  std::vector<std::unique_ptr<Service>> before = std::exchange(services_, {});
  for (ServiceConfig& config : services) {
    const auto same = std::ranges::find_if(
        before, [&](const auto& service) { return service && service->host->config().is_like(config); });
    if (same != before.end()) {
      services_.push_back(std::move(*same));
      continue;
    }
    const auto former = std::ranges::find_if(
        before, [&](const auto& service) { return service && service->host->config().name == config.name; });
    auto& fresh = services_.emplace_back(std::make_unique<Service>());
    fresh->up = former == before.end() || (*former)->up;
    fresh->host = std::make_unique<ServiceHost>(std::move(config), kServiceMtu, random_, datagrams, segments);
  }
  build_routes();
}

bool Internet::set_service_up(std::string_view name, bool up) {
  const auto found =
      std::ranges::find_if(services_, [&](const auto& service) { return service->host->config().name == name; });
  if (found == services_.end()) return false;
  Service& service = **found;
  // Without power its connections are forgotten; their timers would not be silent.
  if (service.up && !up) {
    ServiceOutput& datagrams = *this;
    TcpOutput& segments = *this;
    service.host = std::make_unique<ServiceHost>(service.host->config(), kServiceMtu, random_, datagrams, segments);
  }
  service.up = up;
  return true;
}

void Internet::each_connection(const std::function<void(const TcpConnection&)>& see) const {
  for (const auto& service : services_) service->host->tcp().for_each(see);
}

void Internet::end_connections(const std::function<bool(const TcpFlow&)>& over, bool tell, Instant now) {
  now_ = now;
  for (const auto& service : services_) service->host->end_if(over, tell, now);
}

std::optional<DropReason> Internet::serve(Service& service, Parcel& parcel, Instant now) {
  if (!service.up) return DropReason::service_down;
  if (targets_.serves(parcel.packet)) {
    const auto refused = to_egress(*parcel.from, parcel.mac, parcel.packet.bytes(), now);
    return refused ? std::optional{refused->reason} : std::nullopt;
  }
  now_ = now;
  switch (parcel.packet.kind()) {
    case PacketEditor::Kind::udp: return serve_udp(service, parcel, now);
    case PacketEditor::Kind::tcp: return serve_tcp(service, parcel, now);
    case PacketEditor::Kind::query: answer_ping(parcel, now); return std::nullopt;
    case PacketEditor::Kind::icmp_error: return std::nullopt;
    case PacketEditor::Kind::other: return DropReason::no_service;
  }
  return std::nullopt;
}

std::optional<DropReason> Internet::serve_udp(Service& service, const Parcel& parcel, Instant now) {
  const PacketEditor& packet = parcel.packet;
  const auto udp = UdpDatagram::parse(packet.transport());
  if (!udp || udp->destination_port() == 0 || udp->source_port() == 0) return DropReason::malformed;
  const bool unchecked = packet.is_v4() && udp->checksum_field() == 0;
  if (!unchecked && !checksum_ok(packet, ip_protocol::kUdp, udp->bytes())) return DropReason::bad_checksum;
  const ServiceDatagram datagram{
      {packet.source(), udp->source_port()}, {packet.destination(), udp->destination_port()}, udp->payload()};
  if (service.host->handle_udp(datagram, now)) return std::nullopt;
  tell_from(nullptr, packet.destination(), nat::unreachable(packet.source(), nat::kPortUnreachable), packet.bytes(),
            now);
  return DropReason::no_service;
}

std::optional<DropReason> Internet::serve_tcp(Service& service, const Parcel& parcel, Instant now) {
  const PacketEditor& packet = parcel.packet;
  const auto segment = TcpSegment::parse(packet.transport());
  if (!segment) return DropReason::malformed;
  if (!checksum_ok(packet, ip_protocol::kTcp, segment->bytes())) return DropReason::bad_checksum;
  const TcpFlow flow{packet.destination(), packet.source(), segment->destination_port(), segment->source_port()};
  switch (service.host->handle_tcp(flow, *segment, now)) {
    case TcpVerdict::handled: return std::nullopt;
    case TcpVerdict::no_listener: return DropReason::no_service;
    case TcpVerdict::limited: return DropReason::rate_limited;
    case TcpVerdict::bad_endpoint: return DropReason::malformed;
  }
  return std::nullopt;
}

void Internet::answer_ping(const Parcel& parcel, Instant now) {
  const PacketEditor& packet = parcel.packet;
  const ByteView request = packet.transport();
  if (request[0] != (packet.is_v4() ? icmp_type::kEchoRequest : icmp6_type::kEchoRequest)) return;
  originate(
      nullptr, request.size(),
      [&](FrameBuilder& frame) { build_echo_reply(frame, packet.destination(), packet.source(), request); }, now);
}

void Internet::send(const ServiceDatagram& datagram) {
  const auto build = [&](FrameBuilder& frame) {
    frame.append_payload(datagram.payload);
    if (const auto* const v4 = std::get_if<Ipv4Address>(&datagram.from.address)) {
      const auto to = std::get<Ipv4Address>(datagram.to.address);
      frame.prepend_udp(*v4, to, datagram.from.port, datagram.to.port);
      frame.prepend_ipv4(*v4, to, ip_protocol::kUdp);
    } else {
      const auto& from = std::get<Ipv6Address>(datagram.from.address);
      const auto& to = std::get<Ipv6Address>(datagram.to.address);
      frame.prepend_udp(from, to, datagram.from.port, datagram.to.port);
      frame.prepend_ipv6(from, to, ip_protocol::kUdp);
    }
  };
  if (datagram.from.address.index() == datagram.to.address.index()) {
    originate(nullptr, datagram.payload.size(), build, now_);
  }
}

void Internet::emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) {
  originate(
      nullptr, payload.size(), [&](FrameBuilder& frame) { build_tcp(frame, flow, header, payload); }, now_);
}

}  // namespace vnet::network
