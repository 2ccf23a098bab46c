#include "nat/tcp_inbound.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace vnet::nat {

void TcpInbound::open(std::uint32_t initial_sequence, bool scaled, std::size_t mss) noexcept {
  begin_ = pieces_end_ = next_ = initial_sequence + 1;
  edge_ = possible_edge();
  scaled_ = scaled;
  mss_ = static_cast<std::uint32_t>(mss);
}

bool TcpInbound::acceptable(std::uint32_t sequence, std::size_t length) const noexcept {
  const std::uint32_t end = sequence + static_cast<std::uint32_t>(length);
  // From a window before the last byte to the edge; the edge itself for acknowledgments of a guest that has filled it.
  const bool begins_inside = !sequence_before(sequence, next()) && !sequence_before(edge_ + 1, sequence);
  const bool ends_inside = sequence_before(next(), end) && !sequence_before(edge_ + 1, end);
  const bool spans = !sequence_before(next(), sequence) && sequence_before(next(), end);
  return begins_inside || ends_inside || spans;
}

TcpInbound::Order TcpInbound::accept(std::uint32_t sequence, ByteView payload, bool fin,
                                     std::vector<ByteView>& pieces) {
  const std::uint32_t end = sequence + static_cast<std::uint32_t>(payload.size());
  const std::uint32_t known_end = early_.empty() ? next_ : early_.end();
  if (fin && !fin_seen_ && !sequence_before(edge_, end) && !sequence_before(end, known_end)) {
    fin_seen_ = true;
    fin_ = end;
  }
  if (fin_seen_ && sequence_before(fin_, end)) {  // there is nothing behind a FIN
    payload = payload.first(sequence_before(fin_, sequence) ? 0 : fin_ - sequence);
  }
  if (sequence_before(sequence, next_)) {  // what we have seen already
    const std::size_t seen = next_ - sequence;
    payload = payload.subspan(std::min(seen, payload.size()));
    sequence = next_;
  }
  if (sequence_before(edge_, sequence + static_cast<std::uint32_t>(payload.size()))) {  // beyond what we promised
    payload = payload.first(sequence_before(edge_, sequence) ? 0 : edge_ - sequence);
  }
  const bool in_order = sequence == next_;
  if (!payload.empty() && in_order) {
    if (pieces_end_ == next_ && early_.empty()) {
      pieces.push_back(payload);
      pieces_end_ += static_cast<std::uint32_t>(payload.size());
    } else {
      keep(sequence, payload);
    }
    next_ += static_cast<std::uint32_t>(payload.size());
    while (!early_.empty() && !sequence_before(next_, early_.ranges().front().begin)) {
      next_ = sequence_max(next_, early_.ranges().front().end);
      early_.drop_below(next_);
    }
  } else if (!payload.empty()) {
    keep(sequence, payload);  // first: a ring that grows takes over what `early_` says that it holds
    if (early_.insert({sequence, sequence + static_cast<std::uint32_t>(payload.size())})) latest_ = sequence;
  }
  if (fin_seen_ && next_ == fin_) finished_ = true;
  if (payload.empty() && !(fin && finished_)) return Order::old;
  return in_order ? Order::in_order : Order::early;
}

/// Room for everything up to the edge; kept until all of it is empty again.
void TcpInbound::reserve() {
  const std::size_t needed = std::bit_ceil(std::size_t{edge_ - begin_});
  if (needed <= ring_size_) return;
  auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(needed);
  const auto move = [&](SequenceRange range) {
    std::array<ByteView, 2> views;
    std::uint32_t at = range.begin;
    for (std::size_t i = 0; i < ring_views(range, views); ++i) {
      for (ByteView view = views[i]; !view.empty();) {
        const std::size_t place = at & (needed - 1);
        const std::size_t count = std::min(view.size(), needed - place);
        std::memcpy(larger.get() + place, view.data(), count);
        view = view.subspan(count);
        at += static_cast<std::uint32_t>(count);
      }
    }
  };
  if (ring_size_ != 0) {
    move({pieces_end_, next_});
    for (const SequenceRange& range : early_.ranges()) move(range);
  }
  ring_ = std::move(larger);
  ring_size_ = needed;
}

void TcpInbound::keep(std::uint32_t sequence, ByteView bytes) {
  if (!bytes.empty()) reserve();
  while (!bytes.empty()) {
    const std::size_t place = sequence & (ring_size_ - 1);
    const std::size_t count = std::min(bytes.size(), ring_size_ - place);
    std::memcpy(ring_.get() + place, bytes.data(), count);
    bytes = bytes.subspan(count);
    sequence += static_cast<std::uint32_t>(count);
  }
}

std::size_t TcpInbound::ring_views(SequenceRange range, std::array<ByteView, 2>& views) const noexcept {
  if (range.size() == 0) return 0;
  const std::size_t place = range.begin & (ring_size_ - 1);
  const std::size_t first = std::min<std::size_t>(range.size(), ring_size_ - place);
  views[0] = {ring_.get() + place, first};
  if (first == range.size()) return 1;
  views[1] = {ring_.get(), range.size() - first};
  return 2;
}

Result<std::size_t, HostError> TcpInbound::flush(TcpSocket& host, std::vector<ByteView>& pieces) {
  if (begin_ == next_) return 0;
  std::array<ByteView, 2> kept;
  const std::size_t kept_count = ring_views({pieces_end_, next_}, kept);
  const std::size_t own = pieces.size();
  pieces.insert(pieces.end(), kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(kept_count));
  const auto sent = host.send(pieces);
  if (!sent) return fail(sent.error());
  assert(*sent <= next_ - begin_);
  begin_ += static_cast<std::uint32_t>(*sent);
  // The frames go with the batch: what is left of them must be kept.
  std::size_t skip = *sent;
  std::uint32_t at = begin_;
  for (const ByteView piece : std::span{pieces}.first(own)) {
    const std::size_t gone = std::min(skip, piece.size());
    skip -= gone;
    keep(at, piece.subspan(gone));
    at += static_cast<std::uint32_t>(piece.size() - gone);
  }
  pieces.clear();
  pieces_end_ = begin_;
  if (begin_ == next_) grow_window(*sent);
  if (begin_ == next_ && early_.empty()) {
    ring_.reset();
    ring_size_ = 0;
  }
  return *sent;
}

/// A guest that fills a quarter of its window between two of our turns could use a larger one, if the host keeps up.
void TcpInbound::grow_window(std::size_t arrived) noexcept {
  if (!scaled_ || window_ >= kMaxWindow || arrived * 4 < window_) return;
  const std::size_t larger = std::min(kMaxWindow, 2 * window_);
  if (!budget_.take(larger - window_)) return;
  window_ = larger;
}

bool TcpInbound::worth_an_update() const noexcept {
  const std::size_t open = edge_ - next_;
  const std::size_t could_be = possible_edge() - next_;
  return could_be > open && could_be - open >= std::min<std::size_t>(2 * std::size_t{mss_}, window_ / 2) &&
         open < window_ / 2;
}

std::uint16_t TcpInbound::advertise() noexcept {
  const std::uint32_t possible = possible_edge();
  const std::size_t step = possible - edge_;
  if (sequence_before(edge_, possible) && step >= std::min<std::size_t>(mss_, window_ / 2)) edge_ = possible;
  const std::size_t open = edge_ - next_;
  const std::uint8_t scale = scaled_ ? kWindowScale : 0;
  return static_cast<std::uint16_t>(std::min<std::size_t>(open >> scale, 0xffff));
}

std::span<const SequenceRange> TcpInbound::sack_blocks() noexcept {
  const auto ranges = early_.ranges();
  std::size_t count = 0;
  const auto is_latest = [&](const SequenceRange& r) {
    return !sequence_before(latest_, r.begin) && sequence_before(latest_, r.end);
  };
  const auto latest = std::ranges::find_if(ranges, is_latest);
  if (latest != ranges.end()) blocks_[count++] = *latest;
  for (auto range = ranges.rbegin(); range != ranges.rend() && count < blocks_.size(); ++range) {
    if (!is_latest(*range)) blocks_[count++] = *range;
  }
  return {blocks_.data(), count};
}

}  // namespace vnet::nat
