// What all tables of the API's lists have in common.
#pragma once

#include <string>

#include "adapter/show.hpp"

namespace vnet::adapter {

inline std::string number(std::uint64_t value) { return std::to_string(value); }

/// A list as a table, or the note that it is empty.
template <typename AddRow>
Shown list(const Json& items, Table table, const char* none, Style style, AddRow add_row) {
  if (!items.is_array() || items.empty()) return {"", none};
  for (const Json& item : items) add_row(table, item);
  return {table.to_string(style), ""};
}

}  // namespace vnet::adapter
