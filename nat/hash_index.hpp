// HashIndex: from a key to the number of the record that has it.
//
// Open addressing with linear probing. A slot holds 32 bits and no key: the record does, and its hash beside it, so
// that neither a look-up nor growing computes the hash of a record again. What is removed leaves no tombstone: those
// behind it move up, and a table that has seen millions of flows is as fast as a new one. Hashes are the caller's; over
// keys that a guest chooses, they have to be keyed.
//
// At most two thirds are in use, and right after it has grown one third: see kMaxBytesPerRecord.
#pragma once

#include <cstdint>
#include <vector>

#include "nat/arena.hpp"

namespace vnet::nat {

class HashIndex {
 public:
  static constexpr std::size_t kMaxBytesPerRecord = 3 * sizeof(Id);

  /// The record with this hash of which `is_it` is true, or kNone.
  template <typename HashOf, typename IsIt>
  [[nodiscard]] Id find(std::uint32_t hash, const HashOf& hash_of, const IsIt& is_it) const noexcept {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Id id = slots_[at];
      if (id == kNone || (hash_of(id) == hash && is_it(id))) return id;
    }
  }
  template <typename HashOf>
  void insert(Id id, const HashOf& hash_of) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow(hash_of);
    ++size_;
    put(id, hash_of(id));
  }
  template <typename HashOf>
  void remove(Id id, const HashOf& hash_of) noexcept {
    std::size_t hole = place_of(id, hash_of(id));
    --size_;
    for (std::size_t at = (hole + 1) & mask(); slots_[at] != kNone; at = (at + 1) & mask()) {
      // One whose home lies behind the hole is where it belongs.
      const std::size_t home = hash_of(slots_[at]) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = kNone;
  }
  /// `id` takes the place of `old`, which has the same hash.
  void replace(Id old, Id id, std::uint32_t hash) noexcept { slots_[place_of(old, hash)] = id; }
  template <typename See>
  void each(const See& see) const {
    for (const Id id : slots_) {
      if (id != kNone) see(id);
    }
  }
  void clear() noexcept {
    slots_ = {};
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t memory() const noexcept { return slots_.size() * sizeof(Id); }

 private:
  static constexpr std::size_t kFirstSize = 64;

  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t place_of(Id id, std::uint32_t hash) const noexcept {
    std::size_t at = hash & mask();
    while (slots_[at] != id) at = (at + 1) & mask();
    return at;
  }
  void put(Id id, std::uint32_t hash) noexcept {
    std::size_t at = hash & mask();
    while (slots_[at] != kNone) at = (at + 1) & mask();
    slots_[at] = id;
  }
  template <typename HashOf>
  void grow(const HashOf& hash_of) {
    std::vector<Id> old(slots_.empty() ? kFirstSize : slots_.size() * 2, kNone);
    old.swap(slots_);
    for (const Id id : old) {
      if (id != kNone) put(id, hash_of(id));
    }
  }

  std::vector<Id> slots_;
  std::size_t size_ = 0;
};

}  // namespace vnet::nat
