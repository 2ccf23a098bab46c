// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash that an outsider can neither predict nor collide.
//
// Two things here depend on a guest not guessing them: where a flow lands in a hash table, and the initial sequence
// number of a TCP connection (RFC 6528, 3). Both hash a few words, so only whole 64-bit words are taken.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace vnet {

struct SipHashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

namespace detail {
struct SipState {
  std::uint64_t a;
  std::uint64_t b;
  std::uint64_t c;
  std::uint64_t d;

  constexpr void rounds(int count) noexcept {
    for (; count > 0; --count) {
      a += b;
      b = std::rotl(b, 13) ^ a;
      a = std::rotl(a, 32);
      c += d;
      d = std::rotl(d, 16) ^ c;
      a += d;
      d = std::rotl(d, 21) ^ a;
      c += b;
      b = std::rotl(b, 17) ^ c;
      c = std::rotl(c, 32);
    }
  }
  constexpr void absorb(std::uint64_t word) noexcept {
    d ^= word;
    rounds(2);
    a ^= word;
  }
};
}  // namespace detail

/// The hash of `words`, each taken as eight bytes with the least significant first.
[[nodiscard]] constexpr std::uint64_t siphash(std::span<const std::uint64_t> words, const SipHashKey& key) noexcept {
  detail::SipState state{key.low ^ 0x736f6d6570736575U, key.high ^ 0x646f72616e646f6dU, key.low ^ 0x6c7967656e657261U,
                         key.high ^ 0x7465646279746573U};
  for (const std::uint64_t word : words) state.absorb(word);
  state.absorb(std::uint64_t{words.size() * 8} << 56U);
  state.c ^= 0xff;
  state.rounds(4);
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace vnet
