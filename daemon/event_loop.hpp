// EventLoop: libuv, and the only place that reads the clock.
//
// One thread, one loop, one event path: descriptors become ready and are served in bounded turns, then everything that
// is due is done, then one timer is armed at the least deadline. libuv handles must outlive their close callback, so
// each is owned by a pointer whose deleter asks libuv to close it and frees it when libuv has.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dgram/client.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

/// Closes a libuv handle, and frees it once libuv has let go of it.
struct HandleCloser {
  template <typename Handle>
  void operator()(Handle* handle) const noexcept {
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
  }
};
template <typename Handle>
using HandlePtr = std::unique_ptr<Handle, HandleCloser>;

class EventLoop final : public dgram::Poller {
 public:
  EventLoop();
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void watch(int fd, bool readable, bool writable, dgram::Watched& watched) override;
  void forget(int fd) override;

  /// Asked before the loop sleeps: when must it wake at the latest?
  void on_sleep(std::function<Instant()> next_deadline) { next_deadline_ = std::move(next_deadline); }
  /// Called when that time has come; it may come early.
  void on_deadline(std::function<void()> expire) { expire_ = std::move(expire); }
  void on_signal(int number, std::function<void()> callback);

  [[nodiscard]] Instant now() const noexcept;
  /// Runs until `stop`, even with no descriptor to wait for.
  void run();
  void stop() noexcept { uv_stop(&loop_); }

 private:
  struct Watch {
    HandlePtr<uv_poll_t> poll;
    dgram::Watched* watched = nullptr;
    int events = 0;
  };
  struct Signal {
    HandlePtr<uv_signal_t> handle;
    std::function<void()> callback;
  };

  void arm_timer();

  uv_loop_t loop_{};
  HandlePtr<uv_timer_t> timer_;
  HandlePtr<uv_prepare_t> prepare_;
  std::unordered_map<int, Watch> watches_;
  std::vector<std::unique_ptr<Signal>> signals_;
  std::function<Instant()> next_deadline_;
  std::function<void()> expire_;
  Instant armed_ = kNever;
};

}  // namespace vnet::daemon
