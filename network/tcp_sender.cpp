#include "network/tcp_sender.hpp"

#include <algorithm>
#include <cassert>

#include "packet/tcp.hpp"

namespace vnet::network {
TcpSender::TcpSender(std::uint32_t initial_sequence, std::size_t mss, std::uint16_t window,
                     std::uint32_t peer_sequence) noexcept
    : iss_(initial_sequence),
      buffer_sequence_(initial_sequence + 1),
      una_(initial_sequence),
      next_(initial_sequence),
      max_(initial_sequence),
      mss_(mss),
      window_(window),
      max_window_(window),
      window_sequence_(peer_sequence),
      window_acknowledgment_(initial_sequence),
      congestion_(mss),
      recover_(initial_sequence) {}

void TcpSender::append(ByteView bytes) {
  assert(bytes.size() <= room());
  // The acknowledged bytes in front go when they are at least half of all: then no more bytes move than were
  // acknowledged since the last time, whatever the guest does.
  if (begin_ > 0 && begin_ >= buffered()) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void TcpSender::pop(std::size_t count) noexcept {
  begin_ += count;
  buffer_sequence_ += static_cast<std::uint32_t>(count);
  if (begin_ == buffer_.size()) {
    std::vector<std::uint8_t>{}.swap(buffer_);
    begin_ = 0;
  }
}

bool TcpSender::acceptable(std::uint32_t acknowledgment) const noexcept {
  const auto oldest = una_ - static_cast<std::uint32_t>(max_window_);
  return !sequence_before(acknowledgment, oldest) && !sequence_before(max_, acknowledgment);
}

TcpSender::Chunk TcpSender::repeat_syn() noexcept {
  timing_ = false;
  return {iss_, {}, true, false, false};
}

std::size_t TcpSender::on_ack(std::uint32_t acknowledgment, std::uint32_t sequence, std::uint16_t window, bool bare,
                              Instant now) noexcept {
  const std::uint32_t una_before = una_;
  if (sequence_before(una_, acknowledgment)) {
    on_new_ack(acknowledgment, now);
  } else if (bare && acknowledgment == una_ && window == window_ && in_flight() > 0) {
    on_duplicate_ack();
  }
  const bool newer = sequence_before(window_sequence_, sequence) ||
                     (window_sequence_ == sequence && !sequence_before(acknowledgment, window_acknowledgment_));
  if (newer && !sequence_before(acknowledgment, una_)) {
    window_ = window;
    max_window_ = std::max(max_window_, window_);
    window_sequence_ = sequence;
    window_acknowledgment_ = acknowledgment;
  }
  return una_ - una_before;
}

void TcpSender::on_new_ack(std::uint32_t acknowledgment, Instant now) noexcept {
  const std::size_t acked = acknowledgment - una_;
  if (una_ == iss_ && syn_lost_) rto_.restart_after_lost_syn();
  una_ = acknowledgment;
  if (sequence_before(next_, una_)) next_ = una_;
  if (sequence_before(buffer_sequence_, una_)) pop(std::min<std::size_t>(una_ - buffer_sequence_, buffered()));
  if (timing_ && !sequence_before(una_, timed_sequence_)) {
    timing_ = false;
    rto_.sample(now - timed_at_);
  }
  duplicate_acks_ = 0;
  if (!recovering_) {
    congestion_.on_acked(acked);
  } else if (sequence_before(una_, recover_)) {
    // A partial acknowledgment points at the next hole (RFC 6582, 3.2).
    resend_first_ = true;
    congestion_.on_partial_ack(acked);
  } else {
    recovering_ = false;
    congestion_.leave_recovery();
  }
  timer_ = in_flight() > 0 ? now + rto_.rto() : kNever;
}

void TcpSender::on_duplicate_ack() noexcept {
  ++duplicate_acks_;
  if (recovering_) {
    congestion_.on_duplicate_in_recovery();
  } else if (duplicate_acks_ == kDuplicateAcksForLoss && sequence_before(recover_, una_)) {
    recovering_ = true;
    resend_first_ = true;
    recover_ = max_;
    timing_ = false;
    congestion_.enter_recovery(in_flight());
  }
}

TcpSender::Chunk TcpSender::chunk_at(std::uint32_t sequence, std::size_t limit) const noexcept {
  const std::size_t offset = sequence - buffer_sequence_;
  const std::size_t left = offset < buffered() ? buffered() - offset : 0;
  const std::size_t length = std::min(left, limit);
  Chunk chunk;
  chunk.sequence = sequence;
  if (length > 0) chunk.bytes = ByteView{buffer_}.subspan(begin_ + offset, length);
  chunk.fin = finishing_ && length == left;
  chunk.push = length > 0 && length == left;
  return chunk;
}

/// How many of the unsent bytes may go in one segment now.
std::size_t TcpSender::sendable(std::size_t unsent) const noexcept {
  const std::size_t window = std::min(window_, congestion_.size());
  const std::size_t usable = window > in_flight() ? window - in_flight() : 0;
  const std::size_t length = std::min({unsent, usable, mss_});
  // Sender's side of silly window avoidance (RFC 9293, 3.8.6.2.1).
  const bool worthwhile = length == mss_ || length == unsent || length >= max_window_ / 2;
  return worthwhile ? length : 0;
}

std::optional<TcpSender::Chunk> TcpSender::next(Instant now) noexcept {
  if (una_ == iss_) {
    if (next_ != iss_) return std::nullopt;
    sent(iss_ + 1, now);
    return Chunk{iss_, {}, true, false, false};
  }
  if (resend_first_) {
    resend_first_ = false;
    if (in_flight() > 0) return chunk_at(una_, std::min(mss_, in_flight()));
  }
  if (sequence_before(end(), next_)) return std::nullopt;  // the FIN is in flight and nothing follows it
  const std::size_t unsent = end() - next_;
  const std::size_t length = sendable(unsent);
  if (length > 0 || (unsent == 0 && finishing_)) {
    const Chunk chunk = chunk_at(next_, length);
    sent(next_ + static_cast<std::uint32_t>(length) + (chunk.fin ? 1 : 0), now);
    return chunk;
  }
  if (unsent > 0 && in_flight() == 0 && timer_ == kNever) {
    probe_interval_ = rto_.rto();
    timer_ = now + probe_interval_;
  }
  return std::nullopt;
}

void TcpSender::sent(std::uint32_t upto, Instant now) noexcept {
  if (in_flight() == 0) {
    timer_ = now + rto_.rto();
    probe_interval_ = {};
  }
  // A segment that was sent before says nothing about the round trip (Karn's algorithm; RFC 6298, 3).
  if (!timing_ && next_ == max_) {
    timing_ = true;
    timed_sequence_ = upto;
    timed_at_ = now;
  }
  next_ = upto;
  if (sequence_before(max_, next_)) max_ = next_;
}

std::optional<TcpSender::Chunk> TcpSender::expire(Instant now) noexcept {
  if (now < timer_) return std::nullopt;
  if (in_flight() > 0) {
    if (una_ == iss_) {
      syn_lost_ = true;
      congestion_.on_lost_syn();
    } else {
      congestion_.on_timeout(in_flight());
    }
    rto_.back_off();
    timing_ = false;
    recovering_ = false;
    resend_first_ = false;
    duplicate_acks_ = 0;
    recover_ = max_;
    next_ = una_;
    timer_ = kNever;
    return std::nullopt;
  }
  assert(end() != next_);
  // Persist: one byte into a closed window, or what a window too small to be worth it takes. It does not count as in
  // flight, because a closed window discards it, but its acknowledgment must be acceptable.
  Chunk probe = chunk_at(next_, std::min(std::max<std::size_t>(window_, 1), mss_));
  probe.fin = false;
  const std::uint32_t upto = next_ + static_cast<std::uint32_t>(probe.bytes.size());
  if (sequence_before(max_, upto)) max_ = upto;
  probe_interval_ = std::min(2 * probe_interval_, RtoEstimator::kMax);
  timer_ = now + probe_interval_;
  return probe;
}

std::uint32_t TcpSender::bare_sequence() const noexcept {
  const std::uint32_t edge = una_ + static_cast<std::uint32_t>(window_);
  return sequence_before(edge, max_) ? edge : max_;
}

}  // namespace vnet::network
