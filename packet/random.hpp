// A seeded source of randomness, passed to whoever needs it.
//
// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, full period, the same sequence on every platform for
// the same seed, which makes a simulation repeatable. It is not a cryptographic generator: the daemon seeds it
// from the operating system, and where an attacker's guess matters (DNS query ids and ports) the daemon supplies
// a source that asks the operating system for each value.
#pragma once

#include <cstdint>

namespace vnet {

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] constexpr std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// Uniform in [0, bound); 0 when `bound` is 0. The bias for small bounds is below 2^-32.
  [[nodiscard]] constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32U) * bound) >> 32U);
  }
  [[nodiscard]] constexpr bool chance(double probability) noexcept {
    return static_cast<double>(next() >> 11U) * 0x1.0p-53 < probability;
  }

 private:
  std::uint64_t state_;
};

/// A well-mixed 64-bit hash of a 64-bit key, for tables whose keys a guest may choose.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t key, std::uint64_t seed = 0) noexcept {
  return Random{key ^ seed}.next();
}

}  // namespace vnet
