// What people change of a network's way to the internet while it runs.
#include <cassert>
#include <utility>

#include "network/fabric.hpp"

namespace vnet::network {

void Fabric::rejoin(Network& network, std::string_view what, std::string_view cause, Instant now) {
  internet_.join(network.number, network, now);
  internet_.build_routes();
  if (network.egress) network.egress->reconfigure(egress_config(network.config), network);
  forward_from_gateway(network, now);
  tell(l2::kGatewayPort, {EventKind::network_changed,
                          now,
                          network.config.name,
                          {},
                          std::nullopt,
                          {},
                          std::string{what} + ": " + std::string{cause}});
}

void Fabric::report(std::size_t network, const nat::MappingChange& change) {
  using Kind = nat::MappingChange::Kind;
  const nat::PortMapping& mapping = change.mapping;
  EventKind kind = EventKind::mapping_created;
  if (change.kind == Kind::renewed) kind = EventKind::mapping_renewed;
  if (change.kind == Kind::deleted) kind = EventKind::mapping_deleted;
  if (change.kind == Kind::expired) kind = EventKind::mapping_expired;
  std::string subject{mapping.protocol == nat::NatProtocol::tcp ? "tcp " : "udp "};
  subject += std::to_string(mapping.outside_port) + " to " + to_string(mapping.inside.address) + " port " +
             std::to_string(mapping.inside.port);
  std::string cause{to_string(mapping.origin)};
  if (!change.cause.empty()) cause += ", " + std::string{change.cause};
  tell(l2::kGatewayPort,
       {kind, change.at, networks_[network]->config.name, {}, std::nullopt, std::move(subject), std::move(cause)});
}

void Fabric::change_nat(std::size_t network, const nat::NatBehavior& nat, std::string_view cause, Instant now) {
  assert(has_network(network));
  networks_[network]->config.nat = nat;
  rejoin(*networks_[network], "nat", cause, now);
}

void Fabric::change_wan(std::size_t network, const std::optional<Wan>& wan, std::string_view cause, Instant now) {
  assert(has_network(network));
  networks_[network]->config.wan = wan;
  rejoin(*networks_[network], "wan", cause, now);
}

void Fabric::change_blackhole(std::size_t network, std::vector<IpPrefix> blackhole, std::string_view cause,
                              Instant now) {
  assert(has_network(network));
  networks_[network]->config.blackhole = std::move(blackhole);
  rejoin(*networks_[network], "blackhole", cause, now);
}

void Fabric::reboot_router(std::size_t network, std::string_view cause, Instant now) {
  assert(has_network(network));
  internet_.reboot(network, now);
  tell(l2::kGatewayPort, {EventKind::network_changed,
                          now,
                          networks_[network]->config.name,
                          {},
                          std::nullopt,
                          {},
                          "router rebooted: " + std::string{cause}});
}

void Fabric::set_services(std::vector<ServiceConfig> services, nat::ServiceTargets targets, Instant now) {
  internet_.set_services(std::move(services));
  const nat::ServiceTargets former = std::exchange(egress_shared_.services, std::move(targets));
  for (const auto& network : networks_) {
    if (!network || !network->egress) continue;
    network->egress->services_changed(former);
    forward_from_gateway(*network, now);
  }
}

bool Fabric::set_service_up(std::string_view name, bool up, std::string_view cause, Instant now) {
  if (!internet_.set_service_up(name, up)) return false;
  announce({EventKind::service_changed,
            now,
            {},
            {},
            std::nullopt,
            std::string{name} + (up ? " up" : " down"),
            std::string{cause}});
  return true;
}

}  // namespace vnet::network
