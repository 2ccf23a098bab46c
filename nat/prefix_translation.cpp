#include "nat/prefix_translation.hpp"

namespace vnet::nat {
namespace {

constexpr std::size_t kSubnetAt = 6;      ///< the word that stands for a prefix up to /48
constexpr std::size_t kIdentifierAt = 8;  ///< and the first of a longer one

std::uint16_t add(std::uint16_t a, std::uint16_t b) noexcept {
  const std::uint32_t sum = std::uint32_t{a} + b;
  return static_cast<std::uint16_t>(sum + (sum >> 16U));
}

std::uint16_t sum_of(const Ipv6Address& address) noexcept {
  std::uint16_t sum = 0;
  for (std::size_t i = 0; i < Ipv6Address::kSize; i += 2) {
    sum = add(sum, load_be<std::uint16_t>(address.octets().data() + i));
  }
  return sum;
}

/// Where the word stands that takes up the difference.
std::optional<std::size_t> place_of_difference(const std::array<std::uint8_t, 16>& octets, std::uint8_t length) {
  if (length <= 48) {
    if (load_be<std::uint16_t>(octets.data() + kSubnetAt) == 0xffff) return std::nullopt;
    return kSubnetAt;
  }
  if (load_be<std::uint64_t>(octets.data() + kIdentifierAt) == 0) return std::nullopt;
  for (std::size_t at = kIdentifierAt; at < octets.size(); at += 2) {
    if (load_be<std::uint16_t>(octets.data() + at) != 0xffff) return at;
  }
  return std::nullopt;
}

}  // namespace

std::optional<PrefixTranslation> PrefixTranslation::make(const Ipv6Prefix& inside, const Ipv6Address& outside) {
  if (inside.length > kLongest) return std::nullopt;
  return PrefixTranslation{{inside.network(), inside.length},
                           {Ipv6Prefix{outside, inside.length}.network(), inside.length}};
}

PrefixTranslation::PrefixTranslation(const Ipv6Prefix& inside, const Ipv6Prefix& outside) noexcept
    : inside_(inside),
      outside_(outside),
      adjustment_(add(sum_of(inside.address), static_cast<std::uint16_t>(~sum_of(outside.address)))) {}

std::optional<Ipv6Address> PrefixTranslation::swap(const Ipv6Address& address, const Ipv6Prefix& from,
                                                   const Ipv6Prefix& to, std::uint16_t adjustment) noexcept {
  if (!from.contains(address)) return std::nullopt;
  std::array<std::uint8_t, Ipv6Address::kSize> octets = address.octets();
  const auto at = place_of_difference(octets, from.length);
  if (!at) return std::nullopt;
  for (std::size_t i = 0; i * 8 < from.length; ++i) {
    const unsigned bits = from.length - static_cast<unsigned>(i) * 8U;
    const unsigned mask = bits >= 8 ? 0xffU : 0xffU << (8U - bits) & 0xffU;
    octets[i] = static_cast<std::uint8_t>((octets[i] & ~mask) | (to.address.octets()[i] & mask));
  }
  const std::uint16_t word = add(load_be<std::uint16_t>(octets.data() + *at), adjustment);
  store_be(octets.data() + *at, word == 0xffff ? std::uint16_t{0} : word);
  // It has to find its way back.
  if (!place_of_difference(octets, to.length)) return std::nullopt;
  return Ipv6Address{octets};
}

}  // namespace vnet::nat
