#include "http/message.hpp"

#include <algorithm>

namespace vnet::http {

const std::string* find_field(const Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, [](const auto& field) { return std::string_view{field.first}; });
  return found == fields.end() ? nullptr : &found->second;
}

bool is_word(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

}  // namespace vnet::http
