#include "daemon/socket_address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <tuple>

namespace vnet::daemon {
namespace {

template <typename T>
T read_as(const sockaddr_storage& storage) noexcept {
  T address;
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

}  // namespace

int family_of(const IpAddress& address) noexcept { return is_v4(address) ? AF_INET : AF_INET6; }

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port, std::uint32_t scope) noexcept {
  const auto hold = [&](const auto& of_family) {
    std::memcpy(&storage, &of_family, sizeof of_family);
    size = sizeof of_family;
  };
  if (const auto* v4 = std::get_if<Ipv4Address>(&address)) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(v4->to_u32());
    hold(in);
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::ranges::copy(std::get_if<Ipv6Address>(&address)->octets(), in6.sin6_addr.s6_addr);
    in6.sin6_scope_id = scope;
    hold(in6);
  }
}

IpAddress SocketAddress::address() const noexcept {
  if (family() == AF_INET) return Ipv4Address{ntohl(read_as<sockaddr_in>(storage).sin_addr.s_addr)};
  if (family() == AF_INET6) return Ipv6Address::load(read_as<sockaddr_in6>(storage).sin6_addr.s6_addr);
  return Ipv4Address{};
}

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(read_as<sockaddr_in>(storage).sin_port);  // at the same place in both families
}

dgram::Fd make_inet_socket(int family, int type, int protocol) noexcept {
#if defined(__linux__)
  dgram::Fd fd{::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)};
  if (!fd) return {};
#else
  dgram::Fd fd{::socket(family, type, protocol)};
  if (!fd || !dgram::adopt(fd)) return {};
#endif
#if defined(SO_NOSIGPIPE)
  set_option(fd.get(), SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

void set_option(int fd, int level, int option, int value) noexcept {
  std::ignore = ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace vnet::daemon
