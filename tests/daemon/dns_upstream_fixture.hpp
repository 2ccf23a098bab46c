// DnsUpstream under test: its loop, a listener that keeps what it hears, and servers to ask on the loopback.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/dns_upstream.hpp"
#include "dgram/socket.hpp"
#include "tests/support/poll_loop.hpp"

namespace vnet::daemon {

using vnet::test::PollLoop;

/// Where nobody listens.
inline const dns::Endpoint kNobody{Ipv4Address{127, 0, 0, 1}, 1};

/// A server's socket on the loopback, and where it is.
struct Server {
  dgram::Fd fd;
  dns::Endpoint at;

  explicit Server(int type, bool v6 = false) : fd(::socket(v6 ? AF_INET6 : AF_INET, type, 0)) {
    if (v6) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_addr = in6addr_loopback;
      bind(address);
      at.address = *Ipv6Address::parse("::1");
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bind(address);
      at.address = Ipv4Address{127, 0, 0, 1};
    }
    EXPECT_TRUE(type == SOCK_DGRAM || ::listen(fd.get(), 16) == 0);
    // A test that waits for what never comes fails instead of hanging.
    const timeval patience{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  [[nodiscard]] dgram::Fd accept() const { return dgram::Fd{::accept(fd.get(), nullptr, nullptr)}; }

 private:
  template <typename T>
  void bind(T address) {
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    sockaddr_in any{};
    std::memcpy(&any, &address, sizeof any);  // the port is at the same place in both families
    at.port = ntohs(any.sin_port);
  }
};

struct Datagram {
  std::string text;
  sockaddr_storage from{};
  socklen_t from_size = sizeof(sockaddr_storage);

  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    std::memcpy(&address, &from, sizeof address);
    return ntohs(address.sin_port);
  }
};

inline Datagram receive_from(const Server& server) {
  Datagram datagram;
  std::array<char, 2048> buffer{};
  const ssize_t size = ::recvfrom(server.fd.get(), buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&datagram.from), &datagram.from_size);
  EXPECT_GE(size, 0);
  datagram.text.assign(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return datagram;
}

inline void reply(const Server& server, const Datagram& to, std::string_view text) {
  EXPECT_EQ(
      ::sendto(server.fd.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to.from), to.from_size),
      static_cast<ssize_t>(text.size()));
}

inline std::string receive(const dgram::Fd& fd, std::size_t size) {
  std::string text(size, '\0');
  EXPECT_EQ(::recv(fd.get(), text.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  return text;
}

inline void transmit(const dgram::Fd& fd, std::string_view text) {
  EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

/// `text` with its two-byte length.
inline std::string framed(std::string_view text) {
  std::string bytes{static_cast<char>(text.size() >> 8U), static_cast<char>(text.size())};
  return bytes.append(text);
}

class DnsUpstreamTest : public testing::Test, public UpstreamListener {
 protected:
  void on_upstream(std::uint64_t handle, ByteView message) override {
    heard_.emplace_back(handle, as_text(message));
    if (then_) then_(handle);
  }
  void on_upstream_error(std::uint64_t handle) override {
    failed_.push_back(handle);
    if (then_) then_(handle);
  }
  [[nodiscard]] bool ask(std::uint64_t handle, const dns::Endpoint& server, bool tcp, std::string_view text = "query") {
    return upstream_.send({handle, server, tcp, {text.begin(), text.end()}});
  }
  bool hears(std::size_t count) {
    return loop_.run_until([&] { return heard_.size() + failed_.size() >= count; });
  }

  PollLoop loop_;
  DnsUpstream upstream_{loop_, *this, 4};
  std::vector<std::pair<std::uint64_t, std::string>> heard_;
  std::vector<std::uint64_t> failed_;
  std::function<void(std::uint64_t)> then_;
};

using Heard = std::pair<std::uint64_t, std::string>;

}  // namespace vnet::daemon
