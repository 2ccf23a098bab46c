// HostDatagram: a flow's UDP socket in the host's world, and what it has in common with the one for echo (HostEcho).
//
// It is bound to the wildcard address and a port of its own and connected to nobody, so that the guest's one endpoint
// keeps its one mapping whomever it talks to (RFC 4787, REQ-1). The kernel fragments what does not fit and learns path
// MTUs by itself; the guest is told of them as well, by `take_error`.
//
// An ICMP error leaves a second trace in the socket: the next send or receive fails with it, though its own datagram is
// fine. So what fails is tried once more, and fails for a reason of its own then.
//
// "writable" is never told, because nothing waits: what the kernel has no room for is lost.
//
// The receive buffer is what a burst of 256 KiB needs in datagrams as QUIC sends them: the kernel counts 2,304 bytes
// for one of 1,200 (Linux 6.18), and up to a page and more with some network cards. Asked for 512 KiB it grants twice
// that: measured, 455 datagrams of 1,200 bytes, 533 KiB; where net.core.rmem_max is Debian's 212,992 bytes, 184. More
// would let thousands of flows that nobody reads hold more memory than their bursts are worth.
//
// The Don't Fragment bit of the guest's datagrams is not carried over.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/edge_poll.hpp"
#include "daemon/outgoing_datagrams.hpp"
#include "daemon/socket_address.hpp"
#include "dgram/many_messages.hpp"
#include "dgram/socket.hpp"
#include "nat/host_socket.hpp"

namespace vnet::daemon {

/// Room for a batch of the longest datagrams, which all sockets share: a batch is consumed before the next is received.
/// Pages that no datagram has touched cost nothing.
class DatagramRoom {
 public:
  static constexpr std::size_t kSlotBytes = 65'535;

  DatagramRoom();
  DatagramRoom(const DatagramRoom&) = delete;
  DatagramRoom& operator=(const DatagramRoom&) = delete;
  ~DatagramRoom();

  /// Receives what is there, at most dgram::kBatch datagrams. Empty: none are left.
  [[nodiscard]] std::size_t receive(int fd) noexcept;
  [[nodiscard]] ByteView payload(std::size_t i) const noexcept;
  [[nodiscard]] nat::Endpoint from(std::size_t i) const noexcept;
  /// Where a batch's results, and an error's payload, are put together.
  [[nodiscard]] std::array<nat::InDatagram, dgram::kBatch>& results() noexcept { return results_; }
  [[nodiscard]] ByteSpan error() noexcept { return {slots_.get(), kSlotBytes}; }
  /// Where a batch that goes out is put together.
  [[nodiscard]] OutgoingDatagrams& outgoing() noexcept { return *outgoing_; }

 private:
  std::unique_ptr<OutgoingDatagrams> outgoing_;
  std::unique_ptr<std::uint8_t[]> slots_;
  std::array<dgram::mmsghdr, dgram::kBatch> messages_{};
  std::array<iovec, dgram::kBatch> vectors_{};
  std::array<SocketAddress, dgram::kBatch> senders_{};
  std::array<nat::InDatagram, dgram::kBatch> results_{};
};

class HostDatagram : public nat::DatagramSocket, public EdgeSocket {
 public:
  static constexpr int kReceiveBuffer = 512 * 1024;

  /// An unconnected socket as described above. Empty: errno says why.
  [[nodiscard]] static dgram::Fd open_udp(int family) noexcept;

  /// `poll` and `room` must outlive the object.
  HostDatagram(EdgePoll& poll, nat::FlowId flow, dgram::Fd fd, DatagramRoom& room)
      : poll_(poll), flow_(flow), fd_(std::move(fd)), room_(room) {}
  HostDatagram(const HostDatagram&) = delete;
  HostDatagram& operator=(const HostDatagram&) = delete;
  ~HostDatagram() override { poll_.remove(flow_, fd_.get()); }

  /// Begins to hear of events. False: no memory for it.
  [[nodiscard]] bool start() { return poll_.add(flow_, fd_.get(), *this); }

  [[nodiscard]] Sent send(std::span<const nat::OutDatagram> datagrams) override;
  [[nodiscard]] std::span<const nat::InDatagram> receive() override;
  [[nodiscard]] std::optional<nat::DatagramError> take_error() override;

  [[nodiscard]] nat::HostEvents on_edges(const Edges& edges) override;

 protected:
  /// Writes what goes before the payload; returns its length.
  [[nodiscard]] virtual std::size_t write_head(const nat::OutDatagram&, OutgoingDatagrams::Head&) const { return 0; }
  /// The payload of what was received. Empty: it is not for this flow.
  [[nodiscard]] virtual std::optional<ByteView> read_payload(ByteView bytes) const { return bytes; }
  /// The payload of what an error is about, likewise.
  [[nodiscard]] virtual std::optional<ByteView> read_quoted(ByteView bytes) const { return bytes; }

 private:
  void prepare(std::span<const nat::OutDatagram> datagrams, OutgoingDatagrams::Trains trains) const;

  EdgePoll& poll_;
  nat::FlowId flow_;
  dgram::Fd fd_;
  DatagramRoom& room_;
  bool drained_ = false;  ///< nothing is there until the next event
};

}  // namespace vnet::daemon
