#include "network/services/syslog_message.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "packet/printable.hpp"

namespace vnet::network {
namespace {

constexpr unsigned kMaxPriority = 191;  // facility 23, severity 7
constexpr std::size_t kMaxPriorityDigits = 3;
constexpr std::array<std::uint8_t, 3> kByteOrderMark = {0xef, 0xbb, 0xbf};

constexpr bool is_digit(std::uint8_t byte) noexcept { return byte >= '0' && byte <= '9'; }

/// `<34>` taken off the front of `bytes`.
std::optional<unsigned> take_priority(ByteView& bytes) noexcept {
  if (bytes.empty() || bytes[0] != '<') return std::nullopt;
  unsigned value = 0;
  std::size_t at = 1;
  while (at < bytes.size() && at <= kMaxPriorityDigits && is_digit(bytes[at])) value = value * 10 + (bytes[at++] - '0');
  if (at == 1 || at == bytes.size() || bytes[at] != '>' || value > kMaxPriority) return std::nullopt;
  bytes = bytes.subspan(at + 1);
  return value;
}

}  // namespace

SyslogMessage read_syslog(ByteView bytes) {
  SyslogMessage message;
  bytes = bytes.first(std::min(bytes.size(), kMaxSyslogMessage));
  while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r' || bytes.back() == 0)) {
    bytes = bytes.first(bytes.size() - 1);
  }
  if (const auto priority = take_priority(bytes)) {
    message.facility = static_cast<std::uint8_t>(*priority / 8);
    message.severity = static_cast<std::uint8_t>(*priority % 8);
  }
  if (bytes.size() >= kByteOrderMark.size() && std::ranges::equal(bytes.first(3), kByteOrderMark)) {
    bytes = bytes.subspan(kByteOrderMark.size());
  }
  message.text = printable(as_text(bytes));
  return message;
}

void SyslogFraming::feed(ByteView bytes, const OnBytes& on_message) {
  while (!bytes.empty()) {
    std::size_t taken = 0;
    switch (state_) {
      case State::start:
        // Some senders end a counted message with a line end that they have not counted.
        if (bytes[0] == '\n') {
          taken = 1;
        } else {
          state_ = is_digit(bytes[0]) && bytes[0] != '0' ? State::count : State::line;
          left_ = 0;
        }
        break;
      case State::count:
        take_count(bytes[0]);
        taken = state_ == State::line ? 0 : 1;
        break;
      case State::counted: taken = take_counted(bytes, on_message); break;
      case State::line: taken = take_line(bytes, on_message); break;
    }
    bytes = bytes.subspan(taken);
  }
}

void SyslogFraming::take_count(std::uint8_t byte) {
  if (byte == ' ') {
    text_.clear();
    state_ = State::counted;
  } else if (is_digit(byte) && text_.size() < kMaxCountDigits) {
    text_.push_back(byte);
    left_ = left_ * 10 + (byte - std::size_t{'0'});
  } else {
    state_ = State::line;
  }
}

std::size_t SyslogFraming::take_counted(ByteView bytes, const OnBytes& on_message) {
  const std::size_t count = std::min(left_, bytes.size());
  append(bytes.first(count));
  left_ -= count;
  if (left_ == 0) emit(on_message);
  return count;
}

std::size_t SyslogFraming::take_line(ByteView bytes, const OnBytes& on_message) {
  const auto end = static_cast<std::size_t>(std::ranges::find(bytes, '\n') - bytes.begin());
  append(bytes.first(end));
  if (end == bytes.size()) return end;
  emit(on_message);
  return end + 1;
}

void SyslogFraming::append(ByteView bytes) {
  bytes = bytes.first(std::min(bytes.size(), kMaxSyslogMessage - text_.size()));
  text_.insert(text_.end(), bytes.begin(), bytes.end());
}

void SyslogFraming::emit(const OnBytes& on_message) {
  state_ = State::start;
  const std::vector<std::uint8_t> message = std::exchange(text_, {});
  on_message(message);
}

void SyslogFraming::end(const OnBytes& on_message) {
  if (!text_.empty()) emit(on_message);
}

}  // namespace vnet::network
