// FrameStore: copies of frames that outlive the batch that they came in with.
//
// A view of a received frame is good until the end of its batch. What must wait longer is copied into a buffer of this
// store; when its time has come the buffer is lent to the batch of that moment, and is free again when that one ends.
// Buffers are pooled: once as many are there as wait at the busiest time, nothing is allocated.
//
// Limits: kMaxBytes in use, for all who share the store; beyond it `copy` refuses. Free buffers are kept up to
// kMaxPooledBytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "packet/bytes.hpp"

namespace vnet::l2 {

class FrameStore {
 public:
  using Buffer = std::vector<std::uint8_t>;

  static constexpr std::size_t kMaxBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kMaxPooledBytes = std::size_t{16} << 20U;
  /// Every buffer has room for a frame of the usual MTU, so that one fits all.
  static constexpr std::size_t kLeastBuffer = 2048;

  explicit FrameStore(std::size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}

  /// A copy of `frame`; nothing: the limit is reached.
  [[nodiscard]] std::optional<Buffer> copy(ByteView frame) {
    if (used_ + std::max(kLeastBuffer, frame.size()) > max_bytes_) return std::nullopt;
    Buffer buffer;
    if (!free_.empty()) {
      buffer = std::move(free_.back());
      free_.pop_back();
      pooled_ -= buffer.capacity();
    }
    buffer.reserve(std::max(kLeastBuffer, frame.size()));
    buffer.assign(frame.begin(), frame.end());
    used_ += buffer.capacity();
    return buffer;
  }
  /// The bytes of `buffer`, which stay until `end_batch` and no longer.
  [[nodiscard]] ByteView lend(Buffer buffer) {
    lent_.push_back(std::move(buffer));
    return lent_.back();
  }
  void end_batch() {
    if (lent_.empty()) return;
    for (Buffer& buffer : lent_) take_back(std::move(buffer));
    lent_.clear();
  }

  /// Bytes of all buffers that wait or are lent.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  void take_back(Buffer buffer) {
    used_ -= buffer.capacity();
    if (pooled_ + buffer.capacity() > kMaxPooledBytes) return;
    pooled_ += buffer.capacity();
    free_.push_back(std::move(buffer));
  }

  std::size_t max_bytes_;
  std::size_t used_ = 0;
  std::size_t pooled_ = 0;
  std::vector<Buffer> free_;
  std::vector<Buffer> lent_;
};

}  // namespace vnet::l2
