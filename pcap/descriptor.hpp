// A file descriptor that closes itself, and the pipe that wakes a thread out of poll(2).
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace vnet::capture {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// A pipe and not an eventfd, because macOS has pipes. Neither end blocks: a full pipe is awake enough.
class WakePipe {
 public:
  WakePipe() noexcept {
    int ends[2];
    if (::pipe(ends) != 0) return;
    read_ = Descriptor{ends[0]};
    write_ = Descriptor{ends[1]};
    for (const int end : ends) {
      ::fcntl(end, F_SETFD, FD_CLOEXEC);
      ::fcntl(end, F_SETFL, O_NONBLOCK);
    }
  }

  [[nodiscard]] bool ok() const noexcept { return read_.valid(); }
  /// Readable after `wake()` until `clear()`.
  [[nodiscard]] int fd() const noexcept { return read_.get(); }
  void wake() const noexcept {
    const char byte = 0;
    [[maybe_unused]] const auto written = ::write(write_.get(), &byte, 1);
  }
  void clear() const noexcept {
    char bytes[64];
    while (::read(read_.get(), bytes, sizeof bytes) > 0) {
    }
  }

 private:
  Descriptor read_;
  Descriptor write_;
};

}  // namespace vnet::capture
