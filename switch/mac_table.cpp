#include "switch/mac_table.hpp"

#include <cassert>
#include <utility>

namespace vnet::l2 {
namespace {

constexpr std::size_t kInitialSlots = 64;
/// How often a known entry's timestamp is written: often enough for ageing, seldom enough to keep the line clean.
constexpr Duration kRefreshGranularity = std::chrono::seconds{1};
/// A sweep walks the whole table; a guest that invents addresses must not be able to ask for one with every frame.
constexpr Duration kSweepInterval = std::chrono::seconds{1};

}  // namespace

MacTable::MacTable(Limits limits, std::uint64_t hash_seed) : limits_(limits), seed_(hash_seed), slots_(kInitialSlots) {}

std::uint16_t& MacTable::count_behind(PortId port) {
  // Pinned entries belong to no numbered port; they are counted in slot 0, which no limit is checked for.
  const std::size_t slot = port == kGatewayPort ? 0 : std::size_t{index(port)} + 1;
  if (slot >= behind_.size()) behind_.resize(slot + 1);
  return behind_[slot];
}

MacTable::Learned MacTable::learn(const MacAddress& mac, PortId port, Instant now) {
  const std::uint64_t address = mac.to_u64();
  Entry* entry = find(address);
  if (entry != nullptr && entry->port == port) {
    const Duration idle = now - entry->seen;  // negative for a pinned entry
    if (idle < kRefreshGranularity) return Learned::known;
    entry->seen = now;
    return idle < limits_.age ? Learned::known : Learned::added;
  }
  if (is_full(port)) {
    sweep(now);
    entry = find(address);
  }
  if (entry != nullptr) return move(*entry, port, now);
  if (is_full(port)) return Learned::full;
  if (size_ * 2 >= slots_.size()) sweep(now);
  if (size_ * 2 >= slots_.size()) rebuild(slots_.size() * 2, [](const Entry&) { return true; });
  insert({address + 1, now, now, port});
  return Learned::added;
}

bool MacTable::is_full(PortId port) {
  return size_ >= limits_.max_entries || count_behind(port) >= limits_.max_per_port;
}

void MacTable::sweep(Instant now) {
  if (now - swept_ < kSweepInterval) return;
  swept_ = now;
  rebuild(slots_.size(), [&](const Entry& entry) { return is_fresh(entry, now); });
}

MacTable::Learned MacTable::move(Entry& entry, PortId port, Instant now) {
  const bool fresh = is_fresh(entry, now);
  if (fresh && entry.seen == kNever) return Learned::flapping;  // pinned
  if (now - entry.window_start >= kFlapWindow) {
    entry.window_start = now;
    entry.moves = 0;
    entry.refused = false;
  }
  if (fresh && entry.moves >= kMaxMoves) {
    return std::exchange(entry.refused, true) ? Learned::flapping : Learned::flapping_began;
  }
  if (count_behind(port) >= limits_.max_per_port) return Learned::full;
  --count_behind(entry.port);
  ++count_behind(port);
  entry.port = port;
  entry.seen = now;
  if (!fresh) return Learned::added;
  ++entry.moves;
  return Learned::moved;
}

void MacTable::pin(const MacAddress& mac, PortId port) {
  forget(mac);
  // A pinned entry's `seen` lies beyond every `now`, so it is always fresh.
  if (size_ * 2 >= slots_.size()) rebuild(slots_.size() * 2, [](const Entry&) { return true; });
  insert({mac.to_u64() + 1, kNever, kNever, port});
}

void MacTable::forget(PortId port) {
  rebuild(slots_.size(), [port](const Entry& entry) { return entry.port != port; });
}

void MacTable::forget(const MacAddress& mac) {
  const std::uint64_t key = mac.to_u64() + 1;
  rebuild(slots_.size(), [key](const Entry& entry) { return entry.key != key; });
}

void MacTable::insert(Entry entry) {
  std::size_t i = home(entry.key);
  while (slots_[i].key != 0) i = (i + 1) & (slots_.size() - 1);
  ++count_behind(entry.port);
  slots_[i] = entry;
  ++size_;
}

template <typename Predicate>
void MacTable::rebuild(std::size_t capacity, Predicate keep) {
  assert((capacity & (capacity - 1)) == 0);
  std::vector<Entry> old(capacity);
  std::swap(old, slots_);
  behind_.assign(behind_.size(), 0);
  size_ = 0;
  for (const Entry& entry : old) {
    if (entry.key != 0 && keep(entry)) insert(entry);
  }
}

}  // namespace vnet::l2
