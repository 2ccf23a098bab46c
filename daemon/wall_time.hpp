// The time of day, for what people and programs outside are told. Inside, everything runs on the loop's clock; a Moment
// pins the two together, and an Instant near it is translated by the distance.
#pragma once

#include <cstdint>
#include <string>

#include "packet/time.hpp"

namespace vnet::daemon {

/// One moment on both clocks.
struct Moment {
  Instant now;
  std::int64_t unix_ms = 0;

  /// `at` in milliseconds of Unix time.
  [[nodiscard]] std::int64_t unix_ms_of(Instant at) const noexcept {
    return unix_ms + std::chrono::duration_cast<std::chrono::milliseconds>(at - now).count();
  }
};

/// `2026-11-22T16:54:09.123Z` (RFC 3339).
[[nodiscard]] std::string to_rfc3339(std::int64_t unix_ms);

}  // namespace vnet::daemon
