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
  /// How far `now` is into its millisecond.
  Duration past{};

  /// `at` in milliseconds of Unix time.
  [[nodiscard]] std::int64_t unix_ms_of(Instant at) const noexcept {
    return unix_ms + std::chrono::floor<std::chrono::milliseconds>(at - now + past).count();
  }
};

/// Translates the loop's clock, always by the same distance, so that whoever asks twice when something happened is told
/// the same. Only when the time of day has been set or corrected by more than kTolerance does the distance change.
class WallClock {
 public:
  static constexpr Duration kTolerance = std::chrono::milliseconds{50};

  [[nodiscard]] Moment at(Instant now);

 private:
  Duration distance_ = Duration::min();
};

/// `2026-11-22T16:54:09.123Z` (RFC 3339).
[[nodiscard]] std::string to_rfc3339(std::int64_t unix_ms);

}  // namespace vnet::daemon
