#include "daemon/service_setup.hpp"

namespace vnet::daemon {
namespace {

constexpr std::uint16_t kHttpPort = 80;

nat::HostTarget target_of(const EndpointOrUnix& to) {
  if (const auto* const path = std::get_if<UnixPath>(&to)) return nat::HostPath{path->path};
  const auto& endpoint = std::get<Endpoint>(to);
  return nat::Endpoint{endpoint.address, endpoint.port};
}

nat::EgressProtocol protocol_of(Protocol protocol) noexcept {
  return protocol == Protocol::tcp ? nat::EgressProtocol::tcp : nat::EgressProtocol::udp;
}

void add(nat::ServiceTargets& targets, const Service& service, Protocol protocol, std::uint16_t port,
         const nat::ServiceTarget& target) {
  const auto set = [&](const IpAddress& address) { targets.set({protocol_of(protocol), {address, port}}, target); };
  for (const Ipv4Address& address : service.ipv4) set(address);
  for (const Ipv6Address& address : service.ipv6) set(address);
}

}  // namespace

nat::ServiceTargets service_targets(const std::vector<Service>& services, const FileSockets& files,
                                    const std::set<std::string, std::less<>>& down) {
  nat::ServiceTargets targets;
  for (const Service& service : services) {
    nat::ServiceTarget target{.to = {}, .proxy_protocol = 0, .down = down.contains(service.name)};
    if (serves_files(service)) {
      const auto socket = files.find(service.name);
      target.to = nat::HostPath{socket == files.end() ? std::string{} : socket->second};
      add(targets, service, Protocol::tcp, kHttpPort, target);
    }
    for (const auto& [port, to] : service.forward) {
      target.to = target_of(to);
      target.proxy_protocol = port.first == Protocol::tcp ? service.proxy_protocol : std::uint8_t{0};
      add(targets, service, port.first, port.second, target);
    }
  }
  return targets;
}

}  // namespace vnet::daemon
