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
#include "tests/support/loopback_server.hpp"
#include "tests/support/poll_loop.hpp"

namespace vnet::daemon {

using vnet::test::PollLoop;
using vnet::test::receive;
using vnet::test::transmit;

/// Where nobody listens.
inline const dns::Endpoint kNobody{Ipv4Address{127, 0, 0, 1}, 1};

struct Server : vnet::test::LoopbackServer {
  dns::Endpoint at;

  explicit Server(int type, bool v6 = false) : LoopbackServer(type, v6), at{address, port} {}
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
