#include "daemon/wall_time.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace vnet::daemon {

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
