// What a DHCP server is told about its network, and the rules that such a description must keep.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dhcp/option_values.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"

namespace vnet::dhcp {

/// Leases that a server holds or remembers at once, about 300 bytes each. When full, the address that has been free
/// for longest is given away; when none is free, new clients are refused. Reserved addresses come on top.
inline constexpr std::size_t kMaxLeases = 65536;
/// Reservations of one server; a further one is refused.
inline constexpr std::size_t kMaxReservations = 65536;
/// The shortest lease that a client can ask for. A shorter configured lease time lowers it.
inline constexpr Duration kMinLeaseTime = std::chrono::seconds{60};

/// An address kept for one MAC address. It may lie outside the range, but not outside the prefix.
struct Reservation {
  MacAddress mac;
  Ipv4Address ip;
  std::string hostname;  ///< offered as option 12 and recorded in the lease; empty: the client's own is recorded
};

struct ServerConfig {
  /// The server's own address (the server identifier) and the network's prefix; length 8 to 30.
  Ipv4Prefix gateway;
  /// The dynamic range, both ends included. Both 0.0.0.0: only reserved clients are served.
  Ipv4Address range_first;
  Ipv4Address range_last;
  /// Never given to anybody, besides the network's, the broadcast, the gateway's and the router's address. At most
  /// 1024.
  std::vector<Ipv4Address> excluded;
  std::vector<Reservation> reservations;

  Duration lease_time = std::chrono::hours{1};       ///< 1 s to 2^32-2 s; what a client gets unless it asks for less
  Duration offer_time = std::chrono::seconds{30};    ///< how long an offered address waits for its client's answer
  Duration decline_time = std::chrono::minutes{10};  ///< how long an address rests that a client found in use
  std::size_t max_leases = kMaxLeases;               ///< 1 to kMaxLeases
  /// Refuse messages whose chaddr is not the source MAC of the frame. Excludes relay agents.
  bool require_source_mac = false;

  Ipv4Address router;                    ///< option 3; 0.0.0.0: not sent
  std::vector<Ipv4Address> dns_servers;  ///< option 6, at most 63
  std::string domain;                    ///< option 15; empty: not sent
  std::vector<std::string> search;       ///< option 119, at most 64
  std::uint16_t mtu = 0;                 ///< option 26; at least 576; 0: not sent
  /// Option 121, at most 64; sent with the default route through `router` added, because a client that takes 121
  /// ignores option 3 (RFC 3442).
  std::vector<Route> routes;
  /// Further options as raw bytes, at most 1024 each. They replace an option of the same code that is made from the
  /// fields above; an empty value keeps that option from being sent. Codes that the protocol itself needs are refused.
  std::map<std::uint8_t, std::vector<std::uint8_t>> options;
};

/// What is wrong with `config`, for its author; nullopt: nothing.
[[nodiscard]] std::optional<std::string> problem(const ServerConfig& config);

/// What is wrong with `added` beside the reservations that `config` already has; nullopt: nothing.
[[nodiscard]] std::optional<std::string> problem(const ServerConfig& config, const Reservation& added);

/// Whether a client may ever have `ip`: a host address of the prefix, and neither the gateway's, the router's nor
/// excluded.
[[nodiscard]] bool is_assignable(const ServerConfig& config, Ipv4Address ip);

}  // namespace vnet::dhcp
