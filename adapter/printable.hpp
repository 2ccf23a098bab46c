// Text that has been made safe to print (packet/printable.hpp), measured and cut for a terminal.
//
// Not supported: the width of East Asian and combining characters, which count as one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "packet/printable.hpp"

namespace vnet::adapter {

/// Columns that printable text takes; sequences that start with ESC (ours: colours) take none.
[[nodiscard]] std::size_t display_width(std::string_view text);
/// The beginning of `line` that fits `columns`, without its colours being left switched on.
[[nodiscard]] std::string clip(std::string_view line, std::size_t columns);

}  // namespace vnet::adapter
