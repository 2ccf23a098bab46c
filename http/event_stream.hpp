// Server-sent events, written and read: the event stream format of the WHATWG HTML standard, section 9.2.
//
// Reading follows its steps for lines that end in CR, LF or CRLF, comments, data of several lines, and an id that stays
// until the next one. `retry` is ignored: when to connect again is the caller's choice.
// Limits: an event of which name and data, or one line, exceed kMaxEventBytes is dropped whole and counted, and so is
// one whose id exceeds kMaxEventId bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vnet::http {

inline constexpr std::size_t kMaxEventBytes = 1024 * 1024;
inline constexpr std::size_t kMaxEventId = 1024;

struct Event {
  std::string id;  ///< the last one that the stream gave; empty before the first
  std::string event = "message";
  std::string data;  ///< lines joined by '\n'
  bool operator==(const Event&) const = default;
};

/// Appends one event. `id` and `event` hold no line break; where one is empty, the field is left out. Line breaks of
/// any form in `data` become new lines of data.
void append_event(std::string& out, std::string_view id, std::string_view event, std::string_view data);
/// Appends a comment without line breaks, which keeps a silent connection alive.
void append_comment(std::string& out, std::string_view text);

class EventStreamDecoder {
 public:
  /// The events that these bytes complete. The stream may be cut anywhere.
  [[nodiscard]] std::vector<Event> feed(std::string_view bytes);
  /// Events that were too long.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  void end_line(std::vector<Event>& events);
  void take_field(std::string_view name, std::string_view value);
  void dispatch(std::vector<Event>& events);
  void reset();

  std::string line_;
  std::string id_;
  std::string event_;
  std::string data_;
  bool at_start_ = true;       ///< the first line, which may open with a byte order mark
  bool after_return_ = false;  ///< an LF now belongs to the CR before it
  bool too_long_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace vnet::http
