// TranslationTable: the mappings of a NAT and their sessions, for both families: storage, indexes and timers. What they
// mean is for whoever uses it; see Translator.
//
// A *mapping* belongs to an inside endpoint, and to a part of where that talks to (its scope). A *session* is one
// remote endpoint of a mapping: it says that the inside has sent there, and how long ago. A mapping lives for as long
// as it has a session or is pinned. Then, if it has an outside port, it rests: for two minutes the port is nobody
// else's (RFC 6888, REQ-8), because what comes in for it may still be meant for the one before; but if that comes back,
// it is as before.
//
// Each session waits in the list of its class (patience): all of a class are as patient, so the one heard of last is at
// the end, a refresh is a move to there, and the first one is the next to go. Nothing is ever searched for what is
// over.
//
// The keys are chosen by guests, so the hashes are keyed. Each mapping has at most kMaxBytesPerMapping with one session
// and a host of its own, whatever the load of the indexes. To make one, to find one and to end one costs the same among
// ten and ten thousand; only now and then an index doubles.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "nat/arena.hpp"
#include "nat/behavior.hpp"
#include "nat/hash_index.hpp"
#include "nat/port_pool.hpp"
#include "nat/tcp_tracking.hpp"
#include "packet/ip_address.hpp"
#include "packet/siphash.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

/// `other`: without ports; in their place stands the number of the protocol (IANA).
enum class NatProtocol : std::uint8_t { tcp, udp, icmp, other };

/// An address without its family, for records that say it once.
struct PackedAddress {
  std::uint64_t high = 0;  ///< of IPv4 0
  std::uint64_t low = 0;
  bool operator==(const PackedAddress&) const noexcept = default;
};
[[nodiscard]] PackedAddress pack(const IpAddress& address) noexcept;
[[nodiscard]] IpAddress unpack(const PackedAddress& address, bool v6) noexcept;

/// By what a session is timed.
enum class Patience : std::uint8_t { udp, icmp, tcp_transitory, tcp_established };
inline constexpr std::size_t kPatiences = 4;

class TranslationTable {
 public:
  struct Limits {
    std::size_t mappings = 0;
    std::size_t sessions = 0;
    std::size_t mappings_per_host = 0;  ///< of one inside address; below 32,768
    std::size_t sessions_per_host = 0;  ///< below 65,536
    std::size_t sessions_per_mapping = 0;
  };
  /// How long a port is kept from others.
  static constexpr Duration kRest = std::chrono::seconds{120};

  /// Whose a mapping is, and what for. What the scope does not ask for is 0.
  struct Key {
    NatProtocol protocol{};
    bool v6 = false;
    Dependence scope = Dependence::endpoint_independent;
    std::uint16_t port = 0;
    std::uint16_t toward_port = 0;
    PackedAddress inside;
    PackedAddress toward;
  };
  struct Peer {
    PackedAddress address;
    std::uint16_t port = 0;
  };
  struct Mapping {
    PackedAddress inside;
    std::uint64_t bytes_out = 0;
    std::uint64_t bytes_in = 0;
    List sessions;  ///< the one least recently used first
    std::uint32_t hash = 0;
    Id next = kNone;  ///< another one with the same key
    std::uint16_t inside_port = 0;
    std::uint16_t toward_port = 0;
    std::uint16_t outside_port = 0;
    std::uint16_t session_count = 0;
    NatProtocol protocol{};
    Dependence scope{};
    bool v6 : 1 = false;
    bool has_outside_port : 1 = false;
    bool pinned : 1 = false;
    bool resting : 1 = false;
    Id host = kNone;  ///< not while it rests
    PackedAddress toward;
    Instant rests_since{};
    Links resting_place;  ///< among those that rest
  };
  /// A line of the cache.
  struct alignas(64) Session {
    PackedAddress address;  ///< of the peer
    Instant used{};
    Id mapping = kNone;
    std::uint32_t hash = 0;          ///< of mapping, address and port
    std::uint32_t address_hash = 0;  ///< of mapping and address
    Links waiting;                   ///< in its class
    Links sibling;                   ///< of its mapping
    Links neighbor;                  ///< with the same address, of which the first is in the index
    std::uint16_t port = 0;
    Patience patience{};
    TcpTracking tcp;
  };
  struct Host {
    PackedAddress address;
    std::uint32_t hash = 0;
    std::uint32_t v6 : 1 = 0;
    std::uint32_t mappings : 15 = 0;
    std::uint32_t sessions : 16 = 0;
  };
  /// Five indexes have a slot for it: by key, by outside port, of its session by endpoint and by address, of its host.
  static constexpr std::size_t kMaxBytesPerMapping =
      sizeof(Mapping) + sizeof(Session) + sizeof(Host) + 5 * HashIndex::kMaxBytesPerRecord;

  TranslationTable(const Limits& limits, Random& random);

  void set_times(const std::array<Duration, kPatiences>& times) noexcept;

  [[nodiscard]] Mapping& mapping(Id id) noexcept { return mappings_[id]; }
  [[nodiscard]] const Mapping& mapping(Id id) const noexcept { return mappings_[id]; }
  [[nodiscard]] Session& session(Id id) noexcept { return sessions_[id]; }
  [[nodiscard]] const Session& session(Id id) const noexcept { return sessions_[id]; }

  /// The oldest mapping with this key; others follow in `next`. May be one that rests.
  [[nodiscard]] Id find(const Key& key) const noexcept;
  /// By outside port. May be one that rests.
  [[nodiscard]] Id find_outside(bool v6, NatProtocol protocol, std::uint16_t port) const noexcept;
  /// A mapping that has an outside port, which is free. kNone: a limit is reached.
  [[nodiscard]] Id add(const Key& key, std::uint16_t outside_port);
  /// One whose outside is known from its inside.
  [[nodiscard]] Id add(const Key& key);
  /// Takes up again one that rests. False: a limit is reached.
  [[nodiscard]] bool revive(Id id);
  void pin(Id id) noexcept { mappings_[id].pinned = true; }
  /// It lives as long as its sessions do, and may be gone already.
  void unpin(Id id, Instant now);
  /// Ends it with all of its sessions. Whether its port rests, if it has one.
  void end(Id id, Instant now, bool rests);

  [[nodiscard]] Id find_session(Id mapping, const Peer& peer) const noexcept;
  /// A session with this address and any port.
  [[nodiscard]] Id find_neighbor(Id mapping, const PackedAddress& address) const noexcept;
  /// kNone: a limit is reached.
  [[nodiscard]] Id add_session(Id mapping, const Peer& peer, Patience patience, Instant now);
  void touch(Id session, Patience patience, Instant now) noexcept;
  /// Its mapping may be gone with it.
  void end_session(Id session, Instant now);

  /// Ends what nobody has used for too long.
  void expire(Instant now) {
    if (now >= earliest_) sweep(now);
  }
  [[nodiscard]] Instant next_deadline() const noexcept;
  [[nodiscard]] Instant deadline(const Session& session) const noexcept {
    return session.used + times_[static_cast<std::size_t>(session.patience)];
  }
  void clear() noexcept;

  [[nodiscard]] PortPool& ports(bool v6, NatProtocol protocol) noexcept {
    return ports_[static_cast<std::size_t>(protocol) * 2 + (v6 ? 1 : 0)];
  }
  /// Those that live.
  [[nodiscard]] std::size_t size() const noexcept { return mappings_.size() - resting_count_; }
  [[nodiscard]] std::size_t session_count() const noexcept { return sessions_.size(); }
  [[nodiscard]] std::size_t resting() const noexcept { return resting_count_; }
  /// How many have ended because nobody used them.
  [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }
  /// In bytes.
  [[nodiscard]] std::size_t memory() const noexcept;
  /// Those that live, and those that rest. Nothing may be added or ended meanwhile.
  template <typename See>
  void each(const See& see) const {
    by_key_.each([&](Id id) {
      for (; id != kNone; id = mappings_[id].next) see(id, mappings_[id]);
    });
  }

 private:
  using Mappings = Arena<Mapping, &Mapping::next>;
  using Sessions = Arena<Session, &Session::mapping>;
  using Hosts = Arena<Host, &Host::hash>;

  [[nodiscard]] std::uint32_t hash_of(const Key& key) const noexcept;
  [[nodiscard]] std::uint32_t outside_hash(bool v6, NatProtocol protocol, std::uint16_t port) const noexcept;
  [[nodiscard]] std::uint32_t peer_hash(Id mapping, const PackedAddress& address, std::uint32_t port) const noexcept;
  [[nodiscard]] auto hash_of_mapping() const noexcept {
    return [this](Id id) { return mappings_[id].hash; };
  }
  [[nodiscard]] auto hash_of_outside() const noexcept {
    return [this](Id id) {
      const Mapping& m = mappings_[id];
      return outside_hash(m.v6, m.protocol, m.outside_port);
    };
  }
  [[nodiscard]] auto hash_of_session() const noexcept {
    return [this](Id id) { return sessions_[id].hash; };
  }
  [[nodiscard]] auto hash_of_address() const noexcept {
    return [this](Id id) { return sessions_[id].address_hash; };
  }
  [[nodiscard]] auto hash_of_host() const noexcept {
    return [this](Id id) { return hosts_[id].hash; };
  }
  [[nodiscard]] bool join_host(Mapping& mapping);
  void leave_host(Mapping& mapping) noexcept;
  void rest(Id id, Instant since);
  void remove(Id id) noexcept;
  void leave_neighbors(Id id) noexcept;
  void sweep(Instant now);
  [[nodiscard]] List& waiting(Patience patience) noexcept { return waiting_[static_cast<std::size_t>(patience)]; }

  Limits limits_;
  SipHashKey key_;
  std::array<Duration, kPatiences> times_{};
  Mappings mappings_;
  Sessions sessions_;
  Hosts hosts_;
  HashIndex by_key_;
  HashIndex by_outside_;
  HashIndex by_peer_;
  HashIndex by_address_;
  HashIndex by_host_;
  std::array<List, kPatiences> waiting_;
  List resting_;
  std::size_t resting_count_ = 0;
  std::array<PortPool, 8> ports_;
  Instant earliest_ = kNever;  ///< nothing is over before
  std::uint64_t expired_ = 0;
};

}  // namespace vnet::nat
