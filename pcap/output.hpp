// Where the capture's bytes go: a file, a pipe or a socket, written to without ever waiting for a reader.
//
// A regular file (or a device such as /dev/null) takes everything at once. A pipe takes at most PIPE_BUF bytes at a
// time and only when poll(2) has said that there is room, which POSIX promises not to block; so we need not set
// O_NONBLOCK on a pipe, which for stdout would change it for every process that shares it. A socket is asked with
// MSG_DONTWAIT.
//
// When a write to a file that we opened fails half way, as on a full disk, the file is cut back to its last whole
// block, so that readers accept it.
//
// The calling thread must block SIGPIPE and SIGXFSZ; the failures are then errno values. Not supported: terminals
// (refused) and datagram sockets.
#pragma once

#include <cstdint>
#include <string>

#include "packet/bytes.hpp"
#include "packet/result.hpp"
#include "pcap/descriptor.hpp"

namespace vnet::capture {

/// "run.pcapng: No space left on device".
[[nodiscard]] std::string describe(const std::string& subject, int error_number);

class Output {
 public:
  /// Creates the file with mode 0600, since frames are private. One that exists is emptied, or is an error when
  /// `fresh`. A FIFO must have a reader already. "-" is standard output. The error names the path and the reason.
  static Result<Output, std::string> open(const std::string& path, bool fresh = false);
  /// Takes over a descriptor from elsewhere; `name` is for messages.
  static Result<Output, std::string> adopt(Descriptor fd, std::string name);

  /// Writes what goes without waiting, and returns how much that was: everything for a file, possibly 0 for a pipe
  /// or socket, which is then to be polled for POLLOUT. The error is an errno value.
  [[nodiscard]] Result<std::size_t, int> write_some(ByteView bytes) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// True for a file, whose length can be limited.
  [[nodiscard]] bool is_file() const noexcept { return kind_ == Kind::file; }
  /// True when someone reads at the other end, and may go away.
  [[nodiscard]] bool has_reader() const noexcept { return kind_ == Kind::pipe || kind_ == Kind::socket; }
  /// True while `path` still leads to this very file.
  [[nodiscard]] bool is_at(const std::string& path) const noexcept;

 private:
  enum class Kind : std::uint8_t { file, device, pipe, socket };

  Output(Descriptor fd, std::string name, Kind kind) noexcept
      : fd_(std::move(fd)), name_(std::move(name)), kind_(kind) {}
  [[nodiscard]] Result<std::size_t, int> write_all(ByteView bytes) noexcept;

  Descriptor fd_;
  std::string name_;
  Kind kind_;
  bool opened_here_ = false;  ///< we made the file, so its length is ours to cut
  std::uint64_t length_ = 0;  ///< bytes of whole blocks in the file
};

}  // namespace vnet::capture
