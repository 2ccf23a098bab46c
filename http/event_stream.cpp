#include "http/event_stream.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace vnet::http {
namespace {

constexpr std::string_view kLineBreaks = "\r\n";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

[[maybe_unused]] bool is_one_line(std::string_view text) {
  return text.find_first_of(kLineBreaks) == std::string_view::npos;
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  assert(is_one_line(value));
  out.append(name).append(": ").append(value).append("\n");
}

}  // namespace

void append_event(std::string& out, std::string_view id, std::string_view event, std::string_view data) {
  if (!id.empty()) append_line(out, "id", id);
  if (!event.empty()) append_line(out, "event", event);
  while (true) {
    const std::size_t end = data.find_first_of(kLineBreaks);
    append_line(out, "data", data.substr(0, end));
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + (data.substr(end).starts_with(kLineBreaks) ? 2 : 1));
  }
  out += '\n';
}

void append_comment(std::string& out, std::string_view text) {
  append_line(out, "", text);
  out += '\n';
}

std::vector<Event> EventStreamDecoder::feed(std::string_view bytes) {
  std::vector<Event> events;
  for (const char c : bytes) {
    const bool joined = std::exchange(after_return_, c == '\r') && c == '\n';
    if (joined) continue;
    if (c == '\r' || c == '\n') {
      end_line(events);
    } else if (line_.size() < kMaxEventBytes) {
      line_ += c;
    } else {
      too_long_ = true;
    }
  }
  return events;
}

void EventStreamDecoder::end_line(std::vector<Event>& events) {
  std::string_view line = line_;
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.empty()) {
    dispatch(events);
  } else if (!line.starts_with(':')) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    take_field(line.substr(0, colon), value);
  }
  line_.clear();
}

void EventStreamDecoder::take_field(std::string_view name, std::string_view value) {
  const std::size_t size = event_.size() + data_.size() + value.size();
  if (size > kMaxEventBytes || (name == "id" && value.size() > kMaxEventId)) {
    too_long_ = true;
  } else if (name == "data") {
    data_.append(value).append("\n");
  } else if (name == "event") {
    event_ = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    id_ = value;
  }
}

void EventStreamDecoder::dispatch(std::vector<Event>& events) {
  if (too_long_) {
    ++dropped_;
  } else if (!data_.empty()) {
    data_.pop_back();
    events.push_back({id_, event_.empty() ? "message" : event_, std::move(data_)});
  }
  reset();
}

void EventStreamDecoder::reset() {
  event_.clear();
  data_.clear();
  too_long_ = false;
}

}  // namespace vnet::http
