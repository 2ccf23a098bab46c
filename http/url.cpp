#include "http/url.hpp"

#include <algorithm>

namespace vnet::http {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// The text before `separator`, which is cut off `rest` together with it.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return piece;
}

bool parse_path(std::string_view path, std::vector<std::string>& segments) {
  if (path.empty() || path.front() != '/') return false;
  if (path == "/") return true;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = decode(path.substr(0, end));
    if (!segment) return false;
    segments.push_back(std::move(*segment));
    path.remove_prefix(end);
  }
  return true;
}

bool parse_query(std::string_view query, Fields& parameters) {
  while (!query.empty()) {
    std::string_view value = cut(query, '&');
    if (value.empty()) continue;
    const std::string_view name = cut(value, '=');
    auto decoded_name = decode(name, Plus::space);
    auto decoded_value = decode(value, Plus::space);
    if (!decoded_name || !decoded_value) return false;
    parameters.emplace_back(std::move(*decoded_name), std::move(*decoded_value));
  }
  return true;
}

}  // namespace

std::string encode(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (is_unreserved(c)) {
      result += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result += '%';
    result += kHexDigits[byte >> 4U];
    result += kHexDigits[byte & 0xfU];
  }
  return result;
}

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      result += ' ';
    } else if (text[i] != '%') {
      result += text[i];
    } else {
      const auto high = i + 2 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
      const auto low = high ? hex_value(text[i + 2]) : std::nullopt;
      if (!low || (*high == 0 && *low == 0)) return std::nullopt;
      result += static_cast<char>(*high << 4U | *low);
      i += 2;
    }
  }
  return result;
}

std::optional<Target> parse_target(std::string_view target) {
  Target result;
  if (target == "*") return result;
  if (std::ranges::any_of(target, [](char c) { return c <= ' ' || c > '~' || c == '#'; })) return std::nullopt;
  bool absolute = false;
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    target.remove_prefix(kScheme.size());
    const std::size_t authority = std::min(target.find_first_of("/?"), target.size());
    if (authority == 0) return std::nullopt;
    target.remove_prefix(authority);
    absolute = true;
  }
  const std::string_view path = cut(target, '?');
  const bool is_root = absolute && path.empty();  // "http://host" means "http://host/"
  if (!is_root && !parse_path(path, result.path)) return std::nullopt;
  if (!parse_query(target, result.query)) return std::nullopt;
  return result;
}

}  // namespace vnet::http
