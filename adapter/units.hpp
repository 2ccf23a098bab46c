// Numbers and times as people read them.
//
// Decimal prefixes (SI: 1 kB is 1000 bytes), three digits; times of day are local to whoever reads. Times arrive as
// RFC 3339 texts; one that is none is shown as it came.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vnet::adapter {

/// `999 B`, `1.23 kB`, `45.6 MB`; 1.2 k with an empty unit. Negative values do not occur.
[[nodiscard]] std::string si(double value, std::string_view unit);
[[nodiscard]] std::string bytes(std::uint64_t count);

/// The two largest units: `2 d 3 h`, `5 min 6 s`, `12 s`.
[[nodiscard]] std::string duration(std::uint64_t seconds);

enum class Precision { seconds, milliseconds };
/// `2026-11-22T17:06:37.123Z` as `2026-11-22 17:06:37` in the local time zone.
[[nodiscard]] std::string local_time(std::string_view rfc3339, Precision precision = Precision::seconds);

}  // namespace vnet::adapter
