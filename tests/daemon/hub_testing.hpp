// A hub with a fabric, a real loop and real sockets, and the guests of it that do not use datagrams.
#pragma once

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/hub.hpp"
#include "tests/dgram/dgram_testing.hpp"
#include "tests/network/frames.hpp"
#include "tests/support/descriptors.hpp"

namespace vnet::daemon::test {

using namespace std::chrono_literals;
using dgram::test::Guest;
using dgram::test::TempFolder;
using network::test::Bytes;
using network::test::mac;
using network::test::plain;
using vnet::test::open_descriptors;

inline std::string text(const Bytes& frame) { return {frame.begin(), frame.end()}; }

/// A frame with a number in it, and of `size` bytes at least.
inline std::string numbered_frame(const MacAddress& to, const MacAddress& from, int number, std::size_t size = 0) {
  std::string frame = text(plain(to, from)) + " number " + std::to_string(number) + " ";
  frame.resize(std::max(frame.size(), size), static_cast<char>('a' + number % 26));
  return frame;
}

/// A network whose gateway says nothing by itself.
inline network::NetworkConfig quiet(std::string name = "lan") {
  network::NetworkConfig config;
  config.name = std::move(name);
  config.mac = MacAddress::from_u64(0x52eeeeeeee01U);
  config.ipv4 = Ipv4Prefix::parse("192.168.127.1/24");
  config.mtu = 60'000;  // so that a stream's socket may take half of a frame
  return config;
}

/// Two networks; alice (mac(1)) is configured in the first.
class Switch {
 public:
  Switch() {
    loop.on_sleep([this] { return std::min(hub.next_deadline(), until_); });
    loop.on_deadline([this] {
      hub.expire();
      if (loop.now() >= until_) loop.stop();
    });
  }
  /// Lets the loop serve what is ready.
  void turn(Duration time = 20ms) {
    until_ = loop.now() + time;
    loop.run();
  }
  const network::Nic& nic(const MacAddress& address) { return fabric.nic(fabric.find(address)); }
  l2::PortId alice() { return fabric.find(mac(1)); }

  network::Fabric fabric{{quiet(), quiet("other")}, {{"alice", mac(1), 0, true}}, 1};
  EventLoop loop;
  std::vector<std::string> notices;
  Hub hub{fabric, loop, [this](std::string_view line) { notices.emplace_back(line); }};

 private:
  Instant until_ = kNever;
};

/// A guest with a stream of length-framed records.
class StreamGuest {
 public:
  explicit StreamGuest(dgram::Fd fd) : fd_(std::move(fd)) {}
  explicit StreamGuest(const std::string& path) : fd_(dgram::make_socket(SOCK_STREAM).value()) {
    EXPECT_EQ(dgram::connect_to(fd_, dgram::UnixAddress::from_path(path).value()), 0);
  }
  [[nodiscard]] static std::string record(std::string_view frame) {
    std::array<std::uint8_t, 4> prefix;
    store_be(prefix.data(), static_cast<std::uint32_t>(frame.size()));
    return std::string{as_text(prefix)} + std::string{frame};
  }
  void write(std::string_view bytes) const {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// The frames that have come whole.
  [[nodiscard]] std::vector<std::string> receive() {
    std::vector<char> buffer(1 << 20);
    ssize_t size = 0;
    while ((size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      bytes_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    closed = size == 0;
    std::vector<std::string> result;
    std::string_view rest = bytes_;
    while (rest.size() >= 4) {
      const std::size_t length = load_be<std::uint32_t>(as_bytes(rest).data());
      if (rest.size() < 4 + length) break;
      result.emplace_back(rest.substr(4, length));
      rest.remove_prefix(4 + length);
    }
    bytes_ = std::string{rest};
    return result;
  }
  bool closed = false;

 private:
  dgram::Fd fd_;
  std::string bytes_;
};

}  // namespace vnet::daemon::test
