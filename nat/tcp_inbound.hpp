// TcpInbound: what a guest sends on a TCP connection, on its way into the host's socket.
//
//     begin_        pieces end        next_            edge_
//       | pieces      | kept in the ring | window        |
//       | (frames)    |                  |   early, kept |
//
// In the ordinary case nothing is copied: the payloads of a batch are noted as pieces, views of the guest's frames, and
// go to the kernel in one call when the batch ends. What the kernel has no room for, and what comes ahead of a hole, is
// kept in a ring in which every sequence number has its place. The window promised to the guest ends where the ring
// would, so data inside of the window always has room and is never dropped; the edge once promised is never taken back
// (RFC 9293, 3.8.6), and it moves only by a step worth a segment (3.8.6.2.2).
//
// The window begins small and doubles while the guest makes use of it, from a budget that all connections share:
// `WindowBudget` bounds what all rings together can ever hold.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nat/host_socket.hpp"
#include "nat/sequence_set.hpp"
#include "packet/tcp.hpp"

namespace vnet::nat {

/// Bytes that may be promised beyond each connection's first window, by all connections together.
class WindowBudget {
 public:
  explicit WindowBudget(std::size_t bytes) noexcept : left_(bytes) {}
  [[nodiscard]] bool take(std::size_t bytes) noexcept {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give_back(std::size_t bytes) noexcept { left_ += bytes; }
  [[nodiscard]] std::size_t left() const noexcept { return left_; }

 private:
  std::size_t left_;
};

class TcpInbound {
 public:
  /// Bytes; as much as a window without scaling says.
  static constexpr std::size_t kFirstWindow = 65'535;
  static constexpr std::size_t kMaxWindow = std::size_t{4} << 20U;
  /// Of the windows that we advertise (RFC 7323, 2): kMaxWindow fits.
  static constexpr std::uint8_t kWindowScale = 7;
  static_assert((kMaxWindow >> kWindowScale) <= 0xffff);

  /// `budget` outlives this.
  explicit TcpInbound(WindowBudget& budget) noexcept : budget_(budget) {}
  ~TcpInbound() { budget_.give_back(window_ - kFirstWindow); }
  TcpInbound(const TcpInbound&) = delete;
  TcpInbound& operator=(const TcpInbound&) = delete;

  /// The guest's SYN is known. `scaled`: it offered window scaling; `mss`: what its segments may carry.
  void open(std::uint32_t initial_sequence, bool scaled, std::size_t mss) noexcept;

  /// RCV.NXT, the guest's FIN included once all before it has come.
  [[nodiscard]] std::uint32_t next() const noexcept { return next_ + (finished_ ? 1U : 0U); }
  /// All that the guest will ever send has come.
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  /// Whether the segment may be looked at (RFC 9293, 3.10.7.4, first step); at a closed window, one at its edge.
  [[nodiscard]] bool acceptable(std::uint32_t sequence, std::size_t length) const noexcept;

  enum class Order : std::uint8_t { in_order, early, old };
  /// Takes what is new of the payload. `payload` must stay until `flush`, which must follow before the batch ends.
  Order accept(std::uint32_t sequence, ByteView payload, bool fin, std::vector<ByteView>& pieces);
  /// Gives the host what has come in order, and returns how much it took. On an error the connection is over.
  [[nodiscard]] Result<std::size_t, HostError> flush(TcpSocket& host, std::vector<ByteView>& pieces);
  /// Nothing waits for room in the host's socket.
  [[nodiscard]] bool drained() const noexcept { return begin_ == next_; }

  /// The window field to send; moves the edge where that is worth it.
  [[nodiscard]] std::uint16_t advertise() noexcept;
  /// Whether the guest should hear of a larger window although there is nothing else to say.
  [[nodiscard]] bool worth_an_update() const noexcept;
  /// What has come early, the latest first (RFC 2018, 4); valid until the next `accept`.
  [[nodiscard]] std::span<const SequenceRange> sack_blocks() noexcept;

  /// Bytes of memory held by the ring.
  [[nodiscard]] std::size_t capacity() const noexcept { return ring_size_; }

 private:
  [[nodiscard]] std::uint32_t possible_edge() const noexcept { return begin_ + static_cast<std::uint32_t>(window_); }
  void keep(std::uint32_t sequence, ByteView bytes);
  void reserve();
  void grow_window(std::size_t arrived) noexcept;
  [[nodiscard]] std::size_t ring_views(SequenceRange range, std::array<ByteView, 2>& views) const noexcept;

  WindowBudget& budget_;
  std::uint32_t begin_ = 0;       ///< the first number that the host has not taken
  std::uint32_t pieces_end_ = 0;  ///< up to here it is in pieces and not in the ring
  std::uint32_t next_ = 0;        ///< the first number that has not come
  std::uint32_t edge_ = 0;        ///< the first number that we have not promised room for
  std::uint32_t fin_ = 0;         ///< the FIN's, once `fin_seen_`
  std::uint32_t latest_ = 0;      ///< where the segment stood that came early last
  std::uint32_t mss_ = 536;
  bool scaled_ = false;
  bool fin_seen_ = false;
  bool finished_ = false;
  std::size_t window_ = kFirstWindow;
  std::size_t ring_size_ = 0;  ///< a power of two, or 0
  std::unique_ptr<std::uint8_t[]> ring_;
  SequenceSet early_;
  std::array<SequenceRange, kMaxSackBlocks> blocks_{};
};

}  // namespace vnet::nat
