// Time is an argument.
//
// `LoopClock` deliberately has no `now()`: logic that wants to know the time must be told it, so the same code
// runs under the event loop and on virtual time in a test. The daemon's loop is the only place that reads a
// clock and makes an `Instant` of it. The epoch is arbitrary; only differences mean anything.
#pragma once

#include <chrono>
#include <cstdint>

namespace vnet {

struct LoopClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<LoopClock>;
  static constexpr bool is_steady = true;
};

using Instant = LoopClock::time_point;
using Duration = LoopClock::duration;

/// A deadline that has passed: what is to be done at the next turn. Not later than any instant that occurs.
inline constexpr Instant kAtOnce{};

/// "No deadline": later than every instant that occurs.
inline constexpr Instant kNever = Instant::max();

}  // namespace vnet
