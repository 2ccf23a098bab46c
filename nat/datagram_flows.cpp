#include "nat/datagram_flows.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "nat/icmp_answer.hpp"
#include "packet/ip.hpp"
#include "packet/random.hpp"
#include "packet/transport.hpp"

namespace vnet::nat {
namespace {

constexpr std::uint16_t kDnsPort = 53;
/// Datagrams of one flow that are looked at in a turn, in batches of the socket's.
constexpr int kBatchesPerTurn = 4;
/// Bytes of an echo's type, code, checksum and identifier.
constexpr std::size_t kEchoHeader = 6;

enum class EchoSide : std::uint8_t { request, reply };

/// Of the IP packet that carries so much.
std::size_t packet_size(DatagramKind kind, const IpAddress& family, std::size_t payload) noexcept {
  return payload + (is_v4(family) ? Ipv4Packet::kMinHeaderSize : Ipv6Packet::kHeaderSize) +
         (kind == DatagramKind::udp ? UdpDatagram::kHeaderSize : kEchoHeader);
}

/// The IP packet of a datagram: UDP, or an echo message whose identifier is the port of the guest's side.
template <typename Address>
void put_packet(FrameBuilder& frame, DatagramKind kind, const Address& from, const Address& to, std::uint16_t from_port,
                std::uint16_t to_port, EchoSide echo, ByteView payload) {
  constexpr bool kV4 = std::is_same_v<Address, Ipv4Address>;
  std::uint8_t protocol = ip_protocol::kUdp;
  if (kind == DatagramKind::udp) {
    frame.append_payload(payload);
    frame.prepend_udp(from, to, from_port, to_port);
  } else {
    const bool asks = echo == EchoSide::request;
    ByteWriter out{frame.payload_room()};
    out.u8(kV4 ? (asks ? icmp_type::kEchoRequest : icmp_type::kEchoReply)
               : (asks ? icmp6_type::kEchoRequest : icmp6_type::kEchoReply));
    out.u8(0);
    out.be16(0);
    out.be16(asks ? from_port : to_port);
    out.bytes(payload);
    if (out.ok()) frame.commit_payload(out.position());
    if constexpr (kV4) {
      protocol = ip_protocol::kIcmp;
      frame.fill_icmp_checksum();
    } else {
      protocol = ip_protocol::kIcmp6;
      frame.fill_icmp6_checksum(from, to);
    }
  }
  if constexpr (kV4) {
    frame.prepend_ipv4(from, to, protocol);
  } else {
    frame.prepend_ipv6(from, to, protocol);
  }
}

/// The same for endpoints of either family; both are of one.
void put_packet(FrameBuilder& frame, DatagramKind kind, const Endpoint& from, const Endpoint& to, EchoSide echo,
                ByteView payload) {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&from.address)) {
    put_packet(frame, kind, *v4, std::get<Ipv4Address>(to.address), from.port, to.port, echo, payload);
  } else {
    put_packet(frame, kind, std::get<Ipv6Address>(from.address), std::get<Ipv6Address>(to.address), from.port, to.port,
               echo, payload);
  }
}

}  // namespace

std::size_t DatagramFlows::KeyHash::operator()(const DatagramKey& of) const noexcept {
  const std::uint64_t rest = std::uint64_t{of.port} << 8U | static_cast<std::uint64_t>(of.kind);
  const std::uint64_t service =
      of.service ? mix64(std::hash<IpAddress>{}(of.service->address), of.service->port) : std::uint64_t{0};
  if (const auto* const v4 = std::get_if<Ipv4Address>(&of.guest)) {
    return siphash(std::array{std::uint64_t{v4->to_u32()}, rest, service}, key);
  }
  const std::uint8_t* const v6 = std::get<Ipv6Address>(of.guest).octets().data();
  return siphash(std::array{load_be<std::uint64_t>(v6), load_be<std::uint64_t>(v6 + 8), rest, service}, key);
}

DatagramFlows::DatagramFlows(const Setup& setup, GuestWire& wire, HostSockets& sockets, const EgressPolicy& policy,
                             NewId new_id)
    : setup_(setup),
      wire_(wire),
      sockets_(sockets),
      policy_(policy),
      new_id_(std::move(new_id)),
      by_key_(16, KeyHash{setup.key}),
      large_(wire, setup.key) {}

Result<DatagramFlows::Flow*, HostError> DatagramFlows::find_or_open(const Datagram& datagram, Instant now) {
  if (const auto known = by_key_.find(datagram.from); known != by_key_.end()) return &flows_.at(known->second);
  Lru& own = by_guest_[datagram.from.guest];
  if (own.size() >= setup_.limits.per_guest) {
    ++counters_.evicted;
    remove(FlowId{own.front()});
    return find_or_open(datagram, now);
  }
  const FlowId id = new_id_();
  auto socket = flows_.size() >= setup_.limits.flows      ? fail(HostError::no_resources)
                : datagram.from.kind == DatagramKind::udp ? sockets_.open_udp(id, datagram.target.address)
                                                          : sockets_.open_echo(id, datagram.target.address);
  if (!socket) {
    ++counters_.limited;
    if (own.empty()) by_guest_.erase(datagram.from.guest);
    return fail(socket.error());
  }
  ++counters_.opened;
  Flow& flow = flows_[id];
  flow.view = {.id = id, .key = datagram.from, .mac = datagram.mac, .last = datagram.to, .began = now, .used = now};
  flow.socket = std::move(*socket);
  flow.target = datagram.target;
  flow.place = own.insert(own.end(), id);
  by_key_[datagram.from] = id;
  ++sizes_[static_cast<std::size_t>(datagram.from.kind)];
  return &flow;
}

Result<void, HostError> DatagramFlows::handle(const Datagram& datagram, Instant now) {
  const auto found = find_or_open(datagram, now);
  if (!found) return fail(found.error());
  Flow* const flow = *found;
  Lru& own = by_guest_.at(datagram.from.guest);
  own.splice(own.end(), own, flow->place);
  flow->view.mac = datagram.mac;
  flow->view.last = datagram.to;
  flow->view.used = now;
  flow->only_dns = flow->only_dns && datagram.to.port == kDnsPort;
  flow->out.push_back({datagram.target, datagram.payload, datagram.ttl});
  ++counters_.from_guests;
  flow->view.bytes_to_host += datagram.payload.size();
  touch(flow->view.id, *flow);
  timers_.set(flow->view.id, now + patience(*flow), flow->armed, now);
  return {};
}

void DatagramFlows::touch(FlowId id, Flow& flow) {
  if (flow.touched) return;
  flow.touched = true;
  touched_.push_back(id);
}

void DatagramFlows::on_host(FlowId id, HostEvents events, Instant) {
  const auto found = flows_.find(id);
  if (found == flows_.end()) return;
  found->second.readable = found->second.readable || events.readable;
  found->second.failed = found->second.failed || events.failed;
  touch(id, found->second);
}

void DatagramFlows::end_batch(Instant) {
  large_.flush(setup_.mtu);
  for (const FlowId id : std::exchange(waiting_, {})) {
    const auto found = flows_.find(id);
    if (found == flows_.end()) continue;
    found->second.queued = false;
    touch(id, found->second);
  }
  for (const FlowId id : touched_) {
    const auto found = flows_.find(id);
    if (found == flows_.end()) continue;
    Flow& flow = found->second;
    flow.touched = false;
    send_out(flow);
    if (flow.failed) pass_errors(flow);
    if (flow.readable) receive(flow);
  }
  touched_.clear();
}

void DatagramFlows::send_out(Flow& flow) {
  for (std::span<const OutDatagram> left = flow.out; !left.empty();) {
    const DatagramSocket::Sent sent = flow.socket->send(left);
    left = left.subspan(sent.count);
    if (left.empty()) break;
    // One that the system refuses is answered; where it merely has no room, it is lost as on any wire.
    ++counters_.send_failed;
    if (sent.error && *sent.error != HostError::no_resources) {
      DatagramError error;
      error.error = *sent.error;
      error.to = left.front().to;
      error.payload = left.front().payload;
      tell_error(flow, error);
    }
    left = left.subspan(1);
  }
  flow.out.clear();
}

void DatagramFlows::receive(Flow& flow) {
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    if (!has_room(flow.view.mac)) break;
    const auto datagrams = flow.socket->receive();
    if (datagrams.empty()) {
      flow.readable = false;
      return;
    }
    for (const InDatagram& datagram : datagrams) deliver(flow, datagram);
  }
  if (flow.queued) return;
  flow.queued = true;
  waiting_.push_back(flow.view.id);
}

void DatagramFlows::deliver(Flow& flow, const InDatagram& datagram) {
  const auto source = seen_as(flow, datagram.from);
  if (!source) return;
  flow.view.bytes_to_guest += datagram.payload.size();
  give(flow.view.key.kind, *source, {flow.view.key.guest, flow.view.key.port}, flow.view.mac, datagram.payload);
}

/// As whom the guest sees what is at an endpoint in the host's world. Nothing: it has nothing to do with the flow.
std::optional<Endpoint> DatagramFlows::seen_as(const Flow& flow, const Endpoint& host) const {
  const DatagramKey& key = flow.view.key;
  if (key.service) return host == flow.target ? key.service : std::nullopt;
  const auto address = policy_.guest_source(host.address);
  if (!address || address->index() != key.guest.index()) return std::nullopt;
  return Endpoint{*address, host.port};
}

/// Whom an error comes from: who has said so where the guest may see that, else the gateway. Routers between the host
/// and a service's target are not of the guest's internet.
std::optional<IpAddress> DatagramFlows::reporter_of(const Flow& flow, const DatagramError& error) const {
  const DatagramKey& key = flow.view.key;
  std::optional<IpAddress> reporter;
  if (error.offender && key.service) {
    if (*error.offender == flow.target.address) reporter = key.service->address;
  } else if (error.offender) {
    reporter = policy_.guest_source(*error.offender);
  }
  if (!reporter && is_v4(key.guest) && setup_.ipv4) reporter = *setup_.ipv4;
  if (!reporter && !is_v4(key.guest) && setup_.ipv6) reporter = *setup_.ipv6;
  return reporter && reporter->index() == key.guest.index() ? reporter : std::nullopt;
}

void DatagramFlows::give(DatagramKind kind, const Endpoint& from, const Endpoint& guest, const MacAddress& mac,
                         ByteView payload) {
  ++counters_.to_guests;
  if (packet_size(kind, from.address, payload.size()) <= setup_.mtu && !large_.waits(mac)) {
    FrameBuilder frame{wire_.room(payload.size() + kEchoHeader)};
    put_packet(frame, kind, from, guest, EchoSide::reply, payload);
    return wire_.send(frame, mac, is_v4(from.address));
  }
  std::vector<std::uint8_t> storage(FrameBuilder::kHeadroom + payload.size() + kEchoHeader);
  FrameBuilder packet{storage};
  put_packet(packet, kind, from, guest, EchoSide::reply, payload);
  if (!packet.ok() || !large_.send(mac, std::move(storage), packet.bytes(), setup_.mtu)) ++counters_.lost;
}

void DatagramFlows::pass_errors(Flow& flow) {
  flow.failed = false;
  while (const auto error = flow.socket->take_error()) tell_error(flow, *error);
}

/// The datagram is quoted as the guest sent it: its own address, and the destination as it knows it.
void DatagramFlows::tell_error(const Flow& flow, const DatagramError& error) {
  const auto to = seen_as(flow, error.to);
  const auto reporter = reporter_of(flow, error);
  if (!to || !reporter) return;

  std::array<std::uint8_t, 2048> storage;
  FrameBuilder quote{storage};
  const ByteView payload = error.payload.first(std::min<std::size_t>(error.payload.size(), 1400));
  put_packet(quote, flow.view.key.kind, {flow.view.key.guest, flow.view.key.port}, *to, EchoSide::request, payload);
  FrameBuilder frame{wire_.room(IcmpMessage::kHeaderSize + max_quote(*reporter))};
  // What came in the other family, about a service, is said in the guest's.
  const bool as_it_came = error.offender && error.to.address.index() == to->address.index();
  const IcmpError message = as_it_came ? IcmpError{error.icmp_type, error.icmp_code, error.icmp_info}
                                       : answer_to(error.error, to->address, setup_.mtu);
  build_icmp_error(frame, *reporter, flow.view.key.guest, message, quote.bytes());
  ++counters_.errors;
  wire_.send(frame, flow.view.mac, is_v4(*reporter));
}

Duration DatagramFlows::patience(const Flow& flow) const noexcept {
  if (flow.view.key.kind == DatagramKind::echo) return setup_.times.echo;
  return flow.only_dns ? setup_.times.dns : setup_.times.udp;
}

void DatagramFlows::remove(FlowId id) {
  const auto found = flows_.find(id);
  const auto own = by_guest_.find(found->second.view.key.guest);
  own->second.erase(found->second.place);
  if (own->second.empty()) by_guest_.erase(own);
  by_key_.erase(found->second.view.key);
  --sizes_[static_cast<std::size_t>(found->second.view.key.kind)];
  flows_.erase(found);
}

Instant DatagramFlows::next_deadline() const {
  if (large_.can_flush(setup_.mtu)) return kAtOnce;
  for (const FlowId id : waiting_) {
    const auto found = flows_.find(id);
    if (found != flows_.end() && has_room(found->second.view.mac)) return kAtOnce;
  }
  return flows_.empty() ? kNever : timers_.next();
}

void DatagramFlows::expire(Instant now) {
  for (auto due = timers_.take_due(now); due.id != FlowId{}; due = timers_.take_due(now)) {
    const auto found = flows_.find(due.id);
    if (found == flows_.end() || !FlowTimers::is_current(due, found->second.armed)) continue;
    Flow& flow = found->second;
    const Instant over = flow.view.used + patience(flow);
    if (over <= now) {
      remove(due.id);
    } else {
      timers_.set(due.id, over, flow.armed, now);
    }
  }
  end_batch(now);
}

void DatagramFlows::drop_if(const std::function<bool(const DatagramView&)>& over) {
  std::vector<FlowId> ended;
  for (const auto& [id, flow] : flows_) {
    if (over(flow.view)) ended.push_back(id);
  }
  for (const FlowId id : ended) remove(id);
}

const DatagramView* DatagramFlows::find(FlowId id) const noexcept {
  const auto found = flows_.find(id);
  return found == flows_.end() ? nullptr : &found->second.view;
}

void DatagramFlows::for_each(const std::function<void(const DatagramView&)>& see) const {
  for (const auto& [id, flow] : flows_) see(flow.view);
}

}  // namespace vnet::nat
