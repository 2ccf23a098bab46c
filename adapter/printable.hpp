// Text from outside, made safe to print on a terminal.
//
// Host names come from guests and events carry what clients sent, so any of it may hold escape sequences that would
// repaint the screen, set the window's title or hide what follows. Whatever has no picture of its own is written as a
// backslash escape: control characters (C0, DEL, C1), the marks that turn the direction of text or that nobody sees,
// and bytes that are no UTF-8 (RFC 3629). Not supported: the width of East Asian and combining characters, which count
// as one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vnet::adapter {

/// `text` on one line, as `\x1b` and `\u{202e}` where it cannot be shown as it is.
[[nodiscard]] std::string printable(std::string_view text);
/// The same for a text of several lines: line feeds and tabs stay.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// Columns that printable text takes; sequences that start with ESC (ours: colours) take none.
[[nodiscard]] std::size_t display_width(std::string_view text);
/// The beginning of `line` that fits `columns`, without its colours being left switched on.
[[nodiscard]] std::string clip(std::string_view line, std::size_t columns);

}  // namespace vnet::adapter
