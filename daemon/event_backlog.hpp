// EventBacklog: what happened lately, numbered, for those who follow along.
//
// Numbers go up by one and never start again: the first of a process is made from the wall clock, in microseconds, so
// that a reader who comes back after a restart asks for a number of the past, and is told that events are missing
// instead of being given others by the same numbers. Readers keep no state here: each has a number to go on from.
//
// Limit: kCapacity events, about 200 bytes each; the oldest make room, and a reader that is further behind learns how
// many it missed.
#pragma once

#include <cstdint>
#include <deque>

#include "network/event.hpp"

namespace vnet::daemon {

struct NumberedEvent {
  std::uint64_t id = 0;
  std::int64_t unix_ms = 0;
  network::Event event;
};

class EventBacklog {
 public:
  static constexpr std::size_t kCapacity = 16'384;

  /// The first event will have this number.
  explicit EventBacklog(std::uint64_t next) : EventBacklog(next, next) {}
  /// A predecessor has told those from `first` on.
  EventBacklog(std::uint64_t next, std::uint64_t first) : first_(first), next_(next) {}

  void add(network::Event event, std::int64_t unix_ms) {
    if (events_.size() == kCapacity) events_.pop_front();
    events_.push_back({next_++, unix_ms, std::move(event)});
  }

  /// From here on every number is or was an event, though we may not know it any more; what is before may be no event
  /// at all.
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
  /// The number that the next event will have.
  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  /// The oldest that is still here; `next()` when there is none.
  [[nodiscard]] std::uint64_t oldest() const noexcept { return next_ - events_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }
  /// `id` is from oldest() to next() - 1.
  [[nodiscard]] const NumberedEvent& at(std::uint64_t id) const {
    return events_[static_cast<std::size_t>(id - oldest())];
  }

 private:
  std::uint64_t first_;
  std::uint64_t next_;
  std::deque<NumberedEvent> events_;
};

}  // namespace vnet::daemon
