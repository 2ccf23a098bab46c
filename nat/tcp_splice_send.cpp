// What a connection sends to its guest: data peeked at in the host's socket straight into frames, and control segments.
#include <algorithm>
#include <array>

#include "nat/tcp_splice.hpp"

namespace vnet::nat {

TcpHeader TcpSplice::header(std::uint32_t sequence, std::uint8_t flags) noexcept {
  TcpHeader made;
  made.sequence = sequence;
  made.acknowledgment = in_.next();
  made.flags = flags;
  made.window = in_.advertise();
  return made;
}

void TcpSplice::send_syn(Instant now) {
  TcpHeader made;
  made.sequence = isn_;
  made.flags = TcpSegment::kSyn;
  if (!called_) {
    made.flags |= TcpSegment::kAck;
    made.acknowledgment = guest_isn_ + 1;
  }
  made.window = TcpInbound::kFirstWindow;
  made.mss = own_mss_;
  if (scaled_) made.window_scale = TcpInbound::kWindowScale;
  made.sack_permitted = selective_;
  FrameBuilder frame{wire_.room(0)};
  prepend_tcp(frame, flow_, made);
  wire_.send(frame, guest_, is_v4(flow_.local));
  out_.sent(isn_, 1, now);
}

bool TcpSplice::send_bare(std::uint32_t sequence, std::uint8_t flags) {
  FrameBuilder frame{wire_.room(0)};
  TcpHeader made = header(sequence, flags);
  if ((flags & TcpSegment::kAck) == 0) made.acknowledgment = 0;
  if (selective_ && (flags & TcpSegment::kAck) != 0) made.sack = in_.sack_blocks();
  prepend_tcp(frame, flow_, made);
  wire_.send(frame, guest_, is_v4(flow_.local));
  return frame.ok();
}

void TcpSplice::acknowledge() {
  // A guest without SACK counts duplicates; one that has it reads the blocks of a single one.
  const int count = selective_ ? 1 : std::max<int>(duplicates_, 1);
  for (int i = 0; i < count; ++i) {
    if (!send_bare(out_.bare_sequence(), TcpSegment::kAck)) return;
  }
  acknowledge_ = false;
  duplicates_ = 0;
}

TcpSplice::Progress TcpSplice::transmit(Instant now) {
  Progress progress = Progress::done;
  if (phase_ == TcpPhase::open) progress = send_data(now);
  if (acknowledge_ && phase_ != TcpPhase::closed) acknowledge();
  return acknowledge_ && progress == Progress::done ? Progress::more : progress;
}

TcpSplice::Progress TcpSplice::send_data(Instant now) {
  const std::size_t mss = out_.mss();
  std::array<ByteSpan, kSegmentsPerTurn> storage;
  std::array<ByteSpan, kSegmentsPerTurn> rooms;
  for (std::size_t turn = kSegmentsPerTurn; turn > 0;) {
    if (out_.fin_due()) {
      if (!send_bare(out_.end(), TcpSegment::kFin | TcpSegment::kAck)) return Progress::more;
      acknowledge_ = false;
      if (out_.next() == out_.end()) ended_last_ = in_.finished();
      note_sending(now);
      out_.sent(out_.end(), 1, now);
      return Progress::done;
    }
    const TcpOutbound::Run run = out_.next_run();
    if (!run.again && !readable_) return Progress::done;
    if (run.bytes == 0 && !out_.starved()) note_sending(now);
    out_.set_starved(run.bytes == 0, now);
    if (run.bytes == 0) return Progress::done;
    const std::size_t wanted = std::min(turn, (run.bytes + mss - 1) / mss);
    const std::size_t count = wire_.reserve(guest_, wanted, mss, storage);
    if (count == 0) return wire_.port_has_room(guest_, mss) ? Progress::more : Progress::port_full;
    std::size_t left = run.bytes;
    for (std::size_t i = 0; i < count; ++i) {
      rooms[i] = storage[i].subspan(FrameBuilder::kHeadroom, std::min(mss, left));
      left -= rooms[i].size();
    }
    const auto peeked = host_->peek(run.sequence - consumed_, std::span{rooms}.first(count));
    if (!peeked) {
      fail_with(peeked.error(), now);
      return Progress::done;
    }
    left = peeked->bytes;
    for (std::size_t i = 0; left > 0; ++i) {
      const std::size_t size = std::min(left, rooms[i].size());
      left -= size;
      FrameBuilder frame{storage[i]};
      frame.commit_payload(size);
      const bool last = left == 0 && (peeked->drained || peeked->ended);
      prepend_tcp(frame, flow_,
                  header(run.sequence + static_cast<std::uint32_t>(peeked->bytes - left - size),
                         last ? TcpSegment::kAck | TcpSegment::kPsh : TcpSegment::kAck));
      wire_.send(frame, guest_, is_v4(flow_.local));
      --turn;
    }
    if (peeked->bytes > 0) {
      note_sending(now);
      out_.sent(run.sequence, peeked->bytes, now);
      if (in_.sack_blocks().empty()) acknowledge_ = false;
    }
    if (peeked->bytes > 0 && run.again) continue;
    if (run.again) return Progress::done;
    if (lost_ && (peeked->ended || peeked->drained)) {
      fail_with(*lost_, now);
      return Progress::done;
    }
    if (peeked->ended) {
      readable_ = false;
      out_.finish();
    } else if (peeked->drained || peeked->bytes == 0) {
      readable_ = !peeked->drained;
      return Progress::done;
    }
  }
  return Progress::more;
}

}  // namespace vnet::nat
