// ServiceTargets: which sockets of the host the services of the simulated internet end in.
//
// A service has addresses of the simulated internet; some of its ports lead to a program on the host, by TCP, UDP or a
// UNIX stream. Whoever configured that has named the target, so the host's loopback is one like any other, and the
// policy of egress, which is about the real internet, is not asked: a service is reached where egress is switched off.
//
// A table is a value that is replaced as a whole; `Egress::services_changed` then ends the flows that would go
// elsewhere. It is asked once for a connection and once for each datagram, and costs one comparison where there are no
// services.
//
// The other ports of a service are not known here: whoever hands packets to egress answers for them.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "nat/egress_rules.hpp"
#include "nat/host_socket.hpp"
#include "packet/packet_editor.hpp"
#include "packet/random.hpp"

namespace vnet::nat {

/// A port of a service as guests see it, after all NATs.
struct ServicePort {
  EgressProtocol protocol = EgressProtocol::tcp;  ///< or udp
  Endpoint endpoint;

  bool operator==(const ServicePort&) const noexcept = default;
};

struct ServiceTarget {
  HostTarget to;                    ///< of UDP an endpoint
  std::uint8_t proxy_protocol = 0;  ///< of TCP: the version of the header that begins each connection; 0: none
  bool down = false;                ///< nothing answers, not even with a reset

  bool operator==(const ServiceTarget&) const = default;
};

class ServiceTargets {
 public:
  /// In place of what the port had.
  void set(const ServicePort& port, ServiceTarget target) {
    assert(port.protocol == EgressProtocol::tcp || std::holds_alternative<Endpoint>(target.to));
    targets_.insert_or_assign(port, std::move(target));
  }
  /// Null: no service of the host's is there. Valid until the table changes.
  [[nodiscard]] const ServiceTarget* find(EgressProtocol protocol, const Endpoint& endpoint) const noexcept {
    if (targets_.empty()) return nullptr;
    const auto found = targets_.find({protocol, endpoint});
    return found == targets_.end() ? nullptr : &found->second;
  }
  /// Whether a packet from a guest is for one of these, and so for egress.
  [[nodiscard]] bool serves(const PacketEditor& packet) const noexcept {
    if (targets_.empty()) return false;
    const bool tcp = packet.kind() == PacketEditor::Kind::tcp;
    if (!tcp && packet.kind() != PacketEditor::Kind::udp) return false;
    return find(tcp ? EgressProtocol::tcp : EgressProtocol::udp, {packet.destination(), packet.destination_port()}) !=
           nullptr;
  }
  [[nodiscard]] std::size_t size() const noexcept { return targets_.size(); }

  bool operator==(const ServiceTargets&) const = default;

 private:
  /// The keys are the operator's, not a guest's, so they need no secret.
  struct Hash {
    std::size_t operator()(const ServicePort& of) const noexcept {
      const std::uint64_t rest = std::uint64_t{of.endpoint.port} << 8U | static_cast<std::uint64_t>(of.protocol);
      return mix64(std::hash<IpAddress>{}(of.endpoint.address), rest);
    }
  };

  std::unordered_map<ServicePort, ServiceTarget, Hash> targets_;
};

}  // namespace vnet::nat
