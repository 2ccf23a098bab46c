// Port security: a NIC may use only its own MAC address and its own IP addresses.
//
// IPv4: the address that DHCP leased to the NIC or that is reserved for it; 0.0.0.0 while it asks for one.
// IPv6: link-local addresses are the NIC's own business; an address of the network's prefix belongs to the NIC that
// used it first, most often in its duplicate address detection (first come, first served: RFC 6620, SAVI), up to
// `kMaxAddressesPerNic`, until that NIC is detached. ARP is held to the same rule by its sender fields, and
// Neighbor Discovery by the address that a message claims. The gateway's addresses, its link-local one included, are
// nobody else's. VLAN tags do not hide a packet: what is looked at is behind them.
// A frame of another ethertype carries no address of ours and passes.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "packet/bytes.hpp"
#include "packet/ip.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::network {

class SourceGuard {
 public:
  static constexpr std::size_t kMaxAddressesPerNic = 16;
  /// IPv6 addresses claimed in all; a further claim is refused.
  static constexpr std::size_t kMaxClaims = 65'536;

  explicit SourceGuard(std::optional<Ipv6Prefix> prefix) : prefix_(prefix) {}

  /// `address` belongs to the NIC with `mac` from now on. Bounded by the leases and reservations that there can be.
  void bind(Ipv4Address address, const MacAddress& mac) { v4_[address] = mac; }
  void unbind(Ipv4Address address) { v4_.erase(address); }
  [[nodiscard]] std::optional<MacAddress> owner(Ipv4Address address) const;
  /// `address`, of whatever scope, is for good that of the station with `mac`: the gateway.
  void bind(const Ipv6Address& address, const MacAddress& mac) { v6_[address] = mac; }
  /// Takes over what the NICs of the same network have claimed in a former guard and may still claim here.
  void adopt_claims(const SourceGuard& other);
  /// Gives up the IPv6 addresses of `mac`.
  void forget(const MacAddress& mac);

  /// Claims an IPv6 address of the network. False when another NIC has it or this one has too many.
  bool claim(const Ipv6Address& address, const MacAddress& mac);

  /// Whether the NIC with the address `mac` may send `frame` (at least an Ethernet header long).
  [[nodiscard]] bool admits(ByteView frame, const MacAddress& mac);

 private:
  [[nodiscard]] bool owns(Ipv4Address address, const MacAddress& mac) const;
  [[nodiscard]] bool owns(const Ipv6Address& address, const MacAddress& mac);
  [[nodiscard]] bool admits_arp(ByteView payload, const MacAddress& mac) const;
  [[nodiscard]] bool admits_ipv6(ByteView payload, const MacAddress& mac);

  std::optional<Ipv6Prefix> prefix_;
  std::unordered_map<Ipv4Address, MacAddress> v4_;
  std::unordered_map<Ipv6Address, MacAddress> v6_;
  std::unordered_map<MacAddress, std::size_t> claims_;  ///< how many addresses in v6_ each has
};

}  // namespace vnet::network
