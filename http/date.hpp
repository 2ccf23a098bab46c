// Dates in header fields: RFC 9110, section 5.6.7. Seconds since 1970 in UTC, without leap seconds.
//
// One form is written; the two obsolete ones are read, too, as section 5.6.7 asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vnet::http {

/// `Sun, 06 Nov 1994 08:49:37 GMT`. Years from 0 to 9999; what is beyond is shown as the nearest of them.
[[nodiscard]] std::string to_date(std::int64_t unix_seconds);

/// `now` decides the century of a year that is written with two digits: not more than 50 years ahead.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now);

}  // namespace vnet::http
