#include "packet/checksum.hpp"

namespace vnet {
namespace {

/// Adds with end-around carry.
std::uint64_t add_carry(std::uint64_t sum, std::uint64_t word) noexcept {
  sum += word;
  return sum + static_cast<std::uint64_t>(sum < word);
}

// A large frame is summed in each direction that it goes, and that is most of what we do with its bytes ourselves. The
// one's complement sum of 32-bit words is that of 16-bit ones, once it is folded, so they are added in 64-bit lanes
// without looking at carries: no frame is long enough to fill one. Four lanes at a time are worth a path of their own,
// at more than twice the speed of the loop below (bench/hot_path_bench, `sum`).
#if defined(__x86_64__) && defined(__GNUC__)
constexpr std::size_t kBlock = 64;

bool find_wide_lanes() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0;
}
const bool kHasWideLanes = find_wide_lanes();

/// Of whole blocks.
__attribute__((target("avx2"))) std::uint64_t sum_blocks(const std::uint8_t* at, std::size_t size) noexcept {
  using Lanes = std::uint64_t __attribute__((vector_size(32)));
  constexpr Lanes kLow = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
  Lanes sums[4] = {};
  for (; size >= kBlock; size -= kBlock, at += kBlock) {
    Lanes first;
    Lanes second;
    std::memcpy(&first, at, sizeof first);
    std::memcpy(&second, at + sizeof first, sizeof second);
    sums[0] += first & kLow;
    sums[1] += first >> 32;
    sums[2] += second & kLow;
    sums[3] += second >> 32;
  }
  const Lanes sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return sum[0] + sum[1] + sum[2] + sum[3];
}
#else
constexpr std::size_t kBlock = 1;
constexpr bool kHasWideLanes = false;
std::uint64_t sum_blocks(const std::uint8_t* /*at*/, std::size_t /*size*/) noexcept { return 0; }
#endif

/// Below this, choosing takes as long as it saves.
constexpr std::size_t kWorthBlocks = 128;

}  // namespace

Checksum& Checksum::add(ByteView bytes) noexcept {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  if (kHasWideLanes && left >= kWorthBlocks) {
    const std::size_t blocks = left / kBlock * kBlock;
    sum_ = add_carry(sum_, sum_blocks(at, blocks));
    at += blocks;
    left -= blocks;
  }
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
