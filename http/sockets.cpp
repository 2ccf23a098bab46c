#include "http/sockets.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "http/message.hpp"

namespace vnet::http {
namespace {

using dgram::Fd;
using dgram::SystemError;

constexpr int kBacklog = 128;

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;  // the sockets are marked SO_NOSIGPIPE instead
#endif
#if defined(MSG_CMSG_CLOEXEC)
constexpr int kReceiveFlags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
#else
constexpr int kReceiveFlags = MSG_DONTWAIT;
#endif

void set_option(int fd, int level, int name) {
  const int on = 1;
  std::ignore = ::setsockopt(fd, level, name, &on, sizeof on);
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress make_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result;
  if (const auto* v4 = std::get_if<Ipv4Address>(&address)) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(v4->to_u32());
    std::memcpy(&result.storage, &in, sizeof in);
    result.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, std::get<Ipv6Address>(address).octets().data(), sizeof in.sin6_addr);
    std::memcpy(&result.storage, &in, sizeof in);
    result.size = sizeof in;
  }
  return result;
}

/// Room for kMaxFds descriptors in a control message, aligned as one must be.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(kMaxFds * sizeof(int))];
};

void take_fds(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
#if !defined(MSG_CMSG_CLOEXEC)
      std::ignore = ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    }
  }
}

Transfer failure() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {.kind = Transfer::Kind::blocked};
  return {.kind = Transfer::Kind::failed, .code = errno};
}

short poll_now(const Fd& fd, short events) {
  pollfd entry{fd.get(), events, 0};
  return ::poll(&entry, 1, 0) > 0 ? entry.revents : short{0};
}

}  // namespace

dgram::SystemResult<Fd> listen_unix(const std::string& path) {
  auto fd = dgram::make_socket(SOCK_STREAM);
  if (!fd) return fd;
#if defined(__linux__)
  // The file gets the mode of the socket that is bound to it, so at no time can anybody else open it.
  if (::fchmod(fd->get(), S_IRUSR | S_IWUSR) != 0) return fail(SystemError{"chmod " + path, errno});
  const auto bound = dgram::bind_replacing_stale(*fd, path);
#else
  const mode_t previous = ::umask(S_IRWXG | S_IRWXO | S_IXUSR);
  const auto bound = dgram::bind_replacing_stale(*fd, path);
  ::umask(previous);
#endif
  if (!bound) return fail(bound.error());
  if (::listen(fd->get(), kBacklog) != 0) return fail(SystemError{"listen " + path, errno});
  return fd;
}

dgram::SystemResult<Fd> listen_tcp(const IpAddress& address, std::uint16_t port) {
  const std::string name = vnet::to_string(address) + " port " + std::to_string(port);
  const bool v6 = std::holds_alternative<Ipv6Address>(address);
  Fd fd{::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)};
  if (!fd) return fail(SystemError{"socket for " + name, errno});
  if (const auto adopted = dgram::adopt(fd); !adopted) return fail(adopted.error());
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (v6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  SocketAddress local = make_address(address, port);
  if (::bind(fd.get(), local.get(), local.size) != 0) return fail(SystemError{"bind " + name, errno});
  if (::listen(fd.get(), kBacklog) != 0) return fail(SystemError{"listen on " + name, errno});
  return fd;
}

std::uint16_t local_port(const Fd& fd) {
  SocketAddress local;
  local.size = sizeof local.storage;
  if (::getsockname(fd.get(), local.get(), &local.size) != 0) return 0;
  if (local.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &local.storage, sizeof in);
    return ntohs(in.sin_port);
  }
  if (local.storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &local.storage, sizeof in);
    return ntohs(in.sin6_port);
  }
  return 0;
}

Fd accept_from(const Fd& listener) {
#if defined(__linux__)
  Fd fd{::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
#else
  Fd fd{::accept(listener.get(), nullptr, nullptr)};
  if (fd && !dgram::adopt(fd)) return {};
#endif
  if (!fd) return fd;
#if defined(SO_NOSIGPIPE)
  set_option(fd.get(), SOL_SOCKET, SO_NOSIGPIPE);
#endif
  if (local_port(fd) != 0) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);  // small answers at once
  return fd;
}

bool is_same_user(const Fd& fd) {
#if defined(SO_PEERCRED)
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  const uid_t uid = peer.uid;
#else
  uid_t uid = 0;
  gid_t gid = 0;
  if (::getpeereid(fd.get(), &uid, &gid) != 0) return false;
#endif
  return uid == 0 || uid == ::geteuid();
}

bool is_hung_up(const Fd& fd) { return (poll_now(fd, POLLOUT) & (POLLHUP | POLLERR)) != 0; }

bool has_input(const Fd& fd) { return poll_now(fd, POLLIN) != 0; }

Transfer receive(const Fd& fd, std::span<char> into, std::vector<Fd>& fds) {
  iovec vector{into.data(), into.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t size = ::recvmsg(fd.get(), &message, kReceiveFlags);
  if (size < 0) return failure();
  take_fds(message, fds);
  if (size == 0) return {.kind = Transfer::Kind::ended};
  return {.count = static_cast<std::size_t>(size), .too_many_fds = (message.msg_flags & MSG_CTRUNC) != 0};
}

Transfer receive(const Fd& fd, std::span<char> into) {
  const ssize_t size = ::recv(fd.get(), into.data(), into.size(), kReceiveFlags);
  if (size < 0) return failure();
  if (size == 0) return {.kind = Transfer::Kind::ended};
  return {.count = static_cast<std::size_t>(size)};
}

Transfer send(const Fd& fd, std::string_view bytes, std::span<const int> fds) {
  assert(!bytes.empty() && fds.size() <= kMaxFds);
  iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(fds.size_bytes()));
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = static_cast<decltype(part->cmsg_len)>(CMSG_LEN(fds.size_bytes()));
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
  }
  const ssize_t size = ::sendmsg(fd.get(), &message, kSendFlags);
  if (size < 0) return failure();
  return {.count = static_cast<std::size_t>(size)};
}

}  // namespace vnet::http
