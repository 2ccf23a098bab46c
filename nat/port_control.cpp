#include "nat/port_control.hpp"

namespace vnet::nat {
namespace {

bool is_link_local(const IpAddress& address) noexcept {
  const auto* const v6 = std::get_if<Ipv6Address>(&address);
  return v6 != nullptr && v6->is_link_local();
}

}  // namespace

ByteView PortControl::handle(const Endpoint& from, ByteView request, Instant now) {
  if (!mappings_.is_inside(from.address) && !is_link_local(from.address)) return {};
  if (request.empty()) return {};
  // NAT-PMP is for IPv4 alone, which PCP's answer says best.
  const bool is_nat_pmp = request[0] == NatPmp::kVersion && is_v4(from.address);
  ByteWriter answer{answer_};
  if (is_nat_pmp && config_.nat_pmp) {
    nat_pmp_.handle(from, request, now, answer);
  } else if (config_.pcp) {
    pcp_.handle(from, request, now, answer);
  } else if (config_.nat_pmp) {
    nat_pmp_.refuse_version(request, now, answer);
  }
  return answer.written();
}

Instant PortControl::next_deadline() const noexcept {
  return announced_restarts_ != mappings_.restarts() ? kAtOnce : next_announcement_;
}

void PortControl::expire(Instant now, const Send& send) {
  if (announced_restarts_ != mappings_.restarts()) {
    announced_restarts_ = mappings_.restarts();
    announcements_left_ = kAnnouncements;
    interval_ = kFirstInterval;
    next_announcement_ = now;
  }
  if (now < next_announcement_) return;
  announce(now, send);
  --announcements_left_;
  next_announcement_ = announcements_left_ > 0 ? now + interval_ : kNever;
  interval_ *= 2;
}

void PortControl::announce(Instant now, const Send& send) {
  const PortMappingsConfig& network = mappings_.config();
  const Endpoint to4{Ipv4Address{224, 0, 0, 1}, kClientPort};
  const Endpoint to6{Ipv6Address::all_nodes(), kClientPort};
  const auto tell = [&](const Endpoint& to, const auto& write) {
    ByteWriter out{answer_};
    write(out);
    send(to, out.written());
  };
  const auto write_pcp = [&](ByteWriter& out) { pcp_.announce(now, out); };
  // Where each host has an address of its own, there is none that could be announced.
  if (network.inside4 && config_.nat_pmp && network.ipv4 != PortSharing::own) {
    tell(to4, [&](ByteWriter& out) { nat_pmp_.announce(network.inside4->address, now, out); });
  }
  if (network.inside4 && config_.pcp) tell(to4, write_pcp);
  if (network.inside6 && config_.pcp) tell(to6, write_pcp);
}

}  // namespace vnet::nat
