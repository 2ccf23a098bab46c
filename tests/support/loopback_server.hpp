// A server's socket on the loopback, and blocking calls for what it says and hears.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>

#include "dgram/socket.hpp"
#include "packet/ip_address.hpp"

namespace vnet::test {

struct LoopbackServer {
  dgram::Fd fd;
  IpAddress address;
  std::uint16_t port = 0;

  explicit LoopbackServer(int type, bool v6 = false, int backlog = 16)
      : fd(::socket(v6 ? AF_INET6 : AF_INET, type, 0)) {
    if (v6) {
      sockaddr_in6 in6{};
      in6.sin6_family = AF_INET6;
      in6.sin6_addr = in6addr_loopback;
      bind(in6);
      address = *Ipv6Address::parse("::1");
    } else {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bind(in);
      address = Ipv4Address{127, 0, 0, 1};
    }
    EXPECT_TRUE(type == SOCK_DGRAM || ::listen(fd.get(), backlog) == 0);
    // A test that waits for what never comes fails instead of hanging.
    const timeval patience{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  [[nodiscard]] dgram::Fd accept() const { return dgram::Fd{::accept(fd.get(), nullptr, nullptr)}; }

 private:
  template <typename T>
  void bind(T at) {
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    sockaddr_in any{};
    std::memcpy(&any, &at, sizeof any);  // the port is at the same place in both families
    port = ntohs(any.sin_port);
  }
};

inline std::string receive(const dgram::Fd& fd, std::size_t size) {
  std::string text(size, '\0');
  EXPECT_EQ(::recv(fd.get(), text.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  return text;
}

inline void transmit(const dgram::Fd& fd, std::string_view text) {
  EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

}  // namespace vnet::test
