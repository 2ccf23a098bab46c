// Fabric: the whole virtual network as one object, without I/O.
//
// It holds the networks (each a broadcast domain with a MAC table and a gateway) and the NICs that are plugged into
// them. It opens no socket and reads no clock: whoever drives it, the daemon's event loop or a test on virtual time,
// does this:
//
//     fabric.admit(...), attach(...)      a client has appeared: which port is it?
//     fabric.receive(port, frames, now)   a batch of frames has come in through a port
//     fabric.transmit()                   what is to be sent now, by port; borrowed until end_batch()
//     fabric.sent(...)                    what became of it
//     fabric.end_batch()
//     fabric.next_deadline(), expire(now) timers
//
// Networks and NICs can be added, changed and removed at any time between two batches, while traffic flows. A NIC that
// moves to another network belongs to it from that call on: what it sends next is forwarded there, and what was queued
// for it in the old one is dropped and counted.
//
// The life of a frame: checked at the door (length, link, source), its source learned, its destination looked up:
// one port, a flood, the gateway, or a drop with a reason. Every frame that is not delivered is counted under exactly
// one DropReason, at the NIC that sent it or at the NIC that should have had it.
//
// A NIC's link may be impaired: what it sends is delayed or lost between the door and all that follows, what it is sent
// just before it leaves (fabric_impair.cpp). What waits in a link that goes down, or whose NIC is detached or moves, is
// dropped. Observers see a frame at the sender when it comes in, once more should it be dropped after it has waited,
// and at the receiver when it leaves.
//
// Limits: kMaxNetworks, kMaxNics in all; a NIC that nobody configured is removed kLinger after it was detached, and the
// one longest detached makes room when the table is full. A configured one loses its IPv6 names at that time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "nat/egress.hpp"
#include "network/config.hpp"
#include "network/event.hpp"
#include "network/gateway.hpp"
#include "network/internet.hpp"
#include "network/nic.hpp"
#include "network/observer.hpp"
#include "network/source_guard.hpp"
#include "packet/random.hpp"
#include "packet/result.hpp"
#include "switch/frame_store.hpp"
#include "switch/mac_table.hpp"
#include "switch/port.hpp"
#include "switch/transmit.hpp"

namespace vnet::network {

class Fabric {
 public:
  static constexpr std::size_t kMaxNics = 4096;
  static constexpr std::size_t kMaxNetworks = 256;
  /// Where a NIC without a network goes. It is always there.
  static constexpr std::size_t kDefaultNetwork = 0;
  static constexpr Duration kLinger = std::chrono::seconds{300};
  /// A NIC's attachment may move between clients this often in kMoveWindow; see `may_move`.
  static constexpr unsigned kMaxMoves = 8;
  static constexpr Duration kMoveWindow = std::chrono::seconds{10};

  /// `configs` has at least one network and at most kMaxNetworks, each with another name; `nics` name networks by index
  /// and have no NicProblem. The seed decides all that is random, but for the ids of DNS queries where `dns_random` is
  /// given.
  Fabric(std::vector<NetworkConfig> configs, std::vector<NicConfig> nics, std::uint64_t seed,
         dns::RandomSource dns_random = {});
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  // Clients come and go.

  /// The port of the NIC with the address `source`, made if it is new; `network` is where the client's socket leads,
  /// if it leads anywhere in particular.
  [[nodiscard]] Result<l2::PortId, DropReason> admit(const MacAddress& source, std::optional<std::size_t> network,
                                                     Instant now);
  /// Whether the NIC's attachment may be taken over by another client: always when it has none; otherwise not more
  /// often than kMaxMoves in kMoveWindow, lest two clients with one MAC take it from each other with every frame.
  [[nodiscard]] bool may_move(l2::PortId port, Instant now);
  void attach(l2::PortId port, AttachmentKind kind, std::string peer, Instant now);
  /// Takes the NIC's own MAC address as learned, as if it had sent a frame.
  void introduce(l2::PortId port, Instant now);
  void detach(l2::PortId port, std::string_view cause, Instant now);
  void set_link(l2::PortId port, bool up, std::string_view cause, Instant now);

  // NICs are added, changed and removed by whoever is in charge. On a problem nothing has changed.

  /// A NIC that stays until it is removed. One that has merely appeared with this MAC address becomes it, and keeps its
  /// attachment and its counters.
  [[nodiscard]] Result<l2::PortId, NicProblem> add(NicConfig config, Instant now);
  /// The NIC at `port`, whose MAC address stays, is as `wanted` says from now on, and stays until it is removed.
  [[nodiscard]] Result<void, NicProblem> change(l2::PortId port, NicConfig wanted, std::string_view cause, Instant now);
  /// The NIC is detached, and goes with its names. Its lease runs on.
  void remove(l2::PortId port, std::string_view cause, Instant now);

  // Networks. They keep their index while they exist; it is used again afterwards.

  /// The name is no other network's, and there are fewer than kMaxNetworks.
  std::size_t add_network(NetworkConfig config, Instant now);
  /// Another configuration for a network. NICs, attachments, what has been learned, and leases that still fit stay, and
  /// frames between its NICs do not notice. What was set in its gateway since it was made, DNS records and upstream
  /// servers, must be set again, and answers to DNS queries on their way find nobody.
  void reconfigure(std::size_t network, NetworkConfig config, Instant now);
  /// NICs that merely appeared go with it. False, with nothing changed: it is the default network, or still has a NIC
  /// that somebody configured or that is attached.
  bool remove_network(std::size_t network, Instant now);
  /// Other impairments for all links of a network.
  void impair_network(std::size_t network, const l2::Impairments& impair, std::string_view cause, Instant now);

  // Frames.

  /// Forwards a batch that came in through `from`, which is attached. The frames must stay until `end_batch`.
  void receive(l2::PortId from, std::span<const ByteView> frames, Instant now);
  /// Counts a frame of `from`'s client that never became one, for example an oversize datagram.
  void refuse(l2::PortId from, ByteView frame, DropReason reason, Instant now);
  [[nodiscard]] const l2::Transmit& transmit() const noexcept { return transmit_; }
  /// What became of one frame of `port`'s batch: sent, or dropped.
  void sent(l2::PortId port, ByteView frame, std::optional<DropReason> dropped, Instant now);
  void end_batch();
  /// What came back for a DNS query that the gateway of `network` has sent; it may fill `transmit()`.
  void on_upstream(std::size_t network, std::uint64_t handle, ByteView message, Instant now);
  void on_upstream_error(std::size_t network, std::uint64_t handle, Instant now);

  // Egress: what guests exchange with the real world, through sockets of the host; see nat/egress.hpp. Networks whose
  // configuration speaks of it have one, once the sockets are there: where it is not enabled, for forwards only.

  /// `sockets` outlives the fabric.
  void open_egress(nat::HostSockets& sockets);
  /// Null where the network has none.
  [[nodiscard]] nat::Egress* egress(std::size_t network) noexcept { return networks_[network]->egress.get(); }
  [[nodiscard]] const nat::Egress* egress(std::size_t network) const noexcept {
    return networks_[network]->egress.get();
  }
  /// Other rules of a network's egress; flows that they do not allow end, and the guests see it.
  void change_egress(std::size_t network, const nat::EgressRules& rules, std::string_view cause, Instant now);
  /// Where the guest with this address is reached now; nothing: nobody is known to have it, or its NIC is not live.
  [[nodiscard]] std::optional<MacAddress> guest_at(std::size_t network, const IpAddress& address) const;
  /// Has the gateway ask the network for the guest; it may fill `transmit()`.
  void solicit(std::size_t network, const IpAddress& address, Instant now);
  /// What a socket has to say; `end_host_events` follows after the last of those that came together.
  void on_host(nat::FlowId id, nat::HostEvents events, Instant now);
  void end_host_events(Instant now);

  // Guests that are saved and restored; see network/stale_connections.hpp.

  /// The TCP connections of guests with the gateways, the services and the world, by the NIC's MAC address.
  void each_connection(const std::function<void(const MacAddress&, const GuestConnection&)>& see) const;
  /// The guest behind a NIC is another from now on, that of a snapshot: what there is of its flows ends, and of what it
  /// believes in it is told, as soon as it can be reached, that it is gone. It may fill `transmit()`.
  void restart_guest(l2::PortId port, std::vector<GuestConnection> believed, Instant now);

  // The internet between the networks; see network/internet.hpp.

  [[nodiscard]] const Internet& internet() const noexcept { return internet_; }
  /// Another NAT for a network, while it runs.
  void change_nat(std::size_t network, const nat::NatBehavior& nat, std::string_view cause, Instant now);
  /// Other outside addresses: all mappings are gone.
  void change_wan(std::size_t network, const std::optional<Wan>& wan, std::string_view cause, Instant now);
  void change_blackhole(std::size_t network, std::vector<IpPrefix> blackhole, std::string_view cause, Instant now);
  /// All services from now on; `targets` are the ports of them that end in sockets of the host.
  void set_services(std::vector<ServiceConfig> services, nat::ServiceTargets targets, Instant now);
  /// False: there is no service of that name.
  bool set_service_up(std::string_view name, bool up, std::string_view cause, Instant now);
  /// The router is switched off and on again.
  void reboot_router(std::size_t network, std::string_view cause, Instant now);

  // Time.

  [[nodiscard]] Instant next_deadline() const;
  /// Does what is due; it may fill `transmit()`.
  void expire(Instant now);

  // Looking in.

  void set_observer(FrameObserver* observer) noexcept {
    observer_ = observer;
    internet_.set_observer(observer);
  }
  [[nodiscard]] EventLog& events() noexcept { return events_; }
  /// Takes an event that was made elsewhere into the log. The observer is told of one that names a NIC.
  void announce(Event event);
  [[nodiscard]] const Nic& nic(l2::PortId port) const noexcept { return nics_[index(port)]; }
  [[nodiscard]] std::size_t nic_slots() const noexcept { return nics_.size(); }
  [[nodiscard]] l2::PortId find(const MacAddress& mac) const;
  /// By name, without regard to case.
  [[nodiscard]] l2::PortId find(std::string_view name) const;
  /// How many NICs there are, of whatever kind.
  [[nodiscard]] std::size_t nic_count() const noexcept { return by_mac_.size(); }
  /// The MAC addresses that are learned behind a NIC, those included that have aged out and were not swept yet.
  [[nodiscard]] std::size_t learned_macs(l2::PortId port) const noexcept;
  /// The lease in force of the NIC at `port` in its network; null: none. Valid until the next call that is not const.
  [[nodiscard]] const dhcp::Lease* lease_of(l2::PortId port) const;
  /// Why a NIC like `wanted` cannot be, beside all others but the one at `self`; nothing: it can.
  [[nodiscard]] std::optional<NicProblem> problem(const NicConfig& wanted, l2::PortId self = l2::kNoPort) const;

  /// One more than the highest index of a network; see `has_network`.
  [[nodiscard]] std::size_t network_count() const noexcept { return networks_.size(); }
  [[nodiscard]] bool has_network(std::size_t network) const noexcept {
    return network < networks_.size() && networks_[network] != nullptr;
  }
  /// By name, without regard to case.
  [[nodiscard]] std::optional<std::size_t> find_network(std::string_view name) const;
  // These need a network that exists.
  [[nodiscard]] Gateway& gateway(std::size_t network) noexcept { return networks_[network]->gateway; }
  [[nodiscard]] const Gateway& gateway(std::size_t network) const noexcept { return networks_[network]->gateway; }
  [[nodiscard]] const NetworkConfig& network_config(std::size_t network) const noexcept {
    return networks_[network]->config;
  }
  /// The bytes of the longest frame that any network lets pass.
  [[nodiscard]] std::size_t max_frame_size() const noexcept;

 private:
  struct Network final : nat::GuestPorts, Lan, Uplink {
    Network(NetworkConfig c, Fabric& of, std::size_t its_number, Random& random, const dns::RandomSource& dns_random,
            EventLog& events, const std::deque<Nic>& all_nics)
        : fabric(of),
          number(its_number),
          config(std::move(c)),
          table(config.mac_limits, random.next()),
          guard(config.ipv6),
          gateway(config, random, dns_random, events, guard),
          nics(all_nics) {
      table.pin(config.mac, l2::kGatewayPort);
      gateway.set_uplink(this);
    }
    [[nodiscard]] std::size_t frames(const MacAddress& guest, std::size_t frame_bytes) const override;
    [[nodiscard]] std::optional<MacAddress> locate(const IpAddress& guest) const override {
      return fabric.guest_at(number, guest);
    }
    [[nodiscard]] const NetworkConfig& settings() const override { return config; }
    [[nodiscard]] std::optional<MacAddress> station(const IpAddress& guest) const override { return locate(guest); }
    void ask_for(const IpAddress& guest) override { gateway.solicit(guest); }
    void send_udp(std::uint16_t from_port, const nat::Endpoint& to, ByteView payload) override {
      gateway.send_udp(from_port, to, payload);
    }
    void set_mapper(PortMapper* mapper) override { gateway.set_port_mapper(mapper); }
    [[nodiscard]] nat::Egress* way_out() override { return egress.get(); }
    [[nodiscard]] bool answers_for(Ipv4Address address) const override {
      const Router* const router = fabric.internet_.router(number);
      return router != nullptr && router->inside.find(address) != nullptr;
    }
    [[nodiscard]] std::optional<nat::EgressRefusal> leave(const MacAddress& mac, const Ipv4Packet& packet,
                                                          Instant at) override {
      return fabric.internet_.from_guest(number, mac, packet, at);
    }
    [[nodiscard]] std::optional<nat::EgressRefusal> leave(const MacAddress& mac, const Ipv6Packet& packet,
                                                          Instant at) override {
      return fabric.internet_.from_guest(number, mac, packet, at);
    }

    Fabric& fabric;
    std::size_t number;
    NetworkConfig config;
    l2::MacTable table;
    SourceGuard guard;
    Gateway gateway;
    std::vector<l2::PortId> live;  ///< ports that a flood goes to
    const std::deque<Nic>& nics;
    Instant now{};          ///< of the turn that egress is in
    bool in_batch = false;  ///< its outboxes may hold frames of this batch
    std::unique_ptr<nat::Egress> egress;
  };

  [[nodiscard]] Nic& at(l2::PortId port) noexcept { return nics_[index(port)]; }
  [[nodiscard]] Network& network_of(const Nic& nic) noexcept { return *networks_[nic.config.network]; }
  [[nodiscard]] const Network& network_of(const Nic& nic) const noexcept { return *networks_[nic.config.network]; }
  [[nodiscard]] std::unique_ptr<Network> make_network(std::size_t number, NetworkConfig config);
  [[nodiscard]] std::string default_name(const MacAddress& mac) const;
  l2::PortId insert(NicConfig config, bool configured, Instant now);
  void apply(l2::PortId port, NicConfig wanted, std::string_view cause, Instant now);
  void leave(l2::PortId port, Instant now);
  [[nodiscard]] bool make_room(Instant now);
  void set_live(l2::PortId port, bool live);
  void expire_detached(Instant now);

  [[nodiscard]] std::optional<DropReason> check(const Nic& nic, const Network& network, ByteView frame) const noexcept;
  [[nodiscard]] std::optional<DropReason> learn(l2::PortId from, Network& network, const MacAddress& source,
                                                Instant now);
  [[nodiscard]] std::optional<DropReason> forward(l2::PortId from, Network& network, ByteView frame, Instant now);
  [[nodiscard]] std::optional<DropReason> to_gateway(l2::PortId from, Network& network, ByteView frame, Instant now);
  void flood(l2::PortId from, const Network& network, ByteView frame, Instant now);
  void deliver(l2::PortId to, Network& network, ByteView frame, Instant now);
  void queue(l2::PortId to, ByteView frame);
  /// Counts and shows a frame that has left through `port`, or never will.
  void account(l2::PortId port, ByteView frame, std::optional<DropReason> dropped, Instant now);
  void forward_from_gateway(Network& network, Instant now);
  void forward_from_egress(Network& network, Instant now);
  void forward_internet(Instant now);
  void note_batch(Network& network);
  void forward_outbox(Network& network, Outbox& outbox, Instant now);
  void forward_frames(Network& network, std::span<const ByteView> frames, Instant now);

  void rejoin(Network& network, std::string_view what, std::string_view cause, Instant now);
  [[nodiscard]] static nat::EgressConfig egress_config(const NetworkConfig& config);
  void make_egress(std::size_t number, Network& network);
  void succeed_egress(std::size_t number, Network& former, Network& fresh);
  void end_egress_batch(Network& network, Instant now);

  [[nodiscard]] std::optional<MacAddress> owner_of(const Network& network, const IpAddress& address) const;
  void remember_stale(l2::PortId port, std::vector<GuestConnection> connections);
  void begin_asking(Nic& nic) noexcept;
  void ask_guests(Instant now);

  void update_link(l2::PortId port, Instant now);
  void update_links(std::size_t network, Instant now);
  void drop_delayed(l2::PortId port, DropReason reason, Instant now);
  void end_link(l2::PortId port, Instant now);
  void receive_impaired(l2::PortId from, std::span<const ByteView> frames, Instant now);
  [[nodiscard]] std::optional<DropReason> offer_up(l2::PortId from, ByteView frame, Instant now);
  [[nodiscard]] std::optional<DropReason> accept(l2::PortId from, ByteView frame, Instant now);
  void flood_impaired(l2::PortId from, const Network& network, ByteView frame, Instant now);
  void deliver_impaired(l2::PortId to, ByteView frame, Instant now);
  void expire_impaired(Instant now);

  void report(EventKind kind, l2::PortId port, std::string subject, std::string_view cause, Instant now,
              std::optional<MacAddress> station = std::nullopt);
  void tell(l2::PortId port, Event event);
  void report(EventKind kind, const Network& network, std::string subject, Instant now);
  void report(std::size_t network, const nat::MappingChange& change);

  std::uint64_t seed_;
  Random random_;
  dns::RandomSource dns_random_;
  EventLog events_;
  nat::EgressShared egress_shared_;
  Internet internet_{random_, egress_shared_.services,
                     [this](std::size_t network, const nat::MappingChange& change) { report(network, change); }};
  std::vector<std::unique_ptr<Network>> networks_;  ///< null where one was removed
  std::deque<Nic> nics_;
  std::vector<l2::PortId> free_;
  std::unordered_map<MacAddress, l2::PortId> by_mac_;
  std::unordered_map<std::string, l2::PortId> by_name_;  ///< in lower case
  std::vector<std::size_t> batch_;                       ///< networks that are `in_batch`
  l2::Transmit transmit_;
  l2::FrameStore delayed_;            ///< what waits in links, and what has left them in this batch
  std::vector<l2::PortId> impaired_;  ///< NICs whose links are
  Instant next_delayed_ = kNever;     ///< when the first of their frames is due, or before that
  std::vector<l2::PortId> stale_;     ///< NICs whose guests are to be asked, and some that are so no more
  Instant next_stale_ = kNever;       ///< when the first of them is, or before that
  FrameObserver* observer_ = nullptr;
  Instant next_linger_check_ = kNever;
};

}  // namespace vnet::network
