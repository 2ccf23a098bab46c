#include "dgram/socket.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <tuple>

namespace vnet::dgram {
namespace {

tl::unexpected<SystemError> error(std::string what) { return fail(SystemError{std::move(what), errno}); }

#if !defined(__linux__)
bool set_flags(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}
#endif

tl::unexpected<SystemError> error(std::string what, int code) { return fail(SystemError{std::move(what), code}); }

int getsockopt_int(int fd, int option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

bool is_unix(const Fd& fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 && address.ss_family == AF_UNIX;
}

/// Whether somebody has `address` open: a datagram or a stream socket, which a connect of the wrong type shows too.
bool is_alive(const UnixAddress& address) {
  const auto probe = make_socket(SOCK_DGRAM);
  if (!probe) return true;
  const int code = connect_to(*probe, address);
  return code != ECONNREFUSED && code != ENOENT;
}

}  // namespace

void Fd::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string SystemError::to_string() const { return what + ": " + std::strerror(code); }

SystemResult<UnixAddress> UnixAddress::from_path(std::string_view path) {
  UnixAddress result;
  if (path.empty() || path.size() > kMaxPath) {
    errno = path.empty() ? ENOENT : ENAMETOOLONG;
    return error("socket path \"" + std::string{path} + "\" (at most " + std::to_string(kMaxPath) + " bytes)");
  }
  result.address.sun_family = AF_UNIX;
  std::memcpy(result.address.sun_path, path.data(), path.size());
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

SystemResult<UnixAddress> UnixAddress::from_name(std::string_view name) {
  auto result = from_path(name);
  // An abstract name is as long as it says, without a terminator.
  if (result && name.front() == '\0') --result->size;
  return result;
}

std::string_view UnixAddress::name() const noexcept {
  constexpr std::size_t kOffset = offsetof(sockaddr_un, sun_path);
  if (size <= kOffset) return {};
  const std::string_view all{address.sun_path, size - kOffset};
  if (all.front() == '\0') return all.size() > 1 ? all : std::string_view{};
  return all.substr(0, all.find('\0'));
}

SystemResult<Fd> make_socket(int type) {
#if defined(__linux__)
  Fd fd{::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return error("socket");
#else
  Fd fd{::socket(AF_UNIX, type, 0)};
  if (!fd || !set_flags(fd.get())) return error("socket");
#endif
  return fd;
}

SystemResult<std::pair<Fd, Fd>> make_pair(int type) {
  int fds[2];
#if defined(__linux__)
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return error("socketpair");
#else
  if (::socketpair(AF_UNIX, type, 0, fds) != 0) return error("socketpair");
  set_flags(fds[0]);
  set_flags(fds[1]);
#endif
  return std::pair{Fd{fds[0]}, Fd{fds[1]}};
}

SystemResult<void> adopt(const Fd& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return error("fcntl");
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) return error("fcntl");
  return {};
}

SystemResult<int> type_of_passed_end(const Fd& fd) {
  const int type = getsockopt_int(fd.get(), SO_TYPE);
  if (type == 0) return error("the passed descriptor is no socket", ENOTSOCK);
  if (!is_unix(fd)) return error("the passed descriptor is no UNIX socket", EAFNOSUPPORT);
  if (getsockopt_int(fd.get(), SO_ACCEPTCONN) != 0) {
    return error("the passed descriptor listens; one end of a connected pair is wanted", EOPNOTSUPP);
  }
  if (const auto peer = peer_of(fd); !peer) {
    return error("the passed descriptor is connected to nobody; one end of a pair is wanted", peer.error().code);
  }
  return type;
}

SystemResult<void> check_inherited(const Fd& fd, int type) {
  const int actual = getsockopt_int(fd.get(), SO_TYPE);
  if (actual == 0) return error("the inherited descriptor is no socket", ENOTSOCK);
  if (!is_unix(fd)) return error("the inherited descriptor is no UNIX socket", EAFNOSUPPORT);
  if (actual != type) return error("the inherited descriptor is a socket of another type", EPROTOTYPE);
  if (type == SOCK_STREAM && getsockopt_int(fd.get(), SO_ACCEPTCONN) == 0) {
    return error("the inherited stream socket does not listen", EINVAL);
  }
  return adopt(fd);
}

SystemResult<UnixAddress> peer_of(const Fd& fd) {
  UnixAddress result;
  result.size = sizeof result.address;
  if (::getpeername(fd.get(), reinterpret_cast<sockaddr*>(&result.address), &result.size) != 0) {
    return error("getpeername");
  }
  return result;
}

SystemResult<void> bind_replacing_stale(const Fd& fd, std::string_view path) {
  const auto address = UnixAddress::from_path(path);
  if (!address) return fail(address.error());
  if (::bind(fd.get(), address->get(), address->size) == 0) return {};
  const std::string name{path};
  if (errno != EADDRINUSE) return error("bind " + name);
  struct stat info {};
  if (::lstat(name.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    errno = EADDRINUSE;
    return error("bind " + name + ": a file that is no socket is in the way");
  }
  if (is_alive(*address)) {
    errno = EADDRINUSE;
    return error("bind " + name + ": another process is listening there");
  }
  if (::unlink(name.c_str()) != 0 && errno != ENOENT) return error("remove stale socket " + name);
  if (::bind(fd.get(), address->get(), address->size) != 0) return error("bind " + name);
  return {};
}

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) return;
  device_ = info.st_dev;
  inode_ = info.st_ino;
}

SocketFile SocketFile::of_another(std::string path) {
  SocketFile file;
  file.path_ = std::move(path);
  return file;
}

SocketFile::~SocketFile() {
  struct stat info {};
  if (!owned() || ::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

int connect_to(const Fd& fd, const UnixAddress& peer) noexcept {
  return ::connect(fd.get(), peer.get(), peer.size) == 0 ? 0 : errno;
}

void disconnect(const Fd& fd) noexcept {
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  std::ignore = ::connect(fd.get(), &none, sizeof none);
}

BufferSizes enlarge_buffers(const Fd& fd, int bytes) noexcept {
  // A refusal leaves what the system gives by default; halving finds the most that is permitted elsewhere than on
  // Linux, which clips to its maximum by itself.
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    for (int size = bytes; size >= 64 * 1024; size /= 2) {
      if (::setsockopt(fd.get(), SOL_SOCKET, option, &size, sizeof size) == 0) break;
    }
  }
  return {getsockopt_int(fd.get(), SO_SNDBUF), getsockopt_int(fd.get(), SO_RCVBUF)};
}

}  // namespace vnet::dgram
