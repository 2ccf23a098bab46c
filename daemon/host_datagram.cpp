#include "daemon/host_datagram.hpp"

#include <netinet/in.h>
#include <sys/uio.h>

#include <cerrno>

#include "daemon/error_queue.hpp"
#include "daemon/host_error.hpp"

namespace vnet::daemon {
namespace {

using dgram::kBatch;

bool is_out_of_room(int code) noexcept { return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS; }

}  // namespace

DatagramRoom::DatagramRoom()
    : outgoing_(std::make_unique<OutgoingDatagrams>()),
      slots_(std::make_unique_for_overwrite<std::uint8_t[]>(kBatch * kSlotBytes)) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    vectors_[i] = {slots_.get() + i * kSlotBytes, kSlotBytes};
    messages_[i].msg_hdr.msg_iov = &vectors_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = senders_[i].get();
  }
}

DatagramRoom::~DatagramRoom() = default;

std::size_t DatagramRoom::receive(int fd) noexcept {
  for (dgram::mmsghdr& message : messages_) message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  // Each failure that is not "nothing there" clears an error that an ICMP message has left; more than a few in a row
  // are a flood of such, which makes an event again.
  constexpr int kAttempts = 8;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int count = dgram::recvmmsg(fd, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  }
  return 0;
}

ByteView DatagramRoom::payload(std::size_t i) const noexcept {
  return {slots_.get() + i * kSlotBytes, messages_[i].msg_len};
}

nat::Endpoint DatagramRoom::from(std::size_t i) const noexcept { return {senders_[i].address(), senders_[i].port()}; }

dgram::Fd HostDatagram::open_udp(int family) noexcept {
  dgram::Fd fd = make_inet_socket(family, SOCK_DGRAM);
  if (!fd) return fd;
  const SocketAddress any{family == AF_INET ? IpAddress{Ipv4Address{}} : IpAddress{Ipv6Address{}}, 0};
  if (::bind(fd.get(), any.get(), any.size) != 0) return {};
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  keep_errors(fd.get(), family);
  return fd;
}

/// Prepares those up to the first that may not be sent at all, as to an unspecified address, which the system would
/// take for its own loopback.
void HostDatagram::prepare(std::span<const nat::OutDatagram> datagrams, OutgoingDatagrams::Trains trains) const {
  OutgoingDatagrams& out = room_.outgoing();
  out.clear();
  for (const nat::OutDatagram& datagram : datagrams) {
    OutgoingDatagrams::Head head{};
    if (is_unspecified(datagram.to.address) || !out.add(datagram, head, write_head(datagram, head), trains)) return;
  }
}

nat::DatagramSocket::Sent HostDatagram::send(std::span<const nat::OutDatagram> datagrams) {
  Sent sent;
  auto trains = OutgoingDatagrams::Trains::yes;
  OutgoingDatagrams& out = room_.outgoing();
  for (bool again = false; sent.count < datagrams.size();) {
    prepare(datagrams.subspan(sent.count), trains);
    if (out.empty()) return {sent.count, nat::HostError::net_unreachable};
    const int taken = out.send(fd_.get());
    const int code = taken < 0 ? errno : 0;
    if (taken > 0) {
      sent.count += out.datagrams_in(static_cast<std::size_t>(taken));
    } else if (is_out_of_room(code)) {
      sent.count += out.datagrams_in(1);  // they are lost
    } else if (out.datagrams_in(1) > 1) {
      trains = OutgoingDatagrams::Trains::no;
    } else if (again) {
      return {sent.count, host_error(code)};
    }
    again = taken < 0 && !is_out_of_room(code);
  }
  return sent;
}

std::span<const nat::InDatagram> HostDatagram::receive() {
  std::size_t kept = 0;
  while (kept == 0 && !drained_) {
    const std::size_t count = room_.receive(fd_.get());
    // Fewer than there was room for: whatever comes from now on makes an event.
    drained_ = count < kBatch;
    for (std::size_t i = 0; i < count; ++i) {
      if (const auto payload = read_payload(room_.payload(i))) room_.results()[kept++] = {room_.from(i), *payload};
    }
  }
  if (drained_) poll_.want(flow_, true, false);
  return std::span{room_.results()}.first(kept);
}

std::optional<nat::DatagramError> HostDatagram::take_error() {
  while (auto error = take_queued_error(fd_.get(), room_.error())) {
    const auto quoted = read_quoted(error->payload);
    if (!quoted) continue;
    error->payload = *quoted;
    return error;
  }
  return std::nullopt;
}

nat::HostEvents HostDatagram::on_edges(const Edges& edges) {
  if (edges.readable) drained_ = false;
  return {.readable = edges.readable, .writable = false, .failed = edges.failed};
}

}  // namespace vnet::daemon
