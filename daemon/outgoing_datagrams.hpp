// OutgoingDatagrams: datagrams as messages for sendmmsg, as few as will do.
//
// Datagrams that follow one another to one destination, all of one size but for the last, which may be shorter, are
// one message: a train, which the kernel takes through its layers once and cuts at the end, or has the network card
// cut (UDP_SEGMENT, Linux 4.18; udp(7)). What a guest sends in bursts, QUIC above all, is made of trains. Each datagram
// is on the wire as it would have been alone. The kernel refuses a train whose datagrams do not fit the path's MTU, and
// then they must go one by one.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "daemon/socket_address.hpp"
#include "dgram/many_messages.hpp"
#include "nat/host_socket.hpp"

namespace vnet::daemon {

class OutgoingDatagrams {
 public:
  /// What may go before a payload on the wire, behind the header that the kernel makes.
  static constexpr std::size_t kMaxHead = 6;
  using Head = std::array<std::uint8_t, kMaxHead>;
  enum class Trains : bool { no, yes };

  void clear() noexcept { datagrams_ = messages_ = 0; }
  /// False: there is no room for it. The payload stays the caller's; `head_size` bytes of `head` are copied.
  [[nodiscard]] bool add(const nat::OutDatagram& datagram, const Head& head, std::size_t head_size,
                         Trains trains) noexcept;

  [[nodiscard]] bool empty() const noexcept { return messages_ == 0; }
  /// As sendmmsg does; what it returns is in messages.
  [[nodiscard]] int send(int fd) noexcept;
  /// Datagrams in the first `messages`.
  [[nodiscard]] std::size_t datagrams_in(std::size_t messages) const noexcept;

 private:
  /// The kernel's: segments of a train, and bytes that an IPv6 packet's length can say.
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::size_t kMaxTrainBytes = 65'000;

  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t))> bytes;
  };
  struct Message {
    nat::Endpoint to;
    std::uint8_t ttl = 0;
    std::size_t segment = 0;  ///< bytes of each datagram but the last
    std::size_t bytes = 0;
    std::size_t count = 0;
    bool closed = false;  ///< its last datagram is shorter, or it has a head
  };
  [[nodiscard]] bool couple(const nat::OutDatagram& datagram) noexcept;
  void set_controls(std::size_t i) noexcept;

  std::size_t datagrams_ = 0;
  std::size_t messages_ = 0;
  std::array<Message, dgram::kBatch> plan_;
  std::array<dgram::mmsghdr, dgram::kBatch> headers_;
  std::array<SocketAddress, dgram::kBatch> to_;
  std::array<Head, dgram::kBatch> heads_;
  std::array<std::array<iovec, 2>, dgram::kBatch> pieces_;  ///< head and payload of each datagram
  std::array<Control, dgram::kBatch> controls_;
};

}  // namespace vnet::daemon
