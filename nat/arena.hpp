// Arena: many small records by number, in pieces that never move.
//
// A record is a 32-bit number rather than a pointer, which halves what lists and indexes cost. What is given back is
// used again first, so a table whose size has settled allocates nothing; and growing by pieces copies nothing, so no
// packet pays for all that came before it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace vnet::nat {

/// A record of an arena.
using Id = std::uint32_t;
inline constexpr Id kNone = 0xffffffffU;

/// `link` is a member that a record does not need while it is not in use.
template <typename T, Id T::*link>
class Arena {
 public:
  static constexpr std::size_t kPiece = 256;

  [[nodiscard]] T& operator[](Id id) noexcept { return (*pieces_[id / kPiece])[id % kPiece]; }
  [[nodiscard]] const T& operator[](Id id) const noexcept { return (*pieces_[id / kPiece])[id % kPiece]; }

  /// A fresh record.
  [[nodiscard]] Id add() {
    if (free_ == kNone && ever_ == pieces_.size() * kPiece) {
      pieces_.push_back(std::make_unique<std::array<T, kPiece>>());
    }
    ++size_;
    if (free_ == kNone) return ever_++;
    const Id id = std::exchange(free_, (*this)[free_].*link);
    (*this)[id] = T{};
    return id;
  }
  void remove(Id id) noexcept {
    --size_;
    (*this)[id].*link = std::exchange(free_, id);
  }
  void clear() noexcept {
    pieces_.clear();
    free_ = kNone;
    ever_ = 0;
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// In bytes.
  [[nodiscard]] std::size_t memory() const noexcept { return pieces_.size() * kPiece * sizeof(T); }

 private:
  std::vector<std::unique_ptr<std::array<T, kPiece>>> pieces_;
  Id free_ = kNone;  ///< the first of those that are free
  Id ever_ = 0;      ///< how many there were at most
  std::size_t size_ = 0;
};

/// A record's place in a list, and a list's ends.
struct Links {
  Id before = kNone;
  Id after = kNone;
};
struct List {
  Id first = kNone;
  Id last = kNone;
};

/// A doubly linked list through `place` of an arena's records.
template <auto place, typename Records>
void append(Records& records, List& list, Id id) noexcept {
  (records[id].*place) = Links{list.last, kNone};
  (list.last == kNone ? list.first : (records[list.last].*place).after) = id;
  list.last = id;
}
template <auto place, typename Records>
void unlink(Records& records, List& list, Id id) noexcept {
  const Links links = records[id].*place;
  (links.before == kNone ? list.first : (records[links.before].*place).after) = links.after;
  (links.after == kNone ? list.last : (records[links.after].*place).before) = links.before;
}

}  // namespace vnet::nat
