// IP addresses, prefixes and endpoints, as values.
//
// Text forms: dotted quad for IPv4 (no leading zeros, no short forms), RFC 4291 section 2.2 read and RFC 5952
// written for IPv6. An IPv6 scope (`%eth0`) is not part of an address and is refused.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "packet/bytes.hpp"
#include "packet/mac_address.hpp"
#include "packet/random.hpp"

namespace vnet {

class Ipv4Address {
 public:
  static constexpr std::size_t kSize = 4;

  constexpr Ipv4Address() noexcept = default;
  explicit constexpr Ipv4Address(std::uint32_t value) noexcept : value_(value) {}
  constexpr Ipv4Address(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept
      : value_(std::uint32_t{a} << 24U | std::uint32_t{b} << 16U | std::uint32_t{c} << 8U | d) {}

  [[nodiscard]] static Ipv4Address load(const std::uint8_t* at) noexcept {
    return Ipv4Address{load_be<std::uint32_t>(at)};
  }
  [[nodiscard]] static std::optional<Ipv4Address> parse(std::string_view text);
  [[nodiscard]] static constexpr Ipv4Address broadcast() noexcept { return Ipv4Address{0xffffffffU}; }

  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr std::uint32_t to_u32() const noexcept { return value_; }
  void store(std::uint8_t* at) const noexcept { store_be(at, value_); }

  [[nodiscard]] constexpr bool is_unspecified() const noexcept { return value_ == 0; }
  [[nodiscard]] constexpr bool is_broadcast() const noexcept { return value_ == 0xffffffffU; }
  [[nodiscard]] constexpr bool is_multicast() const noexcept { return value_ >> 28U == 0xeU; }
  [[nodiscard]] constexpr bool is_loopback() const noexcept { return value_ >> 24U == 127U; }
  /// 01:00:5e and the low 23 bits, where a multicast address goes on Ethernet (RFC 1112, 6.4).
  [[nodiscard]] constexpr MacAddress multicast_mac() const noexcept {
    return MacAddress::from_u64(0x01005e000000U | (value_ & 0x7fffffU));
  }

  constexpr auto operator<=>(const Ipv4Address&) const noexcept = default;

 private:
  std::uint32_t value_ = 0;
};

class Ipv6Address {
 public:
  static constexpr std::size_t kSize = 16;

  constexpr Ipv6Address() noexcept = default;
  explicit constexpr Ipv6Address(std::array<std::uint8_t, kSize> octets) noexcept : octets_(octets) {}

  [[nodiscard]] static Ipv6Address load(const std::uint8_t* at) noexcept {
    Ipv6Address address;
    std::memcpy(address.octets_.data(), at, kSize);
    return address;
  }
  [[nodiscard]] static std::optional<Ipv6Address> parse(std::string_view text);
  /// fe80:: with the modified EUI-64 of `mac` (RFC 4291, appendix A).
  [[nodiscard]] static Ipv6Address link_local(const MacAddress& mac) noexcept;
  [[nodiscard]] static constexpr Ipv6Address all_nodes() noexcept {
    return Ipv6Address{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  }
  [[nodiscard]] static constexpr Ipv6Address all_routers() noexcept {
    return Ipv6Address{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
  }

  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr const std::array<std::uint8_t, kSize>& octets() const noexcept { return octets_; }
  [[nodiscard]] ByteView bytes() const noexcept { return octets_; }

  [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == Ipv6Address{}; }
  [[nodiscard]] constexpr bool is_multicast() const noexcept { return octets_[0] == 0xff; }
  [[nodiscard]] constexpr bool is_link_local() const noexcept {
    return octets_[0] == 0xfe && (octets_[1] & 0xc0U) == 0x80;
  }
  /// ff02::1:ffXX:XXXX for this unicast address (RFC 4291, 2.7.1).
  [[nodiscard]] Ipv6Address solicited_node() const noexcept;
  /// 33:33 and the low 32 bits, where a multicast address goes on Ethernet (RFC 2464, 7).
  [[nodiscard]] MacAddress multicast_mac() const noexcept;

  constexpr auto operator<=>(const Ipv6Address&) const noexcept = default;

 private:
  std::array<std::uint8_t, kSize> octets_{};
};

/// An address together with the length of its network part, as `192.168.1.1/24`.
struct Ipv4Prefix {
  Ipv4Address address;
  std::uint8_t length = 32;  ///< 0 to 32

  /// `a.b.c.d/len`; a bare address is /32.
  [[nodiscard]] static std::optional<Ipv4Prefix> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr Ipv4Address mask() const noexcept {
    return Ipv4Address{length == 0 ? 0U : ~std::uint32_t{0} << (32U - length)};
  }
  [[nodiscard]] constexpr Ipv4Address network() const noexcept {
    return Ipv4Address{address.to_u32() & mask().to_u32()};
  }
  /// The directed broadcast address: all host bits set.
  [[nodiscard]] constexpr Ipv4Address broadcast() const noexcept {
    return Ipv4Address{network().to_u32() | ~mask().to_u32()};
  }
  [[nodiscard]] constexpr bool contains(Ipv4Address other) const noexcept {
    return (other.to_u32() & mask().to_u32()) == network().to_u32();
  }
  constexpr auto operator<=>(const Ipv4Prefix&) const noexcept = default;
};

struct Ipv6Prefix {
  Ipv6Address address;
  std::uint8_t length = 128;  ///< 0 to 128

  [[nodiscard]] static std::optional<Ipv6Prefix> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] Ipv6Address network() const noexcept;
  [[nodiscard]] bool contains(const Ipv6Address& other) const noexcept;
  constexpr auto operator<=>(const Ipv6Prefix&) const noexcept = default;
};

/// Either family.
using IpAddress = std::variant<Ipv4Address, Ipv6Address>;

using IpPrefix = std::variant<Ipv4Prefix, Ipv6Prefix>;

[[nodiscard]] inline bool is_v4(const IpAddress& address) noexcept {
  return std::holds_alternative<Ipv4Address>(address);
}
/// 0.0.0.0 or ::.
[[nodiscard]] inline bool is_unspecified(const IpAddress& address) noexcept {
  return std::visit([](const auto& of_family) { return of_family.is_unspecified(); }, address);
}
/// An address of the other family is in no prefix.
[[nodiscard]] bool contains(const IpPrefix& prefix, const IpAddress& address) noexcept;

[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);
[[nodiscard]] std::string to_string(const IpAddress& address);
[[nodiscard]] std::optional<IpPrefix> parse_ip_prefix(std::string_view text);
[[nodiscard]] std::string to_string(const IpPrefix& prefix);

}  // namespace vnet

template <>
struct std::hash<vnet::Ipv4Address> {
  std::size_t operator()(const vnet::Ipv4Address& address) const noexcept { return vnet::mix64(address.to_u32()); }
};
template <>
struct std::hash<vnet::Ipv6Address> {
  std::size_t operator()(const vnet::Ipv6Address& address) const noexcept {
    const std::uint8_t* octets = address.octets().data();
    return vnet::mix64(vnet::load_be<std::uint64_t>(octets), vnet::mix64(vnet::load_be<std::uint64_t>(octets + 8)));
  }
};
