// What people ask of a NAT, rather than packets: pinned mappings, another configuration, and a look at what there is.
#include <algorithm>
#include <vector>

#include "nat/translator.hpp"

namespace vnet::nat {
namespace {

bool is_v6(const Endpoint& endpoint) noexcept { return std::holds_alternative<Ipv6Address>(endpoint.address); }

}  // namespace

/// Whether another one with this key, at `port`, is within the limits and not at odds with what is there.
bool Translator::has_place_for_pin(const Key& key, std::uint16_t port) const noexcept {
  if (way(key.v6) != Way::ports) {
    const IpAddress inside = unpack(key.inside, key.v6);
    const bool waits_for_host = !key.v6 && config_.behavior.one_to_one && !host_;
    return port == key.port && (waits_for_host || outward(inside));
  }
  if (key.protocol == NatProtocol::other || (port == 0 && key.protocol != NatProtocol::icmp)) return false;
  std::size_t count = 0;
  for (Id id = table_.find(key); id != kNone; id = table_.mapping(id).next) {
    if (table_.mapping(id).outside_port == port) return true;
    ++count;
  }
  return count < kMaxPinsPerEndpoint;
}

bool Translator::is_free(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) const {
  const Key key{protocol, is_v6(inside), Dependence::endpoint_independent, inside.port, 0, pack(inside.address), {}};
  if (!has_place_for_pin(key, port)) return false;
  if (way(key.v6) != Way::ports) return true;
  const Id holder = table_.find_outside(key.v6, protocol, port);
  if (holder == kNone) return true;
  const TranslationTable::Mapping& mapping = table_.mapping(holder);
  if (mapping.inside == key.inside && mapping.inside_port == key.port) return true;
  return mapping.resting && mapping.rests_since + TranslationTable::kRest <= now;
}

bool Translator::pin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) {
  sweep(now);
  if (!is_free(protocol, port, inside, now)) return false;
  const Key key{protocol, is_v6(inside), Dependence::endpoint_independent, inside.port, 0, pack(inside.address), {}};
  pins_ = true;
  Id id = kNone;
  if (way(key.v6) != Way::ports) {
    learn_host(inside.address);
    id = table_.find(key);
    if (id == kNone && (id = table_.add(key)) != kNone) ++counters_.created;
  } else {
    id = table_.find_outside(key.v6, protocol, port);
    if (id != kNone && (table_.mapping(id).resting || table_.mapping(id).scope != key.scope)) {
      // Its own, but over, or for one destination only: whatever uses it goes on with the pinned one.
      table_.end(id, now, false);
      id = kNone;
    }
    if (id == kNone && (id = table_.add(key, port)) != kNone) ++counters_.created;
  }
  if (id == kNone) return false;
  table_.pin(id);
  return true;
}

Id Translator::find_pinned(NatProtocol protocol, std::uint16_t port, const Endpoint& inside) const noexcept {
  const Key key{protocol, is_v6(inside), Dependence::endpoint_independent, inside.port, 0, pack(inside.address), {}};
  const bool has_ports = way(key.v6) == Way::ports;
  for (Id id = table_.find(key); id != kNone; id = table_.mapping(id).next) {
    const TranslationTable::Mapping& mapping = table_.mapping(id);
    if (mapping.pinned && (has_ports ? mapping.outside_port : mapping.inside_port) == port) return id;
  }
  return kNone;
}

void Translator::unpin(NatProtocol protocol, std::uint16_t port, Instant now) {
  sweep(now);
  if (way4_ == Way::tracked || way4_ == Way::stateless) {
    if (host_) unpin(protocol, port, {*host_, port}, now);
    return;
  }
  for (const bool v6 : {false, true}) {
    if (way(v6) != Way::ports) continue;
    const Id id = table_.find_outside(v6, protocol, port);
    if (id == kNone || !table_.mapping(id).pinned) continue;
    table_.unpin(id, now);
    return;
  }
}

void Translator::unpin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now, bool at_once) {
  sweep(now);
  const Id id = find_pinned(protocol, port, inside);
  if (id == kNone) return;
  if (at_once) {
    table_.end(id, now, false);
  } else {
    table_.unpin(id, now);
  }
}

void Translator::reconfigure(const TranslatorConfig& config, Instant now) {
  sweep(now);
  const TranslatorConfig old = config_;
  const Way old_ways[] = {way4_, way6_};
  const NatBehavior& before = old.behavior;
  const NatBehavior& after = config.behavior;
  config_ = config;
  settle();
  const bool outside4 = old.outside4 == config.outside4;
  const bool same4 = outside4 && before.translates == after.translates && before.mapping == after.mapping &&
                     before.one_to_one == after.one_to_one && old.one_to_one_host == config.one_to_one_host;
  // Where IPv6 is only routed, its mappings know nothing of an outside address.
  const bool outside6 = before.ipv6 == after.ipv6 && (after.ipv6 == Ipv6Way::routed || old.outside6 == config.outside6);
  const bool same6 = outside6 && (after.ipv6 != Ipv6Way::nptv6 || old.inside6 == config.inside6) &&
                     (after.ipv6 != Ipv6Way::nat66 || before.mapping == after.mapping);
  if (!same4) {
    host_ = config.one_to_one_host;
    forget(false, outside4, outside4 && old_ways[0] == way4_, now);
  }
  if (!same6) forget(true, outside6, outside6 && old_ways[1] == way6_, now);
}

/// All mappings of a family; those that are pinned are pinned again, if they are to stay and may.
void Translator::forget(bool v6, bool pins_stay, bool rests, Instant now) {
  struct Pin {
    NatProtocol protocol{};
    std::uint16_t port = 0;
    Endpoint inside;
    std::uint64_t bytes_out = 0;
    std::uint64_t bytes_in = 0;
  };
  std::vector<Pin> pins;
  std::vector<Id> over;
  table_.each([&](Id id, const TranslationTable::Mapping& m) {
    if (m.v6 != v6 || (m.resting && rests)) return;
    over.push_back(id);
    if (!m.pinned || !pins_stay) return;
    pins.push_back({m.protocol,
                    m.has_outside_port ? m.outside_port : m.inside_port,
                    {unpack(m.inside, v6), m.inside_port},
                    m.bytes_out,
                    m.bytes_in});
  });
  for (const Id id : over) table_.end(id, now, rests && !table_.mapping(id).pinned);
  for (const Pin& each : pins) {
    if (!pin(each.protocol, each.port, each.inside, now)) continue;
    TranslationTable::Mapping& mapping = table_.mapping(find_pinned(each.protocol, each.port, each.inside));
    mapping.bytes_out = each.bytes_out;
    mapping.bytes_in = each.bytes_in;
  }
}

void Translator::clear() {
  table_.clear();
  held_.clear();
  host_ = config_.one_to_one_host;
  pins_ = false;
}

Endpoint Translator::outside_of(const TranslationTable::Mapping& mapping) const noexcept {
  const IpAddress inside = unpack(mapping.inside, mapping.v6);
  if (mapping.has_outside_port) return {outside_address(mapping.v6), mapping.outside_port};
  return {outward(inside).value_or(inside), mapping.inside_port};
}

std::optional<Endpoint> Translator::inside_of(NatProtocol protocol, const Endpoint& outside,
                                              const Endpoint& remote) const {
  const bool v6 = is_v6(outside);
  if (way(v6) == Way::untouched) return outside;
  if (way(v6) == Way::ports && !is_outside(outside.address)) return std::nullopt;
  const auto inside = way(v6) == Way::ports ? std::optional{outside.address} : inward(outside.address);
  if (!inside) return std::nullopt;
  if (way(v6) == Way::stateless) return Endpoint{*inside, outside.port};
  const Flow flow{protocol, v6, outside.port, pack(*inside), Peer{pack(remote.address), remote.port}};
  const Id id = find_inbound(flow);
  if (id == kNone || table_.find_session(id, flow.remote) == kNone) return std::nullopt;
  const TranslationTable::Mapping& mapping = table_.mapping(id);
  return Endpoint{unpack(mapping.inside, mapping.v6), mapping.inside_port};
}

void Translator::each(const std::function<void(const MappingView&)>& see) const {
  table_.each([&](Id, const TranslationTable::Mapping& mapping) {
    if (mapping.resting) return;
    MappingView view;
    view.protocol = mapping.protocol;
    view.inside = {unpack(mapping.inside, mapping.v6), mapping.inside_port};
    view.outside = outside_of(mapping);
    if (mapping.scope != Dependence::endpoint_independent) {
      view.toward = Endpoint{unpack(mapping.toward, mapping.v6), mapping.toward_port};
    }
    view.pinned = mapping.pinned;
    view.bytes_out = mapping.bytes_out;
    view.bytes_in = mapping.bytes_in;
    view.sessions = mapping.session_count;
    if (!mapping.pinned) {
      view.expires = kAtOnce;
      for (Id id = mapping.sessions.first; id != kNone; id = table_.session(id).sibling.after) {
        view.expires = std::max(view.expires, table_.deadline(table_.session(id)));
      }
    }
    see(view);
  });
}

}  // namespace vnet::nat
