// The receiving half of a TCP connection: which bytes are new, and how many more the guest may send.
//
// Data is taken in order only. A segment from the future is dropped and answered with a duplicate acknowledgment,
// from which the guest learns what to repeat: on a virtual link reordering is rare, and a reassembly queue would be
// the larger half of this file. What the service does not take at once is kept, and the window shrinks by as much;
// the right edge once promised is never taken back (RFC 9293, 3.8.6), and it moves only by a step that is worth a
// segment (3.8.6.2.2).
#pragma once

#include <cstdint>
#include <vector>

#include "packet/bytes.hpp"

namespace vnet::network {

class TcpReceiver {
 public:
  /// Bytes that a guest may send ahead of the service. Allocated only for what the service leaves.
  static constexpr std::size_t kWindow = 16 * 1024;

  struct Accepted {
    ByteView fresh;    ///< the part of the payload not seen before, within the window
    bool fin = false;  ///< the guest's FIN is next in order
  };

  /// `initial_sequence` is that of the guest's SYN, `mss` what its segments may carry.
  TcpReceiver(std::uint32_t initial_sequence, std::size_t mss) noexcept
      : next_(initial_sequence + 1), edge_(next_ + kWindow), seen_(next_), mss_(mss) {}

  /// RCV.NXT.
  [[nodiscard]] std::uint32_t next() const noexcept { return next_; }
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  /// A segment from the future has come, so the guest owes what is before it.
  [[nodiscard]] bool missing() const noexcept;
  [[nodiscard]] bool in_window(std::uint32_t sequence) const noexcept;
  /// The test of RFC 9293, 3.10.7.4, first step, for `length` sequence numbers. A segment that begins exactly at the
  /// right edge passes, because its acknowledgment is worth hearing even when the window is closed or full.
  [[nodiscard]] bool acceptable(std::uint32_t sequence, std::size_t length) const noexcept;

  /// Takes what is next in order and advances past it.
  [[nodiscard]] Accepted accept(std::uint32_t sequence, ByteView payload, bool fin) noexcept;

  // Accepted bytes count against the window until they are released, wherever they are: the handler may be looking
  // at them in the guest's frame, or they are kept here.
  void release(std::size_t count) noexcept;
  void keep(ByteView bytes) { kept_.insert(kept_.end(), bytes.begin(), bytes.end()); }
  [[nodiscard]] ByteView kept() const noexcept { return kept_; }
  /// Drops the first `count` of the kept bytes and releases them.
  void consume_kept(std::size_t count) noexcept;

  /// The window to advertise; moves the right edge if there is reason to.
  [[nodiscard]] std::uint16_t advertise() noexcept;
  /// Whether the guest should be told of a larger window although nothing else is to be said.
  [[nodiscard]] bool worth_an_update() const noexcept;

 private:
  [[nodiscard]] std::uint32_t possible_edge() const noexcept;

  std::uint32_t next_;
  std::uint32_t edge_;  ///< the first number beyond the window that we have promised
  std::uint32_t seen_;  ///< the furthest end of a segment within the window, taken or not
  std::size_t mss_;
  bool finished_ = false;
  std::size_t unread_ = 0;  ///< bytes accepted and not released
  std::vector<std::uint8_t> kept_;
};

}  // namespace vnet::network
