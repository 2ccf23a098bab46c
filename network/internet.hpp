// Internet: what joins the networks. It has no cables and loses nothing; routers have the addresses.
//
// A realm is where an address means one thing: the internet itself, and the inside of every router. A packet travels
// from realm to realm, rewritten in place in one buffer: out of its home's router (and its carrier's), across, into
// another router, and to a guest, to a service, or by the egress of the network that it came from to the real world. So
// two homes and the NATs between them cost one copy.
//
//     guest -> gateway -> leave() -> [outbound, realm beyond]... -> travel() -> [inbound, realm inside]... -> frames
//
// Every router takes one off the hop limit and tells the sender when nothing is left; a carrier's is a hop like any
// other. Errors are packets, too: they find their way back by the same mappings.
//
// A network without outside addresses is not joined: its guests reach the services, by their own addresses, and what
// its egress lets them reach, and nobody reaches them.
//
// Limits: kMaxTrips, the realms that one packet and what it causes are in at a time; the arena of a batch; packets held
// for guests that are asked for, see Router; ICMP errors a second.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "nat/fragment.hpp"
#include "network/gateway.hpp"
#include "network/observer.hpp"
#include "network/router.hpp"
#include "network/services/service_host.hpp"
#include "network/token_bucket.hpp"
#include "packet/outbox.hpp"
#include "packet/packet_editor.hpp"

namespace vnet::network {

class Internet final : private ServiceOutput, private TcpOutput {
 public:
  static constexpr unsigned kMaxTrips = 32;
  static constexpr double kErrorsPerSecond = 1'000;
  static constexpr double kErrorBurst = 100;

  /// `on_mapping` is told what becomes of port mappings that guests ask a network's router for.
  using OnMapping = std::function<void(std::size_t network, const nat::MappingChange&)>;

  /// `targets`, which outlives this, are the ports of services that egress leads to.
  Internet(Random& random, const nat::ServiceTargets& targets, OnMapping on_mapping);
  Internet(const Internet&) = delete;
  Internet& operator=(const Internet&) = delete;

  // Who is there. `build_routes` follows after the last of several changes.

  /// The network with this index is, or is from now on, as its `settings` say. `lan` outlives this, or is replaced.
  void join(std::size_t network, Lan& lan, Instant now);
  void leave(std::size_t network);
  void build_routes();
  [[nodiscard]] const Router* router(std::size_t network) const noexcept;
  [[nodiscard]] Router* router(std::size_t network) noexcept;
  /// The router of `network` is switched off and on: its mappings are gone.
  void reboot(std::size_t network, Instant now);

  /// The services from now on. One that is as it was goes on with its connections, and one that is down stays down.
  void set_services(std::vector<ServiceConfig> services);
  /// Whether the service answers; one that is down is as silent as a host without power. False: there is none of that
  /// name.
  bool set_service_up(std::string_view name, bool up);
  void set_observer(FrameObserver* observer) noexcept { observer_ = observer; }

  // Connections of guests with services.

  /// Of TCP. Their remote ends are addresses on the internet: see `find_guest`.
  void each_connection(const std::function<void(const TcpConnection&)>& see) const;
  /// Ends those of which `over` says so, with a RST where the guest is to be told.
  void end_connections(const std::function<bool(const TcpFlow&)>& over, bool tell, Instant now);
  /// Whose a TCP connection is: for which guest a packet of `remote` to `at` would be, which are addresses on the
  /// internet. Nothing: for nobody.
  struct Place {
    std::size_t network = 0;
    nat::Endpoint guest;
  };
  [[nodiscard]] std::optional<Place> find_guest(nat::Endpoint at, const nat::Endpoint& remote) const;

  // Packets.

  /// What a guest sends beyond its network; the answer is for its sender. The packet is borrowed until `end_batch`.
  template <typename Packet>
  [[nodiscard]] std::optional<nat::EgressRefusal> from_guest(std::size_t network, const MacAddress& mac,
                                                             const Packet& packet, Instant now);
  /// What a network's egress has for whoever talks to the host through it: a frame for the network, or an IP packet for
  /// its router's outside. False: it is a frame as it stands.
  [[nodiscard]] bool from_egress(std::size_t network, ByteView frame, Instant now);
  /// Looks again for guests that packets are held for.
  void retry_held(std::size_t network, Instant now);
  [[nodiscard]] bool holds(std::size_t network) const noexcept { return !routers_[network]->held.empty(); }
  /// A network with frames that wait to be taken, see `frames`, or whose gateway has been asked to ask for a
  /// guest. Nothing: no other.
  [[nodiscard]] std::optional<std::size_t> next_touched();
  [[nodiscard]] std::vector<ByteView>& frames(std::size_t network) noexcept { return routers_[network]->frames; }
  void end_batch();

  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

 private:
  struct Service {
    std::unique_ptr<ServiceHost> host;
    bool up = true;
  };
  struct Target {
    Router* router = nullptr;
    Service* service = nullptr;  ///< one of both
    bool for_services = false;   ///< an inside that only services answer to
  };
  /// A packet on its way, and who sent it. The bytes have FrameBuilder::kHeadroom before them.
  struct Parcel {
    PacketEditor packet;
    ByteSpan storage;
    Router* from = nullptr;  ///< the router of the guest that sent it; null: no guest did
    MacAddress mac{};        ///< the guest's
    bool cut = false;
  };

  [[nodiscard]] Result<Parcel, DropReason> pack(ByteView packet);
  void set_mapper(Router& router, bool moved, Instant now);
  void add_routes(Router& router);
  [[nodiscard]] std::optional<nat::EgressRefusal> to_egress(Router& router, const MacAddress& mac, ByteView packet,
                                                            Instant now);
  [[nodiscard]] std::optional<nat::EgressRefusal> depart(Router& router, const MacAddress& mac, ByteView packet,
                                                         bool cut, Instant now);
  /// The packet is in the realm inside `realm`, or in the internet where that is null.
  std::optional<DropReason> travel(Router* realm, Parcel& parcel, Instant now);
  std::optional<DropReason> cross(Parcel& parcel, Instant now);
  std::optional<DropReason> go_out(Router& router, Parcel& parcel, Instant now);
  std::optional<DropReason> come_in(Router& router, Parcel& parcel, Instant now);
  [[nodiscard]] std::optional<DropReason> admit(Router& router, Parcel& parcel, Instant now);
  void show(const Router& router, Direction direction, const Parcel& parcel, std::optional<DropReason> dropped,
            Instant now);
  std::optional<DropReason> deliver(Router& router, Parcel& parcel, Instant now);
  void put_frames(Router& router, const MacAddress& to, const Parcel& parcel);
  void touch(Router& router);
  void hold(Router& router, const Parcel& parcel, Instant now);
  std::optional<DropReason> serve(Service& service, Parcel& parcel, Instant now);
  std::optional<DropReason> serve_udp(Service& service, const Parcel& parcel, Instant now);
  std::optional<DropReason> serve_tcp(Service& service, const Parcel& parcel, Instant now);
  void answer_ping(const Parcel& parcel, Instant now);
  void send(const ServiceDatagram& datagram) override;
  void emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) override;
  /// A packet of the internet's own, in the realm inside `realm`: `build` puts it together over up to `payload` bytes.
  template <typename Build>
  void originate(Router* realm, std::size_t payload, Build build, Instant now);

  void tell_unfinished(Router& router, const nat::Reassembler::Unfinished& datagram, Instant now);
  /// An ICMP error about the packet `about` from `source`, an address in the realm inside `realm`.
  void tell_from(Router* realm, const IpAddress& source, const IcmpError& error, ByteView about, Instant now);

  Random& random_;
  const nat::ServiceTargets& targets_;
  OnMapping on_mapping_;
  std::vector<std::unique_ptr<Router>> routers_;  ///< by network; null where there is none
  std::vector<std::unique_ptr<Service>> services_;
  RouteTable<Target> routes_;
  Outbox arena_;
  nat::Identifications identifications_;
  std::vector<std::size_t> touched_;
  std::vector<std::size_t> reassembled_;  ///< networks whose guests' fragments became packets in this batch
  FrameObserver* observer_ = nullptr;
  TokenBucket errors_{kErrorsPerSecond, kErrorBurst};
  unsigned trips_ = 0;
  Instant now_{};  ///< of the packet that a service answers
};

}  // namespace vnet::network
