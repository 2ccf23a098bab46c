#include "adapter/pcapng_counter.hpp"

#include <algorithm>

namespace vnet::adapter {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // the same in both orders
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kMagic = 0x1a2b3c4d;

std::uint32_t number_at(const std::uint8_t* at, bool big_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | at[big_endian ? i : 3 - i];
  return value;
}

}  // namespace

void PcapngCounter::feed(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty() && !broken_) {
    if (skip_ > 0) {
      const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
      skip_ -= skipped;
      bytes = bytes.subspan(skipped);
      continue;
    }
    const std::size_t taken = std::min(kHeader - have_, bytes.size());
    std::ranges::copy(bytes.first(taken), header_.begin() + static_cast<std::ptrdiff_t>(have_));
    have_ += taken;
    bytes = bytes.subspan(taken);
    if (have_ == kHeader) take_header();
  }
}

void PcapngCounter::take_header() {
  have_ = 0;
  const std::uint32_t type = number_at(header_.data(), big_endian_);
  if (type == kSectionHeader) big_endian_ = number_at(header_.data() + 8, true) == kMagic;
  const std::uint32_t length = number_at(header_.data() + 4, big_endian_);
  if (length < kHeader) {
    broken_ = true;
    return;
  }
  skip_ = length - kHeader;
  if (type == kEnhancedPacket) ++frames_;
}

}  // namespace vnet::adapter
