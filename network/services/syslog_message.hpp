// A message of syslog, as RFC 5424 and RFC 3164 have it, read the way that collectors read: whatever comes is a
// message.
//
//     <34>1 2003-10-11T22:14:15.003Z host su - ID47 - text        RFC 5424
//     <34>Oct 11 22:14:15 host su: text                           RFC 3164
//
// Only the priority is taken apart; what follows it is text for a person. Without a priority that can be, a message is
// a user's notice and all of it is text (RFC 3164, 4.3.3).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/bytes.hpp"

namespace vnet::network {

/// What is read of a message, bytes; the rest is cut off (RFC 5424, 6.1 asks for 2,048 at least).
inline constexpr std::size_t kMaxSyslogMessage = 8192;

struct SyslogMessage {
  nat::Endpoint from;
  std::uint8_t facility = 1;  ///< 0 to 23
  std::uint8_t severity = 5;  ///< 0, an emergency, to 7, for debugging
  std::string text;           ///< printable; never more than four times as long as what was read
  /// Messages of the same sender that were lost to a limit since the last one handed on.
  std::uint64_t suppressed = 0;
};

using OnSyslog = std::function<void(const SyslogMessage&)>;

/// Line ends, NULs and a byte order mark, which are about how a message travels, are taken off its ends.
[[nodiscard]] SyslogMessage read_syslog(ByteView bytes);

/// Cuts a connection's bytes into messages (RFC 6587, 3.4), each by its own first byte: a digit other than 0 begins a
/// count and a space, anything else a line. A count is of at most kMaxCountDigits digits; what is more, or followed by
/// something else, was a line. Of what is longer than kMaxSyslogMessage the beginning is one message.
class SyslogFraming {
 public:
  static constexpr std::size_t kMaxCountDigits = 6;
  using OnBytes = std::function<void(ByteView)>;

  void feed(ByteView bytes, const OnBytes& on_message);
  /// No more bytes come: what is there is the last message.
  void end(const OnBytes& on_message);

 private:
  enum class State : std::uint8_t { start, count, counted, line };

  void take_count(std::uint8_t byte);
  std::size_t take_counted(ByteView bytes, const OnBytes& on_message);
  std::size_t take_line(ByteView bytes, const OnBytes& on_message);
  void append(ByteView bytes);
  void emit(const OnBytes& on_message);

  State state_ = State::start;
  std::size_t left_ = 0;  ///< bytes of a counted message that have not come
  std::vector<std::uint8_t> text_;
};

}  // namespace vnet::network
