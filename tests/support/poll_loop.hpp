// A Poller over poll(2), turned by hand.
#pragma once

#include <poll.h>

#include <cstddef>
#include <map>
#include <vector>

#include "dgram/client.hpp"

namespace vnet::test {

class PollLoop final : public dgram::Poller {
 public:
  void watch(int fd, bool readable, bool writable, dgram::Watched& watched) override {
    entries_[fd] = {static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)), &watched};
  }
  void forget(int fd) override { entries_.erase(fd); }

  /// Waits until something is ready, or for `timeout_ms`, and tells those that are. False: nothing was.
  bool turn(int timeout_ms) {
    std::vector<pollfd> fds;
    for (const auto& [fd, entry] : entries_) fds.push_back({fd, entry.events, 0});
    if (::poll(fds.data(), fds.size(), timeout_ms) <= 0) return false;
    for (const pollfd& ready : fds) {
      const auto entry = entries_.find(ready.fd);  // an earlier one may have closed it
      if (ready.revents == 0 || entry == entries_.end()) continue;
      const bool failed = (ready.revents & (POLLERR | POLLHUP)) != 0;
      const auto is = [&](short event) { return ((failed ? entry->second.events : ready.revents) & event) != 0; };
      ++turns_;
      entry->second.watched->on_ready(is(POLLIN), is(POLLOUT));
    }
    return true;
  }
  /// Turns until nothing is ready.
  void settle() {
    while (turn(0)) {
    }
  }
  /// Turns until `done` or for ten seconds. False: it never was.
  template <typename Done>
  bool run_until(Done done) {
    for (int turns = 0; turns < 1000 && !done(); ++turns) turn(10);
    return done();
  }

  [[nodiscard]] std::size_t watched() const { return entries_.size(); }
  [[nodiscard]] bool watches(int fd) const { return entries_.contains(fd); }
  /// Calls of on_ready so far.
  [[nodiscard]] std::size_t turns() const { return turns_; }

 private:
  struct Entry {
    short events = 0;
    dgram::Watched* watched = nullptr;
  };
  std::map<int, Entry> entries_;
  std::size_t turns_ = 0;
};

}  // namespace vnet::test
