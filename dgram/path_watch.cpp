#include "dgram/path_watch.hpp"

#if defined(__linux__)
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>
#endif

namespace vnet::dgram {

#if defined(__linux__)

PathWatch::PathWatch(Poller& poller) : poller_(poller), fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_) poller_.watch(fd_.get(), true, false, *this);
}

PathWatch::~PathWatch() {
  if (fd_) poller_.forget(fd_.get());
}

int PathWatch::add(const std::string& path, Callback callback) {
  if (!fd_ || path.empty() || path.front() == '\0') return -1;
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
  if (watch < 0) return -1;
  const int handle = next_handle_++;
  callbacks_.emplace(watch, std::pair{handle, std::move(callback)});
  return handle;
}

void PathWatch::remove(int handle) {
  const auto found = std::find_if(callbacks_.begin(), callbacks_.end(),
                                  [handle](const auto& entry) { return entry.second.first == handle; });
  if (found == callbacks_.end()) return;
  const int watch = found->first;
  callbacks_.erase(found);
  if (!callbacks_.contains(watch)) ::inotify_rm_watch(fd_.get(), watch);
}

void PathWatch::on_ready(bool, bool) {
  alignas(inotify_event) std::array<std::uint8_t, 4096> buffer;
  std::vector<Callback> due;
  for (ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size()); size > 0;
       size = ::read(fd_.get(), buffer.data(), buffer.size())) {
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += sizeof event + event.len;
      const auto [first, last] = callbacks_.equal_range(event.wd);
      for (auto entry = first; entry != last; ++entry) due.push_back(std::move(entry->second.second));
      if (first != last && (event.mask & IN_IGNORED) == 0) ::inotify_rm_watch(fd_.get(), event.wd);
      callbacks_.erase(first, last);
    }
  }
  // A callback may add and remove watches, so none runs while the table is walked.
  for (const Callback& callback : due) callback();
}

#else

PathWatch::PathWatch(Poller& poller) : poller_(poller) {}
PathWatch::~PathWatch() = default;
int PathWatch::add(const std::string&, Callback) { return -1; }
void PathWatch::remove(int) {}
void PathWatch::on_ready(bool, bool) {}

#endif

}  // namespace vnet::dgram
