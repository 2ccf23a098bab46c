// MacAddress: a 48-bit IEEE 802 address, as a value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "packet/bytes.hpp"
#include "packet/random.hpp"

namespace vnet {

class MacAddress {
 public:
  static constexpr std::size_t kSize = 6;

  constexpr MacAddress() noexcept = default;
  explicit constexpr MacAddress(std::array<std::uint8_t, kSize> octets) noexcept : octets_(octets) {}

  /// The six bytes at `at`; the caller has checked that they are there.
  [[nodiscard]] static MacAddress load(const std::uint8_t* at) noexcept {
    MacAddress mac;
    std::memcpy(mac.octets_.data(), at, kSize);
    return mac;
  }
  /// Six pairs of hexadecimal digits between colons or hyphens, in either case.
  [[nodiscard]] static std::optional<MacAddress> parse(std::string_view text);
  /// The low 48 bits of `value`, most significant octet first.
  [[nodiscard]] static constexpr MacAddress from_u64(std::uint64_t value) noexcept {
    std::array<std::uint8_t, kSize> octets{};
    for (std::size_t i = 0; i < kSize; ++i) octets[i] = static_cast<std::uint8_t>(value >> (8 * (kSize - 1 - i)));
    return MacAddress{octets};
  }
  [[nodiscard]] static constexpr MacAddress broadcast() noexcept { return from_u64(0xffffffffffffU); }

  /// As `52:cc:cc:cc:cc:01`.
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr std::uint64_t to_u64() const noexcept {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : octets_) value = value << 8U | octet;
    return value;
  }
  [[nodiscard]] constexpr const std::array<std::uint8_t, kSize>& octets() const noexcept { return octets_; }
  [[nodiscard]] ByteView bytes() const noexcept { return octets_; }

  /// The group bit: broadcast and multicast. Never legal as a source (IEEE 802.3, 3.2.3).
  [[nodiscard]] constexpr bool is_group() const noexcept { return (octets_[0] & 1U) != 0; }
  [[nodiscard]] constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
  [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }

  constexpr auto operator<=>(const MacAddress&) const noexcept = default;

 private:
  std::array<std::uint8_t, kSize> octets_{};
};

}  // namespace vnet

template <>
struct std::hash<vnet::MacAddress> {
  std::size_t operator()(const vnet::MacAddress& mac) const noexcept { return vnet::mix64(mac.to_u64()); }
};
