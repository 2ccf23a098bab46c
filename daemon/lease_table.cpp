#include "daemon/lease_table.hpp"

#include <algorithm>

namespace vnet::daemon {

bool LeaseTable::apply(LeaseRecord record) {
  const Key key{record.network, record.ip};
  auto known = records_.find(key);
  if (record.forgotten) {
    if (known == records_.end()) return false;
    erase(known);
    return true;
  }
  if (known != records_.end()) {
    // When a lease was written matters only together with its end.
    LeaseRecord same = record;
    same.written = known->second.written;
    if (same == known->second) return false;
    erase(known);
  }
  if (const auto other = addresses_.find({record.network, record.client}); other != addresses_.end()) {
    erase(records_.find({record.network, other->second}));
  }
  if (records_.size() >= kMaxRecords) make_room();
  addresses_[{record.network, record.client}] = record.ip;
  records_.emplace(key, std::move(record));
  return true;
}

const LeaseRecord* LeaseTable::find(const Key& key) const {
  const auto found = records_.find(key);
  return found == records_.end() ? nullptr : &found->second;
}

LeaseTable::Records::iterator LeaseTable::erase(Records::iterator record) {
  addresses_.erase({record->second.network, record->second.client});
  return records_.erase(record);
}

void LeaseTable::prune(std::int64_t now) {
  for (auto record = records_.begin(); record != records_.end();) {
    record = record->second.expires + kRemember.count() < now ? erase(record) : std::next(record);
  }
}

// A sixteenth at once, so that a full table costs one walk for many additions.
void LeaseTable::make_room() {
  std::vector<std::pair<std::int64_t, Key>> ends;
  ends.reserve(records_.size());
  for (const auto& [key, record] : records_) ends.emplace_back(record.expires, key);
  const auto last = ends.begin() + static_cast<std::ptrdiff_t>(ends.size() / 16);
  std::ranges::nth_element(ends, last);
  for (auto end = ends.begin(); end != last; ++end) erase(records_.find(end->second));
}

}  // namespace vnet::daemon
