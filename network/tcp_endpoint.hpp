// The gateway's TCP: services inside the process answer guests on ports, without a socket of the host.
//
// This is the passive side only: LISTEN and what follows from it. It never opens a connection, and it is not the
// egress splice. Standards: RFC 9293; retransmission 6298; congestion 5681, 6582, 6928; blind attacks 5961; initial
// sequence numbers 6528. Not supported: options other than MSS, urgent data as such, reassembly of segments that
// arrive out of order, path MTU discovery (the guest is one link away), keepalive (idle connections are closed).
//
// Who calls: the network room gives every TCP segment for the gateway whose checksum it has checked to `handle`,
// takes segments from the `TcpOutput` that it lent, and calls `expire` at `next_deadline`. Services are `TcpHandler`s.
// A guest can fill no table: each limit below has its own way of making room.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <unordered_map>

#include "network/tcp_connection.hpp"
#include "packet/random.hpp"
#include "packet/siphash.hpp"
#include "packet/tcp.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::network {

/// Numbers of connections. What happens at each limit stands beside it.
struct TcpLimits {
  std::size_t connections = 256;  ///< all but TIME-WAIT; the oldest half-open one goes, else the SYN is not answered
  std::size_t per_guest = 32;     ///< with one remote address; the same among that guest's own
  std::size_t half_open = 64;     ///< in SYN-RECEIVED; the oldest goes
  std::size_t time_wait = 64;     ///< the oldest goes
};

struct TcpServerConfig {
  std::size_t mtu = 1500;  ///< of the network, bytes
  TcpTimeouts timeouts;
  TcpLimits limits;
};

/// What became of a segment.
enum class TcpVerdict : std::uint8_t {
  handled,
  no_listener,   ///< answered as RFC 9293, 3.10.7.1 says: RST, or nothing to a RST
  limited,       ///< a SYN beyond a limit; no answer, so that the guest tries again
  bad_endpoint,  ///< an address or port that cannot have a connection; no answer
};

struct TcpCounters {
  std::uint64_t accepted = 0;  ///< SYNs answered
  std::uint64_t limited = 0;   ///< SYNs not answered
  std::uint64_t evicted = 0;   ///< half-open or TIME-WAIT connections that made room
  std::uint64_t refused = 0;   ///< segments without a listener or connection
};

class TcpServer {
 public:
  /// `random` is used here only, for the secrets; `output` outlives the server.
  TcpServer(const TcpServerConfig& config, Random& random, TcpOutput& output);
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  /// Connections to `port` of any local address are for `handler`, which outlives the server. One handler a port.
  void listen(std::uint16_t port, TcpHandler& handler);

  TcpVerdict handle(const TcpFlow& flow, const TcpSegment& segment, Instant now);
  /// kNever with no connections. May be earlier than necessary, never later.
  [[nodiscard]] Instant next_deadline() const noexcept { return connections_.empty() ? kNever : deadline_; }
  void expire(Instant now);
  /// Ends every connection of which `over` says so, with a RST where the guest is to be told.
  void end_if(const std::function<bool(const TcpFlow&)>& over, bool tell, Instant now);

  // For handlers, in a callback or at any other time. An id whose connection is gone is ignored (`send`: false).

  /// All of `pieces` in order, or false and nothing: the room is too small, or the connection has been closed.
  [[nodiscard]] bool send(ConnectionId id, std::initializer_list<ByteView> pieces, Instant now);
  /// Bytes that `send` would take.
  [[nodiscard]] std::size_t send_room(ConnectionId id) const;
  /// Offers the bytes again that `on_data` did not take. Without effect inside of `on_data`.
  void resume(ConnectionId id, Instant now);
  /// A FIN after what is still to be sent. The handler hears no more but `on_closed`.
  void close(ConnectionId id, Instant now);
  /// A RST at once.
  void abort(ConnectionId id);

  [[nodiscard]] bool contains(const TcpFlow& flow) const { return flows_.contains(flow); }
  void for_each(const std::function<void(const TcpConnection&)>& see) const;
  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }
  [[nodiscard]] const TcpCounters& counters() const noexcept { return counters_; }

 private:
  /// Ids only grow, so the order of the map is that of age.
  using Connections = std::map<ConnectionId, TcpConnection>;
  struct FlowHash {
    SipHashKey key;
    std::size_t operator()(const TcpFlow& flow) const noexcept { return hash_flow(flow, key); }
  };

  TcpVerdict open(const TcpFlow& flow, const TcpSegment& syn, std::uint32_t initial_sequence, Instant now);
  void refuse(const TcpFlow& flow, const TcpSegment& segment);
  [[nodiscard]] bool make_room(const TcpFlow& flow);
  [[nodiscard]] TcpHandler* handler_of(std::uint16_t port) const;
  Connections::iterator evict(Connections::iterator at);
  Connections::iterator remove(Connections::iterator at);
  /// After anything that may have changed the connection.
  Connections::iterator settle(Connections::iterator at, Instant now);
  void limit_time_wait();
  void note_deadline(const TcpConnection& connection) noexcept;

  TcpServerConfig config_;
  TcpOutput& output_;
  SipHashKey sequence_key_;
  std::map<std::uint16_t, TcpHandler*> handlers_;
  Connections connections_;
  std::unordered_map<TcpFlow, ConnectionId, FlowHash> flows_;
  std::uint64_t last_id_ = 0;
  Instant deadline_ = kNever;  ///< not later than that of any connection
  TcpCounters counters_;
};

}  // namespace vnet::network
