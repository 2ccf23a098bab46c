#include "daemon/timeline.hpp"

#include <algorithm>

namespace vnet::daemon {

void Timeline::order(const std::vector<TimelineEvent>& events) {
  entries_.clear();
  for (std::size_t i = 0; i < events.size(); ++i) entries_.push_back({events[i].at, i});
  std::ranges::stable_sort(entries_, {}, &Entry::at);
}

void Timeline::begin(Instant now, std::optional<Duration> elapsed) {
  start_ = now - elapsed.value_or(Duration::zero());
  if (!elapsed) return;
  seen_ = *elapsed;
  while (next_ < entries_.size() && entries_[next_].at <= seen_) ++next_;
}

void Timeline::replace(const std::vector<TimelineEvent>& events, Instant now) {
  order(events);
  seen_ = std::max(seen_, now - start_);
  next_ = 0;
  while (next_ < entries_.size() && entries_[next_].at <= seen_) ++next_;
}

Instant Timeline::next_deadline() const noexcept {
  return next_ < entries_.size() && start_ != kNever ? start_ + entries_[next_].at : kNever;
}

std::vector<std::size_t> Timeline::take_due(Instant now) {
  std::vector<std::size_t> due;
  if (start_ == kNever) return due;
  seen_ = std::max(seen_, now - start_);
  for (; next_ < entries_.size() && entries_[next_].at <= seen_; ++next_) due.push_back(entries_[next_].index);
  return due;
}

namespace {

/// What an event changes about a NIC is as the file has it.
void leave_nic(RuntimeChanges::Interface& change, const TimelineEvent& event) {
  if (!change.file || !change.now || change.file->name != event.nic) return;
  if (event.link) change.now->link = change.file->link;
  if (event.assign) change.now->assign = change.file->assign;
  if (event.impair) change.now->impair = change.file->impair;
  if (!event.network) return;
  change.now->network = change.file->network;
  change.now->ip = change.file->ip;  // a move may have taken it
}

}  // namespace

void leave_to_timeline(RuntimeChanges& changes, const std::vector<TimelineEvent>& timeline) {
  const auto leave = [](auto& list, const std::string& network) {
    std::erase_if(list, [&](const auto& change) { return change.network == network; });
  };
  for (const TimelineEvent& event : timeline) {
    if (event.nic) {
      for (RuntimeChanges::Interface& change : changes.nics) leave_nic(change, event);
    } else if (event.network) {
      if (event.nat) leave(changes.nats, *event.network);
      if (event.wan) leave(changes.wans, *event.network);
      if (event.ipv4) leave(changes.renumbered, *event.network);
      if (event.impair) leave(changes.impaired, *event.network);
      if (event.egress) leave(changes.egress, *event.network);
      if (event.blackhole) leave(changes.blackholes, *event.network);
    }
  }
  std::erase_if(changes.nics, [](const RuntimeChanges::Interface& change) { return change.file == change.now; });
}

}  // namespace vnet::daemon
