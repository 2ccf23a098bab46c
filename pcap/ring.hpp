// A ring of bytes between one producer thread and one consumer thread, without a lock.
//
// The producer reserves a contiguous piece, fills it and commits it; the consumer sees runs of whole pieces in
// order and gives the room back when it is done with them. Neither ever waits for the other: a full ring refuses,
// and what to do about that is the producer's business.
//
// Positions count up for ever; `position & mask_` is the place in memory, and one turn around it is a lap. A piece
// that would not fit before the end of the memory starts on the next lap instead; `lap_end_` says where the last
// lap's data stopped. One such mark is enough, because head and tail are never more than one lap apart.
//
// Going to sleep: the consumer says so with `sleeping_`, then looks for data a last time; the producer publishes
// its data, then looks at `sleeping_`. All four accesses are sequentially consistent, so at least one of the two sees
// the other and no wake-up is lost.
//
// The memory is mapped, not allocated: pages cost nothing until the first lap touches them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "packet/bytes.hpp"

namespace vnet::capture {

class Ring {
 public:
  /// `capacity` is in bytes, a power of two. `ok()` is false when the memory could not be mapped.
  explicit Ring(std::size_t capacity) noexcept;
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  [[nodiscard]] bool ok() const noexcept { return memory_ != nullptr; }
  [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

  // For the producer.

  /// A contiguous piece to fill, or an empty span when there is no room. Reserving again forgets the piece.
  [[nodiscard]] ByteSpan reserve(std::size_t size) noexcept {
    const std::size_t to_end = capacity() - place(head_here_);
    start_ = size <= to_end ? head_here_ : head_here_ + to_end;
    if (start_ + size - tail_seen_ > capacity()) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (start_ + size - tail_seen_ > capacity()) return {};
    }
    return {memory_ + place(start_), size};
  }

  /// Publishes `size` bytes of the piece reserved last. True when the consumer sleeps and the caller must wake it.
  [[nodiscard]] bool commit(std::size_t size) noexcept {
    if (start_ != head_here_) lap_end_.store(head_here_, std::memory_order_relaxed);
    head_here_ = start_ + size;
    if (place(head_here_) == 0) lap_end_.store(head_here_, std::memory_order_relaxed);
    head_.store(head_here_, std::memory_order_seq_cst);
    return sleeping_.load(std::memory_order_seq_cst) && sleeping_.exchange(false, std::memory_order_seq_cst);
  }

  // For the consumer.

  /// The longest contiguous run of committed pieces, oldest first; empty when there is none.
  [[nodiscard]] ByteView readable() noexcept;
  /// Gives back the first `size` bytes of the run.
  void consume(std::size_t size) noexcept;
  /// Announces sleep. False when data came in meanwhile, and the announcement is taken back.
  [[nodiscard]] bool prepare_sleep() noexcept;
  /// Takes the announcement back after a sleep that something else ended.
  void awake() noexcept { sleeping_.store(false, std::memory_order_seq_cst); }

 private:
  [[nodiscard]] std::size_t place(std::uint64_t position) const noexcept {
    return static_cast<std::size_t>(position) & mask_;
  }
  [[nodiscard]] std::uint64_t lap_start(std::uint64_t position) const noexcept { return position - place(position); }

  static constexpr std::size_t kCacheLine = 64;  // bytes; each side's variables stay on lines of their own

  std::uint8_t* memory_ = nullptr;
  std::size_t mask_;

  alignas(kCacheLine) std::atomic<std::uint64_t> head_{0};
  std::atomic<std::uint64_t> lap_end_{0};
  std::uint64_t head_here_ = 0;  ///< the producer's copy of head_
  std::uint64_t start_ = 0;      ///< where the reserved piece begins
  std::uint64_t tail_seen_ = 0;  ///< tail_ as last read: it only grows, so an old value errs on the safe side

  alignas(kCacheLine) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t tail_here_ = 0;  ///< the consumer's copy of tail_

  alignas(kCacheLine) std::atomic<bool> sleeping_{false};
};

}  // namespace vnet::capture
