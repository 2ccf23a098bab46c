#include "sim/host.hpp"

#include <stdexcept>
#include <utility>

#include "nat/icmp_answer.hpp"
#include "packet/frame_builder.hpp"
#include "sim/world.hpp"

namespace vnet::sim {
namespace {

constexpr std::size_t kMaxHeaders = 60;  ///< IP and TCP without options

IpAddress source_of(const Ipv4Packet& packet) { return packet.source(); }
IpAddress source_of(const Ipv6Packet& packet) { return packet.source(); }
IpAddress destination_of(const Ipv4Packet& packet) { return packet.destination(); }
IpAddress destination_of(const Ipv6Packet& packet) { return packet.destination(); }

/// What an ICMP error quotes, as far as a sender needs it to know its own. `port` of an echo is its identifier.
struct Quoted {
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
  Endpoint to;
};

/// The beginning of a packet may be all that is there.
std::optional<Quoted> read_quote(ByteView quote) {
  ByteReader in{quote};
  Quoted quoted;
  const std::uint8_t first = in.u8();
  if (first >> 4U == 4) {
    in.skip(8);
    quoted.protocol = in.u8();
    in.skip(6);
    quoted.to.address = Ipv4Address{in.be32()};
    in.skip(std::size_t{first & 0x0fU} * 4 - Ipv4Packet::kMinHeaderSize);
  } else {
    in.skip(5);
    quoted.protocol = in.u8();
    in.skip(1 + Ipv6Address::kSize);
    const ByteView destination = in.bytes(Ipv6Address::kSize);
    if (!in.ok()) return std::nullopt;
    quoted.to.address = Ipv6Address::load(destination.data());
  }
  if (quoted.protocol == ip_protocol::kIcmp || quoted.protocol == ip_protocol::kIcmp6) in.skip(4);
  quoted.port = in.be16();
  quoted.to.port = in.be16();
  return in.ok() ? std::optional{quoted} : std::nullopt;
}

}  // namespace

bool UdpSocket::send(const Endpoint& to, ByteView payload) {
  if (!host_.send_udp(*this, to, payload)) return false;
  ++sent_;
  return true;
}

Endpoint UdpSocket::local() const {
  if (host_.ipv4()) return {*host_.ipv4(), port_};
  return {*host_.ipv6(), port_};
}

void UdpSocket::close() { host_.close(*this); }

Host::Host(World& world, Home& home, std::string name, const Station& station, l2::PortId port)
    : world_(world), home_(&home), name_(std::move(name)), station_(station), port_(port) {}

UdpSocket& Host::udp(std::uint16_t port) {
  if (port == 0) {
    port = kFirstFreePort;
    while (by_port_.contains(port)) ++port;
  }
  UdpSocket*& slot = by_port_[port];
  if (slot != nullptr) throw std::invalid_argument{name_ + ": UDP port " + std::to_string(port) + " is taken"};
  slot = &sockets_.emplace_back(*this, port);
  return *slot;
}

void Host::close(const UdpSocket& socket) {
  const auto found = by_port_.find(socket.port());
  if (found != by_port_.end() && found->second == &socket) by_port_.erase(found);
}

void Host::ping(const IpAddress& to, std::function<void(std::optional<Duration>)> done, Duration patience) {
  const std::uint16_t identifier = ++next_ping_;
  pings_[identifier] = {world_.now(), std::move(done)};
  after(patience, [this, identifier] {
    auto ended = pings_.extract(identifier);
    if (!ended.empty()) ended.mapped().done(std::nullopt);
  });
  constexpr std::string_view kText = "are you there?";
  std::array<std::uint8_t, 4 + kText.size()> body{};
  ByteWriter out{body};
  out.be16(identifier);
  out.be16(1);
  out.bytes(as_bytes(kText));
  const bool v4 = is_v4(to);
  send_echo(to, v4 ? icmp_type::kEchoRequest : icmp6_type::kEchoRequest, body);
}

bool Host::send_tcp(const TcpFlow& flow, const TcpHeader& header, ByteView payload) {
  if (!is_own(flow.local)) return false;
  Bytes storage(FrameBuilder::kHeadroom + payload.size());
  FrameBuilder packet{storage};
  build_tcp(packet, flow, header, payload);
  send_packet(flow.remote, packet.bytes());
  return true;
}

void Host::set_link(bool up) { world_.fabric_.set_link(port_, up, "asked for by a test", world_.now()); }

void Host::impair(const l2::Impairments& impair) {
  network::NicConfig config = world_.fabric_.nic(port_).config;
  config.impair = impair;
  (void)world_.fabric_.change(port_, std::move(config), "asked for by a test", world_.now());
}

bool Host::send_udp(const UdpSocket& socket, const Endpoint& to, ByteView payload) {
  const auto own = address(to.address);
  if (!own || payload.size() + kMaxHeaders > home_->config().mtu) return false;
  Bytes storage(FrameBuilder::kHeadroom + payload.size());
  FrameBuilder packet{storage};
  packet.append_payload(payload);
  if (const auto* const from = std::get_if<Ipv4Address>(&*own)) {
    const auto destination = std::get<Ipv4Address>(to.address);
    packet.prepend_udp(*from, destination, socket.port(), to.port);
    packet.prepend_ipv4(*from, destination, ip_protocol::kUdp, kHops);
  } else {
    const auto& from6 = std::get<Ipv6Address>(*own);
    const auto& destination = std::get<Ipv6Address>(to.address);
    packet.prepend_udp(from6, destination, socket.port(), to.port);
    packet.prepend_ipv6(from6, destination, ip_protocol::kUdp, kHops);
  }
  send_packet(to.address, packet.bytes());
  return true;
}

void Host::send_echo(const IpAddress& to, std::uint8_t type, ByteView body) {
  const auto own = address(to);
  if (!own) return;
  Bytes storage(FrameBuilder::kHeadroom + 4 + body.size());
  FrameBuilder packet{storage};
  ByteWriter out{packet.payload_room()};
  out.u8(type);
  out.zeros(3);
  out.bytes(body);
  packet.commit_payload(out.position());
  if (const auto* const from = std::get_if<Ipv4Address>(&*own)) {
    packet.fill_icmp_checksum();
    packet.prepend_ipv4(*from, std::get<Ipv4Address>(to), ip_protocol::kIcmp, kHops);
  } else {
    const auto& from6 = std::get<Ipv6Address>(*own);
    packet.fill_icmp6_checksum(from6, std::get<Ipv6Address>(to));
    packet.prepend_ipv6(from6, std::get<Ipv6Address>(to), ip_protocol::kIcmp6, kHops);
  }
  send_packet(to, packet.bytes());
}

void Host::tell_unreachable(const IpAddress& to, ByteView about) {
  const auto own = address(to);
  if (silent || !own) return;
  Bytes storage(FrameBuilder::kHeadroom + IcmpMessage::kHeaderSize + max_quote(to));
  FrameBuilder packet{storage};
  build_icmp_error(packet, *own, to, nat::unreachable(to, nat::kPortUnreachable), about);
  send_packet(to, packet.bytes());
}

void Host::send_packet(const IpAddress& to, ByteView packet) {
  const network::NetworkConfig& net = home_->config();
  if (const auto* const v4 = std::get_if<Ipv4Address>(&to)) {
    return neighbors_.send(net.ipv4->contains(*v4) ? *v4 : net.ipv4->address, packet);
  }
  const auto& v6 = std::get<Ipv6Address>(to);
  neighbors_.send(v6.is_link_local() || net.ipv6->contains(v6) ? v6 : net.ipv6->address, packet);
}

void Host::put_on_wire(Bytes frame) { world_.send(port_, std::move(frame)); }
void Host::after(Duration delay, std::function<void()> what) { world_.after(delay, std::move(what)); }

void Host::give_back(ByteView packet) {
  const auto quoted = read_quote(packet);
  if (!quoted || quoted->protocol != ip_protocol::kUdp) return;
  const auto found = by_port_.find(quoted->port);
  if (found == by_port_.end() || !found->second->on_error) return;
  const auto tell = found->second->on_error;
  const IpAddress own = address(quoted->to.address).value_or(quoted->to.address);
  tell({quoted->to, own, nat::unreachable(quoted->to.address, nat::kHostUnreachable)});
}

void Host::receive(ByteView bytes) {
  const auto frame = EthernetFrame::parse(bytes);
  if (!frame || (frame->destination() != mac() && !frame->destination().is_group())) return;
  if (frame->type() == ethertype::kArp) {
    neighbors_.handle_arp(frame->payload());
  } else if (frame->type() == ethertype::kIpv4) {
    if (const auto packet = Ipv4Packet::parse(frame->payload())) receive_ip(frame->source(), *packet);
  } else if (frame->type() == ethertype::kIpv6) {
    if (const auto packet = Ipv6Packet::parse(frame->payload())) receive_ip(frame->source(), *packet);
  }
}

template <typename Packet>
void Host::receive_ip(const MacAddress& from, const Packet& packet) {
  if (packet.is_fragment()) return;
  const bool icmp = packet.protocol() == ip_protocol::kIcmp || packet.protocol() == ip_protocol::kIcmp6;
  if (icmp) return receive_icmp(from, packet);
  if (!is_own(destination_of(packet))) return;
  if (packet.protocol() == ip_protocol::kUdp) receive_udp(packet);
  if (packet.protocol() == ip_protocol::kTcp) receive_tcp(packet);
}

template <typename Packet>
void Host::receive_udp(const Packet& packet) {
  const auto udp = UdpDatagram::parse(packet.payload());
  if (!udp || (udp->checksum_field() != 0 && !upper_checksum_ok(packet, ip_protocol::kUdp, udp->bytes()))) return;
  const auto found = by_port_.find(udp->destination_port());
  if (found == by_port_.end()) return tell_unreachable(source_of(packet), packet.bytes());
  UdpSocket& socket = *found->second;
  ++socket.received_;
  const auto tell = socket.on_message;  // which may be given another meanwhile
  if (tell) tell({source_of(packet), udp->source_port()}, udp->payload());
}

template <typename Packet>
void Host::receive_tcp(const Packet& packet) {
  const auto segment = TcpSegment::parse(packet.payload());
  if (!segment || !upper_checksum_ok(packet, ip_protocol::kTcp, segment->bytes()) || !on_tcp) return;
  const auto tell = on_tcp;
  tell({destination_of(packet), source_of(packet), segment->destination_port(), segment->source_port()}, *segment);
}

template <typename Packet>
void Host::receive_icmp(const MacAddress& from, const Packet& packet) {
  constexpr bool kIsV4 = std::is_same_v<Packet, Ipv4Packet>;
  const auto message = IcmpMessage::parse(packet.payload());
  if (!message) return;
  if constexpr (kIsV4) {
    if (checksum(message->bytes()) != 0) return;
  } else {
    if (!upper_checksum_ok(packet, ip_protocol::kIcmp6, message->bytes())) return;
    const bool asks = message->type() == icmp6_type::kNeighborSolicitation;
    if (asks || message->type() == icmp6_type::kNeighborAdvertisement) {
      return neighbors_.handle_discovery(from, packet, *message);
    }
  }
  if (!is_own(destination_of(packet))) return;
  const std::uint8_t type = message->type();
  if (type == (kIsV4 ? icmp_type::kEchoRequest : icmp6_type::kEchoRequest)) {
    if (!silent) {
      send_echo(source_of(packet), kIsV4 ? icmp_type::kEchoReply : icmp6_type::kEchoReply, message->body());
    }
  } else if (type == (kIsV4 ? icmp_type::kEchoReply : icmp6_type::kEchoReply)) {
    auto answered = pings_.extract(load_be<std::uint16_t>(message->body().data()));
    if (!answered.empty()) answered.mapped().done(world_.now() - answered.mapped().sent);
  } else if (kIsV4 || type < icmp6_type::kEchoRequest) {
    receive_error(source_of(packet), *message);
  }
}

void Host::receive_error(const IpAddress& from, const IcmpMessage& message) {
  const ByteView bytes = message.bytes();
  const auto quoted = read_quote(bytes.subspan(IcmpMessage::kHeaderSize));
  if (!quoted) return;
  if (quoted->protocol != ip_protocol::kUdp) {
    const bool echo = quoted->protocol == ip_protocol::kIcmp || quoted->protocol == ip_protocol::kIcmp6;
    auto ended = echo ? pings_.extract(quoted->port) : decltype(pings_)::node_type{};
    if (!ended.empty()) ended.mapped().done(std::nullopt);
    return;
  }
  const auto found = by_port_.find(quoted->port);
  if (found == by_port_.end()) return;
  const auto tell = found->second->on_error;
  if (tell) tell({quoted->to, from, {message.type(), message.code(), load_be<std::uint32_t>(bytes.data() + 4)}});
}

std::optional<IpAddress> Host::address(const IpAddress& like) const {
  if (is_v4(like)) {
    if (ipv4()) return *ipv4();
  } else if (ipv6()) {
    return *ipv6();
  }
  return std::nullopt;
}

bool Host::is_own(const IpAddress& candidate) const { return address(candidate) == candidate; }

}  // namespace vnet::sim
