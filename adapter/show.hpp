// The API's documents as text for people.
#pragma once

#include <string>

#include "adapter/json.hpp"
#include "adapter/options.hpp"
#include "adapter/table.hpp"

namespace vnet::adapter {

struct Shown {
  std::string text;
  std::string note;  ///< said beside it, not part of it: that a list is empty
};

/// `show` is one of those that have a document for people; text, document and raw have none.
[[nodiscard]] Shown present(Show show, const Json& document, Style style);

/// `12 queue-full, 3 runt`, most first; empty where nothing was dropped.
[[nodiscard]] std::string drops_text(const Json& drops);
/// The frames dropped for all reasons together.
[[nodiscard]] std::uint64_t drops_total(const Json& drops);

}  // namespace vnet::adapter
