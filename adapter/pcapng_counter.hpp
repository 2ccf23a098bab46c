// Counts the frames that go by in a pcapng stream (draft-ietf-opsawg-pcapng, 3): Enhanced Packet Blocks, in either byte
// order, cut anywhere. A stream that is none is counted no further; it is not this class's to repair.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vnet::adapter {

class PcapngCounter {
 public:
  void feed(std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }

 private:
  /// Type, length, and of a Section Header Block the byte-order magic; every block is that long.
  static constexpr std::size_t kHeader = 12;

  void take_header();

  std::array<std::uint8_t, kHeader> header_{};
  std::size_t have_ = 0;
  std::uint64_t skip_ = 0;  ///< bytes of the block that are still to come
  bool big_endian_ = false;
  bool broken_ = false;
  std::uint64_t frames_ = 0;
};

}  // namespace vnet::adapter
