#include "agent/wake.hpp"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agent/interface.hpp"

namespace vnet::agent {
namespace {

constexpr std::size_t kMaxSeed = 64;
/// States of net/tcp_states.h that a restored connection can be in; listening sockets stay.
constexpr std::uint32_t kConnected = (1U << TCP_ESTABLISHED) | (1U << TCP_SYN_SENT) | (1U << TCP_SYN_RECV) |
                                     (1U << TCP_FIN_WAIT1) | (1U << TCP_FIN_WAIT2) | (1U << TCP_CLOSE_WAIT) |
                                     (1U << TCP_LAST_ACK) | (1U << TCP_CLOSING);

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

bool stays_within(const inet_diag_msg& socket) {
  const std::uint8_t* const to = reinterpret_cast<const std::uint8_t*>(socket.id.idiag_dst);
  if (socket.idiag_family == AF_INET) return to[0] == 127;
  in6_addr address{};
  std::memcpy(&address, to, sizeof address);
  return IN6_IS_ADDR_LOOPBACK(&address);
}

bool send_request(int fd, DiagRequest request, std::uint16_t flags, std::uint16_t type) {
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  return ::send(fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
}

/// What leads out, of one family.
std::vector<inet_diag_msg> connections(int fd, std::uint8_t family) {
  std::vector<inet_diag_msg> found;
  DiagRequest request{};
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = kConnected;
  if (!send_request(fd, request, NLM_F_DUMP, SOCK_DIAG_BY_FAMILY)) return found;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) return found;
    auto left = static_cast<unsigned>(size);
    for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR) return found;
      inet_diag_msg socket{};
      std::memcpy(&socket, NLMSG_DATA(at), sizeof socket);
      if (!stays_within(socket)) found.push_back(socket);
    }
  }
}

std::string stir(const std::string& seed) {
  // struct rand_pool_info: bits, bytes, and what they are.
  constexpr std::size_t kHead = 2;
  std::array<int, kHead + kMaxSeed / sizeof(int)> pool{};
  if (seed.size() > kMaxSeed) return "the seed is too long";
  pool[0] = static_cast<int>(seed.size() * 8);
  pool[1] = static_cast<int>(seed.size());
  std::memcpy(&pool[kHead], seed.data(), seed.size());
  const int fd = ::open("/dev/urandom", O_RDWR | O_CLOEXEC);
  const bool stirred = fd >= 0 && ::ioctl(fd, RNDADDENTROPY, pool.data()) == 0 && ::ioctl(fd, RNDRESEEDCRNG) == 0;
  const std::string why = stirred ? "" : std::string{"random numbers: "} + std::strerror(errno);
  if (fd >= 0) ::close(fd);
  return why;
}

std::string set_clock(std::int64_t unix_ms) {
  const timespec now{static_cast<time_t>(unix_ms / 1000), static_cast<long>(unix_ms % 1000 * 1'000'000)};
  return ::clock_settime(CLOCK_REALTIME, &now) == 0 ? "" : std::string{"clock: "} + std::strerror(errno);
}

}  // namespace

int end_connections() {
  const int fd = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return 0;
  int ended = 0;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    for (const inet_diag_msg& socket : connections(fd, family)) {
      DiagRequest request{};
      request.body.sdiag_family = family;
      request.body.sdiag_protocol = IPPROTO_TCP;
      request.body.id = socket.id;
      if (send_request(fd, request, 0, SOCK_DESTROY)) ++ended;
    }
  }
  ::close(fd);
  return ended;
}

std::string wake_up(const Json& restored) {
  std::string problems;
  const auto note = [&](const std::string& problem) {
    if (!problem.empty()) problems += (problems.empty() ? "" : "; ") + problem;
  };
  if (restored.find("seed") != nullptr) note(stir(from_base64(restored.text_at("seed")).value_or("")));
  if (restored.find("unix_ms") != nullptr) note(set_clock(restored.number_at("unix_ms", 0)));
  if (const Json* const macs = restored.find("macs")) {
    for (const Json& pair : macs->items) {
      const auto was = pair.items.size() == 2 ? parse_mac(pair.items[0].text) : std::nullopt;
      const auto now = pair.items.size() == 2 ? parse_mac(pair.items[1].text) : std::nullopt;
      note(was && now ? change_mac(*was, *now) : "macs: expected pairs of MAC addresses");
    }
  }
  end_connections();
  return problems;
}

}  // namespace vnet::agent
