// Conditional requests and byte ranges: RFC 9110, sections 13 and 14, for what has validators and a size.
//
// A range is answered when there is one of them, in bytes; several in one request are answered by the whole, as section
// 14.2 permits, and so is what cannot be read. Field values are taken as the request has them; one that occurs twice
// counts once, the first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/message.hpp"

namespace vnet::http {

struct Validators {
  std::string etag;  ///< quoted; with W/ in front: weak
  std::int64_t modified = 0;
};

enum class Precondition : std::uint8_t {
  met,
  not_modified,  ///< 304
  failed,        ///< 412
};

/// In the order of section 13.2.2. Times are seconds since 1970.
[[nodiscard]] Precondition check_preconditions(const Request& request, const Validators& validators, std::int64_t now);

struct Part {
  std::uint64_t first = 0;
  std::uint64_t size = 0;
  bool satisfiable = true;  ///< false: 416
  bool operator==(const Part&) const = default;
};
/// The part of `size` bytes that is asked for; nothing: the whole.
[[nodiscard]] std::optional<Part> asked_part(const Request& request, const Validators& validators, std::uint64_t size,
                                             std::int64_t now);

}  // namespace vnet::http
