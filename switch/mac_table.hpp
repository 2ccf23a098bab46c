// The MAC table of one network: which port is this address behind? (IEEE 802.1D, 7.8 and 7.9.)
//
// An open-addressing hash table with linear probing. The hash is seeded, so that a guest cannot choose addresses
// that collide. Ageing is lazy: an entry not refreshed for `age` is treated as absent, and is swept when the table
// would otherwise have to grow, once a second at most. Nothing is allocated for a frame whose source is known.
//
// A station that appears on another port has moved, and its entry follows at once. Two stations with the same
// address (or a guest that impersonates another) would make it move with every frame; after `kMaxMoves` moves
// within `kFlapWindow` the entry stays where it is for the rest of that window, and frames with that source
// from other ports are refused.
//
// Limits: `max_entries` in all, `max_per_port` behind one port; an address that would exceed them is refused
// until others have aged out.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "packet/mac_address.hpp"
#include "packet/time.hpp"
#include "switch/port.hpp"

namespace vnet::l2 {

class MacTable {
 public:
  struct Limits {
    std::size_t max_entries = 65'536;
    std::uint16_t max_per_port = 32;
    Duration age = std::chrono::seconds{300};
  };
  static constexpr std::uint8_t kMaxMoves = 8;
  static constexpr Duration kFlapWindow = std::chrono::seconds{10};

  enum class Learned : std::uint8_t {
    known,     ///< was behind this port already
    added,     ///< new, or had aged out
    moved,     ///< was behind another port until now
    flapping,  ///< refused: moves too often. The first refusal of a window is reported as `flapping_began`
    flapping_began,
    full,  ///< refused: a limit is reached
  };

  MacTable(Limits limits, std::uint64_t hash_seed);

  /// Notes that a frame from `mac` came in through `port`.
  Learned learn(const MacAddress& mac, PortId port, Instant now);
  /// An entry that neither ages nor moves: the gateway's own address.
  void pin(const MacAddress& mac, PortId port);
  /// The port that `mac` is behind, or `kNoPort`.
  [[nodiscard]] PortId lookup(const MacAddress& mac, Instant now) const noexcept {
    const Entry* entry = find(mac.to_u64());
    return entry != nullptr && is_fresh(*entry, now) ? entry->port : kNoPort;
  }
  /// For what is learned from now on; entries that are there stay until they age or move.
  void set_limits(const Limits& limits) { limits_ = limits; }
  /// Forgets all that is behind `port`.
  void forget(PortId port);
  void forget(const MacAddress& mac);

  /// Entries in the table, including those that have aged out and were not swept yet.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// How many of them are behind the numbered port `port`.
  [[nodiscard]] std::size_t size(PortId port) const noexcept {
    const std::size_t slot = std::size_t{index(port)} + 1;
    return slot < behind_.size() ? behind_[slot] : 0;
  }

 private:
  struct Entry {
    std::uint64_t key = 0;  ///< the address plus one, so that 0 means empty
    Instant seen{};
    Instant window_start{};
    PortId port = kNoPort;
    std::uint8_t moves = 0;
    bool refused = false;  ///< a move was refused in this window
  };

  [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept { return mix64(key, seed_) & (slots_.size() - 1); }
  [[nodiscard]] const Entry* find(std::uint64_t mac) const noexcept {
    const std::uint64_t key = mac + 1;
    for (std::size_t i = home(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == key) return &slots_[i];
      if (slots_[i].key == 0) return nullptr;
    }
  }
  [[nodiscard]] Entry* find(std::uint64_t mac) noexcept { return const_cast<Entry*>(std::as_const(*this).find(mac)); }
  [[nodiscard]] bool is_fresh(const Entry& entry, Instant now) const noexcept { return now - entry.seen < limits_.age; }
  [[nodiscard]] std::uint16_t& count_behind(PortId port);
  Learned move(Entry& entry, PortId port, Instant now);
  void insert(Entry entry);
  [[nodiscard]] bool is_full(PortId port);
  void sweep(Instant now);
  template <typename Predicate>
  void rebuild(std::size_t capacity, Predicate keep);

  Limits limits_;
  std::uint64_t seed_;
  std::vector<Entry> slots_;
  std::vector<std::uint16_t> behind_;  ///< how many addresses each port has, by port index
  std::size_t size_ = 0;
  Instant swept_{};
};

}  // namespace vnet::l2
