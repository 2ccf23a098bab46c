// The forwarding resolver: asks upstream servers what local data does not know, once for all who want to know it.
//
// A question is tried over UDP, at the server that answered last and then at the others in turn, a fixed time each;
// a truncated answer is asked for again over TCP (RFC 7766, 5), an answer that shows no knowledge of EDNS without OPT
// (RFC 6891, 7). NXDOMAIN and no data are answers; SERVFAIL, REFUSED and other errors send us to the next server,
// and the first such error is the answer when no server has a better one. Silence of all of them becomes SERVFAIL.
//
// Believing an answer (RFC 5452, 9): the socket that it came in on is known by a handle and is connected to the server
// asked; id and question must match. The daemon uses a new socket, and so a new source port, for each query, and
// keeps it open until told to close it: one wrong datagram ends nothing, and an early server that answers late
// is still heard. Letter case can be randomised as well (0x20); it is off by default because small servers that people
// write for tests compare names octet for octet. A server that loses the case is asked over TCP instead.
//
// Not supported: iteration from the root, DNSSEC validation (AD is passed on), TCP reuse and pipelining, DoT, DoH.
// Limits: questions in flight (`max_in_flight`): a further one is refused, because evicting would let one guest undo
// another's question; queries per question (`kMaxQueries`); the cache's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/answer.hpp"
#include "dns/cache.hpp"
#include "dns/message.hpp"
#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::dns {

/// 64 unpredictable bits for each call: query ids come from here, so the daemon asks the operating system.
using RandomSource = std::function<std::uint64_t()>;

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 53;

  bool operator==(const Endpoint&) const noexcept = default;
};

/// A message to be sent from a socket of its own. Over TCP the sender adds the two-byte length (RFC 1035, 4.2.2).
struct UpstreamQuery {
  std::uint64_t handle = 0;
  Endpoint server;
  bool tcp = false;
  std::vector<std::uint8_t> bytes;
};

struct ResolverOptions {
  Duration try_timeout = std::chrono::seconds{2};  ///< above 0
  unsigned tries = 3;                              ///< 1 to 5; a retry over TCP or without EDNS is part of its try
  std::size_t max_in_flight = 1024;                ///< questions
  bool randomize_case = false;                     ///< draft-vixie-dnsext-dns0x20
  CacheLimits cache{};
};

struct ResolverCounters {
  std::uint64_t cache_hits = 0;
  std::uint64_t coalesced = 0;         ///< questions that joined one in flight
  std::uint64_t queries_sent = 0;      ///< to upstream servers
  std::uint64_t tcp_queries_sent = 0;  ///< of these
  std::uint64_t timeouts = 0;          ///< tries that ended in silence
  std::uint64_t mismatched = 0;        ///< responses that were not to the question asked, or late
  std::uint64_t malformed = 0;         ///< responses to the question that could not be read
  std::uint64_t errors = 0;            ///< sockets that failed
  std::uint64_t refused_full = 0;      ///< questions refused because `max_in_flight` was reached
};

class Resolver {
 public:
  static constexpr std::size_t kMaxQueries = 16;  ///< for one question

  enum class State : std::uint8_t {
    answered,  ///< `answer` holds it
    pending,   ///< a `Resolved` with this `ticket` will come
    refused,   ///< no server to ask, or too many questions in flight
  };
  struct Lookup {
    State state = State::refused;
    std::shared_ptr<const Answer> answer;
    std::uint32_t age_s = 0;  ///< to be taken off the TTLs
    std::uint64_t ticket = 0;
  };
  struct Resolved {
    std::uint64_t ticket = 0;
    std::shared_ptr<const Answer> answer;  ///< never null
  };

  Resolver(ResolverOptions options, RandomSource random);

  /// In order of preference. Forgets the cache, for other servers may know other names; questions in flight go on
  /// with the new list at their next try.
  void set_upstreams(std::vector<Endpoint> servers);

  /// Equal questions in flight share a ticket.
  [[nodiscard]] Lookup ask(const CacheKey& key, Instant now);

  /// A message that came in on the socket of `handle`. Handles that are no longer open are let pass.
  void on_upstream(std::uint64_t handle, ByteView bytes, Instant now);
  /// The socket of `handle` failed: refused, reset, or closed without an answer.
  void on_upstream_error(std::uint64_t handle, Instant now);

  [[nodiscard]] Instant next_deadline() const noexcept;
  void expire(Instant now);

  /// What to send, what to close, and what is known, since the last call. A query may be among the closed ones
  /// before it was ever sent.
  [[nodiscard]] std::vector<UpstreamQuery> take_queries() { return std::exchange(queries_, {}); }
  [[nodiscard]] std::vector<std::uint64_t> take_closed() { return std::exchange(closed_, {}); }
  [[nodiscard]] bool has_work() const noexcept { return !queries_.empty() || !closed_.empty(); }
  [[nodiscard]] std::vector<Resolved> take_resolved() { return std::exchange(resolved_, {}); }

  [[nodiscard]] std::size_t in_flight() const noexcept { return pending_.size(); }
  [[nodiscard]] const Cache& cache() const noexcept { return cache_; }
  [[nodiscard]] const ResolverCounters& counters() const noexcept { return counters_; }

 private:
  struct Query {
    Endpoint server;
    std::uint16_t id = 0;
    bool tcp = false;
    bool edns = true;
    bool exact_case = false;
  };
  struct Pending {
    CacheKey key;
    Name sent_name;  // differs from the key's in case only
    bool exact_case = false;
    unsigned tries = 0;
    std::size_t first_server = 0;
    std::uint64_t generation = 0;
    std::vector<Query> queries{};  // the last one is what we wait for; the others may still be answered
    Instant deadline = kNever;
    std::shared_ptr<const Answer> failure{};
  };
  using PendingMap = std::unordered_map<std::uint64_t, Pending>;
  enum class Verdict : std::uint8_t { foreign, case_lost, no_edns, ours };

  void start_try(PendingMap::iterator question, Instant now);
  void send(PendingMap::iterator question, Query query, Instant now);
  void fail_query(PendingMap::iterator question, std::size_t index, Instant now);
  void conclude(PendingMap::iterator question, std::shared_ptr<const Answer> answer, Instant now);
  void retry(PendingMap::iterator question, std::size_t index, Query query, Instant now);
  void accept(PendingMap::iterator question, std::size_t index, const Message& message, Instant now);
  Verdict judge(const Pending& pending, const Query& query, ByteView bytes) const;
  std::vector<std::uint8_t> build(const Pending& pending, const Query& query) const;

  ResolverOptions options_;
  RandomSource random_;
  Cache cache_;
  std::vector<Endpoint> servers_;
  std::size_t preferred_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t next_ticket_ = 1;
  PendingMap pending_;
  std::unordered_map<CacheKey, std::uint64_t, CacheKeyHash> tickets_;
  std::set<std::pair<Instant, std::uint64_t>> deadlines_;
  std::vector<UpstreamQuery> queries_;
  std::vector<std::uint64_t> closed_;
  std::vector<Resolved> resolved_;
  ResolverCounters counters_;
};

}  // namespace vnet::dns
