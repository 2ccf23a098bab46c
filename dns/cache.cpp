#include "dns/cache.hpp"

#include <algorithm>
#include <chrono>

namespace vnet::dns {

std::size_t Cache::cost(const Answer& answer) noexcept {
  return answer.size() + sizeof(Answer) + sizeof(Map::value_type) + sizeof(Order::value_type);
}

std::uint32_t Cache::lifetime_s(const Answer& answer, Type type, const CacheLimits& limits) {
  if (answer.rcode != Rcode::no_error && answer.rcode != Rcode::nx_domain) return limits.failure_ttl_s;
  return std::min(answer.lifetime_s(type), answer.is_negative(type) ? limits.negative_ttl_s : limits.positive_ttl_s);
}

Cache::Hit Cache::find(const CacheKey& key, Instant now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return {};
  Entry& entry = found->second;
  if (entry.expires <= now) {
    erase(found);
    return {};
  }
  order_.splice(order_.begin(), order_, entry.place);
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - entry.stored).count();
  return {entry.answer, static_cast<std::uint32_t>(std::max<std::int64_t>(age, 0))};
}

void Cache::insert(const CacheKey& key, std::shared_ptr<const Answer> answer, Instant now) {
  if (const auto old = entries_.find(key); old != entries_.end()) erase(old);
  const std::uint32_t lifetime = lifetime_s(*answer, key.type, limits_);
  const std::size_t size = cost(*answer);
  if (lifetime == 0 || size > limits_.bytes || limits_.entries == 0) return;
  while (entries_.size() >= limits_.entries || bytes_ + size > limits_.bytes) {
    const auto oldest = entries_.find(*order_.back());
    if (oldest->second.expires > now) ++evictions_;
    erase(oldest);
  }
  const auto [entry, inserted] =
      entries_.try_emplace(key, Entry{std::move(answer), now, now + std::chrono::seconds{lifetime}, order_.end()});
  entry->second.place = order_.insert(order_.begin(), &entry->first);
  bytes_ += size;
}

void Cache::erase(Map::iterator entry) {
  bytes_ -= cost(*entry->second.answer);
  order_.erase(entry->second.place);
  entries_.erase(entry);
}

void Cache::clear() noexcept {
  entries_.clear();
  order_.clear();
  bytes_ = 0;
}

}  // namespace vnet::dns
