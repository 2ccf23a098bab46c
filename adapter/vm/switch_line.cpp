#include "adapter/vm/switch_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "adapter/control.hpp"
#include "adapter/poll_loop.hpp"

namespace vnet::adapter {

SwitchLine::SwitchLine(std::string control_path, dgram::Poller& poller, Owner& owner)
    : path_(std::move(control_path)), poller_(poller), owner_(owner) {}

SwitchLine::~SwitchLine() {
  if (events_) poller_.forget(events_->fd());
}

SwitchReply SwitchLine::ask(const std::string& method, const std::string& target, const Json& body,
                            std::span<const int> fds) const {
  auto client = connect_control(path_, kSwitchTimeout);
  if (!client) return fail(SwitchFault{0, client.error()});
  const auto reply = client->exchange(method, target, body.is_null() ? "" : compact(body), fds);
  if (!reply) return fail(SwitchFault{0, reply.error()});
  if (reply->status >= 400) return fail(SwitchFault{reply->status, problem_text(reply->status, reply->body)});
  return parse_json(reply->body).value_or(Json{});
}

void SwitchLine::expire(Instant now) {
  if (events_ || now < retry_at_) return;
  auto client = connect_control(path_, kSwitchTimeout);
  std::string cause = client ? "" : client.error();
  if (client) {
    const auto head = client->begin("GET", "/v1/events?kind=nic.", {{"Accept", "text/event-stream"}});
    if (!head) cause = head.error();
    if (head && head->status != 200) cause = "its event stream answers with " + std::to_string(head->status);
  }
  if (!cause.empty()) {
    retry_at_ = now + retry_;
    retry_ = std::min(retry_ * 2, kLongestRetry);
    if (!std::exchange(told_, true)) owner_.on_switch_gone(cause);
    return;
  }
  retry_ = kFirstRetry;
  told_ = false;
  decoder_ = {};
  events_.emplace(std::move(*client));
  poller_.watch(events_->fd(), true, false, *this);
  owner_.on_switch_here();
  if (events_ && events_->has_body()) on_ready(true, false);
}

void SwitchLine::on_ready(bool /*readable*/, bool /*writable*/) {
  std::array<std::uint8_t, 16384> piece{};
  do {
    const auto size = events_->read_body(piece, kSwitchTimeout);
    if (!size) return lose(size.error());
    if (*size == 0) return lose("its events have ended");
    for (const http::Event& event : decoder_.feed({reinterpret_cast<const char*>(piece.data()), *size})) {
      if (const auto document = parse_json(event.data)) owner_.on_nic_event(*document);
    }
  } while (events_ && events_->has_body());
}

void SwitchLine::lose(const std::string& cause) {
  poller_.forget(events_->fd());
  events_.reset();
  retry_at_ = PollLoop::now();
  told_ = true;
  owner_.on_switch_gone(cause);
}

}  // namespace vnet::adapter
