// FlowTimers: which flow is due next, for thousands of flows whose deadlines move all the time.
//
// A deadline nearly always moves later: every acknowledgment postpones a retransmission. So an entry in the heap stays
// where it is, and the caller, who says what a flow's deadline is, is asked when it comes up. A flow that is due far
// away and now and then soon has two of them; an entry that both have overtaken finds nobody when it comes up. Far
// deadlines are looked at every kHorizon, so that what is left of flows that are gone does not pile up for hours.
#pragma once

#include <algorithm>
#include <chrono>
#include <queue>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

class FlowTimers {
 public:
  static constexpr Duration kHorizon = std::chrono::seconds{60};

  /// A flow's own note of its entries.
  struct Armed {
    Instant first = kNever;
    Instant second = kNever;  ///< what was first before something earlier came
  };

  /// The flow wants to be asked at `deadline`, or earlier.
  void set(FlowId id, Instant deadline, Armed& armed, Instant now) {
    deadline = std::min(deadline, now + kHorizon);
    if (deadline >= armed.first) return;
    if (armed.second == kNever) armed.second = armed.first;
    armed.first = deadline;
    heap_.push({deadline, id});
  }
  /// May be earlier than necessary, never later.
  [[nodiscard]] Instant next() const noexcept { return heap_.empty() ? kNever : heap_.top().at; }
  struct Due {
    FlowId id{};
    Instant at{};
  };
  /// Takes out the next entry whose time has come; no flow: there is none.
  [[nodiscard]] Due take_due(Instant now) {
    if (heap_.empty() || heap_.top().at > now) return {};
    const Entry entry = heap_.top();
    heap_.pop();
    return {entry.id, entry.at};
  }
  /// Whether an entry that was taken out is one of the flow's, which the caller sets again after a look at its
  /// deadline.
  [[nodiscard]] static bool is_current(const Due& due, Armed& armed) noexcept {
    if (due.at != armed.first) return false;
    armed = {armed.second, kNever};
    return true;
  }
  /// Entries, those of flows that are gone included.
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    Instant at;
    FlowId id;
    bool operator<(const Entry& other) const noexcept { return at > other.at; }
  };
  std::priority_queue<Entry> heap_;
};

}  // namespace vnet::nat
