#include "network/stale_connections.hpp"

#include <algorithm>

namespace vnet::network {

void StaleConnections::begin() noexcept {
  asked_ = 0;
  round_ = 0;
  due_ = kAtOnce;
}

std::span<const GuestConnection> StaleConnections::take(Instant now, std::size_t room, std::uint64_t answers) noexcept {
  if (now < due_ || over()) return {};
  if (asked_ == 0) {
    if (round_ != 0 && answers - answers_ >= size()) {
      round_ = kRounds;
      return {};
    }
    answers_ = answers;
  }
  const auto part = std::span<const GuestConnection>{connections_}.subspan(asked_, std::min(room, size() - asked_));
  asked_ += part.size();
  due_ = now + kTurn;
  if (asked_ == size()) {
    due_ = now + kFirstInterval * (1U << round_++);
    asked_ = 0;
  }
  return part;
}

}  // namespace vnet::network
