#include "http/date.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace vnet::http {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kShort = 3;  ///< letters of a short name of a day

void put(std::string& out, unsigned value, std::size_t digits) {
  std::string text = std::to_string(value);
  out.append(digits - std::min(digits, text.size()), '0').append(text);
}

/// Reads a date from left to right; once something is not as expected, all else is wrong as well.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  [[nodiscard]] bool take(std::string_view expected) {
    if (!left_.starts_with(expected)) return false;
    left_.remove_prefix(expected.size());
    return true;
  }
  void expect(std::string_view expected) { ok_ = ok_ && take(expected); }
  /// Exactly so many digits.
  [[nodiscard]] unsigned number(std::size_t digits) {
    unsigned value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      ok_ = ok_ && !left_.empty() && left_.front() >= '0' && left_.front() <= '9';
      if (!ok_) return 0;
      value = 10 * value + static_cast<unsigned>(left_.front() - '0');
      left_.remove_prefix(1);
    }
    return value;
  }
  [[nodiscard]] unsigned month() {
    for (unsigned i = 0; i < kMonths.size(); ++i) {
      if (take(kMonths[i])) return i + 1;
    }
    ok_ = false;
    return 1;
  }
  /// 3600 * h + 60 * m + s; a leap second is the one before it.
  [[nodiscard]] std::int64_t time() {
    const unsigned hour = number(2);
    expect(":");
    const unsigned minute = number(2);
    expect(":");
    const unsigned second = number(2);
    ok_ = ok_ && hour < 24 && minute < 60 && second <= 60;
    return std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + std::min(second, 59U);
  }
  /// Whether all was right, up to the end.
  [[nodiscard]] bool ended() const { return ok_ && left_.empty(); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

std::optional<std::int64_t> at(unsigned in_year, unsigned in_month, unsigned on_day, std::int64_t time) {
  const year_month_day date{year{static_cast<int>(in_year)}, month{in_month}, day{on_day}};
  if (!date.ok()) return std::nullopt;
  return std::int64_t{sys_days{date}.time_since_epoch().count()} * 86'400 + time;
}

std::int64_t year_of(std::int64_t unix_seconds) {
  const sys_days today{floor<days>(seconds{unix_seconds})};
  return static_cast<int>(year_month_day{today}.year());
}

/// `06 Nov 1994 08:49:37 GMT`, or with hyphens and two digits of the year.
std::optional<std::int64_t> parse_day_first(Reader& in, bool obsolete, std::int64_t now) {
  const std::string_view between = obsolete ? "-" : " ";
  const unsigned on_day = in.number(2);
  in.expect(between);
  const unsigned in_month = in.month();
  in.expect(between);
  std::int64_t in_year = in.number(obsolete ? 2 : 4);
  if (obsolete) {
    const std::int64_t this_year = year_of(now);
    in_year += this_year / 100 * 100;
    if (in_year > this_year + 50) in_year -= 100;
  }
  in.expect(" ");
  const std::int64_t time = in.time();
  in.expect(" GMT");
  if (!in.ended() || in_year < 0) return std::nullopt;
  return at(static_cast<unsigned>(in_year), in_month, on_day, time);
}

/// `Nov  6 08:49:37 1994`.
std::optional<std::int64_t> parse_asctime(Reader& in) {
  const unsigned in_month = in.month();
  in.expect(" ");
  const unsigned on_day = in.take(" ") ? in.number(1) : in.number(2);
  in.expect(" ");
  const std::int64_t time = in.time();
  in.expect(" ");
  const unsigned in_year = in.number(4);
  if (!in.ended()) return std::nullopt;
  return at(in_year, in_month, on_day, time);
}

}  // namespace

std::string to_date(std::int64_t unix_seconds) {
  constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01
  constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31
  const seconds time{std::clamp(unix_seconds, kFirst, kLast)};
  const sys_days today{floor<days>(time)};
  const year_month_day date{today};
  const hh_mm_ss clock{time - today.time_since_epoch()};
  std::string text{kDays[weekday{today}.c_encoding()].substr(0, kShort)};
  text += ", ";
  put(text, static_cast<unsigned>(date.day()), 2);
  text.append(" ").append(kMonths[static_cast<unsigned>(date.month()) - 1]).append(" ");
  put(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text += ' ';
  put(text, static_cast<unsigned>(clock.hours().count()), 2);
  text += ':';
  put(text, static_cast<unsigned>(clock.minutes().count()), 2);
  text += ':';
  put(text, static_cast<unsigned>(clock.seconds().count()), 2);
  return text + " GMT";
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
  for (const std::string_view name : kDays) {
    Reader in{text};
    if (in.take(name) && in.take(", ")) return parse_day_first(in, true, now);
    Reader brief{text};
    if (!brief.take(name.substr(0, kShort))) continue;
    if (brief.take(", ")) return parse_day_first(brief, false, now);
    if (brief.take(" ")) return parse_asctime(brief);
  }
  return std::nullopt;
}

}  // namespace vnet::http
