#include "adapter/signal_pipe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cassert>

namespace vnet::adapter {
namespace {

/// Sent to the thread alone, to end it.
constexpr int kEnd = SIGUSR2;

}  // namespace

SignalPipe::SignalPipe(std::initializer_list<int> numbers) {
  int ends[2] = {-1, -1};
  [[maybe_unused]] const int made = ::pipe(ends);
  assert(made == 0);
  read_ = dgram::Fd{ends[0]};
  write_ = dgram::Fd{ends[1]};
  (void)::fcntl(read_.get(), F_SETFL, O_NONBLOCK);
  ::sigemptyset(&set_);
  for (const int number : numbers) ::sigaddset(&set_, number);
  ::sigaddset(&set_, kEnd);
  ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  thread_ = std::thread{[this] { run(); }};
}

SignalPipe::~SignalPipe() {
  ::pthread_kill(thread_.native_handle(), kEnd);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SignalPipe::run() const {
  for (int number = 0; ::sigwait(&set_, &number) == 0 && number != kEnd;) {
    const auto byte = static_cast<unsigned char>(number);
    if (::write(write_.get(), &byte, 1) != 1) return;
  }
}

std::optional<int> SignalPipe::take() const {
  unsigned char byte = 0;
  if (::read(read_.get(), &byte, 1) != 1) return std::nullopt;
  return byte;
}

std::optional<int> SignalPipe::wait(Duration timeout) const {
  pollfd polled{read_.get(), POLLIN, 0};
  (void)::poll(&polled, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
  return take();
}

}  // namespace vnet::adapter
