// PathWatch: tells when a client's socket file is removed or replaced, which a restarting client does before it binds
// anew. A connected datagram socket hears nothing of its peer's end, and until it is dissolved it refuses the
// peer's successor; this is how that moment stays short without polling.
//
// Linux has inotify. Elsewhere `add` reports that it cannot watch, and the owners probe their peers often instead.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"

namespace vnet::dgram {

class PathWatch final : public Watched {
 public:
  using Callback = std::function<void()>;

  explicit PathWatch(Poller& poller);
  ~PathWatch() override;

  /// Calls back once, when the file at `path` is unlinked, renamed or replaced. Returns a handle for `remove`, or -1
  /// where the path cannot be watched.
  int add(const std::string& path, Callback callback);
  void remove(int handle);

  void on_ready(bool readable, bool writable) override;

 private:
  Poller& poller_;
  Fd fd_;
  // inotify gives one handle for one file, whoever asks; every asker has its own callback.
  std::unordered_multimap<int, std::pair<int, Callback>> callbacks_;  ///< by inotify handle: our handle, callback
  int next_handle_ = 0;
};

}  // namespace vnet::dgram
