#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

/// Bytes of the colour sequence that `text` begins with (ECMA-48, 5.4: CSI up to the final byte), or none.
std::size_t sequence_size(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  std::size_t end = 2;
  while (end < text.size() && (text[end] < 0x40 || text[end] > 0x7e)) ++end;
  return end < text.size() ? end + 1 : text.size();
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    if (const std::size_t sequence = sequence_size(text); sequence > 0) {
      text.remove_prefix(sequence);
      continue;
    }
    text.remove_prefix(first_character_size(text));
    ++width;
  }
  return width;
}

std::string clip(std::string_view line, std::size_t columns) {
  std::string result;
  std::size_t width = 0;
  while (!line.empty()) {
    std::size_t size = sequence_size(line);
    if (size == 0) {
      size = first_character_size(line);
      if (++width > columns) break;
    }
    result += line.substr(0, size);
    line.remove_prefix(size);
  }
  // Cut before the sequence that would have ended a colour.
  return width > columns && result.find('\x1b') != std::string::npos ? result + "\x1b[0m" : result;
}

}  // namespace vnet::adapter
