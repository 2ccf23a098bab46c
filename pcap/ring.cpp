// The consumer's half of the ring, and its memory; the producer's half is inline for the sake of the hot path.
#include "pcap/ring.hpp"

#include <sys/mman.h>

#include <bit>
#include <cassert>

namespace vnet::capture {

Ring::Ring(std::size_t capacity) noexcept : mask_(capacity - 1) {
  assert(std::has_single_bit(capacity));
  void* memory = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) memory_ = static_cast<std::uint8_t*>(memory);
}

Ring::~Ring() {
  if (memory_ != nullptr) ::munmap(memory_, capacity());
}

ByteView Ring::readable() noexcept {
  const std::uint64_t head = head_.load(std::memory_order_acquire);
  if (lap_start(head) != lap_start(tail_here_)) {
    const std::uint64_t end = lap_end_.load(std::memory_order_relaxed);
    if (tail_here_ != end) return {memory_ + place(tail_here_), static_cast<std::size_t>(end - tail_here_)};
    tail_here_ = lap_start(tail_here_) + capacity();
    tail_.store(tail_here_, std::memory_order_release);
  }
  return {memory_ + place(tail_here_), static_cast<std::size_t>(head - tail_here_)};
}

void Ring::consume(std::size_t size) noexcept {
  tail_here_ += size;
  tail_.store(tail_here_, std::memory_order_release);
}

bool Ring::prepare_sleep() noexcept {
  sleeping_.store(true, std::memory_order_seq_cst);
  if (head_.load(std::memory_order_seq_cst) == tail_here_) return true;
  awake();
  return false;
}

}  // namespace vnet::capture
