// ByteRing: bytes in order, in at one end and out at the other, without moving them. Its memory is there only while it
// holds some.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <memory>

#include "packet/bytes.hpp"

namespace vnet::daemon {

class ByteRing {
 public:
  static constexpr std::size_t kCapacity = std::size_t{256} * 1024;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t room() const noexcept { return kCapacity - size_; }

  /// The first `count` bytes of the room, in order; `filled` then says how many of them have come.
  [[nodiscard]] std::array<ByteSpan, 2> free(std::size_t count) {
    assert(count <= room());
    if (!bytes_) bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(kCapacity);
    return pieces<std::uint8_t>(size_, count);
  }
  void filled(std::size_t count) noexcept {
    size_ += count;
    drop(0);
  }
  /// What is held from `offset` on.
  [[nodiscard]] std::array<ByteView, 2> held(std::size_t offset) const noexcept {
    return pieces<const std::uint8_t>(offset, size_ - offset);
  }
  /// Gives up the first `count` bytes.
  void drop(std::size_t count) noexcept {
    assert(count <= size_);
    size_ -= count;
    begin_ = size_ == 0 ? 0 : (begin_ + count) % kCapacity;
    if (size_ == 0) bytes_.reset();
  }

 private:
  template <typename Byte>
  [[nodiscard]] std::array<std::span<Byte>, 2> pieces(std::size_t offset, std::size_t count) const noexcept {
    if (count == 0) return {};
    const std::size_t begin = (begin_ + offset) % kCapacity;
    const std::size_t first = std::min(count, kCapacity - begin);
    return {std::span<Byte>{bytes_.get() + begin, first}, std::span<Byte>{bytes_.get(), count - first}};
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace vnet::daemon
