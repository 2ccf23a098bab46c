#include "adapter/units.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <optional>

#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

/// A point in time: seconds since 1970 and milliseconds behind them.
struct Time {
  std::time_t seconds = 0;
  int milliseconds = 0;
};

bool digits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return !text.empty();
}

int number(std::string_view text) {
  int value = 0;
  for (const char c : text) value = value * 10 + (c - '0');
  return value;
}

/// Seconds east of UTC: `Z`, `+01:00`.
std::optional<int> zone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || text[3] != ':' || !digits(text.substr(1, 2)) || !digits(text.substr(4, 2))) return {};
  if (text[0] != '+' && text[0] != '-') return {};
  const int seconds = number(text.substr(1, 2)) * 3600 + number(text.substr(4, 2)) * 60;
  return text[0] == '-' ? -seconds : seconds;
}

std::optional<Time> parse_time(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kShape.size()) return {};
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !digit : (text[i] != kShape[i] && !(kShape[i] == 'T' && text[i] == ' '))) return {};
  }
  std::tm parts{};
  parts.tm_year = number(text.substr(0, 4)) - 1900;
  parts.tm_mon = number(text.substr(5, 2)) - 1;
  parts.tm_mday = number(text.substr(8, 2));
  parts.tm_hour = number(text.substr(11, 2));
  parts.tm_min = number(text.substr(14, 2));
  parts.tm_sec = number(text.substr(17, 2));
  text.remove_prefix(kShape.size());
  Time time;
  if (text.front() == '.') {
    std::size_t size = 1;
    while (size < text.size() && text[size] >= '0' && text[size] <= '9') ++size;
    for (std::size_t i = 1; i <= 3; ++i) time.milliseconds = time.milliseconds * 10 + (i < size ? text[i] - '0' : 0);
    text.remove_prefix(size);
  }
  const std::optional<int> east = zone(text);
  if (!east) return {};
  time.seconds = ::timegm(&parts) - *east;
  return time;
}

}  // namespace

std::string si(double value, std::string_view unit) {
  constexpr std::array<const char*, 7> kPrefixes = {"", "k", "M", "G", "T", "P", "E"};
  std::size_t prefix = 0;
  // 999.5 would be rounded to a fourth digit.
  while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  const int decimals = prefix == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::array<char, 48> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  const std::string tail = std::string{kPrefixes.at(prefix)} + std::string{unit};
  return text.data() + (tail.empty() ? "" : " " + tail);
}

std::string bytes(std::uint64_t count) { return si(static_cast<double>(count), "B"); }

std::string duration(std::uint64_t seconds) {
  struct Unit {
    std::uint64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {{{86400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}}};
  for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
    const Unit& large = kUnits.at(i);
    const Unit& small = kUnits.at(i + 1);
    if (seconds < large.seconds) continue;
    const std::uint64_t rest = seconds % large.seconds / small.seconds;
    const std::string text = std::to_string(seconds / large.seconds) + large.name;
    return rest == 0 ? text : text + " " + std::to_string(rest) + small.name;
  }
  return std::to_string(seconds) + " s";
}

std::string local_time(std::string_view rfc3339, Precision precision) {
  const std::optional<Time> time = parse_time(rfc3339);
  std::tm parts{};
  if (!time || ::localtime_r(&time->seconds, &parts) == nullptr) return printable(rfc3339);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::string result{text.data(), size};
  if (precision == Precision::milliseconds) {
    (void)std::snprintf(text.data(), text.size(), ".%03d", time->milliseconds);
    result += text.data();
  }
  return result;
}

}  // namespace vnet::adapter
