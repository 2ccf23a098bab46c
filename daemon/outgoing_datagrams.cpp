#include "daemon/outgoing_datagrams.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace vnet::daemon {
namespace {

/// What the system sends with where nothing else is asked for.
constexpr std::uint8_t kUsualTtl = 64;

/// Fills one control message; returns the bytes that it takes.
template <typename Value>
std::size_t fill(cmsghdr* header, int level, int type, const Value& value) noexcept {
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  return CMSG_SPACE(sizeof value);
}

}  // namespace

bool OutgoingDatagrams::couple(const nat::OutDatagram& datagram) noexcept {
#if defined(UDP_SEGMENT)
  if (messages_ == 0) return false;
  Message& train = plan_[messages_ - 1];
  const std::size_t size = datagram.payload.size();
  if (train.closed || train.count == kMaxSegments || size == 0 || size > train.segment ||
      train.bytes + size > kMaxTrainBytes || train.ttl != datagram.ttl || train.to != datagram.to) {
    return false;
  }
  train.bytes += size;
  ++train.count;
  train.closed = size < train.segment;
  return true;
#else
  (void)datagram;
  return false;
#endif
}

bool OutgoingDatagrams::add(const nat::OutDatagram& datagram, const Head& head, std::size_t head_size,
                            Trains trains) noexcept {
  if (datagrams_ == dgram::kBatch) return false;
  heads_[datagrams_] = head;
  pieces_[datagrams_] = {iovec{heads_[datagrams_].data(), head_size},
                         iovec{const_cast<std::uint8_t*>(datagram.payload.data()), datagram.payload.size()}};
  const bool may = trains == Trains::yes && head_size == 0;
  if (!may || !couple(datagram)) {
    const std::size_t size = datagram.payload.size();
    plan_[messages_] = {datagram.to, datagram.ttl, size, size, 1, !may || size == 0};
    ++messages_;
  }
  ++datagrams_;
  return true;
}

void OutgoingDatagrams::set_controls(std::size_t i) noexcept {
  const Message& plan = plan_[i];
  msghdr& message = headers_[i].msg_hdr;
  if (plan.ttl == kUsualTtl && plan.count == 1) return;
  controls_[i] = {};
  message.msg_control = controls_[i].bytes.data();
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(controls_[i].bytes.size());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  std::size_t used = 0;
  if (plan.ttl != kUsualTtl) {
    const bool v4 = to_[i].family() == AF_INET;
    used += fill(header, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, int{plan.ttl});
    header = CMSG_NXTHDR(&message, header);
  }
#if defined(UDP_SEGMENT)
  if (plan.count > 1) used += fill(header, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(plan.segment));
#endif
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(used);
}

int OutgoingDatagrams::send(int fd) noexcept {
  std::size_t first = 0;
  for (std::size_t i = 0; i < messages_; ++i) {
    to_[i] = SocketAddress{plan_[i].to.address, plan_[i].to.port};
    msghdr& message = headers_[i].msg_hdr;
    message = {};
    message.msg_name = to_[i].get();
    message.msg_namelen = to_[i].size;
    message.msg_iov = pieces_[first].data();
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(2 * plan_[i].count);
    set_controls(i);
    first += plan_[i].count;
  }
  return dgram::sendmmsg(fd, headers_.data(), static_cast<unsigned>(messages_), kSendFlags | MSG_DONTWAIT);
}

std::size_t OutgoingDatagrams::datagrams_in(std::size_t messages) const noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < messages; ++i) count += plan_[i].count;
  return count;
}

}  // namespace vnet::daemon
