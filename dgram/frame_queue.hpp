// FrameQueue: the frames that a slow receiver has not taken yet.
//
// A frame is copied in only when the socket has refused it, so that a receiver that keeps up costs no copy. The queue
// is bounded in frames and bytes; what does not fit is the caller's to drop and count. When it has drained, its
// memory is given back.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "dgram/client.hpp"
#include "packet/bytes.hpp"

namespace vnet::dgram {

class FrameQueue {
 public:
  static constexpr std::size_t kMaxFrames = 256;
  static constexpr std::size_t kMaxBytes = 1024 * 1024;

  [[nodiscard]] bool push(ByteView frame) {
    if (frames_.size() >= kMaxFrames || bytes_ + frame.size() > kMaxBytes) return false;
    frames_.emplace_back(frame.begin(), frame.end());
    bytes_ += frame.size();
    return true;
  }
  [[nodiscard]] bool empty() const noexcept { return frames_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return frames_.size(); }
  [[nodiscard]] ByteView operator[](std::size_t i) const noexcept { return frames_[i]; }
  void pop() {
    bytes_ -= frames_.front().size();
    frames_.pop_front();
    if (frames_.empty()) frames_.shrink_to_fit();
  }
  /// Gives up what waits, and says so of each frame.
  void abandon(std::uint32_t tag, Delivery& delivery, DropReason reason) {
    for (; !empty(); pop()) delivery.delivered(tag, frames_.front(), reason);
  }

 private:
  std::deque<std::vector<std::uint8_t>> frames_;
  std::size_t bytes_ = 0;
};

}  // namespace vnet::dgram
