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
#include <utility>
#include <vector>

#include "dns/zone.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::network {

/// A name as it is compared: DNS names do so without regard to case (RFC 4343), and only ASCII letters have one.
[[nodiscard]] std::string lower_case(std::string_view name);

/// What a station is reached at.
struct StationAddresses {
  std::optional<Ipv4Address> v4;  ///< leased to it, else reserved for it
  std::vector<Ipv6Address> v6;    ///< global ones that it has shown, the one first seen first
};

class NicNames {
 public:
  static constexpr std::size_t kMaxStations = 70'000;
  /// Global IPv6 addresses that one station has names for; the oldest makes room, since hosts rotate theirs (RFC 8981).
  static constexpr std::size_t kMaxIpv6 = 8;

  /// `local` outlives this.
  explicit NicNames(dns::LocalData& local) : local_(local) {}

  /// The station is a NIC called `name`, in place of any name that it had as one.
  void add_nic(const MacAddress& mac, std::string_view name);
  /// The station is no NIC any more: the name and the IPv6 addresses go, what its lease gives it stays.
  void remove_nic(const MacAddress& mac);
  /// Nothing of the station resolves any more.
  void forget(const MacAddress& mac);
  /// The station's IPv4 address and host name from now on. `hostname` may be empty.
  void set_ipv4(const MacAddress& mac, Ipv4Address address, std::string_view hostname);
  void clear_ipv4(const MacAddress& mac);
  /// The station uses an IPv6 address of the network.
  void add_ipv6(const MacAddress& mac, const Ipv6Address& address);
  void clear_ipv6(const MacAddress& mac);

  /// The NIC's own name; empty for a station that is none.
  [[nodiscard]] std::string_view nic_name(const MacAddress& mac) const;
  /// The IPv6 addresses of all stations, those of each one in their order.
  [[nodiscard]] std::vector<std::pair<MacAddress, Ipv6Address>> ipv6() const;
  [[nodiscard]] StationAddresses addresses(const MacAddress& mac) const;

 private:
  struct Station {
    std::string nic;
    std::string hostname;  ///< empty when it has none, or when the name is somebody else's
    StationAddresses at;
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
