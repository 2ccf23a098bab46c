#include "adapter/poll_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

namespace vnet::adapter {
namespace {

/// Whole milliseconds until then, rounded up: waking early would mean a turn for nothing.
int timeout_ms(Instant deadline) {
  if (deadline == kNever) return -1;
  const Duration left = deadline - PollLoop::now();
  if (left <= Duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, INT_MAX));
}

}  // namespace

Instant PollLoop::now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

std::size_t PollLoop::index_of(int fd) const {
  const auto found = std::find_if(polled_.begin(), polled_.end(), [fd](const pollfd& one) { return one.fd == fd; });
  return static_cast<std::size_t>(found - polled_.begin());
}

void PollLoop::watch(int fd, bool readable, bool writable, dgram::Watched& watched) {
  const std::size_t at = index_of(fd);
  if (at == polled_.size()) {
    polled_.push_back({fd, 0, 0});
    owners_.push_back(&watched);
  }
  polled_[at].events = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
  owners_[at] = &watched;
}

void PollLoop::forget(int fd) {
  const std::size_t at = index_of(fd);
  if (at == polled_.size()) return;
  polled_.erase(polled_.begin() + static_cast<std::ptrdiff_t>(at));
  owners_.erase(owners_.begin() + static_cast<std::ptrdiff_t>(at));
}

dgram::SystemResult<void> PollLoop::turn(Instant deadline) {
  if (::poll(polled_.data(), polled_.size(), timeout_ms(deadline)) < 0) {
    if (errno == EINTR) return {};
    return fail(dgram::SystemError{"poll", errno});
  }
  // The owners may watch and forget while they are called, so the ready ones are noted first.
  ready_.clear();
  std::copy_if(polled_.begin(), polled_.end(), std::back_inserter(ready_),
               [](const pollfd& one) { return one.revents != 0; });
  for (const pollfd& one : ready_) {
    const std::size_t at = index_of(one.fd);
    if (at == polled_.size()) continue;
    const bool readable = (one.revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) != 0;
    owners_[at]->on_ready(readable, (one.revents & POLLOUT) != 0);
  }
  return {};
}

}  // namespace vnet::adapter
