#include "packet/checksum.hpp"

namespace vnet {
namespace {

/// Adds with end-around carry.
std::uint64_t add_carry(std::uint64_t sum, std::uint64_t word) noexcept {
  sum += word;
  return sum + static_cast<std::uint64_t>(sum < word);
}

}  // namespace

Checksum& Checksum::add(ByteView bytes) noexcept {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  // Two accumulators break the dependency on the carry, which is what bounds the loop.
  std::uint64_t other = 0;
  for (; left >= 16; left -= 16, at += 16) {
    std::uint64_t first;
    std::uint64_t second;
    std::memcpy(&first, at, 8);
    std::memcpy(&second, at + 8, 8);
    sum_ = add_carry(sum_, first);
    other = add_carry(other, second);
  }
  sum_ = add_carry(sum_, other);
  for (; left >= 2; left -= 2, at += 2) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    sum_ = add_carry(sum_, word);
  }
  if (left == 1) {
    const std::uint8_t last[2] = {*at, 0};
    std::uint16_t word;
    std::memcpy(&word, last, 2);
    sum_ = add_carry(sum_, word);
  }
  return *this;
}

Checksum& Checksum::add_pseudo(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                               std::size_t length) noexcept {
  std::uint8_t header[12] = {};
  source.store(header);
  destination.store(header + 4);
  header[9] = protocol;
  store_be(header + 10, static_cast<std::uint16_t>(length));
  return add(header);
}

Checksum& Checksum::add_pseudo(const Ipv6Address& source, const Ipv6Address& destination, std::uint8_t protocol,
                               std::size_t length) noexcept {
  std::uint8_t tail[8] = {};
  store_be(tail, static_cast<std::uint32_t>(length));
  tail[7] = protocol;
  return add(source.bytes()).add(destination.bytes()).add(tail);
}

std::uint16_t Checksum::finish() const noexcept {
  std::uint64_t sum = (sum_ & 0xffffffffU) + (sum_ >> 32U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  auto folded = static_cast<std::uint16_t>(~sum);
  if constexpr (std::endian::native == std::endian::little) folded = detail::swap_bytes(folded);
  return folded;
}

}  // namespace vnet
