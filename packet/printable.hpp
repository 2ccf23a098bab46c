// Text from outside, made safe to show to a person.
//
// Host names, log lines and whatever else a guest sends may hold escape sequences that would repaint a terminal, set
// its title or hide what follows. Whatever has no picture of its own is written as a backslash escape: control
// characters (C0, DEL, C1), the marks that turn the direction of text or that nobody sees, and bytes that are no UTF-8
// (RFC 3629).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vnet {

/// `text` on one line, as `\x1b` and `\u{202e}` where it cannot be shown as it is.
[[nodiscard]] std::string printable(std::string_view text);
/// The same for a text of several lines: line feeds and tabs stay.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// Bytes of the character of UTF-8 that `text`, which is not empty, begins with; 1 where it begins with none.
[[nodiscard]] std::size_t first_character_size(std::string_view text);

}  // namespace vnet
