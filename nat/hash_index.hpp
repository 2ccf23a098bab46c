// HashIndex: from a key to the number of the record that has it.
//
// Open addressing with linear probing. A slot holds 32 bits and no key: the record does, and its hash beside it, so
// that growing computes no hash again. Beside the record's number there is room for some bits of its hash, so that a
// look-up seldom touches a record that is not the one: among ten thousand, each touch costs more than the hash does.
// What is removed leaves no tombstone: those behind it move up, and a table that has seen millions of flows is as fast
// as a new one. Hashes are the caller's; over keys that a guest chooses, they have to be keyed.
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
  /// Of a slot; the rest is hash.
  static constexpr unsigned kIdBits = 18;
  /// A record's number is less.
  static constexpr std::size_t kMaxRecords = (std::size_t{1} << kIdBits) - 1;

  /// The record with this hash of which `is_it` is true, or kNone.
  template <typename HashOf, typename IsIt>
  [[nodiscard]] Id find(std::uint32_t hash, const HashOf& hash_of, const IsIt& is_it) const noexcept {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const std::uint32_t slot = slots_[at];
      if (slot == kEmpty) return kNone;
      if (((slot ^ hash) & kTag) != 0) continue;
      const Id id = id_of(slot);
      if (hash_of(id) == hash && is_it(id)) return id;
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
    for (std::size_t at = (hole + 1) & mask(); slots_[at] != kEmpty; at = (at + 1) & mask()) {
      // One whose home lies behind the hole is where it belongs.
      const std::size_t home = hash_of(id_of(slots_[at])) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = kEmpty;
  }
  /// `id` takes the place of `old`, which has the same hash.
  void replace(Id old, Id id, std::uint32_t hash) noexcept { slots_[place_of(old, hash)] = slot_of(id, hash); }
  template <typename See>
  void each(const See& see) const {
    for (const std::uint32_t slot : slots_) {
      if (slot != kEmpty) see(id_of(slot));
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
  static constexpr std::uint32_t kEmpty = 0xffffffffU;
  static constexpr std::uint32_t kTag = ~std::uint32_t{0} << kIdBits;  ///< not the bits that a place is made of

  /// With the last number and all bits of the hash it would be an empty one: see kMaxRecords.
  [[nodiscard]] static std::uint32_t slot_of(Id id, std::uint32_t hash) noexcept { return (hash & kTag) | id; }
  [[nodiscard]] static Id id_of(std::uint32_t slot) noexcept { return slot & ~kTag; }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t place_of(Id id, std::uint32_t hash) const noexcept {
    std::size_t at = hash & mask();
    while (slots_[at] != slot_of(id, hash)) at = (at + 1) & mask();
    return at;
  }
  void put(Id id, std::uint32_t hash) noexcept {
    std::size_t at = hash & mask();
    while (slots_[at] != kEmpty) at = (at + 1) & mask();
    slots_[at] = slot_of(id, hash);
  }
  template <typename HashOf>
  void grow(const HashOf& hash_of) {
    std::vector<std::uint32_t> old(slots_.empty() ? kFirstSize : slots_.size() * 2, kEmpty);
    old.swap(slots_);
    for (const std::uint32_t slot : old) {
      if (slot != kEmpty) put(id_of(slot), hash_of(id_of(slot)));
    }
  }

  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace vnet::nat
