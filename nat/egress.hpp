// Egress: the way of one network's guests to the real world, through sockets of the host.
//
// The gateway gives it what is not for itself: whole IP packets. It is a router one hop away: it refuses a packet whose
// time to live ends here, asks the policy, and only then hands a TCP segment to TcpFlows, a UDP datagram or a ping to
// DatagramFlows. What it refuses has a reason for the counters and, where the guest is to be told, an ICMP error, which
// the gateway sends. Errors that come later, a connection that the host cannot make, it builds itself.
//
// It is driven like everything here: `handle` for each packet and `end_batch` after them, `on_host` for each event of a
// socket and `end_batch` after them, `expire` at `next_deadline`; frames are in `outbox`.
//
// A service of the simulated internet that ends in a socket of the host is reached by the same way, without a word of
// the policy: see nat/service_targets.hpp.
//
// Fragments are put together first: what is asked of the policy, and what goes on, is the whole packet. What comes back
// larger than the MTU goes to the guest in fragments.
//
// Not supported: other protocols than TCP, UDP and ICMP echo; multicast; a guest's own ICMP errors about what came from
// outside, which end here (RFC 5508 lets a NAT translate them; a host socket cannot say them).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nat/datagram_calls.hpp"
#include "nat/datagram_flows.hpp"
#include "nat/egress_policy.hpp"
#include "nat/guest_wire.hpp"
#include "nat/host_socket.hpp"
#include "nat/reassembly.hpp"
#include "nat/service_targets.hpp"
#include "nat/tcp_flows.hpp"
#include "packet/drop_reason.hpp"
#include "packet/icmp_error.hpp"
#include "packet/ip.hpp"
#include "packet/outbox.hpp"
#include "packet/packet_editor.hpp"
#include "packet/random.hpp"

namespace vnet::nat {

struct EgressConfig {
  MacAddress mac;  ///< the gateway's, from which all frames come
  std::size_t mtu = 1500;
  bool whole_datagrams = false;     ///< however large: a router on their way cuts them
  std::optional<Ipv4Address> ipv4;  ///< the gateway's addresses
  std::optional<Ipv6Address> ipv6;
  EgressRules rules;
  std::vector<IpPrefix> inside;  ///< the prefixes of all networks here
  std::optional<IpAddress> host_alias;
  Duration udp_timeout = std::chrono::seconds{300};
  Duration tcp_established_timeout = std::chrono::seconds{7440};
};

/// What all networks share.
struct EgressShared {
  /// Bytes by which all TCP windows together may exceed their first: see WindowBudget.
  static constexpr std::size_t kWindowBytes = std::size_t{512} << 20U;

  HostSockets* sockets = nullptr;  ///< null: there is no way out
  WindowBudget windows{kWindowBytes};
  std::uint64_t flows = 0;  ///< opened so far
  /// After a change each Egress is to be told, see `services_changed`.
  ServiceTargets services;
};

/// Why a packet goes nowhere.
struct EgressRefusal {
  DropReason reason{};
  std::optional<IcmpError> answer{};  ///< what its sender is to be told, subject to the rules for ICMP errors
  ByteView about{};  ///< the packet put together that is refused, until `end_batch`; empty: the one that was given
};

/// What guests sent to services that end in sockets of the host.
struct ServiceCounters {
  std::uint64_t connections = 0;  ///< begun
  std::uint64_t refused = 0;      ///< of them, those that the target did not take
  std::uint64_t datagrams = 0;
  std::uint64_t vanished = 0;  ///< packets to services that are down
};

struct EgressCounters {
  std::array<std::uint64_t, kEgressVerdicts.size()> verdicts{};  ///< of packets that would have begun a flow
  ServiceCounters services;
};

class Egress final : private DatagramCalls::Guests {
 public:
  /// `network` is in the ids of its flows, see `network_of`. The references outlive this.
  Egress(const EgressConfig& config, std::size_t network, EgressShared& shared, Random& random,
         const GuestPorts& ports);

  /// An IP packet of the guest at `mac` for an address beyond the network. It stays until `end_batch`.
  [[nodiscard]] std::optional<EgressRefusal> handle(const MacAddress& mac, const Ipv4Packet& packet, Instant now);
  [[nodiscard]] std::optional<EgressRefusal> handle(const MacAddress& mac, const Ipv6Packet& packet, Instant now);
  void on_host(FlowId id, HostEvents events, Instant now);
  /// Whom the guest at `guest` sees of a connection from `real`; nothing there: a UNIX socket. It is the real client
  /// where the guest's answers to it come here: of its family, not the host's loopback, not inside the network. Else it
  /// is the host alias or the gateway, with a port that is free. Nothing: none is.
  [[nodiscard]] std::optional<Endpoint> client_for(const std::optional<Endpoint>& real, const Endpoint& guest) const;
  /// Whether this is a connection of ours: one that a forward has made may come from the gateway's own address.
  [[nodiscard]] bool carries(const TcpFlow& flow) const { return tcp_.contains(flow); }
  /// A connection of the host's for a port of a guest: `client` is whom the guest sees. False, with the connection
  /// reset: the flow is in use, or there are too many.
  bool call(FlowId id, const Endpoint& client, const Endpoint& guest, const MacAddress& mac,
            std::unique_ptr<TcpSocket> host, Instant now);
  /// Whether a guest's datagram answers a call through a forward.
  [[nodiscard]] bool carries(const Endpoint& guest, const Endpoint& to) const { return calls_.carries(guest, to); }
  /// Either of both, of a packet that came whole.
  [[nodiscard]] bool answers_call(const PacketEditor& packet) const;
  /// UDP forwards into the network.
  [[nodiscard]] DatagramCalls& calls() noexcept { return calls_; }
  [[nodiscard]] const DatagramCalls& calls() const noexcept { return calls_; }
  [[nodiscard]] FlowId new_id() noexcept;
  [[nodiscard]] static std::size_t network_of(FlowId id) noexcept {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id) >> kNetworkShift);
  }

  /// The flow's number without its network: unique all the same, and small enough for any reader of JSON.
  [[nodiscard]] static std::uint64_t number_of(FlowId id) noexcept {
    return static_cast<std::uint64_t>(id) & ((std::uint64_t{1} << kNetworkShift) - 1);
  }

  void end_batch(Instant now);
  [[nodiscard]] Instant next_deadline() const {
    return std::min(
        {tcp_.next_deadline(), datagrams_.next_deadline(), calls_.next_deadline(), reassembler_.next_deadline()});
  }
  void expire(Instant now);
  [[nodiscard]] Outbox& outbox() noexcept { return outbox_; }

  /// Another configuration from now on; flows that its rules do not allow end.
  void reconfigure(const EgressConfig& config, const GuestPorts& ports);
  /// EgressShared has other services than `former`: flows to what leads elsewhere now, or nowhere, end; of a service
  /// that is down, without a word.
  void services_changed(const ServiceTargets& former);
  /// The guest behind `mac` is gone: so are its flows. A guest that is not told sees nothing of their end.
  void forget(const MacAddress& mac, bool tell = true);

  [[nodiscard]] const EgressConfig& config() const noexcept { return config_; }
  [[nodiscard]] const TcpFlows& tcp() const noexcept { return tcp_; }
  [[nodiscard]] const DatagramFlows& datagrams() const noexcept { return datagrams_; }
  [[nodiscard]] const Reassembler& reassembler() const noexcept { return reassembler_; }
  [[nodiscard]] const EgressCounters& counters() const noexcept { return counters_; }

 private:
  static constexpr unsigned kNetworkShift = 48;
  static constexpr std::size_t kMaxPacket = 65'535;
  /// What one turn makes at most, and beyond it the largest batch that a datagram socket gives.
  static constexpr std::size_t kArenaBytes = std::size_t{6} << 20U;

  template <typename Packet>
  std::optional<EgressRefusal> route(const MacAddress& mac, const Packet& packet, std::uint8_t hops, Instant now);
  template <typename Packet>
  std::optional<EgressRefusal> take(const MacAddress& mac, const Packet& packet, std::uint8_t hops, Instant now);
  template <typename Packet>
  std::optional<EgressRefusal> take_tcp(const MacAddress& mac, const Packet& packet, Instant now);
  template <typename Packet>
  std::optional<EgressRefusal> take_udp(const MacAddress& mac, const Packet& packet, std::uint8_t hops, Instant now);
  template <typename Packet>
  std::optional<EgressRefusal> take_icmp(const MacAddress& mac, const Packet& packet, std::uint8_t hops, Instant now);
  std::optional<EgressRefusal> send(const DatagramFlows::Datagram& datagram, EgressProtocol protocol, Instant now);
  std::optional<EgressRefusal> open(const TcpFlow& flow, const MacAddress& mac, const TcpSegment& syn,
                                    const ServiceTarget* service, Instant now);
  [[nodiscard]] Result<std::unique_ptr<TcpSocket>, HostError> connect(FlowId id, const TcpFlow& flow,
                                                                      const ServiceTarget* service);
  std::optional<EgressRefusal> serve(const DatagramFlows::Datagram& datagram, const ServiceTarget& service,
                                     Instant now);
  std::optional<EgressRefusal> hand_over(const DatagramFlows::Datagram& datagram, Instant now);
  [[nodiscard]] const ServiceTarget* service_of(const TcpFlow& flow) const noexcept {
    return shared_.services.find(EgressProtocol::tcp, {flow.local, flow.local_port});
  }
  [[nodiscard]] std::optional<EgressRefusal> judge(EgressProtocol protocol, const IpAddress& to, std::uint16_t port);
  void tell_refused(const TcpSplice& splice, HostError error);
  void tell_unfinished(const Reassembler::Unfinished& datagram);
  /// Whom errors of our own come from.
  [[nodiscard]] std::size_t datagram_mtu() const noexcept { return config_.whole_datagrams ? kMaxPacket : config_.mtu; }
  [[nodiscard]] std::optional<IpAddress> reporter(const IpAddress& family) const noexcept;
  template <typename IsFree>
  [[nodiscard]] std::optional<Endpoint> client_for(const std::optional<Endpoint>& real, const Endpoint& guest,
                                                   const IsFree& is_free) const;

  [[nodiscard]] std::optional<Endpoint> seen_as(const Endpoint& client, const Endpoint& guest) const override;
  [[nodiscard]] std::optional<MacAddress> locate(const IpAddress& guest) const override {
    return ports_->locate(guest);
  }
  [[nodiscard]] bool has_room(const MacAddress& guest) override { return datagrams_.has_room(guest); }
  void deliver(const Endpoint& from, const Endpoint& guest, const MacAddress& mac, ByteView payload) override {
    datagrams_.give(DatagramKind::udp, from, guest, mac, payload);
  }

  EgressConfig config_;
  std::size_t network_;
  EgressShared& shared_;
  EgressPolicy policy_;
  Outbox outbox_{kArenaBytes};
  GuestWire wire_;
  TcpFlows tcp_;
  DatagramFlows datagrams_;
  DatagramCalls calls_;
  const GuestPorts* ports_;
  Reassembler reassembler_;
  EgressCounters counters_;
};

}  // namespace vnet::nat
