// TcpOutbound: what is on its way to a guest on a TCP connection: what it may be sent, what it has got, what was lost.
//
//     una_            next_            una_ + window_
//      |  in flight    |   may be sent  |
//
// It holds no bytes. They stay in the host socket's receive buffer until the guest has acknowledged them, so sending
// again is peeking again, and a connection that nobody reads costs no memory here. What is decided here is which
// numbers go next: `next_run` says, `sent` is told.
//
// Losses are found by selective acknowledgment (RFC 2018, 6675) where the guest knows it, else by duplicate
// acknowledgments (RFC 5681, 6582). A hole whose repetition was lost too is noticed when data sent after it has
// arrived. A hole with too little behind it to be counted, or whose repetition is the last that was sent, is lost when
// it is still there a round trip later (the reordering timer of RFC 8985, 6.2, kept for the connection and not for each
// segment). What has no later data behind it is found by a probe of the last segment (RFC 8985, 7) before the
// retransmission timeout (RFC 6298) falls. A closed window is probed with a number that the guest has seen, which makes
// it repeat its acknowledgment (RFC 9293, 3.8.6.1, as its keep-alives do).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "nat/sequence_set.hpp"
#include "nat/tcp_pace.hpp"
#include "packet/tcp.hpp"

namespace vnet::nat {

class TcpOutbound {
 public:
  static constexpr int kDuplicateAcksForLoss = 3;

  /// Nothing to a guest goes before its SYN is known.
  explicit TcpOutbound(std::uint32_t initial_sequence) noexcept
      : una_(initial_sequence), next_(initial_sequence), recover_(initial_sequence), congestion_(536) {}

  struct Peer {
    std::size_t mss = 536;  ///< payload of a segment to it
    std::uint8_t window_scale = 0;
    bool selective = false;      ///< it sends SACK blocks
    std::size_t window = 0;      ///< bytes, as in its SYN
    std::uint32_t sequence = 0;  ///< its SYN's
  };
  void open(const Peer& peer) noexcept;

  /// Whether a segment with this acknowledgment may be heard at all (RFC 5961, 5.2).
  [[nodiscard]] bool acceptable(std::uint32_t acknowledgment) const noexcept;
  struct Ack {
    std::uint32_t acknowledgment = 0;
    std::uint32_t sequence = 0;
    std::uint16_t window = 0;  ///< as sent
    bool bare = false;         ///< the segment carried nothing else, so it may count as a duplicate
    std::span<const SequenceRange> sack{};
  };
  /// Returns how many numbers were acknowledged for the first time.
  std::size_t on_ack(const Ack& ack, Instant now);

  /// Which numbers go next: at most so many as fit window and congestion window; none: nothing may go.
  struct Run {
    std::uint32_t sequence = 0;
    std::size_t bytes = 0;
    bool again = false;  ///< it has been sent before
  };
  [[nodiscard]] Run next_run() const noexcept;
  /// `bytes` from `sequence` on have gone out.
  void sent(std::uint32_t sequence, std::size_t bytes, Instant now) noexcept;

  /// The stream ends where it is now sent up to: a FIN is due.
  void finish() noexcept {
    finishing_ = true;
    end_ = next_;
  }
  [[nodiscard]] bool finishing() const noexcept { return finishing_; }
  /// The FIN is to go now; it goes where the stream ends, with `sent(end(), 1)`.
  [[nodiscard]] bool fin_due() const noexcept;
  [[nodiscard]] std::uint32_t end() const noexcept { return end_; }
  [[nodiscard]] bool fin_acked() const noexcept { return finishing_ && una_ == end_ + 1; }

  /// There is more than the guest's window lets us send: it must be asked now and then.
  void set_starved(bool starved, Instant now) noexcept;
  [[nodiscard]] bool starved() const noexcept { return starved_; }

  enum class Due : std::uint8_t { nothing, resend, probe_window };
  /// What the timer asks for. `resend`: `next_run` has it, or a FIN or SYN is due again.
  [[nodiscard]] Due expire(Instant now) noexcept;
  [[nodiscard]] Instant next_deadline() const noexcept { return timer_; }

  [[nodiscard]] std::uint32_t una() const noexcept { return una_; }
  [[nodiscard]] std::uint32_t next() const noexcept { return next_; }
  [[nodiscard]] bool idle() const noexcept { return una_ == next_; }
  /// What is on its way, if anything, is out there because the guest lets nothing in.
  [[nodiscard]] bool shut_out() const noexcept { return window_ == 0; }
  [[nodiscard]] std::size_t mss() const noexcept { return mss_; }
  /// The number for a segment without data: the newest that is within the guest's window.
  [[nodiscard]] std::uint32_t bare_sequence() const noexcept;
  [[nodiscard]] std::uint64_t retransmitted() const noexcept { return retransmitted_; }

 private:
  [[nodiscard]] std::uint32_t data_end() const noexcept { return finishing_ ? sequence_min(next_, end_) : next_; }
  [[nodiscard]] SequenceRange lost() const noexcept;
  [[nodiscard]] std::size_t pipe() const noexcept;
  void on_new_ack(std::uint32_t acknowledgment, Instant now);
  void look_for_loss() noexcept;
  void enter_recovery() noexcept;
  [[nodiscard]] std::uint32_t surely_lost_below() const noexcept;
  [[nodiscard]] bool may_probe() const noexcept {
    // Without SACK, a probe in a recovery would look like the next hole's repetition.
    return open_ && !probed_ && (!recovering_ || (selective_ && received_.empty() && !by_timeout_));
  }
  [[nodiscard]] bool may_hurry() const noexcept { return !received_.empty() && !hurried_; }
  void resend_holes() noexcept;
  void arm(Instant now) noexcept;

  std::uint32_t una_;
  std::uint32_t next_;
  std::uint32_t end_ = 0;  ///< the FIN's number, while `finishing_`
  std::uint32_t window_sequence_ = 0;
  std::size_t window_ = 0;
  std::size_t max_window_ = 0;
  std::size_t mss_ = 536;
  std::uint8_t window_scale_ = 0;
  bool selective_ = false;
  bool finishing_ = false;
  bool starved_ = false;

  bool open_ = false;  ///< our SYN is acknowledged
  bool recovering_ = false;
  bool probed_ = false;      ///< the last segment was sent once more since something last came back
  bool hurried_ = false;     ///< the holes were sent once more since something last came back
  bool by_timeout_ = false;  ///< recovery began with silence: all that is sent again goes in order
  SequenceRange urgent_;     ///< goes before all else, once more: a probe, or a repetition that was lost
  int duplicate_acks_ = 0;
  std::uint32_t recover_;           ///< recovery ends when this is acknowledged
  std::uint32_t resent_below_ = 0;  ///< holes below it have been sent again in this pass
  std::uint32_t lost_below_ = 0;    ///< holes below it are lost
  std::uint32_t pass_mark_ = 0;     ///< what was next when something was last sent again
  SequenceSet received_;            ///< by SACK

  bool timing_ = false;
  std::uint32_t timed_ = 0;  ///< its acknowledgment ends the measurement
  Instant timed_at_{};
  Instant timer_ = kNever;
  Duration window_probe_{};  ///< until the next one; zero: the window is not being probed
  RoundTrip round_trip_;
  CongestionWindow congestion_;
  std::uint64_t retransmitted_ = 0;
};

}  // namespace vnet::nat
