#include "network/tcp_connection.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace vnet::network {
namespace {

std::size_t send_mss(const TcpFlow& flow, const TcpSegment& syn, std::size_t mtu) noexcept {
  const std::uint16_t theirs = std::max(find_mss(syn.options()).value_or(default_mss(flow)), TcpConnection::kMinMss);
  return std::min(theirs, mss_for_mtu(flow, mtu));
}

}  // namespace

TcpConnection::TcpConnection(ConnectionId id, const TcpFlow& flow, std::uint32_t initial_sequence,
                             const TcpSegment& syn, std::size_t mtu, const TcpTimeouts& timeouts, TcpHandler& handler,
                             TcpOutput& output, Instant now)
    : id_(id),
      flow_(flow),
      timeouts_(timeouts),
      handler_(handler),
      output_(output),
      mss_(mss_for_mtu(flow, mtu)),
      sender_(initial_sequence, send_mss(flow, syn, mtu), syn.window(), syn.sequence()),
      receiver_(syn.sequence(), mss_),
      progress_at_(now) {
  pump(now);
}

// --- A segment arrives ---------------------------------------------------------------------------------------------

void TcpConnection::handle(const TcpSegment& segment, Instant now) {
  if (state_ == TcpState::closed) return;
  if (segment.has(TcpSegment::kRst)) return handle_reset(segment, now);
  if (segment.has(TcpSegment::kSyn)) return handle_syn(segment, now);
  const std::size_t length = segment.payload().size() + (segment.has(TcpSegment::kFin) ? 1 : 0);
  if (!receiver_.acceptable(segment.sequence(), length)) return handle_unacceptable(segment, now);
  if (!segment.has(TcpSegment::kAck)) return;
  if (state_ == TcpState::syn_received) {
    if (!complete_handshake(segment, now)) return;
  } else if (sender_.acceptable(segment.acknowledgment())) {
    handle_ack(segment, now);
  } else {
    return challenge(now);
  }
  if (state_ != TcpState::closed) handle_payload(segment, now);
  pump(now);
}

/// RFC 5961, 3.2: only the exact next number resets; a guess within the window is challenged.
void TcpConnection::handle_reset(const TcpSegment& segment, Instant now) {
  if (segment.sequence() == receiver_.next()) {
    state_ = TcpState::closed;
  } else if (receiver_.in_window(segment.sequence())) {
    challenge(now);
  }
}

void TcpConnection::handle_syn(const TcpSegment& segment, Instant now) {
  if (state_ == TcpState::syn_received) {
    // Our SYN/ACK was lost, or is late.
    if (segment.sequence() + 1 == receiver_.next()) return emit(sender_.repeat_syn());
    // The guest has begun anew; back to LISTEN, where its next SYN will be heard (RFC 9293, 3.10.7.4, fourth step).
    if (receiver_.in_window(segment.sequence())) {
      state_ = TcpState::closed;
      return;
    }
  }
  challenge(now);
}

void TcpConnection::handle_unacceptable(const TcpSegment& segment, Instant now) {
  const bool fin = segment.has(TcpSegment::kFin);
  if (state_ == TcpState::time_wait && fin) progress_at_ = now;
  // Repeated data means that our acknowledgment was lost. Anything else may be one side of an endless exchange.
  if (fin || !segment.payload().empty()) {
    acknowledge();
  } else {
    challenge(now);
  }
}

bool TcpConnection::complete_handshake(const TcpSegment& segment, Instant now) {
  if (segment.acknowledgment() != sender_.max_sequence()) {
    output_.emit(flow_, {segment.acknowledgment(), 0, TcpSegment::kRst, 0, 0}, {});
    return false;
  }
  enter(TcpState::established, now);
  // The acknowledgment of our SYN is counted before the handler may send.
  (void)sender_.on_ack(segment.acknowledgment(), segment.sequence(), segment.window(), false, now);
  opened_ = true;
  handler_.on_open(id_, flow_, now);
  return true;
}

void TcpConnection::handle_ack(const TcpSegment& segment, Instant now) {
  const bool bare = segment.payload().empty() && !segment.has(TcpSegment::kFin);
  const std::size_t acked = sender_.on_ack(segment.acknowledgment(), segment.sequence(), segment.window(), bare, now);
  if (acked == 0) return;
  progress_at_ = now;
  if (sender_.fin_acked()) {
    switch (state_) {
      case TcpState::fin_wait_1: enter(TcpState::fin_wait_2, now); break;
      case TcpState::closing: enter(TcpState::time_wait, now); break;
      case TcpState::last_ack: state_ = TcpState::closed; break;
      default: break;
    }
  } else if (reading()) {
    handler_.on_sent(id_, now);
  }
}

void TcpConnection::handle_payload(const TcpSegment& segment, Instant now) {
  const bool fin = segment.has(TcpSegment::kFin);
  if (segment.payload().empty() && !fin) return;
  acknowledge_ = true;
  const TcpReceiver::Accepted accepted = receiver_.accept(segment.sequence(), segment.payload(), fin);
  // After `close` what the guest still says is acknowledged and dropped: a RST in reply, as RFC 9293, 3.6.1 would
  // have it, could destroy our last answer before the guest has read it.
  if (reading() && !accepted.fresh.empty()) {
    progress_at_ = now;
    deliver(accepted.fresh, now);
  } else {
    receiver_.release(accepted.fresh.size());
  }
  if (accepted.fin && state_ != TcpState::closed) handle_fin(now);
}

void TcpConnection::handle_fin(Instant now) {
  switch (state_) {
    case TcpState::established:
      enter(TcpState::close_wait, now);
      tell_end(now);
      break;
    case TcpState::fin_wait_1: enter(TcpState::closing, now); break;
    case TcpState::fin_wait_2: enter(TcpState::time_wait, now); break;
    default: assert(false);  // the receiver reports a FIN once
  }
}

// --- Toward the handler --------------------------------------------------------------------------------------------

bool TcpConnection::reading() const noexcept {
  return state_ == TcpState::established || state_ == TcpState::close_wait;
}

void TcpConnection::deliver(ByteView fresh, Instant now) {
  if (!receiver_.kept().empty()) {
    receiver_.keep(fresh);
    return offer_kept(now);
  }
  delivering_ = true;
  const std::size_t taken = handler_.on_data(id_, fresh, now);
  delivering_ = false;
  assert(taken <= fresh.size());
  const std::size_t done = reading() ? taken : fresh.size();
  receiver_.release(done);
  receiver_.keep(fresh.subspan(done));
}

void TcpConnection::offer_kept(Instant now) {
  while (reading() && !receiver_.kept().empty()) {
    delivering_ = true;
    const std::size_t taken = handler_.on_data(id_, receiver_.kept(), now);
    delivering_ = false;
    receiver_.consume_kept(taken);
    if (taken == 0) return;
  }
  discard_kept();
}

void TcpConnection::tell_end(Instant now) {
  if (state_ != TcpState::close_wait || end_told_ || !receiver_.kept().empty()) return;
  end_told_ = true;
  handler_.on_end(id_, now);
}

void TcpConnection::notify_closed(Instant now) {
  if (state_ != TcpState::time_wait && state_ != TcpState::closed) return;
  if (std::exchange(opened_, false)) handler_.on_closed(id_, now);
}

// --- From the handler ----------------------------------------------------------------------------------------------

std::size_t TcpConnection::send_room() const noexcept { return reading() ? sender_.room() : 0; }

bool TcpConnection::send(std::initializer_list<ByteView> pieces, Instant now) {
  std::size_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  if (!reading() || size > sender_.room()) return false;
  for (const ByteView piece : pieces) sender_.append(piece);
  pump(now);
  return true;
}

void TcpConnection::resume(Instant now) {
  if (delivering_ || !reading()) return;
  offer_kept(now);
  tell_end(now);
  if (state_ == TcpState::established && receiver_.worth_an_update()) acknowledge_ = true;
  pump(now);
}

void TcpConnection::close(Instant now) {
  if (!reading()) return;
  enter(state_ == TcpState::established ? TcpState::fin_wait_1 : TcpState::last_ack, now);
  // While the handler looks at the kept bytes they stay where they are.
  if (!delivering_) discard_kept();
  sender_.finish();
  pump(now);
}

void TcpConnection::abort() {
  if (state_ == TcpState::closed) return;
  if (state_ != TcpState::time_wait) {
    const auto flags = static_cast<std::uint8_t>(TcpSegment::kRst | TcpSegment::kAck);
    output_.emit(flow_, {sender_.bare_sequence(), receiver_.next(), flags, 0, 0}, {});
  }
  state_ = TcpState::closed;
}

// --- Time ----------------------------------------------------------------------------------------------------------

void TcpConnection::enter(TcpState state, Instant now) noexcept {
  state_ = state;
  progress_at_ = now;
}

Duration TcpConnection::patience() const noexcept {
  switch (state_) {
    case TcpState::syn_received: return timeouts_.half_open;
    case TcpState::established:
    case TcpState::close_wait: return sender_.idle() && !receiver_.missing() ? timeouts_.idle : timeouts_.stalled;
    case TcpState::fin_wait_2: return timeouts_.idle;
    case TcpState::time_wait: return timeouts_.time_wait;
    case TcpState::fin_wait_1:
    case TcpState::closing:
    case TcpState::last_ack: return timeouts_.stalled;
    case TcpState::closed: break;
  }
  return Duration::zero();
}

Instant TcpConnection::next_deadline() const noexcept {
  if (state_ == TcpState::closed) return progress_at_;
  return std::min(progress_at_ + patience(), sender_.next_deadline());
}

void TcpConnection::expire(Instant now) {
  if (state_ == TcpState::closed) return;
  if (now >= progress_at_ + patience()) return give_up(now);
  if (const auto probe = sender_.expire(now)) emit(*probe);
  pump(now);
}

void TcpConnection::give_up(Instant now) {
  switch (state_) {
    case TcpState::syn_received:
    case TcpState::time_wait: state_ = TcpState::closed; break;
    case TcpState::established:
    case TcpState::close_wait:
      if (sender_.idle()) return close(now);
      [[fallthrough]];
    default: abort();
  }
}

bool TcpConnection::may_be_replaced_by(const TcpSegment& segment) const noexcept {
  constexpr std::uint8_t kMask = TcpSegment::kSyn | TcpSegment::kAck | TcpSegment::kRst;
  return state_ == TcpState::time_wait && (segment.flags() & kMask) == TcpSegment::kSyn &&
         sequence_before(receiver_.next() - 1, segment.sequence());
}

// --- Toward the guest ----------------------------------------------------------------------------------------------

void TcpConnection::pump(Instant now) {
  if (state_ == TcpState::closed) return;
  while (const auto chunk = sender_.next(now)) emit(*chunk);
  if (acknowledge_) acknowledge();
}

void TcpConnection::emit(const TcpSender::Chunk& chunk) {
  std::uint8_t flags = TcpSegment::kAck;
  if (chunk.syn) flags |= TcpSegment::kSyn;
  if (chunk.fin) flags |= TcpSegment::kFin;
  if (chunk.push) flags |= TcpSegment::kPsh;
  const std::uint16_t mss = chunk.syn ? mss_ : std::uint16_t{0};
  output_.emit(flow_, {chunk.sequence, receiver_.next(), flags, receiver_.advertise(), mss}, chunk.bytes);
  acknowledge_ = false;
}

void TcpConnection::acknowledge() {
  output_.emit(flow_, {sender_.bare_sequence(), receiver_.next(), TcpSegment::kAck, receiver_.advertise(), 0}, {});
  acknowledge_ = false;
}

void TcpConnection::challenge(Instant now) {
  if (now < challenge_after_) return;
  challenge_after_ = now + kChallengeInterval;
  acknowledge();
}

}  // namespace vnet::network
