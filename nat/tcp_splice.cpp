// The connection's life, and what a segment of the guest means. What goes to the guest is in tcp_splice_send.cpp.
#include "nat/tcp_splice.hpp"

#include <algorithm>
#include <array>

namespace vnet::nat {
namespace {

/// Below it, a guest's MSS would make more headers than data.
constexpr std::uint16_t kMinMss = 88;
/// Between two challenge acknowledgments of a connection (RFC 5961, 7).
constexpr Duration kChallengeInterval = std::chrono::milliseconds{500};
constexpr std::uint8_t kMaxDuplicateAcks = 3;
/// Questions to a silent guest before it counts as gone: one alone, or its answer, may be lost.
constexpr std::uint8_t kMaxAsked = 5;

std::size_t length_of(const TcpSegment& segment) noexcept {
  return segment.payload().size() + (segment.has(TcpSegment::kFin) ? 1U : 0U) +
         (segment.has(TcpSegment::kSyn) ? 1U : 0U);
}

}  // namespace

TcpSplice::TcpSplice(const Setup& setup, std::unique_ptr<TcpSocket> host, const TcpTimes& times, GuestWire& wire,
                     WindowBudget& budget)
    : id_(setup.id),
      flow_(setup.flow),
      guest_(setup.guest),
      host_(std::move(host)),
      times_(times),
      wire_(wire),
      in_(budget),
      out_(setup.initial_sequence),
      own_mss_(mss_for_mtu(setup.flow, setup.mtu)),
      isn_(setup.initial_sequence),
      consumed_(setup.initial_sequence + 1) {}

void TcpSplice::accept(const TcpSegment& syn, Instant now) {
  began_ = progress_at_ = now;
  guest_isn_ = syn.sequence();
  take_options(syn, syn.window());
}

void TcpSplice::call(Instant now) {
  began_ = now;
  called_ = true;
  scaled_ = selective_ = true;  // offered; the answer may take it back
  enter(TcpPhase::syn_sent, now);
  send_syn(now);
}

void TcpSplice::take_options(const TcpSegment& syn, std::size_t window) noexcept {
  const TcpOptions options = TcpOptions::parse(syn.options());
  scaled_ = options.window_scale.has_value();
  selective_ = options.sack_permitted;
  const std::uint16_t theirs = std::max(options.mss.value_or(default_mss(flow_)), kMinMss);
  in_.open(syn.sequence(), scaled_, own_mss_);
  out_.open({.mss = std::min(theirs, own_mss_),
             .window_scale = options.window_scale.value_or(0),
             .selective = selective_,
             .window = window,
             .sequence = syn.sequence()});
}

void TcpSplice::enter(TcpPhase phase, Instant now) noexcept {
  phase_ = phase;
  progress_at_ = now;
}

bool TcpSplice::may_be_replaced_by(const TcpSegment& segment) const noexcept {
  return phase_ == TcpPhase::time_wait && segment.has(TcpSegment::kSyn) && !segment.has(TcpSegment::kAck) &&
         !segment.has(TcpSegment::kRst) && sequence_before(in_.next(), segment.sequence() + 1);
}

void TcpSplice::handle(const TcpSegment& segment, std::vector<ByteView>& pieces, Instant now) {
  switch (phase_) {
    case TcpPhase::connecting:  // a repeated SYN waits for the host as the first one does
      if (segment.has(TcpSegment::kRst) && segment.sequence() == in_.next()) abort();
      return;
    case TcpPhase::syn_sent: return handle_answer(segment, now);
    case TcpPhase::closed: return;
    default: break;
  }
  if (segment.has(TcpSegment::kRst)) return handle_reset(segment, now);
  if (segment.has(TcpSegment::kSyn)) {
    if (phase_ == TcpPhase::syn_received && segment.sequence() == guest_isn_) return send_syn(now);
    return challenge(now);
  }
  if (!in_.acceptable(segment.sequence(), length_of(segment))) {
    // Two ends that disagree about their numbers would acknowledge each other's acknowledgments for ever.
    if (length_of(segment) == 0) return challenge(now);
    acknowledge_ = true;
    return;
  }
  if (!segment.has(TcpSegment::kAck)) return;
  if (phase_ == TcpPhase::syn_received) {
    if (segment.acknowledgment() != isn_ + 1) {
      (void)send_bare(segment.acknowledgment(), TcpSegment::kRst);
      return;
    }
    enter(TcpPhase::open, now);
  }
  if (!out_.acceptable(segment.acknowledgment())) return challenge(now);
  take(segment, pieces, now);
}

/// What comes back for our SYN (RFC 9293, 3.10.7.3). A SYN without ACK, a simultaneous opening, cannot meet us: the
/// port that we call from is not one that a guest would call.
void TcpSplice::handle_answer(const TcpSegment& segment, Instant now) {
  const bool acks_us = segment.has(TcpSegment::kAck) && segment.acknowledgment() == isn_ + 1;
  if (segment.has(TcpSegment::kAck) && !acks_us) {
    if (!segment.has(TcpSegment::kRst)) (void)send_bare(segment.acknowledgment(), TcpSegment::kRst);
    return;
  }
  if (segment.has(TcpSegment::kRst)) {
    if (acks_us) fail_with(HostError::refused, now);
    return;
  }
  if (!segment.has(TcpSegment::kSyn) || !acks_us) return;
  guest_isn_ = segment.sequence();
  (void)out_.on_ack({.acknowledgment = segment.acknowledgment(), .sequence = segment.sequence()}, now);
  take_options(segment, segment.window());
  enter(TcpPhase::open, now);
  acknowledge_ = true;
}

void TcpSplice::handle_reset(const TcpSegment& segment, Instant now) {
  // RFC 5961, 3.2: only the very next number ends the connection; one inside of the window is asked about.
  if (segment.sequence() == in_.next()) {
    if (host_) host_->reset();
    return enter(TcpPhase::closed, now);
  }
  if (in_.acceptable(segment.sequence(), 0)) challenge(now);
}

void TcpSplice::challenge(Instant now) noexcept {
  if (now < challenge_after_) return;
  challenge_after_ = now + kChallengeInterval;
  acknowledge_ = true;
}

void TcpSplice::take(const TcpSegment& segment, std::vector<ByteView>& pieces, Instant now) {
  const bool fin = segment.has(TcpSegment::kFin);
  const TcpOptions options = selective_ && segment.header_size() > TcpSegment::kMinHeaderSize
                                 ? TcpOptions::parse(segment.options())
                                 : TcpOptions{};
  const std::size_t acked = out_.on_ack({.acknowledgment = segment.acknowledgment(),
                                         .sequence = segment.sequence(),
                                         .window = segment.window(),
                                         .bare = segment.payload().empty() && !fin,
                                         .sack = std::span{options.sack}.first(options.sack_count)},
                                        now);
  const std::uint32_t before = in_.next();
  asked_ = 0;
  if (!segment.payload().empty() || fin) {
    const TcpInbound::Order order = in_.accept(segment.sequence(), segment.payload(), fin, pieces);
    acknowledge_ = true;
    if (order != TcpInbound::Order::in_order && duplicates_ < kMaxDuplicateAcks) ++duplicates_;
  }
  const bool alive = out_.idle() || out_.shut_out();  // then there is nothing else that it could say
  if (phase_ == TcpPhase::open && (acked != 0 || in_.next() != before || alive)) progress_at_ = now;
}

void TcpSplice::settle(std::vector<ByteView>& pieces, Instant now) {
  if (phase_ != TcpPhase::open) return pieces.clear();
  if (lost_) {
    pieces.clear();
  } else if (!in_.drained()) {
    const auto flushed = in_.flush(*host_, pieces);
    pieces.clear();
    if (!flushed) return lose_host(flushed.error(), now);
    bytes_to_host_ += *flushed;
  }
  if (in_.finished() && in_.drained() && !shut_) {
    shut_ = true;
    host_->shut_down();
  }
  if (in_.worth_an_update()) acknowledge_ = true;
  consume_acknowledged();
  finish_if_done(now);
}

void TcpSplice::consume_acknowledged() {
  const std::uint32_t acked = out_.finishing() ? sequence_min(out_.una(), out_.end()) : out_.una();
  if (!sequence_before(consumed_, acked)) return;
  host_->consume(acked - consumed_);
  bytes_to_guest_ += acked - consumed_;
  consumed_ = acked;
}

void TcpSplice::finish_if_done(Instant now) {
  if (phase_ != TcpPhase::open || !out_.fin_acked() || !shut_) return;
  host_.reset();
  // Whoever has to acknowledge the last FIN stays for a while, in case it is repeated.
  enter(ended_last_ ? TcpPhase::closed : TcpPhase::time_wait, now);
}

void TcpSplice::on_host(HostEvents events, Instant now) {
  if (!host_ || phase_ == TcpPhase::closed) return;
  if (events.readable && !out_.finishing()) readable_ = true;
  if (events.failed) {
    if (const auto error = host_->take_error()) return lose_host(*error, now);
  }
  if (phase_ == TcpPhase::connecting && events.writable) {
    enter(TcpPhase::syn_received, now);
    send_syn(now);
  }
}

/// As through a router: what the other side sent before its reset reaches the guest before the reset does.
void TcpSplice::lose_host(HostError error, Instant now) {
  if (phase_ != TcpPhase::open || out_.finishing()) return fail_with(error, now);
  lost_ = error;
  readable_ = true;
}

void TcpSplice::fail_with(HostError error, Instant now) {
  if (phase_ == TcpPhase::connecting || phase_ == TcpPhase::syn_sent) {
    refusal_ = error;
  } else {
    (void)send_bare(out_.bare_sequence(), TcpSegment::kRst | TcpSegment::kAck);
  }
  if (host_) host_->reset();
  enter(TcpPhase::closed, now);
}

void TcpSplice::vanish() {
  if (host_) host_->reset();
  phase_ = TcpPhase::closed;
}

void TcpSplice::abort() {
  if (phase_ == TcpPhase::closed) return;
  if (phase_ != TcpPhase::connecting && phase_ != TcpPhase::time_wait) {
    (void)send_bare(out_.bare_sequence(), TcpSegment::kRst | TcpSegment::kAck);
  }
  if (host_) host_->reset();
  phase_ = TcpPhase::closed;
}

Duration TcpSplice::patience() const noexcept {
  switch (phase_) {
    case TcpPhase::connecting:
    case TcpPhase::syn_received:
    case TcpPhase::syn_sent: return times_.opening;
    case TcpPhase::time_wait: return times_.time_wait;
    case TcpPhase::closed: return Duration::zero();
    case TcpPhase::open: break;
  }
  if (!out_.idle() || out_.starved()) return times_.stalled;
  if (asked_ != 0) return times_.stalled / kMaxAsked;
  return out_.finishing() || in_.finished() ? times_.half_closed : times_.idle;
}

Instant TcpSplice::next_deadline() const noexcept {
  const Instant own = progress_at_ + patience();
  return phase_ == TcpPhase::connecting || phase_ == TcpPhase::time_wait ? own : std::min(own, out_.next_deadline());
}

void TcpSplice::expire(Instant now) {
  if (now >= progress_at_ + patience()) {
    switch (phase_) {
      case TcpPhase::connecting:
      case TcpPhase::syn_sent: return fail_with(HostError::timed_out, now);
      case TcpPhase::time_wait: return enter(TcpPhase::closed, now);
      case TcpPhase::open:
        if (out_.idle() && !out_.starved() && asked_ < kMaxAsked) {  // is anybody there?
          ++asked_;
          progress_at_ = now;
          (void)send_bare(out_.una() - 1, TcpSegment::kAck);
          return;
        }
        break;
      default: break;
    }
    return abort();
  }
  if (phase_ == TcpPhase::connecting || phase_ == TcpPhase::time_wait) return;
  switch (out_.expire(now)) {
    case TcpOutbound::Due::nothing: break;
    case TcpOutbound::Due::resend:
      if (phase_ != TcpPhase::open) send_syn(now);
      break;
    case TcpOutbound::Due::probe_window: (void)send_bare(out_.una() - 1, TcpSegment::kAck); break;
  }
}

}  // namespace vnet::nat
