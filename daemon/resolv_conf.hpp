// Which resolvers the host uses: /etc/resolv.conf, read as the C library reads it (resolv.conf(5)).
//
// Of the file, `nameserver` lines count: the first `kMaxNameservers`, as in glibc and musl, so that we ask whom the
// host asks. Other keywords (search, domain, options, sortlist) are about names that the host's programs type, and
// guests have their own. A keyword begins its line; `#` and `;` begin comments; what follows the address is ignored.
// Without any nameserver the machine itself is asked (127.0.0.1), as the manual page says.
//
// An IPv6 address may carry a zone (RFC 4007, 11.2: fe80::1%eth0), by name or number.
//
// Not supported: short forms of IPv4 addresses (127.1), ports, `options` (timeouts and rotation are the resolver's).
// Limits: kMaxNameservers; kMaxResolvConfBytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/resolver.hpp"
#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

/// MAXNS of the C libraries.
inline constexpr std::size_t kMaxNameservers = 3;
/// How much of the file is read, in bytes.
inline constexpr std::size_t kMaxResolvConfBytes = 64 * 1024;

/// The zone index of each link-local server, for sockaddr_in6::sin6_scope_id.
using Ipv6Zones = std::map<Ipv6Address, std::uint32_t>;

struct Nameserver {
  IpAddress address;
  std::string zone;  ///< what stands behind `%`; empty: none

  bool operator==(const Nameserver&) const = default;
};

struct ResolvConf {
  std::vector<Nameserver> nameservers;
  std::vector<std::string> refused;  ///< addresses that could not be read, at most kMaxNameservers
};

[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

/// The servers of a file that may change at any time, as when a laptop joins another network.
class SystemResolvers {
 public:
  /// A change is noticed this much later at most.
  static constexpr Duration kCheckInterval = std::chrono::seconds{1};

  explicit SystemResolvers(std::string path = "/etc/resolv.conf") : path_(std::move(path)) {}

  /// To be called when a query is about to be sent; an idle daemon never looks. True: `servers` or `zones` are others
  /// than before. A look is one stat(2), and at most one per `kCheckInterval`.
  bool refresh(Instant now);

  [[nodiscard]] const std::vector<dns::Endpoint>& servers() const noexcept { return servers_; }
  [[nodiscard]] const Ipv6Zones& zones() const noexcept { return zones_; }
  /// Sentences for the log about lines that cannot be used.
  [[nodiscard]] std::vector<std::string> take_messages() { return std::exchange(messages_, {}); }

 private:
  /// What tells one content of a file from the next.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };

  [[nodiscard]] std::optional<Identity> identify() const;
  [[nodiscard]] std::string read();
  bool take(const ResolvConf& conf);

  std::string path_;
  Instant next_check_ = Instant::min();
  bool loaded_ = false;
  std::optional<Identity> identity_;
  std::vector<dns::Endpoint> servers_;
  Ipv6Zones zones_;
  std::vector<std::string> messages_;
};

}  // namespace vnet::daemon
