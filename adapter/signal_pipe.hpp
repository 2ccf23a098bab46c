// Signals as something to poll: a command that waits on sockets waits on them in the same place, and ends in order.
//
// A thread of its own takes them with sigwait(3), which every POSIX system has, so there is no handler and nothing
// global. While this exists they are blocked in the thread that made it; make it before other threads.
#pragma once

#include <signal.h>

#include <initializer_list>
#include <optional>
#include <thread>

#include "dgram/socket.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

class SignalPipe {
 public:
  explicit SignalPipe(std::initializer_list<int> numbers);
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;
  ~SignalPipe();

  /// Readable when a signal has come.
  [[nodiscard]] int fd() const noexcept { return read_.get(); }
  /// The next that has come, or nothing.
  [[nodiscard]] std::optional<int> take() const;
  /// Waits for one at most so long; rounded up to milliseconds.
  [[nodiscard]] std::optional<int> wait(Duration timeout) const;

 private:
  void run() const;

  sigset_t set_{};
  sigset_t before_{};
  dgram::Fd read_;
  dgram::Fd write_;
  std::thread thread_;
};

}  // namespace vnet::adapter
