// Outbox: the frames that a network's own host (the gateway) has made and that are still to be forwarded.
//
// Frames are built in place in an arena that lives until the end of the batch, because the forwarder passes views
// on. The arena is bounded: a guest that asks faster than it is served fills it, further answers of that batch are
// not made, and `refused()` counts them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"

namespace vnet {

class Outbox {
 public:
  /// Bytes for the frames of one batch: 64 questions with an answer of a few kilobytes each.
  static constexpr std::size_t kArenaBytes = 512 * 1024;

  explicit Outbox(std::size_t arena_bytes = kArenaBytes) noexcept : arena_bytes_(arena_bytes) {}

  /// Storage for one frame with up to `payload` bytes behind its headers; empty when the arena is full. It is
  /// taken for good by `send`, and given again by the next `room` otherwise.
  [[nodiscard]] ByteSpan room(std::size_t payload) {
    if (!arena_) arena_ = std::make_unique_for_overwrite<std::uint8_t[]>(arena_bytes_);
    const std::size_t size = FrameBuilder::kHeadroom + payload;
    if (size > arena_bytes_ - used_) {
      ++refused_;
      return {};
    }
    return {arena_.get() + used_, size};
  }
  /// Bytes taken by frames of this batch.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  /// Queues the finished frame of a builder over the last `room`, or over a part of it that lies behind those already
  /// queued. A builder that failed is ignored.
  void send(const FrameBuilder& frame) {
    if (frame.bytes().empty()) return;
    keep(frame);
    frames_.push_back(frame.bytes());
  }

  /// Takes the storage of a builder as `send` does, for what is not to be forwarded, or not as it stands.
  void keep(const FrameBuilder& frame) noexcept {
    const ByteView bytes = frame.bytes();
    if (!bytes.empty()) used_ = static_cast<std::size_t>(bytes.data() - arena_.get()) + bytes.size();
  }

  [[nodiscard]] const std::vector<ByteView>& frames() const noexcept { return frames_; }
  /// The frames have been passed on; their bytes stay until `clear`.
  void taken() noexcept { frames_.clear(); }
  /// The batch has been sent: the arena is free again.
  void clear() noexcept {
    frames_.clear();
    used_ = 0;
  }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  std::size_t arena_bytes_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t used_ = 0;
  std::vector<ByteView> frames_;
  std::uint64_t refused_ = 0;
};

}  // namespace vnet
