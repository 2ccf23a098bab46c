// UNIX sockets, the little of them that the switch needs, behind one portable face.
//
// Linux makes a socket non-blocking and close-on-exec in one call; other systems need three. Paths are limited to 107
// bytes on Linux and 103 on macOS, and everything that takes a path says so in its error. Nothing here blocks.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "packet/result.hpp"

namespace vnet::dgram {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void close() noexcept;
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// A system call's failure: what was tried, on what, and errno.
struct SystemError {
  std::string what;
  int code = 0;
  [[nodiscard]] std::string to_string() const;
};

template <typename T>
using SystemResult = Result<T, SystemError>;

/// The longest path that fits a sockaddr_un, in bytes without the terminator.
inline constexpr std::size_t kMaxPath = sizeof(sockaddr_un{}.sun_path) - 1;

/// A socket address with its length, as the kernel gives and takes it.
struct UnixAddress {
  sockaddr_un address{};
  socklen_t size = 0;

  [[nodiscard]] static SystemResult<UnixAddress> from_path(std::string_view path);
  /// A path, or an abstract name, as `name` gives them.
  [[nodiscard]] static SystemResult<UnixAddress> from_name(std::string_view name);
  /// The path, or an abstract name with its leading zero byte; empty when the sender has none.
  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
};

/// A non-blocking, close-on-exec socket of the UNIX family; `type` is SOCK_DGRAM or SOCK_STREAM.
[[nodiscard]] SystemResult<Fd> make_socket(int type);
/// A connected, non-blocking pair.
[[nodiscard]] SystemResult<std::pair<Fd, Fd>> make_pair(int type);
/// Marks an inherited or passed descriptor non-blocking and close-on-exec.
[[nodiscard]] SystemResult<void> adopt(const Fd& fd);

/// The type (SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET) of a descriptor that somebody passed as one end of a pair.
/// Refused, with a sentence: what is no socket, not of the UNIX family, listening, or connected to nobody.
[[nodiscard]] SystemResult<int> type_of_passed_end(const Fd& fd);
/// Whether an inherited descriptor is what a socket opened at a path would be: of the UNIX family and of `type`; a
/// stream socket listens.
[[nodiscard]] SystemResult<void> check_inherited(const Fd& fd, int type);

/// Binds `fd` to `path`. A socket file that nobody listens on is replaced; one that answers is refused with
/// EADDRINUSE, and so is a file that is no socket.
[[nodiscard]] SystemResult<void> bind_replacing_stale(const Fd& fd, std::string_view path);

/// A socket's file, removed with the object unless somebody has put another in its place meanwhile.
class SocketFile {
 public:
  /// No file.
  SocketFile() noexcept = default;
  /// The file at `path`, to which a socket of ours has just been bound.
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept { swap(other); }
  SocketFile& operator=(SocketFile&& other) noexcept {
    swap(other);
    return *this;
  }
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile();

  /// The file at `path` is somebody else's, who will remove it.
  [[nodiscard]] static SocketFile of_another(std::string path);

  /// Empty where there is no file.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Whether it is ours to remove.
  [[nodiscard]] bool owned() const noexcept { return inode_ != 0; }
  /// Leaves the file to a successor.
  void disown() noexcept { inode_ = 0; }

 private:
  void swap(SocketFile& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
  }

  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Whom a socket is connected to; an empty name is an end of a pair. ENOTCONN when it is to nobody.
[[nodiscard]] SystemResult<UnixAddress> peer_of(const Fd& fd);
/// Connects, or connects anew. 0, or errno.
[[nodiscard]] int connect_to(const Fd& fd, const UnixAddress& peer) noexcept;
/// Dissolves a datagram socket's connection, so that anybody may send to it again.
void disconnect(const Fd& fd) noexcept;

struct BufferSizes {
  int send = 0;  ///< bytes granted, as the kernel counts them
  int receive = 0;
};
/// Asks for `bytes` in both directions, or as much as an ordinary user may have.
BufferSizes enlarge_buffers(const Fd& fd, int bytes) noexcept;

/// What asked-for buffer sizes are: room for a burst of the largest frames.
inline constexpr int kBufferBytes = 4 * 1024 * 1024;

}  // namespace vnet::dgram
