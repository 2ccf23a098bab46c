// Gateway: the network's own host. It answers ARP and Neighbor Discovery for its own addresses, ping, DHCP, router
// solicitations and DNS over UDP and TCP, and says "unreachable" for the rest (RFC 1122, 1812), so that a guest's
// mistake shows at once and not after a time-out.
//
// It is asked with a whole frame and answers into its Outbox. What it does not answer has a reason: malformed, a bad
// checksum, no service on that port, no route to that address, or answered too often already. VLAN-tagged frames are
// between the guests and not for us.
//
// What is beyond the network goes to an Uplink, whose router leads to the internet between the networks and to the
// host. Where the router takes requests for port mappings, they come in here: NAT-PMP and PCP (RFC 6886, 6887), UPnP
// IGD.
//
// Not supported: fragments for the gateway itself, IP options beyond being skipped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "nat/egress.hpp"
#include "network/address_service.hpp"
#include "network/config.hpp"
#include "network/event.hpp"
#include "network/name_service.hpp"
#include "network/neighbor_discovery.hpp"
#include "network/nic.hpp"
#include "network/nic_names.hpp"
#include "network/port_mapper.hpp"
#include "network/source_guard.hpp"
#include "network/ssdp.hpp"
#include "network/stale_connections.hpp"
#include "network/tcp_endpoint.hpp"
#include "network/token_bucket.hpp"
#include "network/upnp_server.hpp"
#include "packet/arp.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ethernet.hpp"
#include "packet/icmp_error.hpp"
#include "packet/ip.hpp"
#include "packet/outbox.hpp"
#include "packet/random.hpp"
#include "packet/transport.hpp"

namespace vnet::network {

/// What is beyond the network.
class Uplink {
 public:
  virtual ~Uplink() = default;
  /// A packet of the guest at `mac` for an address that is not the gateway's; borrowed until the batch ends. Why it
  /// goes nowhere, if it does not.
  [[nodiscard]] virtual std::optional<nat::EgressRefusal> leave(const MacAddress& mac, const Ipv4Packet& packet,
                                                                Instant now) = 0;
  [[nodiscard]] virtual std::optional<nat::EgressRefusal> leave(const MacAddress& mac, const Ipv6Packet& packet,
                                                                Instant now) = 0;
  /// Whether the address, one of the network's own, is a router's that stands inside, and is reached through the
  /// gateway.
  [[nodiscard]] virtual bool answers_for(Ipv4Address address) const = 0;
};

class Gateway final : private TcpOutput {
 public:
  /// ICMP errors a second, and in one burst (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f).
  static constexpr double kIcmpErrorsPerSecond = 100;
  static constexpr double kIcmpErrorBurst = 50;
  /// Guests whose MAC address is remembered, from TCP, ARP and Neighbor Discovery; the one longest unheard makes room.
  static constexpr std::size_t kMaxNeighbors = 4096;

  /// The references outlive this.
  Gateway(const NetworkConfig& config, Random& random, const dns::RandomSource& dns_random, EventLog& events,
          SourceGuard& guard);

  /// A frame that reached us by address, broadcast or multicast. Nothing: it was answered, or is not our business.
  [[nodiscard]] std::optional<DropReason> handle(ByteView frame, Instant now);
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);
  [[nodiscard]] Outbox& outbox() noexcept { return outbox_; }
  /// Where what is beyond the network goes; null: nowhere. It outlives this.
  void set_uplink(Uplink* uplink) noexcept { uplink_ = uplink; }
  /// By which guests ask for port mappings; null: they cannot. It outlives this, and is not taken back where the
  /// network's configuration has UPnP.
  void set_port_mapper(PortMapper* mapper);
  /// What the host's calls come through; null: there are none. It outlives this, or is taken back.
  void set_egress(nat::Egress* egress) noexcept { egress_ = egress; }

  /// The station that was last heard with this address; nothing: none was.
  [[nodiscard]] std::optional<MacAddress> heard_at(const IpAddress& address) const;
  /// The station that has a lease on the address, or for which it is kept.
  [[nodiscard]] std::optional<MacAddress> assigned_to(const IpAddress& address) const;
  /// Sends a datagram from an own address: to a group, or to a guest that has been heard.
  void send_udp(std::uint16_t from_port, const nat::Endpoint& to, ByteView payload);
  /// Asks the link who has `address`, by ARP or Neighbor Discovery. Who answers is remembered.
  void solicit(const IpAddress& address);

  /// The NIC is in this network, or is called otherwise than before. An address that it should have is kept for it if
  /// it suits the network, see `address_problem`; one that was kept before must have been given up.
  void set_nic(const NicConfig& nic);
  /// Why `nic` cannot have its address here; nothing: it can, or wants none. The text does not know NICs by name.
  [[nodiscard]] std::optional<std::string> address_problem(const NicConfig& nic) const;
  /// The address that is kept for the NIC is free again; a lease on it runs on.
  void give_up_address(const NicConfig& nic);
  /// The NIC is gone. Its lease runs on, with the host name that it has by it.
  void remove_nic(const NicConfig& nic);
  /// The NIC is in another network from now on: nothing of it resolves here, and its lease waits for it to come back.
  void forget_nic(const NicConfig& nic);
  /// The NIC has been gone for long: what it was reached at over IPv6 is out of date.
  void forget_ipv6(const MacAddress& mac) { names_.clear_ipv6(mac); }
  /// Goes on where `former`, the gateway of the same network under its last configuration, has stopped: with its leases
  /// and with the IPv6 addresses of the NICs, which have been set here already. TCP connections, DNS queries on their
  /// way and the cache of the resolver are not taken over. A lease that does not fit any more ends.
  void succeed(Gateway& former, Instant now);

  /// The gateway's own TCP connections with guests.
  void each_connection(const std::function<void(const TcpConnection&)>& see) const;
  /// Ends those with the guest behind `mac`, with a RST where it is to be told.
  void end_connections(const MacAddress& mac, bool tell, Instant now);
  /// Has the guest behind `mac` say what it knows of the connection, unless there is one between these ends.
  void ask_about(const GuestConnection& connection, const MacAddress& mac);

  void on_upstream(std::uint64_t handle, ByteView bytes, Instant now) { dns_.on_upstream(handle, bytes, now, outbox_); }
  void on_upstream_error(std::uint64_t handle, Instant now) { dns_.on_upstream_error(handle, now, outbox_); }

  /// Null where the network has no DHCP.
  [[nodiscard]] AddressService* addresses() noexcept { return dhcp_ ? &*dhcp_ : nullptr; }
  [[nodiscard]] const AddressService* addresses() const noexcept { return dhcp_ ? &*dhcp_ : nullptr; }
  [[nodiscard]] dns::Server& dns() noexcept { return dns_.server(); }
  [[nodiscard]] const dns::Server& dns() const noexcept { return dns_.server(); }
  [[nodiscard]] StationAddresses addresses_of(const MacAddress& mac) const { return names_.addresses(mac); }

 private:
  using Verdict = std::optional<DropReason>;

  Verdict handle_arp(const EthernetFrame& frame, Instant now);
  Verdict handle_ipv4(const EthernetFrame& frame, Instant now);
  Verdict handle_ipv6(const EthernetFrame& frame, Instant now);
  Verdict handle_udp4(const EthernetFrame& frame, const Ipv4Packet& packet, Instant now);
  Verdict handle_multicast4(const EthernetFrame& frame, const Ipv4Packet& packet, Instant now);
  Verdict handle_icmp4(const EthernetFrame& frame, const Ipv4Packet& packet);
  Verdict handle_icmp6(const EthernetFrame& frame, const Ipv6Packet& packet, Instant now);
  Verdict handle_udp6(const EthernetFrame& frame, const Ipv6Packet& packet, Instant now);
  template <typename Packet>
  [[nodiscard]] bool answers_call(const Packet& packet, const UdpDatagram& udp) const;
  template <typename Packet>
  Verdict answer_mapping_request(const EthernetFrame& frame, const Packet& packet, const UdpDatagram& udp, Instant now);
  template <typename Address>
  void put_udp(const MacAddress& mac, const Address& from, std::uint16_t from_port, const Address& to,
               std::uint16_t to_port, ByteView payload);
  template <typename Packet>
  Verdict to_egress(const EthernetFrame& frame, const Packet& packet, Instant now);
  template <typename Packet>
  Verdict handle_tcp(const EthernetFrame& frame, const Packet& packet, Instant now);
  Verdict icmp_error4(const EthernetFrame& frame, const Ipv4Packet& packet, const IcmpError& error, DropReason reason,
                      Instant now);
  Verdict icmp_error6(const EthernetFrame& frame, const Ipv6Packet& packet, const IcmpError& error, DropReason reason,
                      Instant now);
  Verdict unreachable4(const EthernetFrame& frame, const Ipv4Packet& packet, std::uint8_t code, DropReason reason,
                       Instant now) {
    return icmp_error4(frame, packet, {icmp_type::kUnreachable, code}, reason, now);
  }
  Verdict unreachable6(const EthernetFrame& frame, const Ipv6Packet& packet, std::uint8_t code, DropReason reason,
                       Instant now) {
    return icmp_error6(frame, packet, {icmp6_type::kUnreachable, code}, reason, now);
  }

  void emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) override;
  void remember(const IpAddress& address, const MacAddress& mac, Instant now);
  [[nodiscard]] bool is_own(Ipv4Address address) const noexcept;
  [[nodiscard]] bool is_own(const Ipv6Address& address) const noexcept;
  [[nodiscard]] bool is_broadcast(Ipv4Address address) const noexcept;
  /// Whether guests find us by this address on the link: our own, and that by which they reach the host.
  [[nodiscard]] bool answers_arp_for(Ipv4Address address) const noexcept;

  struct Neighbor {
    MacAddress mac;
    Instant seen{};
  };

  const NetworkConfig& config_;
  Random& random_;
  SourceGuard& guard_;
  nat::Egress* egress_ = nullptr;
  Uplink* uplink_ = nullptr;
  PortMapper* mapper_ = nullptr;
  Outbox outbox_;
  TokenBucket errors_{kIcmpErrorsPerSecond, kIcmpErrorBurst};
  std::unordered_map<IpAddress, Neighbor> neighbors_;
  TcpServer tcp_;
  NameService dns_;
  NicNames names_;
  std::optional<AddressService> dhcp_;
  std::optional<NeighborDiscovery> discovery_;
  std::optional<UpnpServer> upnp_;
  std::optional<Ssdp> ssdp_;
};

}  // namespace vnet::network
