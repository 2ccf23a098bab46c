#include "dhcp/lease_pool.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::dhcp {
namespace {

/// Hashes tried before the search goes in order. At half load one in 65,536 clients needs more.
constexpr std::uint64_t kHashAttempts = 16;
/// Since when an address is free that nobody remembers: it is the first to be given away.
constexpr Instant kForgotten = Instant::min();

/// Begins an assigned key. The server takes no client identifier that does.
constexpr std::string_view kAssignedPrefix{"\376assigned:"};

}  // namespace

std::string assigned_key(const MacAddress& mac) {
  std::string key{kAssignedPrefix};
  for (const std::uint8_t octet : mac.octets()) key += static_cast<char>(octet);
  return key;
}

bool is_assigned_key(std::string_view key) noexcept { return key.starts_with(kAssignedPrefix); }

LeasePool::LeasePool(const ServerConfig& config)
    : max_leases_(config.max_leases),
      gateway_(config.gateway),
      forbidden_(config.excluded.begin(), config.excluded.end()) {
  forbidden_.insert({gateway_.address, gateway_.network(), gateway_.broadcast(), config.router});
  if (!config.range_last.is_unspecified()) {
    range_first_ = config.range_first.to_u32();
    range_size_ = config.range_last.to_u32() - range_first_ + 1;
  }
  for (const Reservation& reservation : config.reservations) {
    reservations_.emplace(reservation.mac, reservation);
    reserved_.emplace(reservation.ip, reservation.mac);
  }
}

bool LeasePool::in_range(Ipv4Address ip) const {
  return ip.to_u32() - range_first_ < range_size_ && !forbidden_.contains(ip);
}

const Lease* LeasePool::at(Ipv4Address ip) const {
  const auto found = entries_.find(ip);
  return found == entries_.end() ? nullptr : &found->second.lease;
}

const Lease* LeasePool::of_client(std::string_view key) const {
  const auto found = clients_.find(key);
  return found == clients_.end() ? nullptr : at(found->second);
}

const Reservation* LeasePool::reservation(const MacAddress& mac) const {
  const auto found = reservations_.find(mac);
  return found == reservations_.end() ? nullptr : &found->second;
}

const Reservation* LeasePool::reservation(Ipv4Address ip) const {
  const auto found = reserved_.find(ip);
  return found == reserved_.end() ? nullptr : reservation(found->second);
}

/// Nobody else has `ip` and the rules of range and reservations allow it for `client`.
bool LeasePool::is_vacant(const Client& client, Ipv4Address ip) const {
  const auto reserved = reserved_.find(ip);
  const bool is_reserved = reserved != reserved_.end();
  if (is_reserved ? reserved->second != client.mac : !in_range(ip)) return false;
  const Lease* lease = at(ip);
  if (lease == nullptr) return is_reserved || has_room();
  switch (lease->state) {
    case LeaseState::free: return true;
    case LeaseState::declined: return false;
    case LeaseState::offered:
    case LeaseState::bound: break;
  }
  // The NIC that an address is reserved for may change its identifier between boot loader and system.
  const bool is_open = is_reserved || is_assigned_key(lease->client);
  return lease->client == client.key || (is_open && lease->mac == client.mac);
}

const Lease* LeasePool::assigned(const MacAddress& mac) const {
  const Lease* const lease = of_client(assigned_key(mac));
  return lease != nullptr && lease->state == LeaseState::bound ? lease : nullptr;
}

bool LeasePool::may_have(const Client& client, Ipv4Address ip) const {
  const Reservation* own = reservation(client.mac);
  if (own != nullptr && own->ip != ip && is_vacant(client, own->ip)) return false;
  const Lease* const given = own == nullptr ? assigned(client.mac) : nullptr;
  if (given != nullptr && given->ip != ip && is_vacant(client, given->ip)) return false;
  return is_vacant(client, ip);
}

std::optional<Ipv4Address> LeasePool::choose(const Client& client, std::optional<Ipv4Address> requested) {
  const Reservation* own = reservation(client.mac);
  if (own != nullptr && is_vacant(client, own->ip)) return own->ip;
  const Lease* const given = assigned(client.mac);
  if (given != nullptr && is_vacant(client, given->ip)) return given->ip;
  const Lease* known = of_client(client.key);
  if (known != nullptr && is_vacant(client, known->ip)) return known->ip;
  if (requested && is_vacant(client, *requested)) return requested;
  return choose_from_range(client.mac);
}

std::optional<Ipv4Address> LeasePool::choose_from_range(const MacAddress& mac) {
  if (range_size_ == 0) return std::nullopt;
  for (std::uint64_t attempt = 0; attempt < kHashAttempts; ++attempt) {
    const std::uint64_t hash = mix64(mac.to_u64(), attempt << 48U);
    const Ipv4Address ip{range_first_ + static_cast<std::uint32_t>(hash % range_size_)};
    if (!in_range(ip) || reserved_.contains(ip)) continue;
    const Lease* lease = at(ip);
    const bool unknown = lease == nullptr ? has_room() : lease->state == LeaseState::free && lease->client.empty();
    if (unknown) return ip;
  }
  if (const auto unused = next_unused()) return unused;
  if (reusable_.empty()) return std::nullopt;
  return reusable_.begin()->second;
}

/// Moves the cursor, which never goes back: the whole life of the pool costs one walk over the addresses in use.
std::optional<Ipv4Address> LeasePool::next_unused() {
  if (!has_room()) return std::nullopt;
  for (; cursor_ < range_size_; ++cursor_) {
    const Ipv4Address ip{range_first_ + cursor_};
    if (in_range(ip) && !reserved_.contains(ip) && !entries_.contains(ip)) return ip;
  }
  return std::nullopt;
}

void LeasePool::leave_queue(const Entry& entry) {
  const Timed key{entry.lease.expires, entry.lease.ip};
  if (entry.lease.state == LeaseState::free) {
    reusable_.erase(key);
  } else {
    timed_.erase(key);
  }
  if (entry.lease.state == LeaseState::bound) bound_.erase(entry.lease.ip);
}

void LeasePool::detach_client(Entry& entry) {
  if (!entry.lease.client.empty()) clients_.erase(entry.lease.client);
  entry.lease.client.clear();
  entry.lease.hostname.clear();
  entry.used = false;
}

/// Changes state and end. The caller must not touch the entry again when the state is `free`: see `settle_free`.
void LeasePool::enter(Entry& entry, LeaseState state, Instant when) {
  leave_queue(entry);
  entry.lease.state = state;
  entry.lease.expires = when;
  if (state == LeaseState::free) {
    settle_free(entry.lease.ip);
  } else {
    timed_.emplace(when, entry.lease.ip);
    if (state == LeaseState::bound) bound_.insert(entry.lease.ip);
  }
}

/// Puts a free address where it belongs now: among the reusable ones, aside for its reservation, or out of the table.
void LeasePool::settle_free(Ipv4Address ip) {
  const auto found = entries_.find(ip);
  Entry& entry = found->second;
  leave_queue(entry);
  if (reserved_.contains(ip)) return;
  if (in_range(ip)) {
    reusable_.emplace(entry.lease.expires, ip);
    return;
  }
  detach_client(entry);
  entries_.erase(found);
}

/// Makes `ip` the client's one address, whoever had it.
LeasePool::Entry& LeasePool::claim(const Client& client, Ipv4Address ip) {
  const Lease* held = of_client(client.key);
  if (held != nullptr && held->ip != ip) forget(held->ip);
  Entry& entry = entries_[ip];
  if (entry.lease.client != client.key) {
    detach_client(entry);
    entry.lease.client = client.key;
    clients_.emplace(entry.lease.client, ip);
  }
  entry.lease.ip = ip;
  entry.lease.mac = client.mac;
  return entry;
}

const Lease& LeasePool::offer(const Client& client, Ipv4Address ip, Instant until) {
  assert(is_vacant(client, ip));
  const Lease* held = at(ip);
  // One that was assigned stays so until its client takes what it is offered.
  const bool keeps = held != nullptr && (held->client == client.key || is_assigned_key(held->client));
  if (keeps && held->state == LeaseState::bound) return *held;
  Entry& entry = claim(client, ip);
  enter(entry, LeaseState::offered, until);
  return entry.lease;
}

const Lease& LeasePool::bind(const Client& client, Ipv4Address ip, std::string hostname, Instant until) {
  assert(is_vacant(client, ip));
  Entry& entry = claim(client, ip);
  entry.lease.hostname = std::move(hostname);
  entry.used = true;
  enter(entry, LeaseState::bound, until);
  return entry.lease;
}

void LeasePool::release(Ipv4Address ip, Instant now) {
  Entry& entry = entries_.at(ip);
  if (!entry.used) {
    forget(ip);
    return;
  }
  enter(entry, LeaseState::free, now);
}

void LeasePool::decline(Ipv4Address ip, Instant until) {
  Entry& entry = entries_.at(ip);
  detach_client(entry);
  enter(entry, LeaseState::declined, until);
}

bool LeasePool::forget(Ipv4Address ip) {
  const auto found = entries_.find(ip);
  if (found == entries_.end()) return false;
  const bool was_somebodys = !found->second.lease.client.empty() || found->second.lease.state == LeaseState::declined;
  detach_client(found->second);
  enter(found->second, LeaseState::free, kForgotten);
  return was_somebodys;
}

bool LeasePool::restore(const Lease& lease, Instant now) {
  const Client client{lease.client, lease.mac};
  const Lease* present = at(lease.ip);
  if (client.key.empty() || of_client(client.key) != nullptr || !is_vacant(client, lease.ip)) return false;
  if (present != nullptr && !present->client.empty()) return false;
  bind(client, lease.ip, lease.hostname, lease.expires);
  if (lease.expires <= now) release(lease.ip, lease.expires);
  return true;
}

void LeasePool::add_reservation(const Reservation& reservation) {
  reservations_.emplace(reservation.mac, reservation);
  reserved_.emplace(reservation.ip, reservation.mac);
  const Lease* lease = at(reservation.ip);
  if (lease != nullptr && lease->state == LeaseState::free) settle_free(reservation.ip);
}

bool LeasePool::remove_reservation(const MacAddress& mac) {
  const auto found = reservations_.find(mac);
  if (found == reservations_.end()) return false;
  const Ipv4Address ip = found->second.ip;
  reservations_.erase(found);
  reserved_.erase(ip);
  const Lease* lease = at(ip);
  if (lease != nullptr && lease->state == LeaseState::free) settle_free(ip);
  // The address may lie before the cursor without an entry: it would be found by hash only.
  if (lease == nullptr && in_range(ip)) cursor_ = std::min(cursor_, ip.to_u32() - range_first_);
  return true;
}

void LeasePool::adopt(const LeasePool& other) {
  for (const auto& [ip, old] : other.entries_) {
    if (old.lease.state == LeaseState::free &&
        (old.lease.client.empty() || (!in_range(ip) && !reserved_.contains(ip)))) {
      continue;
    }
    Entry& entry = entries_[ip];
    entry = old;
    if (!old.lease.client.empty()) clients_.emplace(old.lease.client, ip);
    if (old.lease.state == LeaseState::free) {
      settle_free(ip);
    } else {
      timed_.emplace(old.lease.expires, ip);
      if (old.lease.state == LeaseState::bound) bound_.insert(ip);
    }
  }
}

std::optional<Lease> LeasePool::expire_one(Instant now) {
  if (timed_.empty() || timed_.begin()->first > now) return std::nullopt;
  const Ipv4Address ip = timed_.begin()->second;
  Lease ended = entries_.at(ip).lease;
  if (ended.state == LeaseState::declined) {
    forget(ip);
  } else {
    release(ip, ended.expires);
  }
  return ended;
}

std::vector<Lease> LeasePool::bound_after(Ipv4Address last, std::size_t count) const {
  std::vector<Lease> leases;
  for (auto ip = bound_.upper_bound(last); ip != bound_.end() && leases.size() < count; ++ip) {
    leases.push_back(entries_.at(*ip).lease);
  }
  return leases;
}

}  // namespace vnet::dhcp
