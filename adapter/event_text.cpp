#include "adapter/event_text.hpp"

#include "adapter/json.hpp"
#include "adapter/printable.hpp"
#include "adapter/units.hpp"

namespace vnet::adapter {
namespace {

// Most values fit these, so that the columns of a stream, whose later lines are unknown, mostly align.
constexpr std::size_t kTimeColumns = 23;
constexpr std::size_t kKindColumns = 16;
constexpr std::size_t kNetworkColumns = 8;
constexpr std::size_t kNicColumns = 12;

std::string padded(const std::string& text, std::size_t columns) {
  const std::string shown = text.empty() ? "-" : printable(text);
  const std::size_t width = display_width(shown);
  return width < columns ? shown + std::string(columns - width, ' ') : shown;
}

Tone tone_of(std::string_view kind) {
  if (kind == "lost" || kind.starts_with("drop.")) return Tone::bad;
  if (kind == "nic.detached" || kind == "dhcp.refused" || kind == "dhcp.declined" || kind == "mac.flapping")
    return Tone::warning;
  return Tone::plain;
}

Json document_of(const http::Event& event) {
  auto document = parse_json(event.data);
  if (document && document->is_object()) return *document;
  return Json{{"event", event.event}, {"data", event.data}};
}

/// The daemon leaves the number out where it cannot know it: events of a process before it.
std::string lost_text(const Json& document) {
  const bool known = member(document, "lost").is_number();
  const std::string next = std::to_string(count_at(document, "next"));
  return (known ? std::to_string(count_at(document, "lost")) : "some") + " events; goes on with number " + next;
}

}  // namespace

std::string event_line(const http::Event& event, Style style) {
  const Json document = document_of(event);
  const std::string time = text_at(document, "time");
  const std::string shown_time = time.empty() ? "-" : local_time(time, Precision::milliseconds);
  const std::string named = text_at(document, "event");
  const std::string kind = event.event == "lost" || named.empty() ? event.event : named;
  std::string line =
      padded(shown_time, kTimeColumns) + "  " + painted(padded(kind, kKindColumns), tone_of(kind), style) + "  ";
  if (kind == "lost") {
    line += lost_text(document);
  } else if (document.contains("data")) {
    line += printable(text_at(document, "data"));
  } else {
    line +=
        padded(text_at(document, "network"), kNetworkColumns) + "  " + padded(text_at(document, "nic"), kNicColumns);
    for (const char* name : {"subject", "mac"}) {
      if (const std::string text = text_at(document, name); !text.empty()) line += "  " + printable(text);
    }
    if (const std::string cause = text_at(document, "cause"); !cause.empty()) line += "  (" + printable(cause) + ")";
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string event_json(const http::Event& event) {
  Json document = document_of(event);
  if (!document.contains("event")) document["event"] = event.event;
  return compact(document);
}

}  // namespace vnet::adapter
