#include "daemon/error_queue.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

#include "daemon/host_error.hpp"
#include "daemon/socket_address.hpp"

#if defined(__linux__)
#include <linux/errqueue.h>
#endif

namespace vnet::daemon {

#if defined(__linux__)

void keep_errors(int fd, int family) noexcept {
  if (family == AF_INET) {
    set_option(fd, IPPROTO_IP, IP_RECVERR, 1);
  } else {
    set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  }
}

namespace {

/// What the network said. Empty: it was not the network that spoke.
std::optional<nat::DatagramError> read(const cmsghdr& header, const SocketAddress& to) noexcept {
  const bool v4 = header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_RECVERR;
  const bool v6 = header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_RECVERR;
  if (!v4 && !v6) return std::nullopt;
  const unsigned char* at = CMSG_DATA(&header);
  sock_extended_err what;
  std::memcpy(&what, at, sizeof what);
  if (what.ee_origin != SO_EE_ORIGIN_ICMP && what.ee_origin != SO_EE_ORIGIN_ICMP6) return std::nullopt;
  nat::DatagramError error{.error = host_error(static_cast<int>(what.ee_errno)),
                           .to = {to.address(), to.port()},
                           .offender = std::nullopt,
                           .icmp_type = what.ee_type,
                           .icmp_code = what.ee_code,
                           .icmp_info = what.ee_info,
                           .payload = {}};
  SocketAddress offender;
  offender.size = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(&offender.storage, at + sizeof what, offender.size);
  if (offender.family() != AF_UNSPEC) error.offender = offender.address();
  return error;
}

}  // namespace

std::optional<nat::DatagramError> take_queued_error(int fd, ByteSpan room) noexcept {
  while (true) {
    SocketAddress to;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in6))> control;
    iovec piece{room.data(), room.size()};
    msghdr message{};
    message.msg_name = to.get();
    message.msg_namelen = to.size;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      auto error = read(*header, to);
      if (!error) continue;
      error->payload = room.first(static_cast<std::size_t>(size));
      return error;
    }
  }
}

#else

void keep_errors(int, int) noexcept {}
std::optional<nat::DatagramError> take_queued_error(int, ByteSpan) noexcept { return std::nullopt; }

#endif

}  // namespace vnet::daemon
