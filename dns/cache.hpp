// Answers of upstream servers, kept as long as their TTLs allow.
//
// Positive answers live for their least TTL, negative ones by RFC 2308, 5, failures for a moment (RFC 9520, 3.2). The
// flags that change what a server answers, DO and CD, are part of the key (RFC 6840, 5.9). Ages are whole
// seconds, to be taken off every TTL when the answer is written.
//
// Limits: entries and bytes; the least recently used entry makes room. An expired entry goes when it is looked up or
// when it has become the least recently used one, so there is no deadline to keep.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "dns/answer.hpp"
#include "dns/name.hpp"
#include "packet/time.hpp"

namespace vnet::dns {

/// What an upstream server is asked. The class is always IN.
struct CacheKey {
  Name name;
  Type type = Type::a;
  bool dnssec_ok = false;
  bool checking_disabled = false;

  bool operator==(const CacheKey&) const noexcept = default;
};

struct CacheKeyHash {
  std::uint64_t seed = 0;
  std::size_t operator()(const CacheKey& key) const noexcept {
    const std::uint64_t rest =
        static_cast<std::uint64_t>(key.type) << 2U | (key.dnssec_ok ? 2U : 0U) | (key.checking_disabled ? 1U : 0U);
    return mix64(rest, key.name.hash(seed));
  }
};

struct CacheLimits {
  std::size_t entries = 8192;
  std::size_t bytes = 8U << 20U;          ///< of records and bookkeeping
  std::uint32_t positive_ttl_s = 86'400;  ///< at most
  std::uint32_t negative_ttl_s = 10'800;  ///< at most; RFC 2308, 5 says one to three hours
  std::uint32_t failure_ttl_s = 1;        ///< for SERVFAIL, REFUSED and the like; 0 keeps none
};

class Cache {
 public:
  struct Hit {
    std::shared_ptr<const Answer> answer;  ///< null: not known
    std::uint32_t age_s = 0;
  };

  Cache(CacheLimits limits, std::uint64_t hash_seed) : limits_(limits), entries_(0, CacheKeyHash{hash_seed}) {}

  Cache(const Cache&) = delete;  // entries know their place in the order
  Cache& operator=(const Cache&) = delete;

  [[nodiscard]] Hit find(const CacheKey& key, Instant now);
  /// Keeps `answer` for as long as it may be, which may be not at all, in place of an older one.
  void insert(const CacheKey& key, std::shared_ptr<const Answer> answer, Instant now);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// Entries that were thrown out while still good.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }

  /// How long `answer` may be kept for `type`, seconds, within `limits`.
  [[nodiscard]] static std::uint32_t lifetime_s(const Answer& answer, Type type, const CacheLimits& limits);

 private:
  using Order = std::list<const CacheKey*>;  // most recently used first; map keys do not move
  struct Entry {
    std::shared_ptr<const Answer> answer;
    Instant stored;
    Instant expires;
    Order::iterator place;
  };
  using Map = std::unordered_map<CacheKey, Entry, CacheKeyHash>;

  static std::size_t cost(const Answer& answer) noexcept;
  void erase(Map::iterator entry);

  CacheLimits limits_;
  Map entries_;
  Order order_;
  std::size_t bytes_ = 0;
  std::uint64_t evictions_ = 0;
};

}  // namespace vnet::dns
