// PrefixTranslation: another prefix for IPv6 addresses, without any state (NPTv6, RFC 6296).
//
// Each inside address has one outside address, and the other way round. One of its words behind the prefix takes up the
// difference of the prefixes in one's-complement arithmetic, so the sum over the address stays what it was, and with it
// every checksum of whatever protocol. Of a prefix up to /48 that is the subnet (3.4, 3.5), of a longer one the first
// word of the interface identifier that is not 0xffff, for 0xffff is 0 in that arithmetic and would not come back.
// An address that has none such has no counterpart; neither has the identifier 0, the subnet's routers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "packet/ip_address.hpp"

namespace vnet::nat {

class PrefixTranslation {
 public:
  static constexpr std::uint8_t kLongest = 64;

  /// None: the prefix is too long. `outside` is any address of the other prefix, which is as long.
  [[nodiscard]] static std::optional<PrefixTranslation> make(const Ipv6Prefix& inside, const Ipv6Address& outside);

  /// None: it is not of the prefix, or has no counterpart.
  [[nodiscard]] std::optional<Ipv6Address> outward(const Ipv6Address& inside) const noexcept {
    return swap(inside, inside_, outside_, adjustment_);
  }
  [[nodiscard]] std::optional<Ipv6Address> inward(const Ipv6Address& outside) const noexcept {
    return swap(outside, outside_, inside_, static_cast<std::uint16_t>(~adjustment_));
  }
  [[nodiscard]] bool is_outside(const Ipv6Address& address) const noexcept { return outside_.contains(address); }

 private:
  PrefixTranslation(const Ipv6Prefix& inside, const Ipv6Prefix& outside) noexcept;
  [[nodiscard]] static std::optional<Ipv6Address> swap(const Ipv6Address& address, const Ipv6Prefix& from,
                                                       const Ipv6Prefix& to, std::uint16_t adjustment) noexcept;

  Ipv6Prefix inside_;   ///< bits behind the prefix are 0
  Ipv6Prefix outside_;  ///< the same
  std::uint16_t adjustment_ = 0;
};

}  // namespace vnet::nat
