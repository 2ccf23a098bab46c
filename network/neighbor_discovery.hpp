// The router's half of Neighbor Discovery (RFC 4861, 4862) and of Router Advertisement options (RFC 8106).
//
// Solicitations for the gateway's own addresses are answered; those for any other host are left to that host,
// which hears them because the switch floods multicast. A solicitation from the unspecified address is somebody's
// duplicate address detection: it is answered to all nodes with the Solicited flag clear (RFC 4861, 7.2.4).
//
// A Router Solicitation with a source address is answered to that address at once; one without is answered by a
// multicast advertisement within 500 ms, and multicast advertisements are at least 3 s apart (6.2.6). Unsolicited
// ones go out every 200 to 600 s (6.2.1), the first few faster.
//
// Received messages are refused unless the hop limit is 255, the code 0, the checksum right and every option's
// length non-zero and within the message (6.1.1, 7.1.1). Not supported: redirects, proxying, DHCPv6 (M and O are
// clear).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet/drop_reason.hpp"
#include "packet/ip.hpp"
#include "packet/outbox.hpp"
#include "packet/random.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::network {

/// What the gateway tells about the IPv6 network.
struct RouterConfig {
  MacAddress mac;
  Ipv6Prefix prefix;                 ///< the gateway's global address, and the /64 for SLAAC
  std::optional<Ipv6Address> alias;  ///< a further address of the gateway's
  std::uint16_t mtu = 1500;
  std::vector<Ipv6Address> dns_servers;     ///< RDNSS
  std::vector<std::string> search_domains;  ///< DNSSL
  bool default_router = true;               ///< false: lifetime 0, prefix and names only
};

/// An address of a guest that a Neighbor Discovery message has shown.
struct SeenAddress {
  Ipv6Address address;
  bool tentative = false;  ///< claimed by duplicate address detection, not in use yet
};

class NeighborDiscovery {
 public:
  explicit NeighborDiscovery(RouterConfig config);

  /// One ICMPv6 message of types 133 to 136, already known to have a right checksum.
  /// Answers go to `out`. Returns the reason when the message must be ignored.
  [[nodiscard]] std::optional<DropReason> handle(const MacAddress& from, const Ipv6Packet& packet,
                                                 const IcmpMessage& message, Instant now, Random& random, Outbox& out);

  /// The guest address that `message` proves or claims, for the names and the source guard.
  [[nodiscard]] static std::optional<SeenAddress> seen_address(const Ipv6Packet& packet, const IcmpMessage& message);

  [[nodiscard]] bool is_own(const Ipv6Address& address) const noexcept {
    return address == config_.prefix.address || address == link_local_ || address == config_.alias;
  }
  [[nodiscard]] const Ipv6Address& link_local() const noexcept { return link_local_; }

  /// Asks the link who has `target` (7.2.2).
  void solicit(const Ipv6Address& target, Outbox& out) const;
  [[nodiscard]] Instant next_deadline() const noexcept { return next_multicast_; }
  /// Sends the multicast advertisement that is due.
  void expire(Instant now, Random& random, Outbox& out);

 private:
  void answer_neighbor_solicitation(const MacAddress& from, const Ipv6Packet& packet, const Ipv6Address& target,
                                    Outbox& out) const;
  void answer_router_solicitation(const MacAddress& from, const Ipv6Packet& packet, Instant now, Random& random,
                                  Outbox& out);
  void advertise(const Ipv6Address& to, const MacAddress& to_mac, Outbox& out) const;

  RouterConfig config_;
  Ipv6Address link_local_;
  Instant last_multicast_ = Instant::min();
  Instant next_multicast_{};
  unsigned sent_ = 0;
};

}  // namespace vnet::network
