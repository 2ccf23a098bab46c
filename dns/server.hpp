// The gateway's DNS server: local data first, then the resolver.
//
// Bytes in, bytes out: `handle` answers at once from local data or the cache, or takes a note of the client and answers
// through `take_replies` when the resolver knows. What a guest can get wrong has one answer each:
//
//   shorter than a header, or a response          nothing, so that two servers cannot talk to each other for ever
//   opcode other than QUERY                       NOTIMP
//   unreadable, or not exactly one question       FORMERR
//   EDNS version other than 0                     BADVERS (RFC 6891, 6.1.3)
//   class other than IN, AXFR, IXFR, meta types   REFUSED
//   ANY                                           one HINFO (RFC 8482)
//   a name that is not local, without recursion   REFUSED
//
// RD is not asked for: clients are our own guests and there is nothing to protect from their recursion.
//
// Limits: clients waiting in all (`max_waiting`) and for one question (`kMaxWaitingPerQuestion`); one too many gets
// SERVFAIL at once. A client that repeats its query while it waits is counted and waits once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/reply.hpp"
#include "dns/resolver.hpp"
#include "dns/zone.hpp"
#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::dns {

enum class Transport : std::uint8_t { udp, tcp };

/// Whom to answer. Nothing here reads it; it comes back with the reply as it was given.
struct Client {
  IpAddress address;
  std::uint16_t port = 0;
  std::uint64_t tag = 0;  ///< free for the caller: a TCP connection, a NIC

  bool operator==(const Client&) const noexcept = default;
};

struct Reply {
  Client client;
  Transport transport = Transport::udp;
  std::vector<std::uint8_t> bytes;  ///< without the length prefix of TCP
};

struct ServerOptions {
  LocalOptions local{};
  ResolverOptions resolver{};
  std::uint16_t max_udp_payload = kDefaultUdpPayload;  ///< bytes, at least 512: the largest answer over UDP
  std::size_t max_waiting = 4096;                      ///< clients waiting for the resolver
  bool recursion = true;                               ///< false: local data is all, and nobody else is asked
};

struct ServerCounters {
  static constexpr std::size_t kRcodes = 17;  ///< 0 to 15, and all above in the last

  std::uint64_t queries = 0;                     ///< everything handed to `handle`
  std::uint64_t dropped = 0;                     ///< of these, not answered at all: too short, or a response
  std::uint64_t local = 0;                       ///< answered from local data alone
  std::uint64_t repeated = 0;                    ///< the same client asked again while waiting
  std::uint64_t refused_full = 0;                ///< SERVFAIL because too many clients wait
  std::uint64_t truncated = 0;                   ///< replies with TC
  std::array<std::uint64_t, kRcodes> replies{};  ///< by rcode
};

class Server {
 public:
  static constexpr std::size_t kMaxWaitingPerQuestion = 64;

  Server(ServerOptions options, RandomSource random);

  [[nodiscard]] LocalData& local() noexcept { return local_; }
  [[nodiscard]] const LocalData& local() const noexcept { return local_; }
  /// In order of preference. Without any, what is not local is SERVFAIL.
  void set_upstreams(std::vector<Endpoint> servers) { resolver_.set_upstreams(std::move(servers)); }

  /// The answer, written into `out`, or nothing when it comes later or not at all. `out` holds at least 512 bytes; an
  /// answer may be as long as `max_udp_payload` or, over TCP, 65,535, and is truncated to what `out` holds.
  [[nodiscard]] ByteView handle(ByteView query, const Client& client, Transport transport, Instant now, ByteSpan out);

  /// See `Resolver`: what came back for the queries of `take_upstream_queries`.
  void on_upstream(std::uint64_t handle, ByteView bytes, Instant now);
  void on_upstream_error(std::uint64_t handle, Instant now);

  [[nodiscard]] Instant next_deadline() const noexcept { return resolver_.next_deadline(); }
  void expire(Instant now);

  /// What is to be done since the last call: replies to send, queries to send, and handles whose sockets to close.
  [[nodiscard]] std::vector<Reply> take_replies() { return std::exchange(replies_, {}); }
  [[nodiscard]] std::vector<UpstreamQuery> take_upstream_queries() { return resolver_.take_queries(); }
  [[nodiscard]] std::vector<std::uint64_t> take_upstream_closed() { return resolver_.take_closed(); }
  /// Whether `take_upstream_queries` or `take_upstream_closed` have something.
  [[nodiscard]] bool has_upstream_work() const noexcept { return resolver_.has_work(); }

  [[nodiscard]] const ServerCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const Resolver& resolver() const noexcept { return resolver_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_count_; }

 private:
  struct Waiting {
    Client client;
    Transport transport = Transport::udp;
    Asked asked;
    std::optional<Answer> chain;  // local CNAMEs that led to the question
  };

  ByteView answer(const Asked& asked, const Client& client, Transport transport, bool checking_disabled, Instant now,
                  ByteSpan out);
  ByteView error(const Asked& asked, Rcode rcode, ByteSpan out) { return reply(asked, rcode, {}, out); }
  ByteView reply(const Asked& asked, Rcode rcode, std::span<const Part> parts, ByteSpan out);
  ByteView reply_resolved(const Asked& asked, const std::optional<Answer>& chain, const Answer& answer,
                          std::uint32_t age_s, ByteSpan out);
  bool wait(std::uint64_t ticket, Waiting waiting);
  void deliver();

  ServerOptions options_;
  LocalData local_;
  Resolver resolver_;
  std::unordered_map<std::uint64_t, std::vector<Waiting>> waiting_;  // by the resolver's ticket
  std::size_t waiting_count_ = 0;
  std::vector<Reply> replies_;
  ServerCounters counters_;
};

}  // namespace vnet::dns
