// What the tests of the link stand on: a folder that goes with the test, and a switch's socket without a switch.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter/poll_loop.hpp"
#include "dgram/batch.hpp"
#include "dgram/socket.hpp"

namespace vnet::adapter {

using Bytes = std::vector<std::uint8_t>;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/vnet-adapter-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A datagram socket at a path. It is alive as long as the object; the file stays, as after kill -9, unless removed.
class FakeSwitch {
 public:
  explicit FakeSwitch(std::string path) : path_(std::move(path)) {
    fd_ = std::move(*dgram::make_socket(SOCK_DGRAM));
    dgram::enlarge_buffers(fd_, dgram::kBufferBytes);
    EXPECT_TRUE(dgram::bind_replacing_stale(fd_, path_));
  }
  void remove() const { ::unlink(path_.c_str()); }

  /// All that has arrived; `sender` is whose last frame it was.
  std::vector<Bytes> receive() {
    std::vector<Bytes> frames;
    for (int count = batch_.receive(fd_.get(), true); count > 0; count = batch_.receive(fd_.get(), true)) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        frames.emplace_back(batch_.frame(i).begin(), batch_.frame(i).end());
        sender = batch_.sender_name(i);
      }
    }
    return frames;
  }
  /// 0, or errno.
  int send(const std::string& to, ByteView frame) const {
    const auto address = dgram::UnixAddress::from_path(to);
    return dgram::send_batch(fd_.get(), {&frame, 1}, &*address).error;
  }
  /// What a path of one NIC's own does with the first that sends.
  int connect(const std::string& to) const { return dgram::connect_to(fd_, *dgram::UnixAddress::from_path(to)); }

  std::string sender;

 private:
  std::string path_;
  dgram::Fd fd_;
  dgram::ReceiveBatch batch_;
};

/// Lets the loop do what is ready now.
inline void turn(PollLoop& loop) { ASSERT_TRUE(loop.turn(Instant{})); }

/// For tests that are skipped without a right. With CI=true nothing is skipped: there they run, and fail.
inline bool may_skip() {
  const char* ci = std::getenv("CI");
  return ::geteuid() != 0 && !(ci != nullptr && std::string{ci} == "true");
}

inline Instant at_ms(int ms) { return Instant{std::chrono::milliseconds{ms}}; }

}  // namespace vnet::adapter
