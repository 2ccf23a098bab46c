#include "http/conditions.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "http/date.hpp"

namespace vnet::http {
namespace {

enum class Compare : std::uint8_t { strong, weak };

constexpr std::string_view kWeak = "W/";

void skip_space(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

/// Section 8.8.3.2.
bool matches(std::string_view one, std::string_view other, Compare how) {
  if (how == Compare::strong) return !one.starts_with(kWeak) && one == other;
  if (one.starts_with(kWeak)) one.remove_prefix(kWeak.size());
  if (other.starts_with(kWeak)) other.remove_prefix(kWeak.size());
  return one == other;
}

/// An entity tag at the beginning of `text`, which is cut off it. Empty: there is none.
std::string_view take_tag(std::string_view& text) {
  const std::size_t open = text.starts_with(kWeak) ? kWeak.size() : 0;
  if (text.size() <= open || text[open] != '"') return {};
  const std::size_t close = text.find('"', open + 1);
  if (close == std::string_view::npos) return {};
  const std::string_view tag = text.substr(0, close + 1);
  text.remove_prefix(close + 1);
  return tag;
}

/// Whether a list of tags, or `*`, names this one.
bool names(std::string_view list, const std::string& etag, Compare how) {
  constexpr std::string_view kBetween = " \t,";
  const auto skip = [&] { list.remove_prefix(std::min(list.find_first_not_of(kBetween), list.size())); };
  if (list == "*") return true;
  for (skip(); !list.empty(); skip()) {
    const std::string_view tag = take_tag(list);
    if (tag.empty()) return false;
    if (matches(tag, etag, how)) return true;
  }
  return false;
}

/// Section 13.1.5: a date is as good as a tag where it is exactly the same, and old enough to be a strong validator.
bool may_send_part(const std::string* if_range, const Validators& validators, std::int64_t now) {
  if (if_range == nullptr) return true;
  if (if_range->starts_with('"') || if_range->starts_with(kWeak)) {
    return matches(*if_range, validators.etag, Compare::strong);
  }
  return !validators.etag.starts_with(kWeak) && parse_date(*if_range, now) == validators.modified;
}

/// A number of at least one digit, at the beginning of `text`. One that is too large is the largest.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc{} ? value : UINT64_MAX;
}

/// Of what follows `bytes=`.
std::optional<Part> part_of(std::string_view range, std::uint64_t size) {
  skip_space(range);
  const auto first = take_number(range);
  if (!range.starts_with('-')) return std::nullopt;
  range.remove_prefix(1);
  const auto last = take_number(range);
  skip_space(range);
  if (!range.empty() || (!first && !last) || (first && last && *last < *first)) return std::nullopt;
  if (!first) {
    const std::uint64_t count = std::min(*last, size);
    return Part{size - count, count, count != 0};
  }
  if (*first >= size) return Part{0, 0, false};
  const std::uint64_t end = last && *last < size ? *last + 1 : size;
  return Part{*first, end - *first, true};
}

}  // namespace

Precondition check_preconditions(const Request& request, const Validators& validators, std::int64_t now) {
  const auto is_newer_than = [&](const std::string& field) -> std::optional<bool> {
    const auto date = parse_date(field, now);
    return date ? std::optional{validators.modified > *date} : std::nullopt;
  };
  if (const auto* const tags = request.header("if-match")) {
    if (!names(*tags, validators.etag, Compare::strong)) return Precondition::failed;
  } else if (const auto* const since = request.header("if-unmodified-since")) {
    if (is_newer_than(*since).value_or(false)) return Precondition::failed;
  }
  if (const auto* const tags = request.header("if-none-match")) {
    if (names(*tags, validators.etag, Compare::weak)) return Precondition::not_modified;
  } else if (const auto* const since = request.header("if-modified-since")) {
    if (!is_newer_than(*since).value_or(true)) return Precondition::not_modified;
  }
  return Precondition::met;
}

std::optional<Part> asked_part(const Request& request, const Validators& validators, std::uint64_t size,
                               std::int64_t now) {
  constexpr std::string_view kUnit = "bytes=";
  const std::string* const range = request.header("range");
  if (range == nullptr || request.head || !is_word(std::string_view{*range}.substr(0, kUnit.size()), kUnit)) {
    return std::nullopt;
  }
  if (!may_send_part(request.header("if-range"), validators, now)) return std::nullopt;
  return part_of(std::string_view{*range}.substr(kUnit.size()), size);
}

}  // namespace vnet::http
