// SequenceSet: disjoint stretches of sequence numbers, in order.
//
// It serves both ends of selective acknowledgment (RFC 2018): what has arrived ahead of a hole, and what the peer says
// has arrived ahead of one. All numbers in it lie within one window, so their order on the circle is well defined.
// At most kMaxRanges stretches; what would make one more is refused, which the peer repairs by sending it again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "packet/tcp.hpp"

namespace vnet::nat {

class SequenceSet {
 public:
  static constexpr std::size_t kMaxRanges = 128;

  /// False, with nothing changed: there are too many stretches already.
  bool insert(SequenceRange added) {
    const auto first = std::find_if(ranges_.begin(), ranges_.end(),
                                    [&](const SequenceRange& r) { return !sequence_before(r.end, added.begin); });
    auto last = first;
    for (; last != ranges_.end() && !sequence_before(added.end, last->begin); ++last) {
      added.begin = sequence_min(added.begin, last->begin);
      added.end = sequence_max(added.end, last->end);
    }
    if (first != last) {
      *first = added;
      ranges_.erase(first + 1, last);
      return true;
    }
    if (ranges_.size() >= kMaxRanges) return false;
    ranges_.insert(first, added);
    return true;
  }

  void drop_below(std::uint32_t sequence) {
    auto kept = ranges_.begin();
    while (kept != ranges_.end() && !sequence_before(sequence, kept->end)) ++kept;
    ranges_.erase(ranges_.begin(), kept);
    if (!ranges_.empty()) ranges_.front().begin = sequence_max(ranges_.front().begin, sequence);
    if (ranges_.empty()) clear();
  }
  /// Gives the memory back, too: most connections never need it.
  void clear() { std::vector<SequenceRange>{}.swap(ranges_); }

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] std::span<const SequenceRange> ranges() const noexcept { return ranges_; }
  /// One past the highest number; only when not empty.
  [[nodiscard]] std::uint32_t end() const noexcept { return ranges_.back().end; }
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t sum = 0;
    for (const SequenceRange& range : ranges_) sum += range.size();
    return sum;
  }

  /// The first stretch within `within` that is not in the set; empty where there is none.
  [[nodiscard]] SequenceRange first_hole(SequenceRange within) const noexcept {
    for (const SequenceRange& range : ranges_) {
      if (!sequence_before(within.begin, within.end)) break;
      if (!sequence_before(within.begin, range.end)) continue;
      if (sequence_before(within.begin, range.begin)) {
        return {within.begin, sequence_min(within.end, range.begin)};
      }
      within.begin = range.end;
    }
    return sequence_before(within.begin, within.end) ? within : SequenceRange{within.end, within.end};
  }
  /// How many numbers of `within` are not in the set.
  [[nodiscard]] std::size_t missing(SequenceRange within) const noexcept {
    std::size_t sum = 0;
    for (auto hole = first_hole(within); hole.size() != 0; hole = first_hole({hole.end, within.end}))
      sum += hole.size();
    return sum;
  }

 private:
  std::vector<SequenceRange> ranges_;
};

}  // namespace vnet::nat
