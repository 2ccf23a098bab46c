// The API's documents as the command line reads them: what is missing or of another type reads as empty, because a
// newer daemon may leave out or add members and a table should then have a gap, not fail.
//
// Limits: levels of nesting by kMaxJsonDepth (a deeper document is refused); size by http::Client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace vnet::adapter {

/// Members keep their order, so --json shows a document as the daemon made it.
using Json = nlohmann::ordered_json;

/// Levels of arrays and objects; the API's deepest document has 6.
inline constexpr std::size_t kMaxJsonDepth = 64;

/// Nothing where `text` is no JSON (RFC 8259) or too deep.
[[nodiscard]] std::optional<Json> parse_json(std::string_view text);

/// For programs and terminals alike: two spaces of indentation, ASCII only, so no control character gets through.
[[nodiscard]] std::string pretty(const Json& json);
/// The same on one line.
[[nodiscard]] std::string compact(const Json& json);

/// The member `name` of `object`; null where there is none.
[[nodiscard]] const Json& member(const Json& object, std::string_view name);
[[nodiscard]] std::string text_at(const Json& object, std::string_view name);
/// 0 for what is no number; fractions are cut off.
[[nodiscard]] std::uint64_t count_at(const Json& object, std::string_view name);
[[nodiscard]] bool flag_at(const Json& object, std::string_view name);
/// A list's texts, one after another.
[[nodiscard]] std::string texts_at(const Json& object, std::string_view name, std::string_view separator);

}  // namespace vnet::adapter
