#include "daemon/services.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "daemon/network_setup.hpp"
#include "daemon/service_setup.hpp"

namespace vnet::daemon {
namespace {

/// RFC 5424, table 2.
constexpr std::array<std::string_view, 8> kSeverities = {"emergency", "alert",  "critical",      "error",
                                                         "warning",   "notice", "informational", "debug"};

network::ServiceKind kind_of(const Service& service) {
  if (!service.kind) return network::ServiceKind::none;
  switch (*service.kind) {
    case ServiceKind::stun: return network::ServiceKind::stun;
    case ServiceKind::files: return network::ServiceKind::files;
    case ServiceKind::syslog: return network::ServiceKind::syslog;
    case ServiceKind::cloud_init: return network::ServiceKind::cloud_init;
    case ServiceKind::dns: return network::ServiceKind::dns;
    case ServiceKind::ntp: return network::ServiceKind::ntp;
    case ServiceKind::echo: return network::ServiceKind::echo;
    case ServiceKind::discard: return network::ServiceKind::discard;
  }
  return network::ServiceKind::none;
}

}  // namespace

Services::Services(network::Fabric& fabric, dgram::Poller& poller, std::string folder, Clock clock)
    : fabric_(fabric),
      folder_(std::move(folder)),
      clock_(std::move(clock)),
      files_(
          poller, [this] { return clock_().now; }, [this] { return clock_().unix_ms / 1000; }) {}

network::ServiceConfig Services::config_of(const Service& service) {
  network::ServiceConfig config;
  config.name = service.name;
  for (const Ipv4Address& address : service.ipv4) config.addresses.emplace_back(address);
  for (const Ipv6Address& address : service.ipv6) config.addresses.emplace_back(address);
  config.kind = kind_of(service);
  for (const DnsRecord& record : service.records) config.records.push_back(record_of(record));
  config.wall_clock = [this](Instant at) {
    const Moment moment = clock_();
    return network::WallTime{std::chrono::milliseconds{moment.unix_ms} + moment.past + (at - moment.now)};
  };
  config.on_syslog = [this, name = service.name](const network::SyslogMessage& message) { hear(name, message); };
  return config;
}

Result<void, std::string> Services::serve(const std::vector<Service>& services) {
  if (auto served = files_.serve(services, folder_); !served) return served;
  services_ = services;
  std::erase_if(down_, [&](const std::string& name) {
    return std::ranges::find(services_, name, &Service::name) == services_.end();
  });
  tell_fabric();
  return {};
}

void Services::tell_fabric() {
  std::vector<network::ServiceConfig> configs;
  for (const Service& service : services_) configs.push_back(config_of(service));
  fabric_.set_services(std::move(configs), service_targets(services_, files_.sockets(), down_), clock_().now);
}

bool Services::set_up(std::string_view name, bool up, std::string_view cause) {
  if (std::ranges::find(services_, name, &Service::name) == services_.end()) return false;
  if (up == !down_.contains(name)) return true;
  if (up) {
    down_.erase(down_.find(name));
  } else {
    down_.emplace(name);
  }
  (void)fabric_.set_service_up(name, up, cause, clock_().now);
  tell_fabric();  // connections to programs of the host end with it
  return true;
}

void Services::hear(const std::string& service, const network::SyslogMessage& message) {
  network::Event event;
  event.kind = network::EventKind::service_log;
  event.at = clock_().now;
  event.subject =
      service + " " + vnet::to_string(message.from.address) + " " + std::string{kSeverities[message.severity & 7U]};
  event.cause = message.text;
  if (message.suppressed != 0) event.cause += " (" + std::to_string(message.suppressed) + " before it were lost)";
  fabric_.announce(std::move(event));
}

}  // namespace vnet::daemon
