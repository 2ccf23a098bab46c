#include "nat/port_pool.hpp"

#include <algorithm>
#include <bit>

namespace vnet::nat {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kEven = 0x5555555555555555U;

}  // namespace

void PortPool::take(std::uint16_t port) {
  if (taken_.empty()) taken_.resize(kPorts / 64);
  taken_[port / 64U] |= std::uint64_t{1} << (port % 64U);
}

std::optional<std::uint16_t> PortPool::choose(std::uint16_t inside, PortChoice how, Random& random) {
  const bool usable = !classes_ || inside != 0;
  if (how == PortChoice::preserve && usable && !is_taken(inside)) return inside;
  const bool low = classes_ && inside < kPrivileged;
  const std::size_t begin = !classes_ ? 0 : low ? 1 : kPrivileged;
  const std::size_t end = low ? std::size_t{kPrivileged} : kPorts;
  std::uint16_t& next = sequence_[low ? 1 : 0];
  const std::size_t from = how == PortChoice::sequential
                               ? std::clamp(std::size_t{next}, begin, end - 1)
                               : begin + random.below(static_cast<std::uint32_t>(end - begin));
  const std::uint64_t parity = !classes_ ? kAll : inside % 2 == 0 ? kEven : ~kEven;
  for (const std::uint64_t pattern : {parity, kAll}) {
    auto port = find(from, end, pattern);
    if (!port) port = find(begin, from, pattern);
    if (!port) continue;
    next = static_cast<std::uint16_t>(*port + 1U);
    return port;
  }
  return std::nullopt;
}

std::optional<std::uint16_t> PortPool::find(std::size_t from, std::size_t end, std::uint64_t pattern) const {
  for (std::size_t word = from / 64; word * 64 < end; ++word) {
    std::uint64_t free = (taken_.empty() ? kAll : ~taken_[word]) & pattern;
    if (word == from / 64) free &= kAll << (from % 64);
    if (free == 0) continue;
    const std::size_t port = word * 64 + static_cast<std::size_t>(std::countr_zero(free));
    if (port >= end) return std::nullopt;
    return static_cast<std::uint16_t>(port);
  }
  return std::nullopt;
}

}  // namespace vnet::nat
