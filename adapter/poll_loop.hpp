// PollLoop: waits for a handful of descriptors and one deadline.
//
// The bridge has four descriptors and one timer, and lives in a process of its own. poll(2) does all of that without a
// library; changing what is waited for, which backpressure does all the time, costs no system call, as it would with
// epoll. An error on a descriptor is told as "readable", whether or not its owner asked for that: reading is how the
// owner learns what it is.
#pragma once

#include <poll.h>

#include <vector>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

class PollLoop final : public dgram::Poller {
 public:
  void watch(int fd, bool readable, bool writable, dgram::Watched& watched) override;
  void forget(int fd) override;

  /// Waits until a descriptor is ready or `deadline` has come, and calls the owners of what is ready.
  [[nodiscard]] dgram::SystemResult<void> turn(Instant deadline);
  /// The program's only clock: monotonic.
  [[nodiscard]] static Instant now();

 private:
  [[nodiscard]] std::size_t index_of(int fd) const;

  std::vector<pollfd> polled_;
  std::vector<dgram::Watched*> owners_;  ///< in the order of polled_
  std::vector<pollfd> ready_;
};

}  // namespace vnet::adapter
