// NicNames: `alice.vnet` and its reverse names, kept true while NICs, leases and IPv6 addresses come and go.
//
// A station is known by its MAC address. It has up to two names: the NIC's own (from the configuration, or made of
// the MAC), and the host name that it sent with DHCP. A name belongs to the first who has it: a guest cannot take
// another's name by asking for it, nor one that the configuration gives to a NIC.
//
// Limit: kMaxStations, as many as there can be leases; a further one gets no name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/zone.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::network {

class NicNames {
 public:
  static constexpr std::size_t kMaxStations = 70'000;
  /// Global IPv6 addresses that one station has names for; the oldest makes room, since hosts rotate theirs (RFC 8981).
  static constexpr std::size_t kMaxIpv6 = 8;

  /// `local` outlives this.
  explicit NicNames(dns::LocalData& local) : local_(local) {}

  void add_nic(const MacAddress& mac, std::string_view name);
  void remove_nic(const MacAddress& mac);
  /// The station's lease began or changed. `hostname` may be empty.
  void set_lease(const MacAddress& mac, Ipv4Address address, std::string_view hostname);
  void end_lease(const MacAddress& mac, Ipv4Address address);
  /// The station uses an IPv6 address of the network.
  void add_ipv6(const MacAddress& mac, const Ipv6Address& address);

  /// The NIC's own name; empty for a station that is none.
  [[nodiscard]] std::string_view nic_name(const MacAddress& mac) const;

 private:
  struct Station {
    std::string nic;
    std::string hostname;  ///< empty when it has none, or when the name is somebody else's
    std::optional<Ipv4Address> v4;
    std::vector<Ipv6Address> v6;
  };

  [[nodiscard]] Station* station(const MacAddress& mac);
  void take_hostname(const MacAddress& mac, Station& station, std::string_view hostname);
  void drop_name(const MacAddress& mac, std::string& name);
  bool take_name(const MacAddress& mac, const std::string& name);
  void publish(const Station& station);
  void drop_if_empty(const MacAddress& mac);

  dns::LocalData& local_;
  std::unordered_map<MacAddress, Station> stations_;
  std::unordered_map<std::string, MacAddress> owners_;  ///< by name in lower case
};

}  // namespace vnet::network
