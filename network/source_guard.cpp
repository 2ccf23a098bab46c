#include "network/source_guard.hpp"

#include "network/neighbor_discovery.hpp"
#include "packet/arp.hpp"
#include "packet/ethernet.hpp"
#include "packet/transport.hpp"

namespace vnet::network {

void SourceGuard::forget(const MacAddress& mac) {
  if (claims_.erase(mac) == 0) return;
  std::erase_if(v6_, [&mac](const auto& entry) { return entry.second == mac; });
}

void SourceGuard::adopt_claims(const SourceGuard& other) {
  for (const auto& [address, mac] : other.v6_) {
    if (other.claims_.contains(mac)) claim(address, mac);
  }
}

bool SourceGuard::claim(const Ipv6Address& address, const MacAddress& mac) {
  if (!prefix_ || !prefix_->contains(address)) return false;
  if (const auto found = v6_.find(address); found != v6_.end()) return found->second == mac;
  if (v6_.size() >= kMaxClaims) return false;
  std::size_t& count = claims_[mac];
  if (count >= kMaxAddressesPerNic) return false;
  ++count;
  v6_.emplace(address, mac);
  return true;
}

std::optional<MacAddress> SourceGuard::owner(Ipv4Address address) const {
  const auto found = v4_.find(address);
  return found == v4_.end() ? std::nullopt : std::optional{found->second};
}

bool SourceGuard::owns(Ipv4Address address, const MacAddress& mac) const {
  return address.is_unspecified() || owner(address) == mac;
}

bool SourceGuard::owns(const Ipv6Address& address, const MacAddress& mac) {
  if (address.is_unspecified()) return true;
  if (const auto found = v6_.find(address); found != v6_.end()) return found->second == mac;
  return address.is_link_local() || claim(address, mac);
}

bool SourceGuard::admits(ByteView frame, const MacAddress& mac) {
  if (MacAddress::load(frame.data() + 6) != mac) return false;
  const auto ethernet = EthernetFrame::parse(frame);
  if (!ethernet) return false;
  const std::size_t tags = ethernet->tag_bytes();
  const auto type = load_be<std::uint16_t>(frame.data() + 12 + tags);
  const ByteView payload = frame.subspan(kEthernetHeaderSize + tags);
  if (type == ethertype::kArp) return admits_arp(payload, mac);
  if (type == ethertype::kIpv6) return admits_ipv6(payload, mac);
  if (type == ethertype::kIpv4) {
    return payload.size() >= Ipv4Packet::kMinHeaderSize && owns(Ipv4Address::load(payload.data() + 12), mac);
  }
  return true;
}

bool SourceGuard::admits_arp(ByteView payload, const MacAddress& mac) const {
  const auto arp = ArpPacket::parse(payload);
  return arp && arp->sender_mac == mac && owns(arp->sender_ip, mac);
}

bool SourceGuard::admits_ipv6(ByteView payload, const MacAddress& mac) {
  const auto packet = Ipv6Packet::parse(payload);
  if (!packet || !owns(packet->source(), mac)) return false;
  if (packet->protocol() != ip_protocol::kIcmp6) return true;
  const auto message = IcmpMessage::parse(packet->payload());
  if (!message) return false;
  const auto seen = NeighborDiscovery::seen_address(*packet, *message);
  return !seen || owns(seen->address, mac);
}

}  // namespace vnet::network
