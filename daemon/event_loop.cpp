#include "daemon/event_loop.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

namespace vnet::daemon {
namespace {

void check(int code, const char* what) {
  if (code != 0) throw std::runtime_error(std::string{what} + ": " + uv_strerror(code));
}

}  // namespace

EventLoop::EventLoop() {
  check(uv_loop_init(&loop_), "uv_loop_init");
  timer_.reset(new uv_timer_t);
  uv_timer_init(&loop_, timer_.get());
  timer_->data = this;
  prepare_.reset(new uv_prepare_t);
  uv_prepare_init(&loop_, prepare_.get());
  prepare_->data = this;
  uv_prepare_start(prepare_.get(), [](uv_prepare_t* handle) { static_cast<EventLoop*>(handle->data)->arm_timer(); });
}

EventLoop::~EventLoop() {
  watches_.clear();
  signals_.clear();
  prepare_.reset();
  timer_.reset();
  // The close callbacks free the handles.
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

void EventLoop::watch(int fd, bool readable, bool writable, dgram::Watched& watched) {
  Watch& entry = watches_[fd];
  if (!entry.poll) {
    auto poll = std::make_unique<uv_poll_t>();
    const int code = uv_poll_init(&loop_, poll.get(), fd);
    if (code != 0) {
      watches_.erase(fd);
      check(code, "uv_poll_init");
    }
    entry.poll.reset(poll.release());
    entry.poll->data = &entry;  // a node of the map stays where it is
  }
  entry.watched = &watched;
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (events == entry.events) return;
  entry.events = events;
  uv_poll_start(entry.poll.get(), events, [](uv_poll_t* handle, int status, int ready) {
    auto* self = static_cast<Watch*>(handle->data);
    // An error condition is found out by the read that it makes possible.
    const int what = status < 0 ? self->events : ready;
    self->watched->on_ready((what & UV_READABLE) != 0, (what & UV_WRITABLE) != 0);
  });
}

void EventLoop::forget(int fd) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  uv_poll_stop(found->second.poll.get());
  watches_.erase(found);
}

void EventLoop::on_signal(int number, std::function<void()> callback) {
  auto signal = std::make_unique<Signal>();
  signal->callback = std::move(callback);
  signal->handle.reset(new uv_signal_t);
  check(uv_signal_init(&loop_, signal->handle.get()), "uv_signal_init");
  signal->handle->data = signal.get();
  check(uv_signal_start(
            signal->handle.get(), [](uv_signal_t* handle, int) { static_cast<Signal*>(handle->data)->callback(); },
            number),
        "uv_signal_start");
  signals_.push_back(std::move(signal));
}

Instant EventLoop::now() const noexcept { return Instant{Duration{static_cast<std::int64_t>(uv_hrtime())}}; }

void EventLoop::arm_timer() {
  const Instant due = next_deadline_ ? next_deadline_() : kNever;
  if (due == armed_) return;
  armed_ = due;
  if (due == kNever) {
    uv_timer_stop(timer_.get());
    return;
  }
  // libuv counts from a time that it cached at the start of this turn; without the update the timer would be early.
  uv_update_time(&loop_);
  const auto wait = std::max(Duration{}, due - now());
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* handle) {
        auto* self = static_cast<EventLoop*>(handle->data);
        self->armed_ = kNever;
        self->expire_();
      },
      static_cast<std::uint64_t>(milliseconds), 0);
}

void EventLoop::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

}  // namespace vnet::daemon
