#include "packet/words.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace vnet {
namespace {

/// Longer names are no misspellings of ours, and the distance costs the product of both lengths.
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxQuotedBytes = 80;
/// More names than the largest object of the config has members; a config may name thousands of NICs.
constexpr std::size_t kMaxJoined = 24;

/// Optimal string alignment distance, three rows at a time.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string found_expected(std::string_view found, std::string_view expected) {
  return "found " + std::string{found} + "; expected " + std::string{expected};
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > kMaxNameBytes) return {};
  const std::string* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(1, (name.size() + 2) / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxNameBytes) continue;
    const std::size_t away = distance(name, candidate);
    if (away >= least || away >= candidate.size()) continue;
    least = away;
    nearest = &candidate;
  }
  return nearest == nullptr ? std::string{} : "; did you mean " + in_quotes(*nearest) + "?";
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  const std::size_t shown = std::min(words.size(), kMaxJoined);
  for (std::size_t i = 0; i < shown; ++i) text += (i > 0 ? ", " : "") + words[i];
  return shown < words.size() ? text + ", ..." : text;
}

std::string in_quotes(std::string_view text) {
  std::size_t shown = std::min(text.size(), kMaxQuotedBytes);
  // Not in the middle of a character: the bytes of UTF-8 that continue one begin with the bits 10.
  while (shown < text.size() && (static_cast<unsigned char>(text[shown]) & 0xc0U) == 0x80) --shown;
  std::string result = "\"";
  for (const char c : text.substr(0, shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      (void)std::snprintf(escape.data(), escape.size(), "\\u%04x", unsigned{byte});
      result += escape.data();
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + (shown < text.size() ? "...\"" : "\"");
}

}  // namespace vnet
