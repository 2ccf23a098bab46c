// What is wrong with a frame that the gateway has made: lengths that do not add up, checksums that do not match,
// addresses that no host may send from or to. Used by tests and by fuzzers, hence without GoogleTest.
#pragma once

#include <optional>
#include <string>

#include "packet/arp.hpp"
#include "packet/checksum.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet::network::test {

using Flaw = std::optional<std::string>;

template <typename Packet>
Flaw find_upper_flaw(const Packet& packet) {
  const ByteView payload = packet.payload();
  switch (packet.protocol()) {
    case ip_protocol::kUdp: {
      const auto udp = UdpDatagram::parse(payload);
      if (!udp) return "UDP header";
      if (udp->bytes().size() != payload.size()) return "UDP length is not that of the packet";
      if (udp->checksum_field() == 0) return "UDP without a checksum";
      if (!upper_checksum_ok(packet, ip_protocol::kUdp, payload)) return "UDP checksum";
      return std::nullopt;
    }
    case ip_protocol::kTcp:
      if (!TcpSegment::parse(payload)) return "TCP header";
      if (!upper_checksum_ok(packet, ip_protocol::kTcp, payload)) return "TCP checksum";
      return std::nullopt;
    case ip_protocol::kIcmp:
      if (!IcmpMessage::parse(payload)) return "ICMP header";
      if (checksum(payload) != 0) return "ICMP checksum";
      return std::nullopt;
    case ip_protocol::kIcmp6:
      if (!IcmpMessage::parse(payload)) return "ICMPv6 header";
      if (!upper_checksum_ok(packet, ip_protocol::kIcmp6, payload)) return "ICMPv6 checksum";
      return std::nullopt;
    default: return "protocol that the gateway does not speak";
  }
}

inline Flaw find_flaw(ByteView bytes, std::size_t mtu = 1500) {
  const auto frame = EthernetFrame::parse(bytes);
  if (!frame) return "runt";
  if (bytes.size() > kEthernetHeaderSize + mtu) return "longer than the MTU";
  if (frame->source().is_group()) return "group source address";
  if (frame->type() == ethertype::kArp) {
    const auto arp = ArpPacket::parse(frame->payload());
    if (!arp) return "ARP packet";
    if (arp->sender_mac != frame->source()) return "ARP sender is not the frame's source";
    return std::nullopt;
  }
  if (frame->type() == ethertype::kIpv4) {
    const auto packet = Ipv4Packet::parse(frame->payload());
    if (!packet) return "IPv4 header";
    if (packet->bytes().size() != frame->payload().size()) return "bytes behind the IPv4 packet";
    if (packet->source().is_unspecified() || packet->destination().is_unspecified()) return "unspecified address";
    return find_upper_flaw(*packet);
  }
  if (frame->type() == ethertype::kIpv6) {
    const auto packet = Ipv6Packet::parse(frame->payload());
    if (!packet) return "IPv6 header";
    if (packet->bytes().size() != frame->payload().size()) return "bytes behind the IPv6 packet";
    if (packet->source().is_unspecified() || packet->destination().is_unspecified()) return "unspecified address";
    if (packet->destination().is_multicast() && frame->destination() != packet->destination().multicast_mac()) {
      return "multicast to the wrong MAC address";
    }
    return find_upper_flaw(*packet);
  }
  return "ethertype that the gateway does not speak";
}

}  // namespace vnet::network::test
