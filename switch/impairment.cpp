#include "switch/impairment.hpp"

#include <algorithm>
#include <utility>

#include "packet/ethernet.hpp"

namespace vnet::l2 {
namespace {

/// Slower than one bit a second is as good as never, and would overflow.
constexpr double kLeastRateMbps = 1e-6;

/// What is lost by either of two that are independent.
double either(double a, double b) noexcept { return a + b - a * b; }

}  // namespace

bool Impairment::is_none() const noexcept {
  return latency == Duration{} && jitter == Duration{} && loss <= 0 && loss_burst.enter <= 0 && duplicate <= 0 &&
         corrupt <= 0 && rate_mbps <= 0;
}

Impairment compose(const Impairment& nearer, const Impairment& farther) {
  const bool nearer_is_slower =
      nearer.rate_mbps > 0 && (farther.rate_mbps <= 0 || nearer.rate_mbps <= farther.rate_mbps);
  Impairment both = nearer_is_slower ? nearer : farther;
  both.latency = nearer.latency + farther.latency;
  both.jitter = nearer.jitter + farther.jitter;
  both.jitter_reorders = nearer.jitter_reorders || farther.jitter_reorders;
  both.loss = either(nearer.loss, farther.loss);
  both.loss_burst = nearer.loss_burst.enter > 0 ? nearer.loss_burst : farther.loss_burst;
  both.duplicate = either(nearer.duplicate, farther.duplicate);
  both.reorder = either(nearer.reorder, farther.reorder);
  both.corrupt = either(nearer.corrupt, farther.corrupt);
  return both;
}

Impairments compose(const Impairments& nearer, const Impairments& farther) {
  return {compose(nearer.up, farther.up), compose(nearer.down, farther.down)};
}

bool ImpairmentQueue::is_lost() noexcept {
  in_burst_ = in_burst_ ? !chance(rules_.loss_burst.leave) : chance(rules_.loss_burst.enter);
  return chance(in_burst_ ? rules_.loss_burst.loss : rules_.loss);
}

Duration ImpairmentQueue::transmission_time(std::size_t bytes) const noexcept {
  if (rules_.rate_mbps <= 0) return {};
  return Duration{
      static_cast<Duration::rep>(static_cast<double>(bytes) * 8000 / std::max(kLeastRateMbps, rules_.rate_mbps))};
}

Duration ImpairmentQueue::delay() noexcept {
  if (rules_.jitter == Duration{}) return rules_.latency;
  const double share = static_cast<double>(random_.next() >> 11U) * 0x1.0p-52 - 1;  // uniform in [-1, 1)
  const auto off = static_cast<Duration::rep>(share * static_cast<double>(rules_.jitter.count()));
  return std::max(Duration{}, rules_.latency + Duration{off});
}

bool ImpairmentQueue::has_room(std::size_t bytes, Instant now) const noexcept {
  if (waiting_.size() >= kMaxFrames || bytes_ + bytes > kMaxBytes) return false;
  // What has still to be sent is a time at a rate; it needs no count of its own.
  if (rules_.rate_mbps <= 0 || free_at_ <= now) return true;
  return free_at_ - now + transmission_time(bytes) <= transmission_time(std::size_t{rules_.queue_kb} * 1024);
}

std::optional<DropReason> ImpairmentQueue::take_in(ByteView frame, Instant now, FrameStore& store, Outcome& outcome) {
  if (!has_room(frame.size(), now)) return DropReason::impairment_queue;
  const Instant on_wire = std::max(now, free_at_) + transmission_time(frame.size());
  const bool overtakes = chance(rules_.reorder);
  Instant due = overtakes ? on_wire : on_wire + delay();
  const bool keeps_order = !overtakes && !rules_.jitter_reorders;
  if (keeps_order) due = std::max(due, last_due_);
  const bool at_once = due <= now && (!keeps_order || next_deadline() > now);
  const bool corrupted = chance(rules_.corrupt) && frame.size() > kEthernetHeaderSize;
  if (at_once && !corrupted) {
    outcome.passed_[outcome.count_++] = frame;
    return std::nullopt;
  }
  auto copy = store.copy(frame);
  if (!copy) return DropReason::impairment_queue;
  if (corrupted) {
    const auto bits = static_cast<std::uint32_t>((frame.size() - kEthernetHeaderSize) * 8);
    const std::uint32_t bit = random_.below(bits);
    (*copy)[kEthernetHeaderSize + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
  free_at_ = on_wire;
  if (keeps_order) last_due_ = due;
  if (at_once) {
    outcome.passed_[outcome.count_++] = store.lend(std::move(*copy));
    return std::nullopt;
  }
  bytes_ += frame.size();
  waiting_.push_back({due, on_wire, next_number_++, std::move(*copy)});
  std::ranges::push_heap(waiting_, Later{});
  return std::nullopt;
}

ImpairmentQueue::Outcome ImpairmentQueue::offer(ByteView frame, Instant now, FrameStore& store) {
  Outcome outcome;
  if (is_lost()) {
    outcome.dropped_ = DropReason::impairment;
    return outcome;
  }
  const bool twice = chance(rules_.duplicate);
  outcome.dropped_ = take_in(frame, now, store, outcome);
  // A second one that finds no room is no frame that anybody misses.
  if (twice && !outcome.dropped_) (void)take_in(frame, now, store, outcome);
  return outcome;
}

std::optional<ByteView> ImpairmentQueue::take_due(Instant now, FrameStore& store) {
  if (next_deadline() > now) return std::nullopt;
  std::ranges::pop_heap(waiting_, Later{});
  FrameStore::Buffer frame = std::move(waiting_.back().frame);
  waiting_.pop_back();
  bytes_ -= frame.size();
  return store.lend(std::move(frame));
}

std::vector<ByteView> ImpairmentQueue::take_all(FrameStore& store) {
  std::ranges::sort(waiting_, {}, &Waiting::number);
  std::vector<ByteView> frames;
  for (Waiting& each : waiting_) frames.push_back(store.lend(std::move(each.frame)));
  waiting_.clear();
  bytes_ = 0;
  free_at_ = last_due_ = Instant{};
  return frames;
}

void ImpairmentQueue::change(const Impairment& rules, Instant now) {
  const bool same_rate = rules.rate_mbps == rules_.rate_mbps;
  rules_ = rules;
  last_due_ = Instant{};
  in_burst_ = in_burst_ && rules.loss_burst.enter > 0;
  if (same_rate) return;
  free_at_ = now;
  Instant last{};
  std::ranges::sort(waiting_, {}, &Waiting::number);
  for (Waiting& each : waiting_) {
    if (each.on_wire > now) {
      const Duration delay = each.due - each.on_wire;
      free_at_ += transmission_time(each.frame.size());
      each.on_wire = free_at_;
      each.due = rules.jitter_reorders ? free_at_ + delay : std::max(free_at_ + delay, last);
    }
    last = std::max(last, each.due);
  }
  std::ranges::make_heap(waiting_, Later{});
}

}  // namespace vnet::l2
