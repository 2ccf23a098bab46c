// Discard (RFC 863): what is sent to port 9 is taken and gone. Nothing is ever answered.
#pragma once

#include <cstdint>

#include "network/services/datagram_service.hpp"
#include "network/tcp_endpoint.hpp"

namespace vnet::network {

class DiscardService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 9;

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& /*output*/, Instant /*now*/) override {
    return datagram.to.port == kPort;
  }
};

class DiscardTcp final : public TcpHandler {
 public:
  /// `server` outlives this; the caller makes it listen.
  explicit DiscardTcp(TcpServer& server) : server_(server) {}

  void on_open(ConnectionId, const TcpFlow&, Instant) override {}
  [[nodiscard]] std::size_t on_data(ConnectionId, ByteView bytes, Instant) override { return bytes.size(); }
  void on_sent(ConnectionId, Instant) override {}
  void on_end(ConnectionId id, Instant now) override { server_.close(id, now); }
  void on_closed(ConnectionId, Instant) override {}

 private:
  TcpServer& server_;
};

}  // namespace vnet::network
