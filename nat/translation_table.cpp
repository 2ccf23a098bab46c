#include "nat/translation_table.hpp"

#include <algorithm>
#include <utility>

namespace vnet::nat {
namespace {

constexpr std::uint32_t kAnyPort = 0x10000;

}  // namespace

PackedAddress pack(const IpAddress& address) noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) return {0, v4->to_u32()};
  const std::uint8_t* const octets = std::get<Ipv6Address>(address).octets().data();
  return {load_be<std::uint64_t>(octets), load_be<std::uint64_t>(octets + 8)};
}

IpAddress unpack(const PackedAddress& address, bool v6) noexcept {
  if (!v6) return Ipv4Address{static_cast<std::uint32_t>(address.low)};
  std::array<std::uint8_t, Ipv6Address::kSize> octets{};
  store_be(octets.data(), address.high);
  store_be(octets.data() + 8, address.low);
  return Ipv6Address{octets};
}

TranslationTable::TranslationTable(const Limits& limits, Random& random)
    : limits_(limits),
      key_{random.next(), random.next()},
      ports_{PortPool{true}, PortPool{true}, PortPool{true}, PortPool{true},
             // Identifiers of echoes are no ports; those without ports get none.
             PortPool{false}, PortPool{false}, PortPool{false}, PortPool{false}} {}

void TranslationTable::set_times(const std::array<Duration, kPatiences>& times) noexcept {
  times_ = times;
  earliest_ = next_deadline();
}

std::uint32_t TranslationTable::hash_of(const Key& key) const noexcept {
  const std::uint64_t kind =
      static_cast<std::uint64_t>(key.protocol) | (key.v6 ? 4U : 0U) | static_cast<std::uint64_t>(key.scope) << 3U;
  const std::uint64_t first = kind | std::uint64_t{key.port} << 8U;
  if (!key.v6) {
    const std::array words = {first | key.inside.low << 24U, key.toward.low | std::uint64_t{key.toward_port} << 32U};
    const bool scoped = key.scope != Dependence::endpoint_independent;
    return static_cast<std::uint32_t>(siphash(std::span{words}.first(scoped ? 2 : 1), key_));
  }
  const std::array words = {first | std::uint64_t{key.toward_port} << 24U, key.inside.high, key.inside.low,
                            key.toward.high, key.toward.low};
  return static_cast<std::uint32_t>(siphash(words, key_));
}

/// Ports are hardly the guest's choice, so a seeded mixer does.
std::uint32_t TranslationTable::outside_hash(bool v6, NatProtocol protocol, std::uint16_t port) const noexcept {
  const std::uint64_t kind = static_cast<std::uint64_t>(protocol) << 1U | (v6 ? 1U : 0U);
  return static_cast<std::uint32_t>(mix64(kind << 16U | port, key_.low));
}

std::uint32_t TranslationTable::peer_hash(Id mapping, const PackedAddress& address, std::uint32_t port) const noexcept {
  const std::array words = {std::uint64_t{mapping} << 32U | port, address.low, address.high};
  return static_cast<std::uint32_t>(siphash(std::span{words}.first(mappings_[mapping].v6 ? 3 : 2), key_));
}

Id TranslationTable::find(const Key& key) const noexcept {
  return by_key_.find(hash_of(key), hash_of_mapping(), [&](Id id) {
    const Mapping& m = mappings_[id];
    return m.inside == key.inside && m.inside_port == key.port && m.protocol == key.protocol && m.v6 == key.v6 &&
           m.scope == key.scope && m.toward == key.toward && m.toward_port == key.toward_port;
  });
}

Id TranslationTable::find_outside(bool v6, NatProtocol protocol, std::uint16_t port) const noexcept {
  return by_outside_.find(outside_hash(v6, protocol, port), hash_of_outside(), [&](Id id) {
    const Mapping& m = mappings_[id];
    return m.outside_port == port && m.protocol == protocol && m.v6 == v6;
  });
}

Id TranslationTable::add(const Key& key, std::uint16_t outside_port) {
  const Id id = add(key);
  if (id == kNone) return kNone;
  mappings_[id].outside_port = outside_port;
  mappings_[id].has_outside_port = true;
  by_outside_.insert(id, hash_of_outside());
  ports(key.v6, key.protocol).take(outside_port);
  return id;
}

Id TranslationTable::add(const Key& key) {
  Mapping mapping;
  mapping.inside = key.inside;
  mapping.toward = key.toward;
  mapping.inside_port = key.port;
  mapping.toward_port = key.toward_port;
  mapping.protocol = key.protocol;
  mapping.scope = key.scope;
  mapping.v6 = key.v6;
  mapping.hash = hash_of(key);
  if (!join_host(mapping)) return kNone;
  const Id same = find(key);
  const Id id = mappings_.add();
  mappings_[id] = mapping;
  if (same == kNone) {
    by_key_.insert(id, hash_of_mapping());
    return id;
  }
  Id last = same;
  while (mappings_[last].next != kNone) last = mappings_[last].next;
  mappings_[last].next = id;
  return id;
}

bool TranslationTable::join_host(Mapping& mapping) {
  if (size() >= limits_.mappings) return false;
  const std::array words = {mapping.inside.high, mapping.inside.low, std::uint64_t{mapping.v6}};
  const auto hash = static_cast<std::uint32_t>(siphash(words, key_));
  Id id = by_host_.find(hash, hash_of_host(), [&](Id other) {
    return hosts_[other].address == mapping.inside && (hosts_[other].v6 != 0) == mapping.v6;
  });
  if (id == kNone) {
    id = hosts_.add();
    hosts_[id].address = mapping.inside;
    hosts_[id].v6 = mapping.v6 ? 1 : 0;
    hosts_[id].hash = hash;
    by_host_.insert(id, hash_of_host());
  }
  if (hosts_[id].mappings >= limits_.mappings_per_host) return false;
  hosts_[id].mappings = (hosts_[id].mappings + 1U) & 0x7fffU;
  mapping.host = id;
  return true;
}

void TranslationTable::leave_host(Mapping& mapping) noexcept {
  const Id id = std::exchange(mapping.host, kNone);
  hosts_[id].mappings = (hosts_[id].mappings - 1U) & 0x7fffU;
  if (hosts_[id].mappings != 0) return;
  by_host_.remove(id, hash_of_host());
  hosts_.remove(id);
}

bool TranslationTable::revive(Id id) {
  Mapping& m = mappings_[id];
  if (!join_host(m)) return false;
  unlink<&Mapping::resting_place>(mappings_, resting_, id);
  --resting_count_;
  m.resting = false;
  m.bytes_out = m.bytes_in = 0;
  return true;
}

void TranslationTable::unpin(Id id, Instant now) {
  mappings_[id].pinned = false;
  if (mappings_[id].session_count == 0) rest(id, now);
}

void TranslationTable::end(Id id, Instant now, bool rests) {
  mappings_[id].pinned = true;  // so that it does not end with its last session
  while (mappings_[id].session_count != 0) end_session(mappings_[id].sessions.first, now);
  mappings_[id].pinned = false;
  if (rests && !mappings_[id].resting) {
    rest(id, now);
  } else if (!rests) {
    remove(id);
  }
}

/// Nothing is left of one that has no port to keep.
void TranslationTable::rest(Id id, Instant since) {
  Mapping& m = mappings_[id];
  if (!m.has_outside_port) {
    remove(id);
    return;
  }
  leave_host(m);
  m.resting = true;
  m.rests_since = since;
  append<&Mapping::resting_place>(mappings_, resting_, id);
  ++resting_count_;
  earliest_ = std::min(earliest_, since + kRest);
  // They are bounded, too; the rest of the one that rests for longest is the least loss.
  if (resting_count_ > limits_.mappings) remove(resting_.first);
}

void TranslationTable::remove(Id id) noexcept {
  Mapping& m = mappings_[id];
  if (m.resting) {
    unlink<&Mapping::resting_place>(mappings_, resting_, id);
    --resting_count_;
  } else {
    leave_host(m);
  }
  if (m.has_outside_port) {
    by_outside_.remove(id, hash_of_outside());
    ports(m.v6, m.protocol).give_back(m.outside_port);
  }
  Id head = by_key_.find(m.hash, hash_of_mapping(), [&](Id first) {
    for (; first != kNone && first != id;) first = mappings_[first].next;
    return first == id;
  });
  if (head != id) {
    while (mappings_[head].next != id) head = mappings_[head].next;
    mappings_[head].next = m.next;
  } else if (m.next != kNone) {
    by_key_.replace(id, m.next, m.hash);
  } else {
    by_key_.remove(id, hash_of_mapping());
  }
  mappings_.remove(id);
}

Id TranslationTable::find_session(Id mapping, const Peer& peer) const noexcept {
  const auto is_it = [&](Id id) {
    const Session& s = sessions_[id];
    return s.mapping == mapping && s.address == peer.address && s.port == peer.port;
  };
  // Most packets go on where the last one was, and most mappings have one session.
  const Id last = mappings_[mapping].sessions.last;
  if (last == kNone || is_it(last)) return last;
  if (mappings_[mapping].session_count == 1) return kNone;
  return by_peer_.find(peer_hash(mapping, peer.address, peer.port), hash_of_session(), is_it);
}

Id TranslationTable::find_neighbor(Id mapping, const PackedAddress& address) const noexcept {
  return by_address_.find(peer_hash(mapping, address, kAnyPort), hash_of_address(),
                          [&](Id id) { return sessions_[id].mapping == mapping && sessions_[id].address == address; });
}

Id TranslationTable::add_session(Id mapping, const Peer& peer, Patience patience, Instant now) {
  Mapping& m = mappings_[mapping];
  Host& host = hosts_[m.host];
  if (sessions_.size() >= limits_.sessions || host.sessions >= limits_.sessions_per_host ||
      m.session_count >= limits_.sessions_per_mapping) {
    return kNone;
  }
  const Id neighbor = find_neighbor(mapping, peer.address);
  const Id id = sessions_.add();
  Session& s = sessions_[id];
  s.address = peer.address;
  s.port = peer.port;
  s.mapping = mapping;
  s.used = now;
  s.patience = patience;
  s.hash = peer_hash(mapping, peer.address, peer.port);
  s.address_hash = peer_hash(mapping, peer.address, kAnyPort);
  by_peer_.insert(id, hash_of_session());
  if (neighbor == kNone) {
    by_address_.insert(id, hash_of_address());
  } else {
    // Behind the first one, which is in the index.
    s.neighbor = {neighbor, sessions_[neighbor].neighbor.after};
    if (s.neighbor.after != kNone) sessions_[s.neighbor.after].neighbor.before = id;
    sessions_[neighbor].neighbor.after = id;
  }
  append<&Session::waiting>(sessions_, waiting(patience), id);
  append<&Session::sibling>(sessions_, m.sessions, id);
  ++m.session_count;
  host.sessions = (host.sessions + 1U) & 0xffffU;
  earliest_ = std::min(earliest_, deadline(s));
  return id;
}

void TranslationTable::touch(Id id, Patience patience, Instant now) noexcept {
  Session& s = sessions_[id];
  s.used = now;
  List& siblings = mappings_[s.mapping].sessions;
  if (siblings.last != id) {
    unlink<&Session::sibling>(sessions_, siblings, id);
    append<&Session::sibling>(sessions_, siblings, id);
  }
  if (s.patience == patience && waiting(patience).last == id) return;
  unlink<&Session::waiting>(sessions_, waiting(s.patience), id);
  s.patience = patience;
  append<&Session::waiting>(sessions_, waiting(patience), id);
  earliest_ = std::min(earliest_, deadline(s));
}

void TranslationTable::leave_neighbors(Id id) noexcept {
  const Session& s = sessions_[id];
  if (s.neighbor.after != kNone) sessions_[s.neighbor.after].neighbor.before = s.neighbor.before;
  if (s.neighbor.before != kNone) {
    sessions_[s.neighbor.before].neighbor.after = s.neighbor.after;
  } else if (s.neighbor.after != kNone) {
    by_address_.replace(id, s.neighbor.after, s.address_hash);
  } else {
    by_address_.remove(id, hash_of_address());
  }
}

void TranslationTable::end_session(Id id, Instant now) {
  const Session& s = sessions_[id];
  const Id owner = s.mapping;
  Mapping& m = mappings_[owner];
  Host& host = hosts_[m.host];
  leave_neighbors(id);
  by_peer_.remove(id, hash_of_session());
  unlink<&Session::waiting>(sessions_, waiting(s.patience), id);
  unlink<&Session::sibling>(sessions_, m.sessions, id);
  sessions_.remove(id);
  host.sessions = (host.sessions - 1U) & 0xffffU;
  if (--m.session_count == 0 && !m.pinned) rest(owner, now);
}

Instant TranslationTable::next_deadline() const noexcept {
  Instant next = resting_.first == kNone ? kNever : mappings_[resting_.first].rests_since + kRest;
  for (const List& list : waiting_) {
    if (list.first != kNone) next = std::min(next, deadline(sessions_[list.first]));
  }
  return next;
}

/// In the order of time, so that each rests from when it was over and not from when somebody looked.
void TranslationTable::sweep(Instant now) {
  for (;;) {
    const Instant next = next_deadline();
    earliest_ = next;
    if (next > now) return;
    if (resting_.first != kNone && mappings_[resting_.first].rests_since + kRest == next) {
      remove(resting_.first);
      continue;
    }
    for (const List& list : waiting_) {
      if (list.first == kNone || deadline(sessions_[list.first]) != next) continue;
      const Mapping& m = mappings_[sessions_[list.first].mapping];
      if (m.session_count == 1 && !m.pinned) ++expired_;
      end_session(list.first, next);
      break;
    }
  }
}

void TranslationTable::clear() noexcept {
  for (HashIndex* const index : {&by_key_, &by_outside_, &by_peer_, &by_address_, &by_host_}) index->clear();
  mappings_.clear();
  sessions_.clear();
  hosts_.clear();
  waiting_.fill({});
  resting_ = {};
  resting_count_ = 0;
  for (PortPool& pool : ports_) pool.clear();
  earliest_ = kNever;
}

std::size_t TranslationTable::memory() const noexcept {
  std::size_t sum = mappings_.memory() + sessions_.memory() + hosts_.memory();
  for (const HashIndex* const index : {&by_key_, &by_outside_, &by_peer_, &by_address_, &by_host_}) {
    sum += index->memory();
  }
  for (const PortPool& pool : ports_) sum += pool.memory();
  return sum;
}

}  // namespace vnet::nat
