// One service of the simulated internet as a person configures it: an entry of `services` in the config file, read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dns/record.hpp"
#include "network/services/syslog_message.hpp"
#include "network/services/wall_time.hpp"
#include "packet/ip_address.hpp"

namespace vnet::network {

enum class ServiceKind : std::uint8_t {
  none,        ///< a name and an address, or forwarded to sockets of the host
  stun,        ///< UDP and TCP 3478 and 3479
  files,       ///< HTTP, by the daemon
  syslog,      ///< UDP 514, TCP 514 and 601
  cloud_init,  ///< HTTP, by the daemon
  dns,         ///< UDP and TCP 53, with records of its own
  ntp,         ///< UDP 123
  echo,        ///< UDP and TCP 7
  discard,     ///< UDP and TCP 9
};

struct ServiceConfig {
  std::string name;
  /// Of either family. The order matters to STUN: of each family the first is its A1, the second its A2.
  std::vector<IpAddress> addresses{};
  ServiceKind kind = ServiceKind::none;
  /// Of dns.
  std::vector<dns::Record> records{};
  /// Of ntp; empty: the year is 1970 at the beginning of `Instant`.
  WallClock wall_clock{};
  /// Of syslog: who hears what guests log. Must not call back into the service.
  OnSyslog on_syslog{};

  /// Whether it is the same service, so that one that is running can go on; functions are not compared.
  [[nodiscard]] bool is_like(const ServiceConfig& other) const {
    return name == other.name && addresses == other.addresses && kind == other.kind && records == other.records;
  }
};

}  // namespace vnet::network
