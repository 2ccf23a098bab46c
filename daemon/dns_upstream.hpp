// The sockets behind dns::Resolver: each query goes out from one of its own.
//
// Over UDP the socket is connected to the server asked, so that the kernel lets in only what comes from there, to a
// source port that the system has chosen at random for this query alone (RFC 5452, 9.2 and 10.1). It stays open until
// `close`: a datagram that is not the answer ends nothing. Over TCP (RFC 7766) a message has a two-byte length; the
// connection is closed after one answer.
//
// A server that cannot be reached is reported as soon as the system knows: a refused port (ICMP), no route, a reset.
// Silence is not our business: the resolver has the clock, and closes what it gives up.
//
// Who joins the two: `send` what Resolver::take_queries gives, `close` what take_closed gives (queries first), and hand
// the resolver what the listener hears.
//
// Not supported: reuse of TCP connections, pipelining, encrypted transports.
// Limits: `max_sockets`; a further query fails at once, because closing another would undo another guest's question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "daemon/resolv_conf.hpp"
#include "dgram/client.hpp"
#include "dns/resolver.hpp"
#include "packet/bytes.hpp"

namespace vnet::daemon {

/// Told of what the sockets bring. Both calls may call back into DnsUpstream, but not destroy it.
class UpstreamListener {
 public:
  virtual ~UpstreamListener() = default;
  virtual void on_upstream(std::uint64_t handle, ByteView message) = 0;
  /// The socket is closed and nothing more will come of it.
  virtual void on_upstream_error(std::uint64_t handle) = 0;
};

class DnsUpstream {
 public:
  /// Sockets at once. Most hosts give a process 1024 descriptors unless it asks for more.
  static constexpr std::size_t kMaxSockets = 512;

  /// Both must outlive the object.
  DnsUpstream(dgram::Poller& poller, UpstreamListener& listener, std::size_t max_sockets = kMaxSockets);
  ~DnsUpstream();

  /// Where link-local servers live; for queries sent from now on.
  void set_zones(Ipv6Zones zones) { zones_ = std::move(zones); }

  /// False: it failed at once (no route, no descriptor left, too many sockets), and the handle is not open; the
  /// listener is not called. Handles must differ from those that are open.
  [[nodiscard]] bool send(const dns::UpstreamQuery& query);
  /// The listener hears no more of `handle`. One that is not open is let pass.
  void close(std::uint64_t handle);

  [[nodiscard]] std::size_t open_sockets() const noexcept { return sockets_.size(); }

 private:
  class Socket;
  class UdpSocket;
  class TcpSocket;

  void answer(std::uint64_t handle, ByteView message) { listener_.on_upstream(handle, message); }
  void give_up(std::uint64_t handle);

  dgram::Poller& poller_;
  UpstreamListener& listener_;
  std::size_t max_sockets_;
  Ipv6Zones zones_;
  std::vector<std::uint8_t> datagram_;  ///< room for the largest, shared by all sockets
  std::unordered_map<std::uint64_t, std::unique_ptr<Socket>> sockets_;
};

}  // namespace vnet::daemon
