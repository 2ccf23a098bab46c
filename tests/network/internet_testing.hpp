// Guests with an address of their own, in homes on a simulated internet.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim.hpp"

namespace vnet::network::test {

/// Network number `n`: 192.168.n.1/24 with 203.0.113.n outside, and 2001:db8:n::/64.
inline NetworkConfig home(unsigned n, const nat::NatBehavior& nat = nat::behavior_of(nat::NatPreset::easy)) {
  NetworkConfig config;
  config.name = "home" + std::to_string(n);
  config.mac = MacAddress::from_u64(0x52eeeeeeee00U + n);
  config.ipv4 = Ipv4Prefix{Ipv4Address{192, 168, static_cast<std::uint8_t>(n), 1}, 24};
  config.ipv6 = Ipv6Prefix::parse("2001:db8:" + std::to_string(n) + "::1/64");
  config.wan = Wan{Ipv4Address{203, 0, 113, static_cast<std::uint8_t>(n)}, ip6("2001:db8:ffff::" + std::to_string(n))};
  config.nat = nat;
  return config;
}

/// A server's network: routed, 198.51.100.0/24.
inline NetworkConfig cloud() {
  NetworkConfig config;
  config.name = "cloud";
  config.mac = MacAddress::from_u64(0x52eeeeeeee99U);
  config.ipv4 = Ipv4Prefix::parse("198.51.100.1/24");
  config.ipv6 = Ipv6Prefix::parse("2001:db8:99::1/64");
  config.wan = Wan{ip4("203.0.113.99"), ip6("2001:db8:ffff::99")};
  config.nat = nat::behavior_of(nat::NatPreset::none);
  config.nat.firewall = false;
  return config;
}

/// What a guest has received over UDP, as `from:port text`, of IPv6 `[from]:port text`.
struct Guest {
  Guest(Simulation& simulation, std::uint64_t number, std::size_t network_number, std::string_view address)
      : sim(simulation),
        ip(ip4(address)),
        client(simulation.plug(mac(number), network_number)),
        network(network_number) {
    client.program = [this](ByteView frame) { receive(frame); };
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  [[nodiscard]] Way4 way(std::string_view to) const {
    return {client.mac, sim.fabric.network_config(network).mac, ip, ip4(to)};
  }
  void send(std::string_view to, std::uint16_t from_port, std::uint16_t to_port, std::string_view text) {
    sim.send(client, udp(way(to), from_port, to_port, text_bytes(text)));
  }
  /// Over IPv6, from `ip6_own`.
  void send6(std::string_view to, std::uint16_t from_port, std::uint16_t to_port, std::string_view text) {
    const Way6 way{client.mac, sim.fabric.network_config(network).mac, ip6_own, ip6(to)};
    sim.send(client, udp(way, from_port, to_port, text_bytes(text)));
  }
  [[nodiscard]] std::vector<std::string> take() { return std::exchange(received, {}); }

  Simulation& sim;
  Ipv4Address ip;
  Client& client;
  std::size_t network;
  Ipv6Address ip6_own{};
  std::vector<std::string> received;
  std::vector<Bytes> packets;  ///< all IPv4 packets

 private:
  void receive(ByteView bytes) {
    const auto frame = EthernetFrame::parse(bytes);
    const auto fragment = Ipv4Packet::parse(frame->payload());
    // A judge of whole packets has nothing to say about a fragment.
    if (!fragment || !fragment->is_fragment()) {
      EXPECT_EQ(find_flaw(bytes), std::nullopt);
    }
    if (frame->type() == ethertype::kArp) {
      const auto question = ArpPacket::parse(frame->payload());
      if (question->operation != ArpPacket::kRequest || question->target_ip != ip) return;
      sim.at(sim.now, [this, asker = *question] {
        sim.send(client, arp({ArpPacket::kReply, client.mac, ip, asker.sender_mac, asker.sender_ip}, asker.sender_mac));
      });
      return;
    }
    if (frame->type() == ethertype::kIpv6) return receive6(*frame);
    if (frame->type() != ethertype::kIpv4) return;
    const auto packet = Ipv4Packet::parse(frame->payload());
    packets.emplace_back(packet->bytes().begin(), packet->bytes().end());
    if (packet->protocol() != ip_protocol::kUdp || packet->is_fragment()) return;
    const auto datagram = UdpDatagram::parse(packet->payload());
    received.push_back(packet->source().to_string() + ":" + std::to_string(datagram->source_port()) + " " +
                       std::string{as_text(datagram->payload())});
  }
  void receive6(const EthernetFrame& frame) {
    const auto packet = Ipv6Packet::parse(frame.payload());
    if (packet->protocol() == ip_protocol::kUdp) {
      const auto datagram = UdpDatagram::parse(packet->payload());
      received.push_back("[" + packet->source().to_string() + "]:" + std::to_string(datagram->source_port()) + " " +
                         std::string{as_text(datagram->payload())});
      return;
    }
    const ByteView message = packet->payload();
    if (packet->protocol() == ip_protocol::kIcmp6 && message[0] < icmp6_type::kEchoRequest) {
      received.push_back("error " + std::to_string(message[0]) + " " + std::to_string(message[1]));
    }
    constexpr std::size_t kTarget = 8;
    const bool asks_for_us = packet->protocol() == ip_protocol::kIcmp6 &&
                             message[0] == icmp6_type::kNeighborSolicitation &&
                             Ipv6Address::load(message.data() + kTarget) == ip6_own;
    if (!asks_for_us) return;
    sim.at(sim.now, [this, asker = packet->source()] {
      const Way6 way{client.mac, sim.fabric.network_config(network).mac, ip6_own, asker};
      sim.send(client, neighbor_advertisement(way, ip6_own, 0x60000000U));
    });
  }
};

/// Two homes and a server in the cloud, and somebody at each.
struct Neighborhood : ::testing::Test {
  Simulation sim{{home(1), home(2), cloud()}};
  Guest alice{sim, 1, 0, "192.168.1.101"};
  Guest bob{sim, 2, 1, "192.168.2.101"};
  Guest server{sim, 3, 2, "198.51.100.10"};
};

}  // namespace vnet::network::test
