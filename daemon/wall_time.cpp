#include "daemon/wall_time.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace vnet::daemon {

Moment WallClock::at(Instant now) {
  const auto unix_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch());
  const Duration distance = unix_time - now.time_since_epoch();
  if (distance_ == Duration::min() || std::chrono::abs(distance - distance_) > kTolerance) distance_ = distance;
  const Duration translated = now.time_since_epoch() + distance_;
  const auto unix_ms = std::chrono::floor<std::chrono::milliseconds>(translated);
  return {now, unix_ms.count(), translated - unix_ms};
}

std::string to_rfc3339(std::int64_t unix_ms) {
  constexpr std::int64_t kMillisecondsPerSecond = 1000;
  // Towards the past, so that the fraction is never negative.
  std::int64_t seconds = unix_ms / kMillisecondsPerSecond;
  std::int64_t milliseconds = unix_ms % kMillisecondsPerSecond;
  if (milliseconds < 0) {
    milliseconds += kMillisecondsPerSecond;
    --seconds;
  }
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 32> date{};
  const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(milliseconds));
  return std::string{date.data(), length} + fraction.data();
}

}  // namespace vnet::daemon
