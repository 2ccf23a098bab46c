#include "daemon/host_tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <tuple>

#include "daemon/host_error.hpp"
#include "daemon/socket_address.hpp"

namespace vnet::daemon {
namespace {

/// Pieces for one system call.
constexpr std::size_t kPieces = 64;
/// Bytes of window that a connection begins with.
constexpr int kFirstWindow = 256 * 1024;

/// The kernel counts a piece of its buffer as full until the last byte of it is consumed, and a piece is up to 64 KiB,
/// so with the usual first window the other side waits for each acknowledgment of the guest. SO_RCVBUF would end the
/// kernel's own tuning; a low-water mark enlarges the buffer and, taken back, leaves it so (Linux: tcp_set_rcvlowat).
void enlarge_window(int fd) noexcept {
  set_option(fd, SOL_SOCKET, SO_RCVLOWAT, kFirstWindow);
  set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
}

}  // namespace

void HostTcp::configure(int fd) noexcept {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  enlarge_window(fd);
#if defined(TCP_KEEPIDLE)
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
#endif
}

HostTcp::HostTcp(EdgePoll& poll, nat::FlowId flow, dgram::Fd fd, State state, StreamPeek::Keep keep, ByteView prefix)
    : poll_(poll),
      flow_(flow),
      fd_(std::move(fd)),
      peek_(fd_.get(), keep, prefix),
      connecting_(state == State::connecting),
      awaits_room_(state == State::connecting) {}

HostTcp::~HostTcp() { poll_.remove(flow_, fd_.get()); }

Result<std::size_t, nat::HostError> HostTcp::send(std::span<const ByteView> pieces) {
  std::size_t sent = 0;
  if (!preamble_.empty()) send_preamble();
  if (!preamble_.empty() && !failure_) {
    awaits_room_ = true;
    return 0;
  }
  while (!pieces.empty()) {
    if (failure_) return fail(*failure_);
    std::array<iovec, kPieces> vector;
    const auto now = pieces.first(std::min(pieces.size(), kPieces));
    std::size_t asked = 0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      vector[i] = {const_cast<std::uint8_t*>(now[i].data()), now[i].size()};  // sendmsg does not write through it
      asked += now[i].size();
    }
    msghdr message{};
    message.msg_iov = vector.data();
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(now.size());
    const ssize_t count = ::sendmsg(fd_.get(), &message, kSendFlags | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      note_error(errno);
      continue;
    }
    sent += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (count < static_cast<ssize_t>(asked)) {
      awaits_room_ = true;
      poll_.want(flow_, false, true);
      return sent;
    }
    pieces = pieces.subspan(now.size());
  }
  return sent;
}

Result<nat::TcpSocket::Peeked, nat::HostError> HostTcp::peek(std::size_t offset, std::span<const ByteSpan> rooms) {
  const StreamPeek::Got got = peek_.peek(offset, rooms);
  if (got.error != 0) note_error(got.error);
  if (failure_) {
    // The next peek comes behind what there is, and meets the error.
    if (got.bytes == 0) return fail(*failure_);
    return Peeked{got.bytes, false, false};
  }
  if (got.drained && !got.ended) {
    awaits_data_ = true;
    poll_.want(flow_, true, false);
  }
  return Peeked{got.bytes, got.drained, got.ended};
}

void HostTcp::shut_down() {
  // Of a socket that still connects, the kernel would make it the end.
  shut_later_ = connecting_ || !preamble_.empty();
  if (!shut_later_) std::ignore = ::shutdown(fd_.get(), SHUT_WR);
}

void HostTcp::reset() {
  const linger at_once{1, 0};
  std::ignore = ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::optional<nat::HostError> HostTcp::take_error() {
  if (!failure_) note_error(pending_error(fd_.get()));
  if (std::exchange(failure_taken_, failure_.has_value())) return std::nullopt;
  return failure_;
}

void HostTcp::note_error(int code) {
  if (code != 0 && !failure_) failure_ = host_error(code);
}

void HostTcp::send_preamble() {
  const ssize_t count = ::send(fd_.get(), preamble_.data(), preamble_.size(), kSendFlags | MSG_DONTWAIT);
  if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return note_error(errno);
  preamble_.erase(preamble_.begin(), preamble_.begin() + std::max<ssize_t>(count, 0));
  if (preamble_.empty()) {
    if (shut_later_) shut_down();
  } else {
    poll_.want(flow_, false, true);
  }
}

nat::HostEvents HostTcp::on_edges(const Edges& edges) {
  if (edges.urgent) peek_.note_urgent();
  if (edges.ended) peek_.note_end();
  if (edges.failed || connecting_) note_error(pending_error(fd_.get()));
  if (connecting_) {
    connecting_ = !edges.writable && !failure_;
    if (connecting_ || failure_) return {.failed = failure_ && !failure_taken_};
    if (shut_later_) shut_down();
  }
  if (edges.writable && !preamble_.empty() && !failure_) send_preamble();
  nat::HostEvents events{.failed = failure_ && !failure_taken_};
  events.readable = edges.readable && std::exchange(awaits_data_, false);
  events.writable = edges.writable && std::exchange(awaits_room_, false);
  return events;
}

}  // namespace vnet::daemon
