// An IP address with its port as the system's calls want it, and the sockets that speak with such.
//
// A scope (the interface of a link-local IPv6 address) is a number of this host's; who has none to give gives 0.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "dgram/socket.hpp"
#include "packet/ip_address.hpp"

namespace vnet::daemon {

/// AF_INET or AF_INET6.
[[nodiscard]] int family_of(const IpAddress& address) noexcept;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  /// Room for the system to fill.
  SocketAddress() noexcept = default;
  SocketAddress(const IpAddress& address, std::uint16_t port, std::uint32_t scope = 0) noexcept;

  /// 0.0.0.0 where there is neither family.
  [[nodiscard]] IpAddress address() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// A non-blocking, close-on-exec socket whose writes raise no signal (with kSendFlags). One of IPv6 speaks IPv6 only:
/// through an IPv4-mapped address it would reach what a policy for IPv4 forbids. Empty: errno says why.
[[nodiscard]] dgram::Fd make_inet_socket(int family, int type, int protocol = 0) noexcept;

#if defined(MSG_NOSIGNAL)
inline constexpr int kSendFlags = MSG_NOSIGNAL;
#else
inline constexpr int kSendFlags = 0;
#endif

/// Sets an option whose value is an int. What the system does not grant, it does without.
void set_option(int fd, int level, int option, int value) noexcept;

}  // namespace vnet::daemon
