// A collector of syslog: what guests log goes to whoever owns the service, one message at a time.
//
// UDP at port 514 (RFC 5426), TCP at 514 and 601 (RFC 6587); nothing is ever answered. TLS is not supported.
//
// Limits: messages a second of each sender, known by its address, and of all together; what is more is lost and
// counted, and the sender's next message says how many. Senders beyond `kMaxSources` take the place of the one that was
// silent for longest, whose limit then begins anew; the limit of all holds nevertheless.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>

#include "network/services/datagram_service.hpp"
#include "network/services/syslog_message.hpp"
#include "network/tcp_endpoint.hpp"
#include "network/token_bucket.hpp"

namespace vnet::network {

struct SyslogLimits {
  double rate_per_source = 1000;   ///< messages a second
  double burst_per_source = 5000;  ///< messages; a guest that boots has much to say
  double rate = 5000;
  double burst = 20'000;
};

struct SyslogCounters {
  std::uint64_t messages = 0;    ///< handed on
  std::uint64_t suppressed = 0;  ///< lost to a limit
};

class SyslogService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 514;
  static constexpr std::uint16_t kTcpPort = 601;  ///< beside kPort (RFC 3195); many senders use either
  static constexpr std::size_t kMaxSources = 1024;

  /// `on_message` may be empty: then messages are counted only.
  explicit SyslogService(OnSyslog on_message, const SyslogLimits& limits = {});

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) override;
  /// One message, however it came. An empty one is none.
  void deliver(const nat::Endpoint& from, ByteView message, Instant now);

  [[nodiscard]] const SyslogCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t source_count() const noexcept { return sources_.size(); }

 private:
  struct Source {
    TokenBucket bucket;
    Instant last{};
    std::uint64_t suppressed = 0;
  };

  Source& source_of(const IpAddress& address, Instant now);

  OnSyslog on_message_;
  SyslogLimits limits_;
  TokenBucket all_;
  std::map<IpAddress, Source> sources_;
  SyslogCounters counters_;
};

class SyslogTcp final : public TcpHandler {
 public:
  /// Both outlive this; the caller makes the server listen.
  SyslogTcp(TcpServer& server, SyslogService& service) : server_(server), service_(service) {}

  void on_open(ConnectionId id, const TcpFlow& flow, Instant now) override;
  [[nodiscard]] std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override;
  void on_sent(ConnectionId, Instant) override {}
  void on_end(ConnectionId id, Instant now) override;
  void on_closed(ConnectionId id, Instant now) override;

  [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }

 private:
  struct Stream {
    nat::Endpoint from;
    SyslogFraming framing;
  };

  TcpServer& server_;
  SyslogService& service_;
  std::unordered_map<ConnectionId, Stream> streams_;  ///< as many as the server has open connections
};

}  // namespace vnet::network
