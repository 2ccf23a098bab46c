// The gateway's part for a guest that is restored from a snapshot: see stale_connections.hpp.
#include <array>

#include "network/gateway.hpp"
#include "packet/tcp.hpp"

namespace vnet::network {

void Gateway::each_connection(const std::function<void(const TcpConnection&)>& see) const { tcp_.for_each(see); }

void Gateway::end_connections(const MacAddress& mac, bool tell, Instant now) {
  tcp_.end_if([&](const TcpFlow& flow) { return heard_at(flow.remote) == mac; }, tell, now);
}

void Gateway::ask_about(const GuestConnection& connection, const MacAddress& mac) {
  const TcpFlow flow{connection.remote.address, connection.guest.address, connection.remote.port,
                     connection.guest.port};
  // It may have begun another one between the same ends.
  if (tcp_.contains(flow) || (egress_ != nullptr && egress_->carries(flow))) return;
  constexpr std::array<std::uint8_t, 1> kSeen{};
  FrameBuilder frame{outbox_.room(kSeen.size())};
  build_tcp(frame, flow, {connection.sequence - 1, connection.acknowledgment, TcpSegment::kAck, 0xffff, 0}, kSeen);
  const bool v4 = std::holds_alternative<Ipv4Address>(flow.local);
  frame.prepend_ethernet(mac, config_.mac, v4 ? ethertype::kIpv4 : ethertype::kIpv6);
  outbox_.send(frame);
}

}  // namespace vnet::network
