// The host's sockets as egress sees them: the one place where its flows touch the world outside.
//
// Everything in this room is pure; the daemon implements these interfaces with real sockets, tests with a model of the
// network on virtual time. No call blocks. What a socket has to say later comes as an event to the owner of the flow
// whose id the socket was opened with (`Egress::on_host`).
//
// Events are edges, not levels: "readable" is said when something has arrived since the last time, and the flow reads
// until it is told that there is no more. So data may lie in the kernel's buffer, peeked at and unacknowledged by the
// guest, without anybody being woken by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet::nat {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  bool operator==(const Endpoint&) const noexcept = default;
};

/// A UNIX stream socket of the host.
struct HostPath {
  std::string path;

  bool operator==(const HostPath&) const noexcept = default;
};
/// What an operator has named for guests to be led to.
using HostTarget = std::variant<Endpoint, HostPath>;

/// A flow for as long as the process lives; never used twice. 0 is none.
enum class FlowId : std::uint64_t {};

/// Why the host's network or system would not do it.
enum class HostError : std::uint8_t {
  refused,           ///< the other side answered: nobody listens
  reset,             ///< the other side, or its system, ended the connection
  host_unreachable,  ///< there is a route, and nobody at its end
  net_unreachable,   ///< no route, or no address of that family here
  timed_out,         ///< nobody answered
  prohibited,        ///< a firewall, or a missing privilege
  too_big,           ///< the datagram does not fit the path
  no_resources,      ///< no descriptor, port or memory left
  other,
};

[[nodiscard]] constexpr std::string_view to_string(HostError error) noexcept {
  switch (error) {
    case HostError::refused: return "refused";
    case HostError::reset: return "reset";
    case HostError::host_unreachable: return "host-unreachable";
    case HostError::net_unreachable: return "net-unreachable";
    case HostError::timed_out: return "timed-out";
    case HostError::prohibited: return "prohibited";
    case HostError::too_big: return "too-big";
    case HostError::no_resources: return "no-resources";
    case HostError::other: return "other";
  }
  return "unknown";
}

/// What has happened to a socket since it was last said.
struct HostEvents {
  bool readable = false;  ///< bytes or datagrams came, or the other side has ended its half
  bool writable = false;  ///< there is room again; of a connection in the making: it is made
  bool failed = false;    ///< an error waits to be taken
};

/// A connection: made, or in the making until the first `writable` or `failed`. Destroying it closes it.
class TcpSocket {
 public:
  struct Peeked {
    std::size_t bytes = 0;
    bool drained = false;  ///< there is no more now; `readable` follows when there is
    bool ended = false;    ///< the other side has ended its half; there will never be more
  };

  virtual ~TcpSocket() = default;
  /// Takes as many bytes as there is room for, in order. Fewer than all: `writable` follows.
  [[nodiscard]] virtual Result<std::size_t, HostError> send(std::span<const ByteView> pieces) = 0;
  /// Copies what begins `offset` bytes behind the last byte consumed into `rooms`, one filled after the other, and
  /// leaves it where it is. `offset` is not more than what was peeked at before. No bytes, and not drained: it holds as
  /// much as it may (256 KiB where the kernel has no peek offset) until some of it is consumed.
  [[nodiscard]] virtual Result<Peeked, HostError> peek(std::size_t offset, std::span<const ByteSpan> rooms) = 0;
  /// Gives up the first `count` bytes, which were peeked at.
  virtual void consume(std::size_t count) = 0;
  /// Ends our half when all that was sent has gone.
  virtual void shut_down() = 0;
  /// The other side is to see a reset when this is destroyed.
  virtual void reset() = 0;
  /// The error of a `failed` event.
  [[nodiscard]] virtual std::optional<HostError> take_error() = 0;
};

struct OutDatagram {
  Endpoint to;  ///< of an echo request, the port means nothing
  ByteView payload;
  std::uint8_t ttl = 64;
};
struct InDatagram {
  Endpoint from;
  ByteView payload;
};

/// An error that came back for a datagram: what the network said, who said it, and about which datagram.
struct DatagramError {
  HostError error{};
  Endpoint to;
  std::optional<IpAddress> offender;  ///< who answered with an ICMP error; empty: our own system
  std::uint8_t icmp_type = 0;         ///< as it came, in the family of `to`; meaningless without an offender
  std::uint8_t icmp_code = 0;
  std::uint32_t icmp_info = 0;  ///< the path MTU of "too big"
  ByteView payload;             ///< what is left of the datagram; borrowed until the next call
};

/// UDP, or ICMP echo: one socket for whatever remote addresses the guest's one endpoint talks to. The payload of an
/// echo is what follows type, code, checksum and identifier: sequence number and data.
class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;
  /// Sends in order. Returns how many went, and why the next one did not; one that the kernel has no room for is lost,
  /// as on any wire.
  struct Sent {
    std::size_t count = 0;
    std::optional<HostError> error;
  };
  [[nodiscard]] virtual Sent send(std::span<const OutDatagram> datagrams) = 0;
  /// Those that are there, at most a batch. Borrowed until the next call of any socket's. Empty: none are left.
  [[nodiscard]] virtual std::span<const InDatagram> receive() = 0;
  /// The next error that waits, if one does.
  [[nodiscard]] virtual std::optional<DatagramError> take_error() = 0;
};

/// Opens sockets. The error is what the guest is told, where it is told anything.
class HostSockets {
 public:
  virtual ~HostSockets() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<TcpSocket>, HostError> connect(FlowId id, const Endpoint& to) = 0;
  /// The same to what the operator has named. `preamble` goes before anything else as soon as the connection is made;
  /// it is borrowed for the call. `timed_out` at once: whoever listens has too many that wait.
  [[nodiscard]] virtual Result<std::unique_ptr<TcpSocket>, HostError> connect_to_service(FlowId id,
                                                                                         const HostTarget& to,
                                                                                         ByteView preamble) = 0;
  /// `family` is that of an address of it.
  [[nodiscard]] virtual Result<std::unique_ptr<DatagramSocket>, HostError> open_udp(FlowId id,
                                                                                    const IpAddress& family) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<DatagramSocket>, HostError> open_echo(FlowId id,
                                                                                     const IpAddress& family) = 0;
};

}  // namespace vnet::nat
