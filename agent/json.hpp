// JSON, as much as two programs that know each other need: a parser for one line, and quoted strings. The agent is
// small and static, so it has a parser of its own and not the daemon's library.
//
// Limits: kMaxDepth levels. Numbers are integers; a fraction or an exponent is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vnet::agent {

struct Json {
  static constexpr int kMaxDepth = 8;
  enum class Kind : std::uint8_t { null, boolean, number, text, array, object };

  Kind kind = Kind::null;
  bool truth = false;
  std::int64_t number = 0;
  std::string text;
  std::vector<Json> items;         ///< of an array, and the values of an object
  std::vector<std::string> names;  ///< of an object, one for each item

  /// nullopt: it is no JSON, or more than that.
  [[nodiscard]] static std::optional<Json> parse(std::string_view text);

  /// A member of an object; null: there is none.
  [[nodiscard]] const Json* find(std::string_view name) const;
  /// The text of a member; empty: there is none, or it is no text.
  [[nodiscard]] std::string text_at(std::string_view name) const;
  [[nodiscard]] std::int64_t number_at(std::string_view name, std::int64_t otherwise) const;
};

/// Between quotes, escaped.
[[nodiscard]] std::string quoted(std::string_view text);

[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace vnet::agent
