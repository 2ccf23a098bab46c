// DNS as the gateway runs it: queries in by UDP or over a TCP connection, answers out at once or when the resolver has
// them. Where an answer has to go, a frame for a guest without further look-up, is noted in the client's tag.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dns/server.hpp"
#include "network/dns_tcp.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/outbox.hpp"
#include "packet/time.hpp"

namespace vnet::network {

inline constexpr std::uint16_t kDnsPort = 53;

class NameService {
 public:
  /// The largest answer over UDP, in bytes, where a network's MTU is above that; the size most resolvers ask for.
  static constexpr std::size_t kMaxUdpPayload = 4096;

  /// `mac` is the gateway's; `own` the addresses that it answers at, at most 256. The server `tcp` outlives this.
  NameService(dns::ServerOptions options, dns::RandomSource random, const MacAddress& mac, std::vector<IpAddress> own,
              TcpServer& tcp);

  /// A datagram to port 53 of `local`, from `remote` behind `from`.
  [[nodiscard]] std::optional<DropReason> handle(const MacAddress& from, const IpAddress& local,
                                                 const IpAddress& remote, std::uint16_t remote_port, ByteView query,
                                                 Instant now, Outbox& out);
  [[nodiscard]] Instant next_deadline() const noexcept { return server_.next_deadline(); }
  void expire(Instant now, Outbox& out);

  /// What came back for `server().take_upstream_queries()`.
  void on_upstream(std::uint64_t handle, ByteView bytes, Instant now, Outbox& out);
  void on_upstream_error(std::uint64_t handle, Instant now, Outbox& out);

  [[nodiscard]] dns::Server& server() noexcept { return server_; }
  [[nodiscard]] const dns::Server& server() const noexcept { return server_; }

 private:
  void on_tcp_query(ConnectionId id, const TcpFlow& flow, ByteView query, Instant now);
  void send_replies(Instant now, Outbox& out);
  void send_udp(const MacAddress& to, const IpAddress& local, const IpAddress& remote, std::uint16_t port,
                ByteView answer, Outbox& out) const;
  void frame_udp(FrameBuilder& frame, const MacAddress& to, const IpAddress& local, const IpAddress& remote,
                 std::uint16_t port, Outbox& out) const;
  [[nodiscard]] std::uint64_t tag(const MacAddress& mac, const IpAddress& local) const;

  dns::Server server_;
  MacAddress mac_;
  std::vector<IpAddress> own_;
  TcpServer& tcp_;
  DnsTcp streams_;
  std::vector<std::uint8_t> tcp_answer_;  ///< made when the first query comes over TCP
};

}  // namespace vnet::network
