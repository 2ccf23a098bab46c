// JSON text to a document: RFC 8259 plus // and /* */ comments.
//
// Refused beyond the grammar: a member given twice in one object (RFC 8259, 4 leaves its meaning open, so a
// second "nat" would silently win), and nesting deeper than anything that the config has.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "daemon/problem.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

/// Members keep the order in which the text has them, so messages and printed configs do too.
using Json = nlohmann::ordered_json;

/// Levels of arrays and objects. The config needs 7.
inline constexpr std::size_t kMaxJsonDepth = 32;

/// Members of one object: finding one in an ordered object is a walk along it.
inline constexpr std::size_t kMaxJsonMembers = 4096;

/// Places of problems: `line:column` (from 1, columns in bytes) for text that is not JSON, else JSON pointers.
[[nodiscard]] Result<Json, Problems> parse_json_text(std::string_view text);

/// `pointer` and one more reference token, escaped as RFC 6901, section 3 says.
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::string_view name);
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::size_t index);

}  // namespace vnet::daemon
