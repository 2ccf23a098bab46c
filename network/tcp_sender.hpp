// The sending half of a TCP connection: what is to be sent, what is in flight, and when it must be sent again.
//
//     una_          next_            max_        end of buffer
//      |  in flight  |  sent before   |  unsent   |
//
// The buffer holds every byte from `una_` on, so a retransmission is reading it again. After a timeout `next_` goes
// back to `una_` (RFC 6298, 5.4, and everything behind it follows as the congestion window opens); `max_` remembers
// how far we ever got, which bounds the acknowledgments that a peer may send. SYN and FIN take one number each.
//
// One timer serves two purposes that exclude each other: with something in flight it is the retransmission timer,
// with nothing in flight but data waiting it is the persist timer, which probes a window that is closed or too small
// to be worth a segment (RFC 9293, 3.8.6.1 and 3.8.6.2.1). Fast retransmit and recovery are RFC 5681 and 6582.
//
// Nagle's algorithm is not used: a service hands over whole messages. There is no limit of retransmissions here; the
// connection ends when it has made no progress for too long.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "network/tcp_pace.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::network {

class TcpSender {
 public:
  /// Bytes that a service may have waiting for one guest: two DNS messages of the largest size with their prefixes.
  /// Allocated as it fills, freed when all is acknowledged. A message beyond it is refused, never cut.
  static constexpr std::size_t kBufferLimit = 2 * (65'535 + 2);
  static constexpr int kDuplicateAcksForLoss = 3;

  /// What to put into one segment. The bytes stay valid until the sender is next changed.
  struct Chunk {
    std::uint32_t sequence = 0;
    ByteView bytes;
    bool syn = false;
    bool fin = false;
    bool push = false;  ///< the last byte of what is buffered
  };

  /// `mss`: the largest payload of a segment; `window` and `peer_sequence` as in the peer's SYN.
  TcpSender(std::uint32_t initial_sequence, std::size_t mss, std::uint16_t window,
            std::uint32_t peer_sequence) noexcept;

  [[nodiscard]] std::size_t room() const noexcept { return finishing_ ? 0 : kBufferLimit - buffered(); }
  /// `bytes` fit into `room()`.
  void append(ByteView bytes);
  /// A FIN follows what is buffered; nothing may be appended after.
  void finish() noexcept { finishing_ = true; }

  /// Whether a segment with this acknowledgment may be heard at all (RFC 5961, 5.2).
  [[nodiscard]] bool acceptable(std::uint32_t acknowledgment) const noexcept;
  /// An acceptable acknowledgment and window. `bare`: the segment carried nothing else, so it may count as a
  /// duplicate. Returns how many sequence numbers it acknowledged for the first time.
  std::size_t on_ack(std::uint32_t acknowledgment, std::uint32_t sequence, std::uint16_t window, bool bare,
                     Instant now) noexcept;

  /// The next segment that may go now; call until there is none.
  [[nodiscard]] std::optional<Chunk> next(Instant now) noexcept;
  /// The SYN once more, for a guest that repeated its own.
  [[nodiscard]] Chunk repeat_syn() noexcept;

  [[nodiscard]] Instant next_deadline() const noexcept { return timer_; }
  /// After this `next` may have more; a returned chunk is a window probe to send first.
  [[nodiscard]] std::optional<Chunk> expire(Instant now) noexcept;

  /// Nothing waits to be sent or acknowledged.
  [[nodiscard]] bool idle() const noexcept { return buffered() == 0 && una_ == max_ && (!finishing_ || fin_acked()); }
  [[nodiscard]] bool fin_acked() const noexcept { return finishing_ && una_ == buffer_sequence_ + 1; }
  /// The number for a segment without data: the newest that the peer's window lets it accept.
  [[nodiscard]] std::uint32_t bare_sequence() const noexcept;
  [[nodiscard]] std::uint32_t max_sequence() const noexcept { return max_; }
  [[nodiscard]] std::uint32_t unacknowledged() const noexcept { return una_; }

 private:
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - begin_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return next_ - una_; }
  [[nodiscard]] std::uint32_t end() const noexcept { return buffer_sequence_ + static_cast<std::uint32_t>(buffered()); }
  [[nodiscard]] Chunk chunk_at(std::uint32_t sequence, std::size_t limit) const noexcept;
  [[nodiscard]] std::size_t sendable(std::size_t unsent) const noexcept;
  void sent(std::uint32_t upto, Instant now) noexcept;
  void pop(std::size_t count) noexcept;
  void on_new_ack(std::uint32_t acknowledgment, Instant now) noexcept;
  void on_duplicate_ack() noexcept;

  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;  ///< bytes before it are acknowledged
  std::uint32_t iss_;
  std::uint32_t buffer_sequence_;  ///< of the first byte in the buffer
  std::uint32_t una_;
  std::uint32_t next_;
  std::uint32_t max_;
  bool finishing_ = false;

  std::size_t mss_;
  std::size_t window_;                   ///< the peer's
  std::size_t max_window_;               ///< the largest that it ever offered
  std::uint32_t window_sequence_;        ///< SND.WL1: the segment that last set the window
  std::uint32_t window_acknowledgment_;  ///< SND.WL2

  CongestionWindow congestion_;
  RtoEstimator rto_;
  Instant timer_ = kNever;
  Duration probe_interval_{};  ///< zero: the window is not being probed
  bool syn_lost_ = false;

  bool timing_ = false;
  std::uint32_t timed_sequence_ = 0;  ///< its acknowledgment ends the measurement
  Instant timed_at_{};

  int duplicate_acks_ = 0;
  bool recovering_ = false;
  bool resend_first_ = false;
  std::uint32_t recover_;  ///< no new recovery before this is acknowledged
};

}  // namespace vnet::network
