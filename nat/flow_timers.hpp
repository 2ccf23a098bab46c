// FlowTimers: which flow is due next, for thousands of flows whose deadlines move all the time.
//
// A deadline nearly always moves later: every acknowledgment postpones a retransmission. So a flow has at most a few
// entries in the heap, and an entry that turns out to be early is put back at the flow's deadline of that moment.
// Whoever drives it says what a flow's deadline is when asked. Far deadlines are looked at every kHorizon, so that what
// is left of flows that are gone does not pile up for hours.
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

  /// The flow wants to be asked at `deadline`, or earlier. `armed` is the flow's own note of its earliest entry, kNever
  /// at first and after `take_due`.
  void set(FlowId id, Instant deadline, Instant& armed, Instant now) {
    deadline = std::min(deadline, now + kHorizon);
    if (deadline >= armed) return;
    armed = deadline;
    heap_.push({deadline, id});
  }
  /// May be earlier than necessary, never later.
  [[nodiscard]] Instant next() const noexcept { return heap_.empty() ? kNever : heap_.top().at; }
  /// Takes out the next flow whose time has come. The caller looks whether it really has, and sets it again.
  [[nodiscard]] FlowId take_due(Instant now) {
    if (heap_.empty() || heap_.top().at > now) return FlowId{};
    const FlowId id = heap_.top().id;
    heap_.pop();
    return id;
  }

 private:
  struct Entry {
    Instant at;
    FlowId id;
    bool operator<(const Entry& other) const noexcept { return at > other.at; }
  };
  std::priority_queue<Entry> heap_;
};

}  // namespace vnet::nat
