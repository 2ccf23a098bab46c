// Egress's way to the services of the simulated internet that end in sockets of the host.
#include "nat/egress.hpp"
#include "nat/proxy_header.hpp"

namespace vnet::nat {
namespace {

/// Whether a flow that was begun under `before` may go on under `now`.
bool leads_elsewhere(const ServiceTarget* before, const ServiceTarget* now) noexcept {
  if (before == nullptr || now == nullptr) return before != now;
  return before->to != now->to;
}

}  // namespace

Result<std::unique_ptr<TcpSocket>, HostError> Egress::connect(FlowId id, const TcpFlow& flow,
                                                              const ServiceTarget* service) {
  if (service == nullptr) {
    return shared_.sockets->connect(id, {*policy_.host_target(flow.local), flow.local_port});
  }
  const ProxiedConnection ends{{flow.remote, flow.remote_port}, {flow.local, flow.local_port}};
  ++counters_.services.connections;
  auto host = shared_.sockets->connect_to_service(id, service->to, proxy_header(service->proxy_protocol, ends));
  if (!host) ++counters_.services.refused;
  return host;
}

std::optional<EgressRefusal> Egress::serve(const DatagramFlows::Datagram& datagram, const ServiceTarget& service,
                                           Instant now) {
  const auto* const target = std::get_if<Endpoint>(&service.to);
  if (service.down || target == nullptr) {
    ++counters_.services.vanished;
    return EgressRefusal{DropReason::blackhole};
  }
  ++counters_.services.datagrams;
  DatagramFlows::Datagram translated = datagram;
  translated.from.service = datagram.to;
  translated.target = *target;
  translated.ttl = DatagramFlows::Datagram{}.ttl;  // it has arrived; how far the target is, is the host's affair
  return hand_over(translated, now);
}

void Egress::services_changed(const ServiceTargets& former) {
  const ServiceTargets& present = shared_.services;
  tcp_.vanish_if([&](const TcpSplice& splice) {
    const ServiceTarget* const service = service_of(splice.flow());
    return !splice.called() && service != nullptr && service->down;
  });
  tcp_.abort_if([&](const TcpSplice& splice) {
    const Endpoint local{splice.flow().local, splice.flow().local_port};
    return !splice.called() &&
           leads_elsewhere(former.find(EgressProtocol::tcp, local), present.find(EgressProtocol::tcp, local));
  });
  datagrams_.drop_if([&](const DatagramView& view) {
    if (!view.key.service) return false;
    const ServiceTarget* const service = present.find(EgressProtocol::udp, *view.key.service);
    return leads_elsewhere(former.find(EgressProtocol::udp, *view.key.service), service) ||
           (service != nullptr && service->down);
  });
}

}  // namespace vnet::nat
