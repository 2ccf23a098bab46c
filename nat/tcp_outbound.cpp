#include "nat/tcp_outbound.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::nat {

void TcpOutbound::open(const Peer& peer) noexcept {
  mss_ = peer.mss;
  window_scale_ = peer.window_scale;
  selective_ = peer.selective;
  window_ = max_window_ = peer.window;
  window_sequence_ = peer.sequence;
  congestion_ = CongestionWindow{peer.mss};
}

bool TcpOutbound::acceptable(std::uint32_t acknowledgment) const noexcept {
  // RFC 5961, 5.2: not older than the largest window ever offered, not newer than what was sent.
  return !sequence_before(acknowledgment, una_ - static_cast<std::uint32_t>(std::max<std::size_t>(max_window_, 1))) &&
         !sequence_before(next_, acknowledgment);
}

std::size_t TcpOutbound::on_ack(const Ack& ack, Instant now) {
  const std::size_t window = std::size_t{ack.window} << window_scale_;
  // RFC 9293, 3.10.7.4 goes by the guest's number first. But what it repeats has an old number and may be the first to
  // acknowledge; the window counts from there, and an older one would end too far out.
  const bool newer = sequence_before(una_, ack.acknowledgment) || !sequence_before(ack.sequence, window_sequence_);
  const bool same_window = window == window_;
  if (newer && !sequence_before(ack.acknowledgment, una_)) {
    window_sequence_ = ack.sequence;
    window_ = window;
    max_window_ = std::max(max_window_, window);
  }
  bool learned = false;
  for (const SequenceRange& block : ack.sack) {
    if (!selective_ || !sequence_before(block.begin, block.end) || !sequence_before(una_, block.end) ||
        sequence_before(next_, block.end) || sequence_before(block.begin, una_)) {
      continue;
    }
    learned = (received_.missing(block) != 0 && received_.insert(block)) || learned;
  }
  std::size_t acked = 0;
  if (sequence_before(una_, ack.acknowledgment)) {
    acked = ack.acknowledgment - una_;
    on_new_ack(ack.acknowledgment, now);
  } else if (ack.acknowledgment == una_ && una_ != next_ && ((ack.bare && same_window) || learned)) {
    ++duplicate_acks_;
    // After a timeout without SACK, duplicates are of what was sent again behind this: the repetition was lost, too.
    if (duplicate_acks_ == kDuplicateAcksForLoss && by_timeout_ && !selective_ &&
        sequence_before(una_, resent_below_)) {
      urgent_ = {una_, sequence_min(una_ + static_cast<std::uint32_t>(mss_), data_end())};
    }
  }
  if (acked != 0 || learned) probed_ = hurried_ = false;
  if (una_ != next_) look_for_loss();
  if (acked != 0 || learned) arm(now);
  return acked;
}

void TcpOutbound::on_new_ack(std::uint32_t acknowledgment, Instant now) {
  const std::size_t acked = acknowledgment - una_;
  una_ = acknowledgment;
  received_.drop_below(una_);
  duplicate_acks_ = 0;
  urgent_ = {};
  open_ = true;
  window_probe_ = Duration::zero();
  if (timing_ && !sequence_before(una_, timed_)) {
    timing_ = false;
    round_trip_.sample(now - timed_at_);
  }
  if (!recovering_) {
    // It stays near, so that it is still "before" after gigabytes without a loss.
    recover_ = sequence_max(recover_, una_ - 1);
    return congestion_.on_acked(acked);
  }
  if (!sequence_before(una_, recover_)) {
    recovering_ = by_timeout_ = false;
    return;
  }
  resent_below_ = sequence_max(resent_below_, una_);
  // Without SACK, an acknowledgment of a part says that what follows it is lost too (RFC 6582, 3.2, step 5). After a
  // timeout, all that follows counts as lost anyway, and what was sent again of it is on its way.
  if (!selective_) {
    lost_below_ = sequence_max(lost_below_, sequence_min(una_ + static_cast<std::uint32_t>(mss_), next_));
  }
}

/// Where the third segment of what has arrived above begins: holes below it are no mere reordering (RFC 6675, 4).
std::uint32_t TcpOutbound::surely_lost_below() const noexcept {
  std::size_t above = 0;
  const auto ranges = received_.ranges();
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    above += range->size();
    if (above > 2 * mss_) return range->begin;
  }
  return una_;
}

void TcpOutbound::look_for_loss() noexcept {
  const std::uint32_t lost = surely_lost_below();
  if (!recovering_) {
    const bool by_count = !selective_ && duplicate_acks_ == kDuplicateAcksForLoss && sequence_before(recover_, una_);
    if (!by_count && !sequence_before(una_, lost)) return;
    enter_recovery();
    lost_below_ = by_count ? una_ + static_cast<std::uint32_t>(mss_) : lost;
  }
  lost_below_ = sequence_max(lost_below_, lost);
  // What was sent after the last repetition has arrived, and there are still holes below it: they were lost again.
  if (!received_.empty() && sequence_before(una_, resent_below_) &&
      sequence_before(pass_mark_ + static_cast<std::uint32_t>(2 * mss_), received_.end())) {
    resent_below_ = una_;
    pass_mark_ = next_;
  }
}

void TcpOutbound::enter_recovery() noexcept {
  recovering_ = true;
  recover_ = next_;
  resent_below_ = una_;
  pass_mark_ = next_;
  timing_ = false;
  congestion_.on_loss();
}

SequenceRange TcpOutbound::lost() const noexcept {
  if (!recovering_) return {una_, una_};
  return received_.first_hole({sequence_max(una_, resent_below_), sequence_min(lost_below_, data_end())});
}

std::size_t TcpOutbound::pipe() const noexcept {
  std::size_t out = next_ - una_;
  if (recovering_) {
    out -= received_.size();
    const SequenceRange waiting{sequence_max(una_, resent_below_), sequence_min(lost_below_, next_)};
    if (sequence_before(waiting.begin, waiting.end)) out -= received_.missing(waiting);
  }
  return out;
}

TcpOutbound::Run TcpOutbound::next_run() const noexcept {
  if (urgent_.size() != 0 && sequence_before(urgent_.begin, data_end())) return {urgent_.begin, urgent_.size(), true};
  const std::size_t out = pipe();
  const std::size_t congestion_room = congestion_.size() > out ? congestion_.size() - out : 0;
  if (recovering_) {
    const SequenceRange hole = lost();
    // The first hole goes whatever the congestion window says, so that recovery never stands still.
    const std::size_t allowed = hole.begin == una_ ? std::max(congestion_room, mss_) : congestion_room;
    if (hole.size() != 0) return {hole.begin, std::min<std::size_t>(hole.size(), allowed), true};
  }
  if (finishing_) return {};
  const std::size_t used = next_ - una_;
  const std::size_t window_room = window_ > used ? window_ - used : 0;
  std::size_t room = std::min(window_room, congestion_room);
  // A sliver of a window is not worth a segment while others are on their way (RFC 9293, 3.8.6.2.1).
  if (room < mss_ && used != 0 && room < max_window_ / 2) return {};
  if (room > mss_) room -= room % mss_;
  return {next_, room, false};
}

void TcpOutbound::sent(std::uint32_t sequence, std::size_t bytes, Instant now) noexcept {
  const std::uint32_t end = sequence + static_cast<std::uint32_t>(bytes);
  const bool again = sequence_before(sequence, next_);
  if (again) {
    retransmitted_ += (bytes + mss_ - 1) / mss_;
    timing_ = false;
    pass_mark_ = next_;
    if (urgent_.size() == 0) resent_below_ = sequence_max(resent_below_, end);
    urgent_ = {};
  } else if (!timing_ && !recovering_) {
    timing_ = true;
    timed_ = end;
    timed_at_ = now;
  }
  const bool was_idle = una_ == next_;
  next_ = sequence_max(next_, end);
  window_probe_ = Duration::zero();
  if (was_idle || timer_ == kNever || again) arm(now);
}

bool TcpOutbound::fin_due() const noexcept {
  if (!finishing_ || fin_acked()) return false;
  if (next_ == end_) return true;  // never sent
  // Sent, and lost: all before it is acknowledged or sent again already.
  if (urgent_.size() != 0 && urgent_.begin == end_) return true;
  return recovering_ && sequence_before(end_, lost_below_) && lost().size() == 0 &&
         !sequence_before(end_, resent_below_);
}

void TcpOutbound::set_starved(bool starved, Instant now) noexcept {
  starved_ = starved;
  if (starved_ && una_ == next_ && window_probe_ == Duration::zero()) {
    window_probe_ = round_trip_.timeout();
    timer_ = now + window_probe_;
  }
}

TcpOutbound::Due TcpOutbound::expire(Instant now) noexcept {
  if (now < timer_) return Due::nothing;
  timer_ = kNever;
  if (una_ == next_) {
    if (!starved_) return Due::nothing;
    window_probe_ = std::min(2 * std::max(window_probe_, RoundTrip::kMinTimeout), RoundTrip::kMaxTimeout);
    timer_ = now + window_probe_;
    return Due::probe_window;
  }
  if (may_hurry()) {
    resend_holes();
    timer_ = now + round_trip_.timeout();
    return Due::resend;
  }
  if (may_probe()) {
    // The first silence: the last segment again, which either gets through or shows by SACK what is missing.
    probed_ = true;
    urgent_ = una_ == data_end()
                  ? SequenceRange{una_, next_}
                  : SequenceRange{sequence_max(una_, data_end() - static_cast<std::uint32_t>(mss_)), data_end()};
    timer_ = now + round_trip_.timeout();
    return Due::resend;
  }
  round_trip_.back_off();
  if (!recovering_ || sequence_before(recover_, next_)) congestion_.on_timeout();
  recovering_ = by_timeout_ = true;
  probed_ = true;
  urgent_ = {};
  recover_ = next_;
  resent_below_ = una_;
  lost_below_ = next_;
  pass_mark_ = next_;
  timing_ = false;
  duplicate_acks_ = 0;
  received_.clear();  // the guest may have changed its mind (RFC 2018, 8)
  timer_ = now + round_trip_.timeout();
  return Due::resend;
}

/// What came behind a hole was acknowledged at once, so what was sent to fill the hole would have been, too.
void TcpOutbound::resend_holes() noexcept {
  hurried_ = true;
  if (!recovering_) enter_recovery();
  resent_below_ = una_;
  pass_mark_ = next_;
  lost_below_ = sequence_max(lost_below_, received_.end());
}

void TcpOutbound::arm(Instant now) noexcept {
  if (una_ == next_) {
    timer_ = kNever;
    return;
  }
  if (may_hurry()) {
    timer_ = now + std::min(round_trip_.settled_after(), round_trip_.timeout());
    return;
  }
  const bool alone = next_ - una_ <= mss_;
  timer_ =
      now + (may_probe() ? std::min(round_trip_.probe_after(alone), round_trip_.timeout()) : round_trip_.timeout());
}

std::uint32_t TcpOutbound::bare_sequence() const noexcept {
  const std::uint32_t edge = una_ + static_cast<std::uint32_t>(window_);
  return sequence_before(edge, next_) ? sequence_max(edge, una_) : next_;
}

}  // namespace vnet::nat
