#include "daemon/peek_offset.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/socket_address.hpp"

namespace vnet::daemon {

#if defined(__linux__)

namespace {

/// Two ends of a connection over the loopback; empty where there is none of this family.
struct Loopback {
  dgram::Fd ours;
  dgram::Fd theirs;

  explicit Loopback(const IpAddress& address) {
    SocketAddress at{address, 0};
    const dgram::Fd listener = make_inet_socket(at.family(), SOCK_STREAM);
    dgram::Fd caller = make_inet_socket(at.family(), SOCK_STREAM);
    if (!listener || !caller || ::bind(listener.get(), at.get(), at.size) != 0 || ::listen(listener.get(), 1) != 0)
      return;
    if (::getsockname(listener.get(), at.get(), &at.size) != 0) return;
    if (::connect(caller.get(), at.get(), at.size) != 0 && errno != EINPROGRESS) return;
    if (!wait(listener)) return;
    ours = dgram::Fd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    theirs = std::move(caller);
  }
  static bool wait(const dgram::Fd& fd) noexcept {
    constexpr int kPatienceMs = 200;
    pollfd entry{fd.get(), POLLIN, 0};
    return ::poll(&entry, 1, kPatienceMs) == 1;
  }
};

bool keeps_peek_offset(const IpAddress& address) {
  const Loopback pair{address};
  constexpr std::string_view kText = "abcdef";
  const int start = 1;
  if (!pair.ours) return false;
  if (::send(pair.theirs.get(), kText.data(), kText.size(), kSendFlags) != ssize_t{kText.size()}) return false;
  if (!Loopback::wait(pair.ours)) return false;
  if (::setsockopt(pair.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &start, sizeof start) != 0) return false;
  std::array<char, 2> read{};
  const auto peeks = [&](std::string_view expected) {
    return ::recv(pair.ours.get(), read.data(), read.size(), MSG_PEEK | MSG_DONTWAIT) == ssize_t{2} &&
           std::string_view{read.data(), read.size()} == expected;
  };
  const auto discards = [&](std::size_t count) {
    return ::recv(pair.ours.get(), nullptr, count, MSG_TRUNC | MSG_DONTWAIT) == static_cast<ssize_t>(count);
  };
  return peeks("bc") && discards(1) && peeks("de") && discards(3);
}

}  // namespace

PeekOffset probe_peek_offset() {
  return {keeps_peek_offset(Ipv4Address{127, 0, 0, 1}), keeps_peek_offset(*Ipv6Address::parse("::1"))};
}

#else

PeekOffset probe_peek_offset() { return {}; }

#endif

std::string_view to_string(PeekOffset has) noexcept {
  if (has.ipv4 && has.ipv6) return "the kernel keeps what a guest has not acknowledged of a TCP stream (SO_PEEK_OFF)";
  if (has.ipv4) return "the kernel keeps what a guest has not acknowledged of TCP over IPv4; of IPv6, we do";
  return "this kernel has no SO_PEEK_OFF for TCP: we keep what a guest has not acknowledged of a stream";
}

}  // namespace vnet::daemon
