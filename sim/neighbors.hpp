// Neighbors: whom a toy guest knows on its link, how it asks for others, and what waits for their answer.
//
// ARP for IPv4, Neighbor Discovery for IPv6, as short as they go: a question is asked kTries times, kAskEvery apart,
// and what has waited in vain is given back. What is known is kept until a host says otherwise (its next ARP packet or
// advertisement) or the guest moves: it does not age, and nobody's reachability is probed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/ip.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::sim {

using Bytes = std::vector<std::uint8_t>;

/// Who asks and answers.
struct Station {
  MacAddress mac;
  std::optional<Ipv4Address> ipv4;
  std::optional<Ipv6Address> ipv6;
};

/// What a guest lends its neighbor table.
class Link {
 public:
  virtual ~Link() = default;
  virtual void put_on_wire(Bytes frame) = 0;
  virtual void after(Duration delay, std::function<void()> what) = 0;
  /// Nobody has said that he is the one for whom `packet` was.
  virtual void give_back(ByteView packet) = 0;
};

class Neighbors {
 public:
  static constexpr int kTries = 3;
  static constexpr Duration kAskEvery = std::chrono::seconds{1};
  /// Packets for one neighbor that wait; the oldest makes room.
  static constexpr std::size_t kMaxWaiting = 16;

  Neighbors(const Station& self, Link& link) : self_(self), link_(link) {}

  /// Sends an IP packet to a neighbor, now or when he has said where he is.
  void send(const IpAddress& to, ByteView packet);
  void handle_arp(ByteView payload);
  /// A neighbor solicitation or advertisement with a right checksum.
  void handle_discovery(const MacAddress& from, const Ipv6Packet& packet, const IcmpMessage& message);
  /// The guest is elsewhere: all is forgotten.
  void clear();

 private:
  struct Wanted {
    std::vector<Bytes> packets;
    int tries = 0;
    std::uint64_t turn = 0;
  };

  void ask(const IpAddress& whom, std::uint64_t turn);
  void solicit(const IpAddress& whom);
  void advertise(const Ipv6Address& to, const MacAddress& to_mac, bool solicited);
  void learn(const IpAddress& whom, const MacAddress& mac);
  void put(const MacAddress& to, ByteView packet);
  void put_arp(std::uint16_t operation, const MacAddress& to, const MacAddress& target_mac, Ipv4Address target);

  const Station& self_;
  Link& link_;
  std::map<IpAddress, MacAddress> known_;
  std::map<IpAddress, Wanted> wanted_;
  std::uint64_t turn_ = 0;
};

}  // namespace vnet::sim
