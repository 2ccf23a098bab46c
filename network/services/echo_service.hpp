// Echo (RFC 862): what is sent to port 7 comes back.
//
// Datagrams from ports below 1024 are not answered. Such a port is a server's: of two that answer whatever comes (echo,
// character generator, quote of the day, time), one forged datagram makes an exchange that never ends.
//
// Over TCP an echo takes only what it has room to send back, so a guest that does not read is slowed down and nothing
// is lost; after the guest's end follows all of what it sent, then ours.
#pragma once

#include <cstdint>

#include "network/services/datagram_service.hpp"
#include "network/tcp_endpoint.hpp"

namespace vnet::network {

class EchoService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 7;
  static constexpr std::uint16_t kFirstClientPort = 1024;

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) override;
};

class EchoTcp final : public TcpHandler {
 public:
  /// `server` outlives this; the caller makes it listen.
  explicit EchoTcp(TcpServer& server) : server_(server) {}

  void on_open(ConnectionId, const TcpFlow&, Instant) override {}
  [[nodiscard]] std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override;
  void on_sent(ConnectionId id, Instant now) override { server_.resume(id, now); }
  void on_end(ConnectionId id, Instant now) override { server_.close(id, now); }
  void on_closed(ConnectionId, Instant) override {}

 private:
  TcpServer& server_;
};

}  // namespace vnet::network
