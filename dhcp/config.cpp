#include "dhcp/config.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "dhcp/message.hpp"

namespace vnet::dhcp {
namespace {

constexpr std::uint8_t kMinPrefixLength = 8;
constexpr std::uint8_t kMaxPrefixLength = 30;
constexpr std::uint16_t kMinMtu = 576;
constexpr std::size_t kMaxDnsServers = 63;
constexpr std::size_t kMaxSearch = 64;
constexpr std::size_t kMaxRoutes = 64;
constexpr std::size_t kMaxExcluded = 1024;
constexpr std::size_t kMaxOptionBytes = 1024;
constexpr Duration kMaxLeaseTime = std::chrono::seconds{0xfffffffe};  // one more means "for ever" (RFC 2131, 3.3)

/// Options whose value follows from the exchange and not from the configuration.
constexpr std::array kProtocolOptions = {option::kPad,
                                         option::kRequestedAddress,
                                         option::kLeaseTime,
                                         option::kOverload,
                                         option::kMessageType,
                                         option::kServerIdentifier,
                                         option::kMessageText,
                                         option::kParameterRequestList,
                                         option::kMaximumMessageSize,
                                         option::kRenewalTime,
                                         option::kRebindingTime,
                                         option::kClientIdentifier,
                                         option::kRelayAgentInformation,
                                         option::kEnd};

std::optional<std::string> address_problem(const ServerConfig& config) {
  const Ipv4Prefix& prefix = config.gateway;
  if (prefix.length < kMinPrefixLength || prefix.length > kMaxPrefixLength) {
    return prefix.to_string() + ": DHCP needs a prefix length of 8 to 30";
  }
  if (prefix.address == prefix.network() || prefix.address == prefix.broadcast()) {
    return prefix.to_string() + ": the gateway needs a host address";
  }
  if (config.excluded.size() > kMaxExcluded) return "more than " + std::to_string(kMaxExcluded) + " excluded addresses";
  if (config.range_first.is_unspecified() && config.range_last.is_unspecified()) return std::nullopt;
  if (config.range_first > config.range_last) return std::string{"the range's first address is above its last"};
  if (!prefix.contains(config.range_first) || !prefix.contains(config.range_last)) {
    return "the range leaves the network " + prefix.to_string();
  }
  return std::nullopt;
}

std::optional<std::string> time_problem(const ServerConfig& config) {
  constexpr Duration kSecond = std::chrono::seconds{1};
  for (const Duration time : {config.lease_time, config.offer_time, config.decline_time}) {
    if (time < kSecond || time > kMaxLeaseTime) return std::string{"times are 1 s to 4294967294 s"};
  }
  if (config.max_leases == 0 || config.max_leases > kMaxLeases) {
    return "max_leases is 1 to " + std::to_string(kMaxLeases);
  }
  return std::nullopt;
}

std::optional<std::string> parameter_problem(const ServerConfig& config) {
  if (config.dns_servers.size() > kMaxDnsServers) return "more than " + std::to_string(kMaxDnsServers) + " DNS servers";
  if (!config.domain.empty() && !is_domain_name(config.domain)) return "\"" + config.domain + "\" is not a domain name";
  if (config.search.size() > kMaxSearch) return "more than " + std::to_string(kMaxSearch) + " search domains";
  for (const std::string& name : config.search) {
    if (!is_domain_name(name)) return "\"" + name + "\" is not a domain name";
  }
  if (config.mtu != 0 && config.mtu < kMinMtu) return "an MTU is at least " + std::to_string(kMinMtu);
  if (config.routes.size() > kMaxRoutes) return "more than " + std::to_string(kMaxRoutes) + " routes";
  for (const auto& [code, value] : config.options) {
    if (std::ranges::find(kProtocolOptions, code) != kProtocolOptions.end()) {
      return "option " + std::to_string(code) + " belongs to the protocol";
    }
    if (value.size() > kMaxOptionBytes) return "option " + std::to_string(code) + " is too long";
  }
  return std::nullopt;
}

std::optional<std::string> own_problem(const ServerConfig& config, const Reservation& reservation) {
  if (reservation.mac.is_group() || reservation.mac.is_zero()) {
    return reservation.mac.to_string() + " is not the address of a NIC";
  }
  if (!is_assignable(config, reservation.ip)) return reservation.ip.to_string() + " cannot be reserved here";
  if (!reservation.hostname.empty() && !is_host_label(reservation.hostname)) {
    return "\"" + reservation.hostname + "\" is not a host name";
  }
  return std::nullopt;
}

}  // namespace

bool is_assignable(const ServerConfig& config, Ipv4Address ip) {
  const Ipv4Prefix& prefix = config.gateway;
  return prefix.contains(ip) && ip != prefix.network() && ip != prefix.broadcast() && ip != prefix.address &&
         ip != config.router && std::ranges::find(config.excluded, ip) == config.excluded.end();
}

std::optional<std::string> problem(const ServerConfig& config) {
  if (auto text = address_problem(config)) return text;
  if (auto text = time_problem(config)) return text;
  if (auto text = parameter_problem(config)) return text;
  if (config.reservations.size() > kMaxReservations) return std::string{"too many reservations"};
  std::unordered_set<MacAddress> macs;
  std::unordered_set<Ipv4Address> ips;
  for (const Reservation& reservation : config.reservations) {
    if (auto text = own_problem(config, reservation)) return text;
    if (!macs.insert(reservation.mac).second) return reservation.mac.to_string() + " has two reservations";
    if (!ips.insert(reservation.ip).second) return reservation.ip.to_string() + " is reserved twice";
  }
  return std::nullopt;
}

std::optional<std::string> problem(const ServerConfig& config, const Reservation& added) {
  if (config.reservations.size() >= kMaxReservations) return std::string{"too many reservations"};
  if (auto text = own_problem(config, added)) return text;
  for (const Reservation& reservation : config.reservations) {
    if (reservation.mac == added.mac) return added.mac.to_string() + " has a reservation";
    if (reservation.ip == added.ip) return added.ip.to_string() + " is reserved for " + reservation.mac.to_string();
  }
  return std::nullopt;
}

}  // namespace vnet::dhcp
