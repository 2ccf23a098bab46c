// Channel: the line to the host, over which an assignment is asked for and commands come.
//
// Of a serial port there is no connection: it is opened, and the host may be there or not. Whatever breaks is opened
// anew after kAskEvery, never in a loop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/protocol.hpp"

namespace vnet::agent {

[[nodiscard]] Millis now_ms() noexcept;

class Channel {
 public:
  enum class Kind : std::uint8_t { none, serial, vsock, unix_path };
  struct Where {
    Kind kind = Kind::none;
    std::string path;   ///< of a serial port's device or a socket; without a slash: a virtio port's name
    unsigned port = 0;  ///< of vsock
    std::string mac;    ///< to ask about; empty: the host knows
  };

  explicit Channel(Where where) : where_(std::move(where)) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() { close(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// Whether the other end is the host for certain, so that it may have commands run.
  [[nodiscard]] bool takes_commands() const noexcept {
    return where_.kind == Kind::serial || where_.kind == Kind::vsock;
  }
  [[nodiscard]] bool wants_to_write() const noexcept { return !out_.empty(); }
  [[nodiscard]] std::size_t waiting() const noexcept { return out_.size(); }
  [[nodiscard]] Millis deadline() const noexcept { return where_.kind == Kind::none ? kNoTime : next_; }

  /// Opens and asks, where it is time to. `settled`: an assignment is in effect, so there is no hurry.
  void tend(Millis now, bool settled);
  /// Reads what has come; the lines that are whole.
  [[nodiscard]] std::vector<std::string> read();
  void write();
  void send(std::string_view line);

 private:
  void open();
  void ask();
  void close();

  Where where_;
  int fd_ = -1;
  std::string in_;
  std::string out_;
  Millis next_ = 0;  ///< when it is opened, or asked again
};

}  // namespace vnet::agent
