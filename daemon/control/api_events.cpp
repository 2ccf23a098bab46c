// /v1/events: server-sent events (WHATWG HTML, 9.2).
//
// A reader is a number to go on from. What it does not read in time is overwritten in the backlog; it is then told with
// an event `lost` how many it missed, and goes on with the oldest that is there.
#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/control/api.hpp"
#include "daemon/control/views.hpp"
#include "http/event_stream.hpp"

namespace vnet::daemon {
namespace {

struct Selection {
  std::string nic;                 ///< empty: any
  std::string network;             ///< empty: any
  std::vector<std::string> kinds;  ///< names, or beginnings that end in a dot; none: any

  [[nodiscard]] bool has(const network::Event& event) const {
    if (!nic.empty() && event.nic != nic) return false;
    if (!network.empty() && event.network != network) return false;
    const std::string_view kind = to_string(event.kind);
    return kinds.empty() || std::ranges::any_of(kinds, [kind](const std::string& wanted) {
             return wanted.ends_with('.') ? kind.starts_with(wanted) : kind == wanted;
           });
  }
};

/// A stream that says nothing for so long says so, that a reader who is gone is noticed.
constexpr Duration kHeartbeat = std::chrono::seconds{15};

class EventBody final : public http::Body {
 public:
  EventBody(const EventBacklog& backlog, Selection selection, std::uint64_t next, bool follow,
            std::function<Moment()> clock)
      : backlog_(backlog), selection_(std::move(selection)), clock_(std::move(clock)), next_(next), follow_(follow) {}

  More produce(std::string& out) override {
    constexpr std::size_t kPiece = 16 * 1024;
    constexpr int kLooksPerPiece = 1024;  // those that are not wanted cost time, too
    if (const Instant now = clock_().now; now - last_ >= kHeartbeat) {
      http::append_comment(out, "vnetd");
      last_ = now;
    }
    tell_losses(out);
    for (int looks = 0; next_ < backlog_.next(); ++looks) {
      if (out.size() >= kPiece || looks == kLooksPerPiece) return More::yes;
      const NumberedEvent& event = backlog_.at(next_++);
      if (!selection_.has(event.event)) continue;
      const std::string data = to_json(event).dump(-1, ' ', false, Json::error_handler_t::replace);
      http::append_event(out, std::to_string(event.id), to_string(event.event.kind), data);
    }
    return follow_ ? More::wait : More::no;
  }

 private:
  void tell_losses(std::string& out) {
    const std::uint64_t oldest = backlog_.oldest();
    // A number beyond the newest is of another daemon whose clock went ahead.
    if (next_ >= oldest && next_ <= backlog_.next()) return;
    Json data = {{"next", oldest}};
    // A number from before this daemon began, or beyond all, says nothing about how many there were.
    if (next_ >= backlog_.first() && next_ < oldest) data["lost"] = oldest - next_;
    http::append_event(out, {}, "lost", data.dump());
    next_ = oldest;
  }

  const EventBacklog& backlog_;
  Selection selection_;
  std::function<Moment()> clock_;
  std::uint64_t next_;
  bool follow_;
  Instant last_{};  ///< when the last heartbeat was sent
};

std::optional<std::uint64_t> parse_id(const std::string& text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    if (comma > begin) parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

}  // namespace

http::Response Api::get_events(Call& call) {
  const std::string* const follow = call.request.parameter("follow");
  if (follow != nullptr && *follow != "true" && *follow != "false") {
    return problem(400, found_expected("follow=" + in_quotes(*follow), "true or false"));
  }
  const bool follows = follow == nullptr || *follow == "true";
  const std::string* since = call.request.header("last-event-id");
  if (since == nullptr || since->empty()) since = call.request.parameter("since");
  std::uint64_t next = follows ? parts_.events.next() : parts_.events.oldest();
  if (since != nullptr && !since->empty()) {
    const auto id = parse_id(*since);
    if (!id) return problem(400, found_expected("the event id " + in_quotes(*since), "a number"));
    // 0 asks for all that there is, and misses nothing.
    next = *id == 0 ? parts_.events.oldest() : *id + 1;
  }
  Selection selection;
  if (const std::string* nic = call.request.parameter("nic")) selection.nic = *nic;
  if (const std::string* network = call.request.parameter("network")) selection.network = *network;
  if (const std::string* kinds = call.request.parameter("kind")) selection.kinds = split(*kinds);
  http::Response response;
  response.type = "text/event-stream";
  response.stream = std::make_unique<EventBody>(parts_.events, std::move(selection), next, follows, parts_.clock);
  return response;
}

}  // namespace vnet::daemon
