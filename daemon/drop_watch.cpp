#include "daemon/drop_watch.hpp"

#include <string>

namespace vnet::daemon {

void DropWatch::expire(Instant now) {
  if (now < next_) return;
  next_ = kNever;  // until there is traffic again
  seen_.resize(fabric_.nic_slots());
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    const network::Nic& nic = fabric_.nic(l2::PortId{static_cast<std::uint32_t>(i)});
    Seen& seen = seen_[i];
    if (!nic.in_use) continue;
    if (seen.mac != nic.config.mac) seen = Seen{{}, {}, nic.config.mac, Instant::min()};
    if (now - kSilence >= seen.told) {
      const bool in = tell(nic, seen.in, nic.counters.drops_in, "from it", now);
      const bool out = tell(nic, seen.out, nic.counters.drops_out, "for it", now);
      if (in || out) seen.told = now;
    }
    seen.in = nic.counters.drops_in;
    seen.out = nic.counters.drops_out;
  }
}

bool DropWatch::tell(const network::Nic& nic, const DropCounters& before, const DropCounters& after,
                     std::string_view direction, Instant now) {
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  DropReason reason{};
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto each = static_cast<DropReason>(i);
    // Fewer than before: it was removed and added again meanwhile.
    const std::uint64_t count = after[each] - (after[each] < before[each] ? 0 : before[each]);
    all += count;
    if (count > most) {
      most = count;
      reason = each;
    }
  }
  if (all < kBurst) return false;
  fabric_.announce({network::EventKind::drop_burst, now, fabric_.network_config(nic.config.network).name,
                    nic.config.name, nic.config.mac, std::string{to_string(reason)},
                    std::to_string(all) + " frames " + std::string{direction} + " in a second"});
  return true;
}

}  // namespace vnet::daemon
