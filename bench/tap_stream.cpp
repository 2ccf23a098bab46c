// tap_stream: a TAP interface joined to a switch that speaks QEMU's stream protocol (a length of four bytes before each
// frame), for the peers of egress_bench.py that have no tap of their own.
//
//     tap_stream NAME MTU SOCKET       says `ready` and runs until the socket ends
//
// Both directions take batches, so that the bridge costs all of its users the same, and little.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "adapter/tap_device.hpp"
#include "dgram/socket.hpp"
#include "packet/bytes.hpp"

namespace {

constexpr std::size_t kLength = 4;
constexpr std::size_t kMaxFrame = 65'536 + 18;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

void send_all(int socket, vnet::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) give_up("send");
    bytes = bytes.subspan(static_cast<std::size_t>(sent < 0 ? 0 : sent));
  }
}

void to_switch(int tap, int socket, std::vector<std::uint8_t>& buffer) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < kBatch && buffer.size() - used >= kLength + kMaxFrame; ++i) {
    const ssize_t size = ::read(tap, buffer.data() + used + kLength, kMaxFrame);
    if (size <= 0) break;
    for (std::size_t byte = 0; byte < kLength; ++byte) {
      buffer[used + byte] = static_cast<std::uint8_t>(static_cast<std::size_t>(size) >> (8 * (kLength - 1 - byte)));
    }
    used += kLength + static_cast<std::size_t>(size);
  }
  send_all(socket, vnet::ByteView{buffer}.first(used));
}

/// Keeps in `buffer` the `used` bytes of a frame that has not come whole.
std::size_t from_switch(int tap, int socket, std::vector<std::uint8_t>& buffer, std::size_t used) {
  const ssize_t got = ::recv(socket, buffer.data() + used, buffer.size() - used, 0);
  if (got == 0) std::exit(0);
  if (got < 0) give_up("recv");
  used += static_cast<std::size_t>(got);
  std::size_t at = 0;
  while (used - at >= kLength) {
    std::size_t size = 0;
    for (std::size_t byte = 0; byte < kLength; ++byte) size = size << 8U | buffer[at + byte];
    if (size > kMaxFrame) std::exit(1);
    if (used - at < kLength + size) break;
    // An interface that is down or has no memory drops the frame, as a NIC does.
    if (::write(tap, buffer.data() + at + kLength, size) < 0 && errno != EIO && errno != ENOBUFS) give_up("write");
    at += kLength + size;
  }
  std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(at), buffer.begin() + static_cast<std::ptrdiff_t>(used),
            buffer.begin());
  return used - at;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  const auto tap = vnet::adapter::TapDevice::open(
      {.name = words[1], .mac = *vnet::MacAddress::parse("02:00:00:00:be:01"), .mtu = std::atoi(words[2])});
  if (!tap) {
    std::fprintf(stderr, "%s\n", tap.error().to_string().c_str());
    return 1;
  }
  const vnet::dgram::Fd socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
  const auto peer = vnet::dgram::UnixAddress::from_path(words[3]);
  if (!peer || vnet::dgram::connect_to(socket, *peer) != 0) give_up(words[3]);
  vnet::dgram::enlarge_buffers(socket, vnet::dgram::kBufferBytes);
  tap->set_carrier(true);
  std::puts("ready");
  std::fflush(stdout);
  std::vector<std::uint8_t> out(kBufferBytes);
  std::vector<std::uint8_t> in(kBufferBytes);
  std::size_t used = 0;
  std::array<pollfd, 2> ends{pollfd{tap->fd(), POLLIN, 0}, pollfd{socket.get(), POLLIN, 0}};
  while (::poll(ends.data(), ends.size(), -1) >= 0) {
    if (ends[0].revents != 0) to_switch(tap->fd(), socket.get(), out);
    if (ends[1].revents != 0) used = from_switch(tap->fd(), socket.get(), in, used);
  }
  give_up("poll");
}
