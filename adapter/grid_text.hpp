// The grid of which NATs meet as a table for people, a page for a browser, and JSON.
#pragma once

#include <string>

#include "adapter/json.hpp"
#include "adapter/table.hpp"
#include "sim/grid.hpp"

namespace vnet::adapter {

/// The table, and a line that sums it up.
[[nodiscard]] std::string grid_table(const sim::Grid& grid, Style style);
/// A page that needs nothing but itself, light or dark as its reader likes.
[[nodiscard]] std::string grid_page(const sim::Grid& grid, const std::string& version);
[[nodiscard]] Json grid_json(const sim::Grid& grid);

}  // namespace vnet::adapter
