#include "daemon/host_datagram.hpp"

#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/error_queue.hpp"
#include "daemon/host_error.hpp"

namespace vnet::daemon {
namespace {

using dgram::kBatch;

/// What the system sends with where nothing else is asked for.
constexpr std::uint8_t kUsualTtl = 64;

bool is_out_of_room(int code) noexcept { return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS; }

}  // namespace

/// One call's messages with all that they point to.
struct DatagramRoom::Outgoing {
  std::array<dgram::mmsghdr, kBatch> messages;
  std::array<SocketAddress, kBatch> to;
  std::array<Head, kBatch> heads;
  std::array<std::array<iovec, 2>, kBatch> pieces;
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
  };
  std::array<Control, kBatch> controls;

  void set_ttl(std::size_t i, int ttl) noexcept {
    msghdr& message = messages[i].msg_hdr;
    message.msg_control = controls[i].bytes.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(controls[i].bytes.size());
    const bool v4 = to[i].family() == AF_INET;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    header->cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT;
    header->cmsg_len = CMSG_LEN(sizeof ttl);
    std::memcpy(CMSG_DATA(header), &ttl, sizeof ttl);
  }
};

DatagramRoom::DatagramRoom()
    : outgoing_(std::make_unique<Outgoing>()),
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

/// Prepares those up to the first that may not be sent at all; returns how many.
std::size_t HostDatagram::prepare(std::span<const nat::OutDatagram> datagrams) const {
  DatagramRoom::Outgoing& out = room_.outgoing();
  const std::size_t most = std::min(datagrams.size(), kBatch);
  for (std::size_t i = 0; i < most; ++i) {
    const nat::OutDatagram& datagram = datagrams[i];
    if (is_unspecified(datagram.to.address)) return i;
    out.to[i] = SocketAddress{datagram.to.address, datagram.to.port};
    const std::size_t head = write_head(datagram, out.heads[i]);
    out.pieces[i] = {iovec{out.heads[i].data(), head},
                     iovec{const_cast<std::uint8_t*>(datagram.payload.data()), datagram.payload.size()}};
    msghdr& message = out.messages[i].msg_hdr;
    message = {};
    message.msg_name = out.to[i].get();
    message.msg_namelen = out.to[i].size;
    message.msg_iov = out.pieces[i].data();
    message.msg_iovlen = out.pieces[i].size();
    if (datagram.ttl != kUsualTtl) out.set_ttl(i, datagram.ttl);
  }
  return most;
}

nat::DatagramSocket::Sent HostDatagram::send(std::span<const nat::OutDatagram> datagrams) {
  Sent sent;
  for (bool again = false; sent.count < datagrams.size();) {
    const std::size_t count = prepare(datagrams.subspan(sent.count));
    if (count == 0) return {sent.count, nat::HostError::net_unreachable};
    const int taken = dgram::sendmmsg(fd_.get(), room_.outgoing().messages.data(), static_cast<unsigned>(count),
                                      kSendFlags | MSG_DONTWAIT);
    const int code = taken < 0 ? errno : 0;
    if (taken > 0) {
      sent.count += static_cast<std::size_t>(taken);
    } else if (is_out_of_room(code)) {
      ++sent.count;  // it is lost
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
