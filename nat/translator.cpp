#include "nat/translator.hpp"

#include <algorithm>

#include "packet/transport.hpp"

namespace vnet::nat {
namespace {

using Kind = PacketEditor::Kind;

constexpr TranslationTable::Limits kLimits{.mappings = Translator::kMaxMappings,
                                           .sessions = Translator::kMaxSessions,
                                           .mappings_per_host = Translator::kMaxMappingsPerHost,
                                           .sessions_per_host = Translator::kMaxSessionsPerHost,
                                           .sessions_per_mapping = Translator::kMaxSessionsPerMapping};

NatProtocol protocol_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::tcp: return NatProtocol::tcp;
    case Kind::udp: return NatProtocol::udp;
    case Kind::query: return NatProtocol::icmp;
    case Kind::icmp_error:
    case Kind::other: return NatProtocol::other;
  }
  return NatProtocol::other;
}

Patience first_patience(NatProtocol protocol) noexcept {
  switch (protocol) {
    case NatProtocol::tcp: return Patience::tcp_transitory;
    case NatProtocol::icmp: return Patience::icmp;
    case NatProtocol::udp:
    case NatProtocol::other: return Patience::udp;
  }
  return Patience::udp;
}

bool is_first_syn(const PacketEditor& packet) noexcept {
  constexpr std::uint8_t kMask = TcpSegment::kSyn | TcpSegment::kAck | TcpSegment::kRst | TcpSegment::kFin;
  return packet.kind() == Kind::tcp && (packet.tcp_flags() & kMask) == TcpSegment::kSyn;
}

}  // namespace

Translator::Translator(const TranslatorConfig& config, Random& random)
    : config_(config), random_(&random), table_(kLimits, random) {
  host_ = config.one_to_one_host;
  settle();
}

/// What follows from the configuration.
void Translator::settle() {
  const NatBehavior& behavior = config_.behavior;
  table_.set_times(
      {behavior.udp_timeout, behavior.icmp_timeout, behavior.tcp_transitory_timeout, behavior.tcp_established_timeout});
  const bool open = behavior.filtering == Dependence::endpoint_independent;
  if (!behavior.translates || !config_.outside4) {
    way4_ = Way::untouched;
  } else if (behavior.one_to_one) {
    way4_ = open ? Way::stateless : Way::tracked;
  } else {
    way4_ = Way::ports;
  }
  prefix_.reset();
  if (behavior.ipv6 == Ipv6Way::nptv6 && config_.inside6 && config_.outside6) {
    prefix_ = PrefixTranslation::make(*config_.inside6, *config_.outside6);
  }
  if (behavior.ipv6 == Ipv6Way::nat66 && config_.outside6) {
    way6_ = Way::ports;
  } else if (behavior.firewall) {
    way6_ = Way::tracked;
  } else {
    way6_ = prefix_ ? Way::stateless : Way::untouched;
  }
}

void Translator::sweep(Instant now) {
  table_.expire(now);
  counters_.expired = table_.expired();
}

IpAddress Translator::outside_address(bool v6) const noexcept {
  if (v6) return *config_.outside6;
  return *config_.outside4;
}

/// Whether packets for `address` from inside come back in.
bool Translator::is_outside(const IpAddress& address) const noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) return config_.outside4 == *v4;
  const auto& v6 = std::get<Ipv6Address>(address);
  return prefix_ ? prefix_->is_outside(v6) : way6_ == Way::ports && config_.outside6 == v6;
}

std::optional<IpAddress> Translator::outward(const IpAddress& inside) const noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&inside)) {
    if (way4_ == Way::untouched) return inside;
    if (host_ != *v4) return std::nullopt;
    return *config_.outside4;
  }
  if (!prefix_) return inside;
  return prefix_->outward(std::get<Ipv6Address>(inside));
}

std::optional<IpAddress> Translator::inward(const IpAddress& outside) const noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&outside)) {
    if (way4_ == Way::untouched) return outside;
    if (config_.outside4 != *v4 || !host_) return std::nullopt;
    return *host_;
  }
  if (!prefix_) return outside;
  return prefix_->inward(std::get<Ipv6Address>(outside));
}

/// One-to-one without a host that is configured is for the first one.
void Translator::learn_host(const IpAddress& source) noexcept {
  const auto* const v4 = std::get_if<Ipv4Address>(&source);
  if (v4 == nullptr || host_ || !config_.behavior.one_to_one) return;
  if (!config_.inside4 || config_.inside4->contains(*v4)) host_ = *v4;
}

Translator::Flow Translator::flow_out(const PacketEditor& packet) noexcept {
  Flow flow{protocol_of(packet.kind()), !packet.is_v4(), packet.source_port(), pack(packet.source()),
            Peer{pack(packet.destination()), packet.destination_port()}};
  if (flow.protocol == NatProtocol::icmp) flow.remote.port = 0;  // the identifier is the inside's
  if (flow.protocol == NatProtocol::other) flow.port = flow.remote.port = packet.protocol();
  return flow;
}

/// `inside` and `port` are those of the outside as yet.
Translator::Flow Translator::flow_in(const PacketEditor& packet) noexcept {
  Flow flow{protocol_of(packet.kind()), !packet.is_v4(), packet.destination_port(), pack(packet.destination()),
            Peer{pack(packet.source()), packet.source_port()}};
  if (flow.protocol == NatProtocol::icmp) flow.remote.port = 0;
  if (flow.protocol == NatProtocol::other) flow.port = flow.remote.port = packet.protocol();
  return flow;
}

Dependence Translator::scope(bool v6) const noexcept {
  return way(v6) == Way::ports ? config_.behavior.mapping : Dependence::endpoint_independent;
}

Translator::Key Translator::key_of(const Flow& flow, Dependence scope) const noexcept {
  Key key{flow.protocol, flow.v6, scope, flow.port, 0, flow.inside, {}};
  if (scope != Dependence::endpoint_independent) key.toward = flow.remote.address;
  if (scope == Dependence::address_and_port_dependent) key.toward_port = flow.remote.port;
  return key;
}

Id Translator::find_living(Id first) const noexcept {
  while (first != kNone && table_.mapping(first).resting) first = table_.mapping(first).next;
  return first;
}

/// Of mappings with one key the one with a session, or else the oldest that lives.
Translator::Found Translator::find_among(Id first, const Peer& remote) const noexcept {
  Found found;
  for (Id id = find_living(first); id != kNone; id = find_living(table_.mapping(id).next)) {
    if (found.mapping == kNone) found.mapping = id;
    if (const Id session = table_.find_session(id, remote); session != kNone) return {id, session};
  }
  return found;
}

/// The mapping that a packet from inside goes through, if there is one, and its session.
Translator::Found Translator::find(const Flow& flow) const noexcept {
  const Dependence scope = this->scope(flow.v6);
  if (scope == Dependence::endpoint_independent) return find_among(table_.find(key_of(flow, scope)), flow.remote);
  Id pinned = kNone;
  if (pins_) {
    pinned = table_.find(key_of(flow, Dependence::endpoint_independent));
    if (const Found found = find_among(pinned, flow.remote); found.session != kNone) return found;
    while (pinned != kNone && !table_.mapping(pinned).pinned) pinned = table_.mapping(pinned).next;
  }
  const Found found = find_among(table_.find(key_of(flow, scope)), flow.remote);
  return found.mapping != kNone ? found : Found{pinned, kNone};
}

/// The mapping that a packet from outside is for.
Id Translator::find_inbound(const Flow& flow) const noexcept {
  if (way(flow.v6) != Way::ports) return find_living(table_.find(key_of(flow, Dependence::endpoint_independent)));
  const Id id = table_.find_outside(flow.v6, flow.protocol, flow.port);
  return id != kNone && table_.mapping(id).resting ? kNone : id;
}

bool Translator::lets_in(Id mapping, const Peer& remote) const noexcept {
  if (table_.mapping(mapping).pinned) return true;
  switch (config_.behavior.filtering) {
    case Dependence::endpoint_independent: return true;
    case Dependence::address_dependent: return table_.find_neighbor(mapping, remote.address) != kNone;
    case Dependence::address_and_port_dependent: return table_.find_session(mapping, remote) != kNone;
  }
  return false;
}

std::optional<DropReason> Translator::outbound(PacketEditor& packet, Instant now) {
  sweep(now);
  const Way way = this->way(!packet.is_v4());
  if (way == Way::untouched) return std::nullopt;
  if (!config_.behavior.hairpin && is_outside(packet.destination())) return DropReason::no_route;
  if (packet.kind() == Kind::icmp_error) return outbound_error(packet);
  if (way == Way::ports) {
    if (packet.kind() == Kind::other) return DropReason::no_service;
    return track_outbound(packet, outside_address(!packet.is_v4()), now);
  }
  learn_host(packet.source());
  const auto outside = outward(packet.source());
  if (!outside) {
    if (!packet.is_v4()) return DropReason::no_route;
    ++counters_.exhausted;
    return DropReason::nat_exhausted;
  }
  if (way == Way::tracked) return track_outbound(packet, *outside, now);
  packet.set_source(*outside, packet.source_port());
  return std::nullopt;
}

std::optional<DropReason> Translator::track_outbound(PacketEditor& packet, const IpAddress& outside, Instant now) {
  const Flow flow = flow_out(packet);
  Found found = find(flow);
  const bool resets = packet.kind() == Kind::tcp && (packet.tcp_flags() & TcpSegment::kRst) != 0;
  if (found.mapping == kNone && resets) return DropReason::nat_unmapped;
  if (found.session == kNone && !resets) {
    found = open(flow, found, now);
    if (found.session == kNone) {
      ++counters_.exhausted;
      return DropReason::nat_exhausted;
    }
  } else if (found.session != kNone && packet.kind() != Kind::tcp) {
    table_.touch(found.session, first_patience(flow.protocol), now);
  }
  if (packet.kind() == Kind::tcp && found.session != kNone) see_tcp(found.session, packet.tcp_flags(), true, now);
  TranslationTable::Mapping& mapping = table_.mapping(found.mapping);
  mapping.bytes_out += packet.bytes().size();
  packet.set_source(outside, mapping.has_outside_port ? mapping.outside_port : flow.port);
  if (held_.size() != 0 && is_first_syn(packet)) {
    held_.forget({packet.destination(), packet.destination_port()}, {packet.source(), packet.source_port()});
  }
  return std::nullopt;
}

void Translator::see_tcp(Id session, std::uint8_t flags, bool outbound, Instant now) {
  const TcpTracking::Verdict verdict = table_.session(session).tcp.see(flags, outbound);
  if (verdict.refreshes) {
    table_.touch(session, verdict.established ? Patience::tcp_established : Patience::tcp_transitory, now);
  }
}

/// A session for a flow that has none, and a mapping where `found` is none. No session: a limit is reached.
Translator::Found Translator::open(const Flow& flow, Found found, Instant now) {
  const bool fresh = found.mapping == kNone;
  if (fresh) found.mapping = open_mapping(flow, now);
  if (found.mapping == kNone) return {};
  TranslationTable::Mapping& mapping = table_.mapping(found.mapping);
  if (mapping.session_count >= kMaxSessionsPerMapping && flow.protocol != NatProtocol::tcp) {
    table_.end_session(mapping.sessions.first, now);
  }
  found.session = table_.add_session(found.mapping, flow.remote, first_patience(flow.protocol), now);
  if (found.session == kNone) {
    if (fresh) table_.end(found.mapping, now, false);
  } else if (fresh) {
    ++counters_.created;
  }
  return found;
}

Id Translator::open_mapping(const Flow& flow, Instant now) {
  const Key key = key_of(flow, scope(flow.v6));
  if (way(flow.v6) != Way::ports) return table_.add(key);
  // Nothing lives under this key; what rests takes up where it stopped.
  if (const Id resting = table_.find(key); resting != kNone) return table_.revive(resting) ? resting : kNone;
  const auto port = choose_port(flow, now);
  return port ? table_.add(key, *port) : kNone;
}

std::optional<std::uint16_t> Translator::choose_port(const Flow& flow, Instant now) {
  if (config_.behavior.ports == PortChoice::preserve) {
    // A port rests for others, not for whose it was.
    const Id holder = table_.find_outside(flow.v6, flow.protocol, flow.port);
    if (holder != kNone && table_.mapping(holder).resting && table_.mapping(holder).inside == flow.inside &&
        table_.mapping(holder).inside_port == flow.port) {
      table_.end(holder, now, false);
    }
  }
  return table_.ports(flow.v6, flow.protocol).choose(flow.port, config_.behavior.ports, *random_);
}

std::optional<DropReason> Translator::inbound(PacketEditor& packet, Instant now) {
  sweep(now);
  const Way way = this->way(!packet.is_v4());
  if (way == Way::untouched) return std::nullopt;
  if (packet.kind() == Kind::icmp_error) {
    const auto reason = inbound_error(packet);
    if (reason) ++counters_.unmapped;
    return reason;
  }
  Flow flow = flow_in(packet);
  if (way == Way::ports) {
    if (!is_outside(packet.destination()) || packet.kind() == Kind::other) {
      ++counters_.unmapped;
      return DropReason::nat_unmapped;
    }
    return track_inbound(packet, flow, now);
  }
  const auto inside = inward(packet.destination());
  if (!inside) {
    ++counters_.unmapped;
    return DropReason::nat_unmapped;
  }
  if (way == Way::stateless) {
    packet.set_destination(*inside, packet.destination_port());
    return std::nullopt;
  }
  flow.inside = pack(*inside);
  return track_inbound(packet, flow, now);
}

std::optional<DropReason> Translator::track_inbound(PacketEditor& packet, Flow flow, Instant now) {
  const Id id = find_inbound(flow);
  // Where an address stands for somebody as a whole, nothing is for nobody.
  if (id == kNone) {
    return refuse(packet, way(flow.v6) == Way::ports ? DropReason::nat_unmapped : DropReason::nat_filtered, now);
  }
  const Id session = table_.find_session(id, flow.remote);
  if (session == kNone && !lets_in(id, flow.remote)) return refuse(packet, DropReason::nat_filtered, now);
  refresh_inbound(packet, id, session, flow.remote, now);
  TranslationTable::Mapping& mapping = table_.mapping(id);
  mapping.bytes_in += packet.bytes().size();
  packet.set_destination(unpack(mapping.inside, mapping.v6), mapping.inside_port);
  return std::nullopt;
}

void Translator::refresh_inbound(const PacketEditor& packet, Id mapping, Id session, const Peer& remote, Instant now) {
  if (packet.kind() == Kind::tcp) {
    if (session != kNone) see_tcp(session, packet.tcp_flags(), false, now);
    return;
  }
  if (!config_.behavior.inbound_refresh) return;
  // From an endpoint that nothing was sent to: what lets it in is refreshed, or else what keeps the mapping.
  if (session == kNone) session = table_.find_neighbor(mapping, remote.address);
  if (session == kNone) session = table_.mapping(mapping).sessions.last;
  if (session != kNone) table_.touch(session, table_.session(session).patience, now);
}

DropReason Translator::refuse(const PacketEditor& packet, DropReason reason, Instant now) {
  ++(reason == DropReason::nat_filtered ? counters_.filtered : counters_.unmapped);
  if (is_first_syn(packet)) {
    held_.hold(packet.bytes(), {packet.source(), packet.source_port()},
               {packet.destination(), packet.destination_port()}, now);
  }
  return reason;
}

void Translator::expire(Instant now, const std::function<void(ByteView packet)>& tell) {
  sweep(now);
  held_.expire(now, tell);
}

Instant Translator::next_deadline() const noexcept { return std::min(table_.next_deadline(), held_.next_deadline()); }

}  // namespace vnet::nat
