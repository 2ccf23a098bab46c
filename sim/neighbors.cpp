#include "sim/neighbors.hpp"

#include <array>
#include <utility>

#include "packet/arp.hpp"
#include "packet/frame_builder.hpp"

namespace vnet::sim {
namespace {

constexpr std::uint8_t kSourceLinkLayer = 1;
constexpr std::uint8_t kTargetLinkLayer = 2;
constexpr std::uint32_t kSolicited = 0x40000000U;
constexpr std::uint32_t kOverride = 0x20000000U;

/// A message of Neighbor Discovery about `target`, with the link-layer address of its sender.
Bytes discovery(const Station& self, const MacAddress& to_mac, const Ipv6Address& to, std::uint8_t type,
                std::uint32_t flags, const Ipv6Address& target) {
  std::array<std::uint8_t, FrameBuilder::kHeadroom + 64> storage{};
  FrameBuilder frame{storage};
  ByteWriter out{frame.payload_room()};
  out.u8(type);
  out.u8(0);
  out.be16(0);
  out.be32(flags);
  out.bytes(target.bytes());
  out.u8(type == icmp6_type::kNeighborSolicitation ? kSourceLinkLayer : kTargetLinkLayer);
  out.u8(1);
  out.bytes(self.mac.bytes());
  frame.commit_payload(out.position());
  frame.fill_icmp6_checksum(*self.ipv6, to);
  frame.prepend_ipv6(*self.ipv6, to, ip_protocol::kIcmp6, 255);
  frame.prepend_ethernet(to_mac, self.mac, ethertype::kIpv6);
  return {frame.bytes().begin(), frame.bytes().end()};
}

}  // namespace

void Neighbors::send(const IpAddress& to, ByteView packet) {
  if (const auto known = known_.find(to); known != known_.end()) return put(known->second, packet);
  Wanted& wanted = wanted_[to];
  if (wanted.packets.size() >= kMaxWaiting) wanted.packets.erase(wanted.packets.begin());
  wanted.packets.emplace_back(packet.begin(), packet.end());
  if (wanted.turn != 0) return;
  wanted.turn = ++turn_;
  ask(to, wanted.turn);
}

void Neighbors::ask(const IpAddress& whom, std::uint64_t turn) {
  const auto found = wanted_.find(whom);
  if (found == wanted_.end() || found->second.turn != turn) return;
  if (found->second.tries++ == kTries) {
    const Wanted in_vain = std::move(found->second);
    wanted_.erase(found);
    for (const Bytes& packet : in_vain.packets) link_.give_back(packet);
    return;
  }
  solicit(whom);
  link_.after(kAskEvery, [this, whom, turn] { ask(whom, turn); });
}

void Neighbors::solicit(const IpAddress& whom) {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&whom)) {
    return put_arp(ArpPacket::kRequest, MacAddress::broadcast(), MacAddress{}, *v4);
  }
  const auto& v6 = std::get<Ipv6Address>(whom);
  const Ipv6Address group = v6.solicited_node();
  link_.put_on_wire(discovery(self_, group.multicast_mac(), group, icmp6_type::kNeighborSolicitation, 0, v6));
}

void Neighbors::handle_arp(ByteView payload) {
  const auto arp = ArpPacket::parse(payload);
  if (!arp || !self_.ipv4) return;
  const bool for_us = arp->target_ip == *self_.ipv4;
  // RFC 826: whoever is known is updated by whatever is heard; whoever asks for us is known from then on.
  if (!arp->is_probe() && (for_us || known_.contains(arp->sender_ip))) learn(arp->sender_ip, arp->sender_mac);
  if (for_us && arp->operation == ArpPacket::kRequest) {
    put_arp(ArpPacket::kReply, arp->sender_mac, arp->sender_mac, arp->sender_ip);
  }
}

void Neighbors::handle_discovery(const MacAddress& from, const Ipv6Packet& packet, const IcmpMessage& message) {
  constexpr std::size_t kTargetAt = 8;
  const ByteView bytes = message.bytes();
  if (!self_.ipv6 || packet.hop_limit() != 255 || bytes.size() < kTargetAt + Ipv6Address::kSize) return;
  const Ipv6Address target = Ipv6Address::load(bytes.data() + kTargetAt);
  if (message.type() == icmp6_type::kNeighborAdvertisement) {
    if (wanted_.contains(target) || known_.contains(target)) learn(target, from);
    return;
  }
  if (target != *self_.ipv6 && target != Ipv6Address::link_local(self_.mac)) return;
  const bool solicited = !packet.source().is_unspecified();
  if (solicited) learn(packet.source(), from);
  const Ipv6Address to = solicited ? packet.source() : Ipv6Address::all_nodes();
  const MacAddress to_mac = solicited ? from : to.multicast_mac();
  link_.put_on_wire(discovery(self_, to_mac, to, icmp6_type::kNeighborAdvertisement,
                              solicited ? kSolicited | kOverride : kOverride, target));
}

void Neighbors::clear() {
  known_.clear();
  wanted_.clear();
}

void Neighbors::learn(const IpAddress& whom, const MacAddress& mac) {
  known_[whom] = mac;
  const auto found = wanted_.find(whom);
  if (found == wanted_.end()) return;
  const Wanted wanted = std::move(found->second);
  wanted_.erase(found);
  for (const Bytes& packet : wanted.packets) put(mac, packet);
}

void Neighbors::put(const MacAddress& to, ByteView packet) {
  Bytes frame(kEthernetHeaderSize + packet.size());
  ByteWriter out{frame};
  out.bytes(to.bytes());
  out.bytes(self_.mac.bytes());
  out.be16(packet[0] >> 4U == 4 ? ethertype::kIpv4 : ethertype::kIpv6);
  out.bytes(packet);
  link_.put_on_wire(std::move(frame));
}

void Neighbors::put_arp(std::uint16_t operation, const MacAddress& to, const MacAddress& target_mac,
                        Ipv4Address target) {
  Bytes frame(kEthernetHeaderSize + ArpPacket::kSize);
  ByteWriter out{frame};
  out.bytes(to.bytes());
  out.bytes(self_.mac.bytes());
  out.be16(ethertype::kArp);
  ArpPacket{operation, self_.mac, *self_.ipv4, target_mac, target}.emit(out);
  link_.put_on_wire(std::move(frame));
}

}  // namespace vnet::sim
