// STUN over TCP (RFC 8489, 6.2.2): messages one after the other, cut by the length in their headers.
//
// The client closes when it has what it wants. What cannot be STUN, or is longer than a Binding request has any reason
// to be, ends the connection. A client that does not read its answers is not read from.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "network/services/stun_service.hpp"
#include "network/tcp_endpoint.hpp"

namespace vnet::network {

class StunTcp final : public TcpHandler {
 public:
  static constexpr std::size_t kMaxRequest = 4096;  ///< bytes, with the header

  /// Both outlive this; the caller makes the server listen.
  StunTcp(TcpServer& server, const StunService& service) : server_(server), service_(service) {}

  void on_open(ConnectionId id, const TcpFlow& flow, Instant now) override;
  [[nodiscard]] std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override;
  void on_sent(ConnectionId id, Instant now) override;
  void on_end(ConnectionId id, Instant now) override;
  void on_closed(ConnectionId id, Instant now) override;

  [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }

 private:
  struct Stream {
    TcpFlow flow;
    std::vector<std::uint8_t> partial;  ///< a message of which the end is still missing
  };

  /// Takes at most one message from the front of `bytes`; returns the bytes taken.
  std::size_t take(ConnectionId id, Stream& stream, ByteView bytes, Instant now);

  TcpServer& server_;
  const StunService& service_;
  std::unordered_map<ConnectionId, Stream> streams_;  ///< as many as the server has open connections
};

}  // namespace vnet::network
