// What the calendar says, for services that tell it. `Instant` knows only differences; who owns the service knows what
// time it is at one of them, or makes it up.
#pragma once

#include <chrono>
#include <functional>

#include "packet/time.hpp"

namespace vnet::network {

/// Nanoseconds since the beginning of 1970, UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using WallClock = std::function<WallTime(Instant)>;

}  // namespace vnet::network
