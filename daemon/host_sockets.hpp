// SystemSockets: nat::HostSockets with the sockets of the system that we run on.
//
// Each flow has one descriptor of its own, and all of them together have one in the event loop (daemon/edge_poll.hpp).
// There are as many as RLIMIT_NOFILE leaves when NICs, control clients and DNS have theirs; beyond them a flow is
// refused with `no_resources`, and counted.
//
// It connects to the address that it was told and to no other: 0.0.0.0 and ::, which the system would take for its own
// loopback, are refused, and IPv6 sockets do not speak IPv4. What a guest may reach is decided before. A UNIX socket
// connects at once or not at all; where nobody listens, or no file is there, it is refused like a closed port.
//
// Not supported: link-local IPv6 destinations, which need an interface to be meant on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/edge_poll.hpp"
#include "daemon/host_datagram.hpp"
#include "daemon/host_echo.hpp"
#include "daemon/peek_offset.hpp"
#include "dgram/socket.hpp"
#include "nat/host_socket.hpp"

namespace vnet::daemon {

class SystemSockets final : public nat::HostSockets {
 public:
  /// Descriptors that are not for flows: two per NIC, DNS (DnsUpstream::kMaxSockets), control, files.
  static constexpr std::size_t kReservedDescriptors = 1024;
  /// Flows at once, whatever the system grants.
  static constexpr std::size_t kMaxSockets = 65'536;

  /// What the process may open for flows: its limit less the reserve, or half of a small limit.
  [[nodiscard]] static std::size_t budget() noexcept;

  /// Both must outlive the object, and the object all sockets that it has opened.
  SystemSockets(dgram::Poller& poller, HostListener& listener, std::size_t max_sockets = budget(),
                PeekOffset has = probe_peek_offset());

  [[nodiscard]] Result<std::unique_ptr<nat::TcpSocket>, nat::HostError> connect(nat::FlowId id,
                                                                                const nat::Endpoint& to) override;
  [[nodiscard]] Result<std::unique_ptr<nat::TcpSocket>, nat::HostError> connect_to_service(nat::FlowId id,
                                                                                           const nat::HostTarget& to,
                                                                                           ByteView preamble) override;
  [[nodiscard]] Result<std::unique_ptr<nat::DatagramSocket>, nat::HostError> open_udp(nat::FlowId id,
                                                                                      const IpAddress& family) override;
  [[nodiscard]] Result<std::unique_ptr<nat::DatagramSocket>, nat::HostError> open_echo(
      nat::FlowId id, const IpAddress& family) override;

  /// A connection that somebody has made to us, by TCP or as a UNIX stream. `prefix` precedes in `peek` what comes
  /// from the other side; it is at most ByteRing::kCapacity. `fd` is closed on failure.
  [[nodiscard]] Result<std::unique_ptr<nat::TcpSocket>, nat::HostError> adopt(nat::FlowId id, dgram::Fd fd,
                                                                              ByteView prefix = {});

  /// A UDP socket that is bound already.
  [[nodiscard]] Result<std::unique_ptr<nat::DatagramSocket>, nat::HostError> adopt_udp(nat::FlowId id, dgram::Fd fd);

  /// A line for the log: how many there may be, and what the system is capable of.
  [[nodiscard]] std::string describe() const;
  /// Flows that have a socket.
  [[nodiscard]] std::size_t open() const noexcept { return poll_.size(); }
  [[nodiscard]] std::size_t max_sockets() const noexcept { return max_sockets_; }
  /// Flows that got none, because there were too many or the system had none left.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  [[nodiscard]] bool has_room() const noexcept { return open() < max_sockets_; }
  /// The error that errno, or a full house, is; counted where it is about resources.
  [[nodiscard]] nat::HostError refuse(int code) noexcept;
  using Connected = Result<std::unique_ptr<nat::TcpSocket>, nat::HostError>;
  [[nodiscard]] Connected connect_inet(nat::FlowId id, const nat::Endpoint& to, ByteView preamble);
  [[nodiscard]] Connected connect_unix(nat::FlowId id, const std::string& path, ByteView preamble);
  template <typename Socket>
  [[nodiscard]] Result<std::unique_ptr<Socket>, nat::HostError> start(std::unique_ptr<Socket> socket);

  EdgePoll poll_;
  DatagramRoom room_;
  EchoIdentifiers identifiers_;
  std::size_t max_sockets_;
  PeekOffset peek_offset_;
  std::uint64_t refused_ = 0;
};

}  // namespace vnet::daemon
