// Run-time changes as text and back, as the journal has them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/runtime_changes.hpp"

namespace vnet::daemon {

[[nodiscard]] inline std::string text_of(const RuntimeChanges& changes) { return to_json(changes).dump(); }

/// Nothing: the text is no such document.
[[nodiscard]] inline std::optional<RuntimeChanges> changes_of(std::string_view text) {
  const auto document = parse_json_text(text);
  if (!document) return std::nullopt;
  auto changes = runtime_changes_from_json(*document);
  return changes ? std::optional{std::move(*changes)} : std::nullopt;
}

}  // namespace vnet::daemon
