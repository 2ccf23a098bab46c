// Timeline: when the events of the configuration are due.
//
// Time counts from the start of the daemon, and goes on when a successor takes over. Events at the same time happen in
// the order of the file. A reload may bring other events: those whose time has passed do not happen, whether they were
// there before or not, and what has happened does not happen again.
#pragma once

#include <cstddef>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/runtime_changes.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

class Timeline {
 public:
  explicit Timeline(const std::vector<TimelineEvent>& events) { order(events); }

  /// Time begins, or has begun `elapsed` ago for a predecessor, which has seen to all events up to then.
  void begin(Instant now, std::optional<Duration> elapsed);
  /// Other events from now on; whatever is due has been taken.
  void replace(const std::vector<TimelineEvent>& events, Instant now);

  [[nodiscard]] Instant next_deadline() const noexcept;
  /// Whose time has come, as indexes into the configuration's list, in their order. Each is told once.
  [[nodiscard]] std::vector<std::size_t> take_due(Instant now);
  /// Since the start, as far as events have been taken.
  [[nodiscard]] Duration elapsed() const noexcept { return seen_; }

 private:
  struct Entry {
    Duration at;
    std::size_t index;
  };

  void order(const std::vector<TimelineEvent>& events);

  std::vector<Entry> entries_;
  std::size_t next_ = 0;
  Instant start_ = kNever;  ///< not yet begun
  Duration seen_{-1};       ///< what happens at 0 is still to come
};

/// Takes out of an earlier life's changes what the timeline changes itself: it begins anew, from what the file says.
void leave_to_timeline(RuntimeChanges& changes, const std::vector<TimelineEvent>& timeline);

}  // namespace vnet::daemon
