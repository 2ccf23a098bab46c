// Result: a value, or the reason why there is none.
//
// Bytes from a guest are wrong as a matter of course, so a bad packet is a value to be counted and never an
// exception. GCC 12 has std::expected only in C++23 mode; tl::expected (Debian's libexpected-dev) is the
// same interface in C++20. The alias is the only place that names it.
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

namespace vnet {

/// Why bytes could not be read as the header that they claim to be.
enum class ParseError : std::uint8_t {
  truncated,     ///< fewer bytes than the header, or than the header's own length field, needs
  bad_length,    ///< a length field contradicts itself or its header
  bad_version,   ///< a version or type that this parser does not read
  bad_checksum,  ///< the checksum does not match
  bad_field,     ///< a field holds a value that its RFC forbids
  too_many,      ///< more elements, nested levels or pointers than our limit allows
};

[[nodiscard]] constexpr std::string_view to_string(ParseError error) noexcept {
  switch (error) {
    case ParseError::truncated: return "truncated";
    case ParseError::bad_length: return "bad-length";
    case ParseError::bad_version: return "bad-version";
    case ParseError::bad_checksum: return "bad-checksum";
    case ParseError::bad_field: return "bad-field";
    case ParseError::too_many: return "too-many";
  }
  return "unknown";
}

template <typename T, typename E = ParseError>
using Result = tl::expected<T, E>;

/// `return fail(ParseError::truncated);` from any function that returns a Result.
template <typename E>
[[nodiscard]] constexpr tl::unexpected<E> fail(E error) {
  return tl::unexpected<E>(error);
}

}  // namespace vnet
