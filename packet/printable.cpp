#include "packet/printable.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace vnet {
namespace {

/// One character of UTF-8: its code point and its bytes. `valid` is false for a byte that begins none; then size is 1.
struct Character {
  std::uint32_t code = 0;
  std::size_t size = 1;
  bool valid = false;
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {lead, 1, false};
  std::uint32_t code = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {lead, 1, false};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  // Longer than it need be, a surrogate, or beyond Unicode.
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast.at(size) || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return {lead, 1, false};
  return {code, size, true};
}

bool has_picture(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  const bool turns_direction = code == 0x61c || code == 0x200e || code == 0x200f ||
                               (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool unseen = code == 0xad || (code >= 0x200b && code <= 0x200d) || code == 0x2028 || code == 0x2029 ||
                      (code >= 0x2060 && code <= 0x2064) || code == 0xfeff || (code >= 0xe0000 && code <= 0xe007f);
  return !turns_direction && !unseen;
}

std::string escaped(const Character& character) {
  std::array<char, 16> text{};
  const bool is_byte = character.code < 0x80 || !character.valid;
  (void)std::snprintf(text.data(), text.size(), is_byte ? "\\x%02x" : "\\u{%x}", unsigned{character.code});
  return text.data();
}

std::string escape(std::string_view text, std::string_view kept) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    const bool shown = next.valid && (has_picture(next.code) || kept.find(text.front()) != std::string_view::npos);
    result += shown ? std::string{text.substr(0, next.size)} : escaped(next);
    text.remove_prefix(next.size);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) { return escape(text, ""); }

std::string printable_lines(std::string_view text) { return escape(text, "\n\t"); }

std::size_t first_character_size(std::string_view text) { return first_character(text).size; }

}  // namespace vnet
