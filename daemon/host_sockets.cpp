#include "daemon/host_sockets.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "daemon/host_error.hpp"
#include "daemon/host_tcp.hpp"
#include "daemon/os_random.hpp"
#include "daemon/socket_address.hpp"

namespace vnet::daemon {

using nat::HostError;

namespace {

/// Of a UNIX socket's connect.
HostError unix_error(int code) noexcept {
  switch (code) {
    case EAGAIN: return HostError::timed_out;  // as many wait as the listener lets
    case ENOENT:
    case ENOTDIR:
    case ENOTSOCK:
    case EPROTOTYPE: return HostError::refused;
    default: return host_error(code);
  }
}

}  // namespace

std::size_t SystemSockets::budget() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kReservedDescriptors;
  const auto granted = static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, kMaxSockets + kReservedDescriptors));
  return granted - std::min(kReservedDescriptors, granted / 2);
}

SystemSockets::SystemSockets(dgram::Poller& poller, HostListener& listener, std::size_t max_sockets, PeekOffset has)
    : poll_(poller, listener),
      identifiers_(static_cast<std::uint16_t>(os_random())),
      max_sockets_(max_sockets),
      peek_offset_(has) {}

std::string SystemSockets::describe() const {
  return "egress: at most " + std::to_string(max_sockets_) + " flows; " + std::string{to_string(peek_offset_)};
}

HostError SystemSockets::refuse(int code) noexcept {
  const HostError error = host_error(code);
  if (error == HostError::no_resources) ++refused_;
  return error;
}

template <typename Socket>
Result<std::unique_ptr<Socket>, HostError> SystemSockets::start(std::unique_ptr<Socket> socket) {
  if (!socket->start()) return fail(refuse(ENOMEM));
  return socket;
}

SystemSockets::Connected SystemSockets::connect(nat::FlowId id, const nat::Endpoint& to) {
  return connect_inet(id, to, {});
}

SystemSockets::Connected SystemSockets::connect_to_service(nat::FlowId id, const nat::HostTarget& to,
                                                           ByteView preamble) {
  if (const auto* const path = std::get_if<nat::HostPath>(&to)) return connect_unix(id, path->path, preamble);
  return connect_inet(id, std::get<nat::Endpoint>(to), preamble);
}

SystemSockets::Connected SystemSockets::connect_inet(nat::FlowId id, const nat::Endpoint& to, ByteView preamble) {
  // The system would take it for its own loopback.
  if (is_unspecified(to.address)) return fail(HostError::net_unreachable);
  if (!has_room()) return fail(refuse(EMFILE));
  const SocketAddress address{to.address, to.port};
  dgram::Fd fd = make_inet_socket(address.family(), SOCK_STREAM);
  if (!fd) return fail(refuse(errno));
  HostTcp::configure(fd.get());
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
    // With IPv4 there always is an address to come from, so what is lacking is a port.
    const bool no_port = errno == EADDRNOTAVAIL && address.family() == AF_INET;
    return fail(refuse(no_port ? EADDRINUSE : errno));
  }
  const bool in_kernel = address.family() == AF_INET ? peek_offset_.ipv4 : peek_offset_.ipv6;
  auto socket = std::make_unique<HostTcp>(poll_, id, std::move(fd), HostTcp::State::connecting,
                                          in_kernel ? StreamPeek::Keep::kernel : StreamPeek::Keep::here);
  socket->set_preamble(preamble);
  return start(std::move(socket));
}

SystemSockets::Connected SystemSockets::connect_unix(nat::FlowId id, const std::string& path, ByteView preamble) {
  if (!has_room()) return fail(refuse(EMFILE));
  const auto address = dgram::UnixAddress::from_path(path);
  if (!address) return fail(HostError::refused);
  auto fd = dgram::make_socket(SOCK_STREAM);
  if (!fd) return fail(refuse(fd.error().code));
  if (const int code = dgram::connect_to(*fd, *address); code != 0) return fail(unix_error(code));
  // It is connected already, and says so by its first event like any other.
  auto socket =
      std::make_unique<HostTcp>(poll_, id, std::move(*fd), HostTcp::State::connecting, StreamPeek::Keep::here);
  socket->set_preamble(preamble);
  return start(std::move(socket));
}

Result<std::unique_ptr<nat::TcpSocket>, HostError> SystemSockets::adopt(nat::FlowId id, dgram::Fd fd, ByteView prefix) {
  if (!has_room()) return fail(refuse(EMFILE));
  SocketAddress local;
  if (!dgram::adopt(fd) || ::getsockname(fd.get(), local.get(), &local.size) != 0) return fail(host_error(errno));
  const bool in_kernel =
      (local.family() == AF_INET && peek_offset_.ipv4) || (local.family() == AF_INET6 && peek_offset_.ipv6);
  if (local.family() != AF_UNIX) HostTcp::configure(fd.get());
  return start(std::make_unique<HostTcp>(poll_, id, std::move(fd), HostTcp::State::connected,
                                         in_kernel ? StreamPeek::Keep::kernel : StreamPeek::Keep::here, prefix));
}

Result<std::unique_ptr<nat::DatagramSocket>, HostError> SystemSockets::open_udp(nat::FlowId id,
                                                                                const IpAddress& family) {
  if (!has_room()) return fail(refuse(EMFILE));
  dgram::Fd fd = HostDatagram::open_udp(family_of(family));
  if (!fd) return fail(refuse(errno));
  return start(std::make_unique<HostDatagram>(poll_, id, std::move(fd), room_));
}

Result<std::unique_ptr<nat::DatagramSocket>, HostError> SystemSockets::adopt_udp(nat::FlowId id, dgram::Fd fd) {
  if (!fd || !has_room()) return fail(refuse(EMFILE));
  return start(std::make_unique<HostDatagram>(poll_, id, std::move(fd), room_));
}

Result<std::unique_ptr<nat::DatagramSocket>, HostError> SystemSockets::open_echo(nat::FlowId id,
                                                                                 const IpAddress& family) {
  if (!has_room()) return fail(refuse(EMFILE));
  auto socket = HostEcho::open(poll_, id, family_of(family), room_, identifiers_);
  if (!socket) return fail(refuse(socket.error()));
  return start(std::move(*socket));
}

}  // namespace vnet::daemon
