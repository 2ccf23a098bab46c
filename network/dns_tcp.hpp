// DNS messages over TCP (RFC 1035, 4.2.2; RFC 7766): the two-byte length in front of each, and nothing of DNS itself.
//
// A `TcpHandler` that cuts a guest's stream into queries and sends answers back, in whatever order they come
// (RFC 7766, 6.2.1.1 and 7). Length and message leave in one piece (section 8). Idle connections are closed by the
// `TcpServer` (6.2.3). A guest that pipelines more than it reads is slowed down, not cut off: beyond a limit its
// queries are left in the receive window.
//
// Not here: what a query means, a limit of queries per time, TLS.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "network/tcp_endpoint.hpp"

namespace vnet::network {

class DnsTcp final : public TcpHandler {
 public:
  static constexpr std::size_t kPrefixSize = 2;
  /// The header of a DNS message; what claims to be shorter is none, and ends the connection.
  static constexpr std::size_t kMinMessageSize = 12;
  static constexpr std::size_t kMaxMessageSize = 65'535;
  /// Queries of one connection that wait for an answer; further ones are not read until one has been answered.
  static constexpr std::size_t kMaxInFlight = 32;

  /// One complete query, borrowed for the call. It is owed one `answer` or one `abandon`, now or later.
  using OnQuery = std::function<void(ConnectionId id, const TcpFlow& flow, ByteView query, Instant now)>;

  /// `server` outlives this; the caller makes it listen on port 53.
  DnsTcp(TcpServer& server, OnQuery on_query) : server_(server), on_query_(std::move(on_query)) {}

  /// Sends an answer of at most `kMaxMessageSize` bytes. False when the guest cannot have it: it has gone, or reads
  /// so little that its connection is ended here.
  bool answer(ConnectionId id, ByteView message, Instant now);
  /// A query that gets no answer.
  void abandon(ConnectionId id, Instant now);

  void on_open(ConnectionId id, const TcpFlow& flow, Instant now) override;
  [[nodiscard]] std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override;
  void on_sent(ConnectionId id, Instant now) override;
  void on_end(ConnectionId id, Instant now) override;
  void on_closed(ConnectionId id, Instant now) override;

  [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }

 private:
  struct Stream {
    TcpFlow flow;
    std::vector<std::uint8_t> partial;  ///< a message, prefix and all, of which the end is still missing
    std::size_t in_flight = 0;
    bool ended = false;  ///< the guest has sent its last query
  };

  [[nodiscard]] bool may_read(ConnectionId id, const Stream& stream) const;
  /// Takes at most one message from the front of `bytes`; returns the bytes taken.
  std::size_t take(ConnectionId id, Stream& stream, ByteView bytes, Instant now);
  void dispatch(ConnectionId id, Stream& stream, ByteView message, Instant now);
  void settle(ConnectionId id, Stream& stream, Instant now);

  TcpServer& server_;
  OnQuery on_query_;
  std::unordered_map<ConnectionId, Stream> streams_;  ///< as many as the server has open connections
};

}  // namespace vnet::network
