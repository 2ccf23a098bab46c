#include "nat/egress.hpp"

#include <array>

#include "nat/icmp_answer.hpp"
#include "packet/transport.hpp"

namespace vnet::nat {
namespace {

/// The dynamic ports (RFC 6335, 6), of which no service of the gateway's is one.
constexpr std::uint16_t kFirstFreePort = 49'152;
constexpr std::size_t kFreePorts = 65'536 - kFirstFreePort;

constexpr std::uint8_t kInTransit = 0;
constexpr std::uint8_t kInReassembly = 1;

IcmpError time_exceeded(const IpAddress& about, std::uint8_t code) noexcept {
  return {is_v4(about) ? icmp_type::kTimeExceeded : icmp6_type::kTimeExceeded, code};
}

std::uint8_t hops_of(const Ipv4Packet& packet) noexcept { return packet.ttl(); }
std::uint8_t hops_of(const Ipv6Packet& packet) noexcept { return packet.hop_limit(); }

SipHashKey make_key(Random& random) noexcept { return {random.next(), random.next()}; }

}  // namespace

Egress::Egress(const EgressConfig& config, std::size_t network, EgressShared& shared, Random& random,
               const GuestPorts& ports)
    : config_(config),
      network_(network),
      shared_(shared),
      policy_(config.rules, config.inside, config.host_alias),
      wire_(config.mac, outbox_, ports),
      tcp_({.mtu = config.mtu, .key = make_key(random), .times = {.idle = config.tcp_established_timeout}}, wire_,
           shared.windows, [this](const TcpSplice& splice, HostError error) { tell_refused(splice, error); }),
      datagrams_({.mtu = datagram_mtu(),
                  .key = make_key(random),
                  .times = {.udp = config.udp_timeout},
                  .ipv4 = config.ipv4,
                  .ipv6 = config.ipv6},
                 wire_, *shared.sockets, policy_, [this] { return new_id(); }),
      calls_(make_key(random), config.udp_timeout, *this),
      ports_(&ports),
      reassembler_(make_key(random)) {}

FlowId Egress::new_id() noexcept {
  return FlowId{std::uint64_t{network_} << kNetworkShift |
                (++shared_.flows & ((std::uint64_t{1} << kNetworkShift) - 1))};
}

std::optional<EgressRefusal> Egress::handle(const MacAddress& mac, const Ipv4Packet& packet, Instant now) {
  if (packet.source().is_unspecified()) return EgressRefusal{DropReason::malformed};
  return route(mac, packet, packet.ttl(), now);
}

std::optional<EgressRefusal> Egress::handle(const MacAddress& mac, const Ipv6Packet& packet, Instant now) {
  if (packet.source().is_unspecified()) return EgressRefusal{DropReason::malformed};
  if (packet.source().is_link_local()) return EgressRefusal{DropReason::no_route};
  return route(mac, packet, packet.hop_limit(), now);
}

template <typename Packet>
std::optional<EgressRefusal> Egress::route(const MacAddress& mac, const Packet& packet, std::uint8_t hops,
                                           Instant now) {
  if (hops <= 1) return EgressRefusal{DropReason::hop_limit, time_exceeded(packet.destination(), kInTransit)};
  if (!packet.is_fragment()) return take(mac, packet, hops, now);
  const auto whole = reassembler_.handle(mac, packet, now);
  if (!whole) return EgressRefusal{whole.error()};
  if (!*whole) return std::nullopt;
  auto refused = take(mac, **whole, hops_of(**whole), now);
  if (refused) refused->about = (*whole)->bytes();
  return refused;
}

template <typename Packet>
std::optional<EgressRefusal> Egress::take(const MacAddress& mac, const Packet& packet, std::uint8_t hops, Instant now) {
  switch (packet.protocol()) {
    case ip_protocol::kTcp: return take_tcp(mac, packet, now);
    case ip_protocol::kUdp: return take_udp(mac, packet, hops, now);
    case ip_protocol::kIcmp:
    case ip_protocol::kIcmp6: return take_icmp(mac, packet, hops, now);
    default: return EgressRefusal{DropReason::no_service, unreachable(packet.destination(), kProhibited)};
  }
}

std::optional<EgressRefusal> Egress::judge(EgressProtocol protocol, const IpAddress& to, std::uint16_t port) {
  const EgressVerdict verdict = policy_.judge(protocol, to, port);
  ++counters_.verdicts[static_cast<std::size_t>(verdict)];
  if (verdict == EgressVerdict::allowed) return std::nullopt;
  EgressRefusal refusal{DropReason::egress_denied};
  if (verdict == EgressVerdict::inside) {  // nobody of that address is here
    refusal = {DropReason::no_route, unreachable(to, kHostUnreachable)};
  } else if (is_answered(verdict)) {
    refusal.answer = unreachable(to, kProhibited);
  }
  return refusal;
}

template <typename Packet>
std::optional<EgressRefusal> Egress::take_tcp(const MacAddress& mac, const Packet& packet, Instant now) {
  const auto segment = TcpSegment::parse(packet.payload());
  if (!segment) return EgressRefusal{DropReason::malformed};
  if (!upper_checksum_ok(packet, ip_protocol::kTcp, segment->bytes())) return EgressRefusal{DropReason::bad_checksum};
  const TcpFlow flow{packet.destination(), packet.source(), segment->destination_port(), segment->source_port()};
  if (tcp_.has(flow, *segment)) {
    tcp_.handle(flow, *segment, now);
    return std::nullopt;
  }
  if (flow.local_port == 0 || flow.remote_port == 0) return EgressRefusal{DropReason::malformed};
  const bool opens =
      segment->has(TcpSegment::kSyn) && !segment->has(TcpSegment::kAck) && !segment->has(TcpSegment::kRst);
  const ServiceTarget* const service = service_of(flow);
  if (service != nullptr && service->down) {
    ++counters_.services.vanished;
    return EgressRefusal{DropReason::blackhole};
  }
  if (service == nullptr) {
    auto refused = judge(EgressProtocol::tcp, flow.local, flow.local_port);
    // Of a connection that it believes in, an error is no reason for the guest to let go (RFC 1122, 4.2.3.9).
    const bool told_by_reset = !opens && refused && refused->reason == DropReason::egress_denied && refused->answer;
    if (refused && !told_by_reset) return refused;
  }
  if (!opens) {
    tcp_.refuse(flow, mac, *segment);
    return EgressRefusal{DropReason::no_service};
  }
  return open(flow, mac, *segment, service, now);
}

std::optional<EgressRefusal> Egress::open(const TcpFlow& flow, const MacAddress& mac, const TcpSegment& syn,
                                          const ServiceTarget* service, Instant now) {
  if (!tcp_.admit(flow.remote)) {
    tcp_.refuse(flow, mac, syn);
    return EgressRefusal{DropReason::egress_limit};
  }
  const FlowId id = new_id();
  auto host = connect(id, flow, service);
  if (host) {
    tcp_.open(id, flow, mac, syn, std::move(*host), now);
    return std::nullopt;
  }
  switch (host.error()) {
    case HostError::refused: tcp_.refuse(flow, mac, syn); return EgressRefusal{DropReason::no_service};
    case HostError::no_resources: tcp_.refuse(flow, mac, syn); return EgressRefusal{DropReason::egress_limit};
    case HostError::timed_out: return EgressRefusal{DropReason::egress_limit};  // the guest will try again
    default: return EgressRefusal{DropReason::no_route, answer_to(host.error(), flow.local, config_.mtu)};
  }
}

template <typename Packet>
std::optional<EgressRefusal> Egress::take_udp(const MacAddress& mac, const Packet& packet, std::uint8_t hops,
                                              Instant now) {
  const auto udp = UdpDatagram::parse(packet.payload());
  if (!udp) return EgressRefusal{DropReason::malformed};
  constexpr bool kV4 = std::is_same_v<Packet, Ipv4Packet>;
  const bool unchecked = kV4 && udp->checksum_field() == 0;
  if (!unchecked && (udp->checksum_field() == 0 || !upper_checksum_ok(packet, ip_protocol::kUdp, udp->bytes()))) {
    return EgressRefusal{DropReason::bad_checksum};
  }
  if (udp->destination_port() == 0 || udp->source_port() == 0) return EgressRefusal{DropReason::malformed};
  DatagramFlows::Datagram datagram;
  datagram.from = {DatagramKind::udp, packet.source(), udp->source_port()};
  datagram.mac = mac;
  datagram.to = {packet.destination(), udp->destination_port()};
  datagram.payload = udp->payload();
  datagram.ttl = static_cast<std::uint8_t>(hops - 1);
  const Endpoint guest{datagram.from.guest, datagram.from.port};
  if (calls_.handle(guest, datagram.to, datagram.payload, datagram.ttl, now)) return std::nullopt;
  const ServiceTarget* const service = shared_.services.find(EgressProtocol::udp, datagram.to);
  if (service != nullptr) return serve(datagram, *service, now);
  return send(datagram, EgressProtocol::udp, now);
}

template <typename Packet>
std::optional<EgressRefusal> Egress::take_icmp(const MacAddress& mac, const Packet& packet, std::uint8_t hops,
                                               Instant now) {
  constexpr bool kV4 = std::is_same_v<Packet, Ipv4Packet>;
  if (packet.protocol() != (kV4 ? ip_protocol::kIcmp : ip_protocol::kIcmp6))
    return EgressRefusal{DropReason::malformed};
  const auto message = IcmpMessage::parse(packet.payload());
  if (!message) return EgressRefusal{DropReason::malformed};
  bool right = false;
  if constexpr (kV4) {
    right = checksum(message->bytes()) == 0;
  } else {
    right = upper_checksum_ok(packet, ip_protocol::kIcmp6, message->bytes());
  }
  if (!right) return EgressRefusal{DropReason::bad_checksum};
  if (message->type() != (kV4 ? icmp_type::kEchoRequest : icmp6_type::kEchoRequest)) {
    return EgressRefusal{DropReason::no_service};
  }
  DatagramFlows::Datagram datagram;
  const ByteView body = message->body();
  datagram.from = {DatagramKind::echo, packet.source(), load_be<std::uint16_t>(body.data())};
  datagram.mac = mac;
  datagram.to = {packet.destination(), 0};
  datagram.payload = body.subspan(2);
  datagram.ttl = static_cast<std::uint8_t>(hops - 1);
  return send(datagram, EgressProtocol::icmp, now);
}

std::optional<EgressRefusal> Egress::send(const DatagramFlows::Datagram& datagram, EgressProtocol protocol,
                                          Instant now) {
  if (auto refused = judge(protocol, datagram.to.address, datagram.to.port)) return refused;
  DatagramFlows::Datagram translated = datagram;
  translated.target = {*policy_.host_target(datagram.to.address), datagram.to.port};
  return hand_over(translated, now);
}

std::optional<EgressRefusal> Egress::hand_over(const DatagramFlows::Datagram& datagram, Instant now) {
  const auto taken = datagrams_.handle(datagram, now);
  if (taken) return std::nullopt;
  const bool limited = taken.error() == HostError::no_resources;
  return EgressRefusal{limited ? DropReason::egress_limit : DropReason::no_route,
                       answer_to(taken.error(), datagram.to.address, config_.mtu)};
}

void Egress::on_host(FlowId id, HostEvents events, Instant now) {
  tcp_.on_host(id, events, now);
  datagrams_.on_host(id, events, now);
  calls_.on_host(id, events);
}

bool Egress::call(FlowId id, const Endpoint& client, const Endpoint& guest, const MacAddress& mac,
                  std::unique_ptr<TcpSocket> host, Instant now) {
  const TcpFlow flow{client.address, guest.address, client.port, guest.port};
  if (tcp_.contains(flow) || !tcp_.admit(guest.address)) {
    host->reset();
    return false;
  }
  return tcp_.call(id, flow, mac, std::move(host), now);
}

bool Egress::answers_call(const PacketEditor& packet) const {
  if (packet.kind() == PacketEditor::Kind::tcp) {
    return carries({packet.destination(), packet.source(), packet.destination_port(), packet.source_port()});
  }
  if (packet.kind() != PacketEditor::Kind::udp) return false;
  return carries(Endpoint{packet.source(), packet.source_port()},
                 Endpoint{packet.destination(), packet.destination_port()});
}

std::optional<Endpoint> Egress::client_for(const std::optional<Endpoint>& real, const Endpoint& guest) const {
  return client_for(real, guest, [&](const Endpoint& client) {
    return !tcp_.contains({client.address, guest.address, client.port, guest.port});
  });
}

std::optional<Endpoint> Egress::seen_as(const Endpoint& client, const Endpoint& guest) const {
  return client_for(client, guest, [&](const Endpoint& seen) { return !calls_.carries(guest, seen); });
}

template <typename IsFree>
std::optional<Endpoint> Egress::client_for(const std::optional<Endpoint>& real, const Endpoint& guest,
                                           const IsFree& is_free) const {
  if (real && is_v4(real->address) == is_v4(guest.address) && policy_.guest_source(real->address) == real->address &&
      is_free(*real)) {
    return real;
  }
  std::optional<IpAddress> ours;
  if (!is_v4(guest.address)) {
    if (config_.ipv6) ours = *config_.ipv6;
  } else if (config_.host_alias && is_v4(*config_.host_alias)) {
    ours = config_.host_alias;
  } else if (config_.ipv4) {
    ours = *config_.ipv4;
  }
  if (!ours) return std::nullopt;
  // Its own port where it may be, so that who looks at both sides finds the connection again.
  if (real && real->port >= kFirstFreePort && is_free({*ours, real->port})) return Endpoint{*ours, real->port};
  for (std::size_t tried = 0; tried < kFreePorts; ++tried) {
    const auto port = static_cast<std::uint16_t>(kFirstFreePort + (shared_.flows + tried) % kFreePorts);
    if (is_free({*ours, port})) return Endpoint{*ours, port};
  }
  return std::nullopt;
}

void Egress::end_batch(Instant now) {
  tcp_.end_batch(now);
  datagrams_.end_batch(now);
  calls_.end_batch(now);
  reassembler_.end_batch();
}

void Egress::expire(Instant now) {
  tcp_.expire(now);
  datagrams_.expire(now);
  calls_.expire(now);
  reassembler_.expire(now, [this](const Reassembler::Unfinished& datagram) { tell_unfinished(datagram); });
}

void Egress::tell_refused(const TcpSplice& splice, HostError error) {
  const TcpFlow& flow = splice.flow();
  if (splice.phase() != TcpPhase::closed || splice.called()) return;
  TcpHeader syn;
  if (service_of(flow) != nullptr) ++counters_.services.refused;
  syn.sequence = splice.guest_sequence();
  syn.flags = TcpSegment::kSyn;
  const TcpFlow reversed{flow.remote, flow.local, flow.remote_port, flow.local_port};
  if (error == HostError::refused || error == HostError::reset || error == HostError::no_resources) {
    TcpHeader reset;
    reset.acknowledgment = syn.sequence + 1;
    reset.flags = TcpSegment::kRst | TcpSegment::kAck;
    FrameBuilder frame{wire_.room(0)};
    prepend_tcp(frame, flow, reset);
    return wire_.send(frame, splice.guest(), is_v4(flow.local));
  }
  const auto source = reporter(flow.local);
  if (!source) return;
  std::array<std::uint8_t, 256> storage;
  FrameBuilder quote{storage};
  prepend_tcp(quote, reversed, syn);
  FrameBuilder frame{wire_.room(IcmpMessage::kHeaderSize + max_quote(*source))};
  build_icmp_error(frame, *source, flow.remote, answer_to(error, flow.local, config_.mtu), quote.bytes());
  wire_.send(frame, splice.guest(), is_v4(flow.local));
}

void Egress::tell_unfinished(const Reassembler::Unfinished& datagram) {
  const auto source = reporter(datagram.source);
  if (!source) return;
  FrameBuilder frame{wire_.room(IcmpMessage::kHeaderSize + max_quote(*source))};
  build_icmp_error(frame, *source, datagram.source, time_exceeded(*source, kInReassembly), datagram.first);
  wire_.send(frame, datagram.mac, is_v4(*source));
}

std::optional<IpAddress> Egress::reporter(const IpAddress& family) const noexcept {
  std::optional<IpAddress> source;
  if (is_v4(family) && config_.ipv4) source = *config_.ipv4;
  if (!is_v4(family) && config_.ipv6) source = *config_.ipv6;
  return source;
}

void Egress::reconfigure(const EgressConfig& config, const GuestPorts& ports) {
  config_ = config;
  policy_ = EgressPolicy{config.rules, config.inside, config.host_alias};
  wire_.reconfigure(config.mac, ports);
  ports_ = &ports;
  calls_.set_idle(config.udp_timeout);
  tcp_.reconfigure(config.mtu, {.idle = config.tcp_established_timeout});
  datagrams_.reconfigure(datagram_mtu(), config.udp_timeout, config.ipv4, config.ipv6);
  tcp_.abort_if([this](const TcpSplice& splice) {
    const TcpFlow& flow = splice.flow();
    return !splice.called() && service_of(flow) == nullptr &&
           policy_.judge(EgressProtocol::tcp, flow.local, flow.local_port) != EgressVerdict::allowed;
  });
  datagrams_.drop_if([this](const DatagramView& view) {
    const EgressProtocol protocol = view.key.kind == DatagramKind::udp ? EgressProtocol::udp : EgressProtocol::icmp;
    return !view.key.service && policy_.judge(protocol, view.last.address, view.last.port) != EgressVerdict::allowed;
  });
}

void Egress::forget(const MacAddress& mac, bool tell) {
  const auto is_its_own = [&](const TcpSplice& splice) { return splice.guest() == mac; };
  tell ? tcp_.abort_if(is_its_own) : tcp_.vanish_if(is_its_own);
  datagrams_.drop_if([&](const DatagramView& view) { return view.mac == mac; });
  datagrams_.forget(mac);
  reassembler_.forget(mac);
}

}  // namespace vnet::nat
