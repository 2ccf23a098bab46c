// The words of the assignment service: how a guest asks for its address without the network, and what it is told.
//
// An answer is one line: `wait`, or a JSON object with
//
//     ip, mask, gw     of IPv4, absent where the network has none
//     ip6, gw6         of IPv6, the first with its prefix length
//     mac              whose assignment it is, so that a guest with several NICs finds the right one
//     dns, mtu, hostname
//
// and whatever comes later: a client ignores what it does not know. Most clients only connect and read. Who says
// something sends one line, too: an object with `mac` asks about that NIC, `"stay": true` has the connection stay, with
// a further line whenever the answer is another. Any line that is no object just asks, as a guest behind a serial port
// does.
//
// Limit: kMaxLine bytes in a line, the end of it aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::daemon {

struct AssignRequest {
  std::optional<MacAddress> mac;  ///< none: whichever NIC the connection stands for
  bool stay = false;
  bool operator==(const AssignRequest&) const = default;
};

/// What a line asks, without its end; nullopt: it is an object that makes no sense.
[[nodiscard]] std::optional<AssignRequest> parse_assign_request(std::string_view line);

struct Assignment {
  std::optional<Ipv4Prefix> ipv4;  ///< the NIC's address
  Ipv4Address gateway;
  std::optional<Ipv6Prefix> ipv6;
  Ipv6Address gateway6;
  MacAddress mac;
  std::vector<IpAddress> dns;
  std::uint16_t mtu = 1500;
  std::string hostname;
};

inline constexpr std::string_view kAssignWait = "wait\n";
/// The line, with its end.
[[nodiscard]] std::string to_line(const Assignment& assignment);

/// Cuts what comes into lines.
class AssignLines {
 public:
  static constexpr std::size_t kMaxLine = 1024;

  /// The lines that are whole now, without their ends. False: one is too long, and nothing more can be made of it.
  [[nodiscard]] bool take(std::string_view bytes, std::vector<std::string>& lines);

 private:
  std::string rest_;
};

}  // namespace vnet::daemon
