// DatagramFlows: what guests send by UDP, and their pings, over sockets of the host.
//
// One host socket for each of a guest's endpoints (address and port; of ICMP echo, address and identifier), whatever it
// talks to: the mapping is endpoint-independent (RFC 4787, REQ-1), and so is the filtering, because whoever may reach
// the host's socket is a matter of the host's own firewall (REQ-8, first choice). ICMP errors that the host is told of
// are passed on to the guest, quoting a datagram of the guest's as it would have looked on the wire; they end nothing
// (REQ-12).
//
// What goes to a service of the simulated internet (nat/service_targets.hpp) has a socket for each of the service's
// endpoints: two of them may lead to one target, and by the socket it is known which of them an answer is from. Who
// else sends to that socket is not heard, so a server that answers from another port (TFTP) is not supported there.
//
// A flow ends when it was idle for too long; only what the guest sends counts (REQ-6). At a guest's limit the one that
// it has not used for longest makes room: a resolver or a game opens hundreds of ports and seldom looks back. At the
// limit of all the newcomer is refused.
//
// A datagram that is larger than the guest's MTU goes to it in fragments, each when there is room for it: see
// FragmentQueue.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "nat/egress_policy.hpp"
#include "nat/flow_timers.hpp"
#include "nat/fragment_queue.hpp"
#include "nat/guest_wire.hpp"
#include "nat/host_socket.hpp"
#include "packet/icmp_error.hpp"
#include "packet/siphash.hpp"

namespace vnet::nat {

enum class DatagramKind : std::uint8_t { udp, echo };

struct DatagramLimits {
  std::size_t flows = 8192;      ///< in one network; a further one is refused
  std::size_t per_guest = 2048;  ///< of one guest address; the one longest unused makes room
};

struct DatagramTimes {
  Duration udp = std::chrono::seconds{300};  ///< RFC 4787, REQ-5
  /// A flow that has only ever asked DNS servers: each question comes from a port of its own.
  Duration dns = std::chrono::seconds{30};
  Duration echo = std::chrono::seconds{60};  ///< RFC 5508, REQ-2
};

struct DatagramCounters {
  std::uint64_t opened = 0;
  std::uint64_t evicted = 0;      ///< made room for another of the same guest
  std::uint64_t limited = 0;      ///< refused: a limit, or the host gives no such socket
  std::uint64_t from_guests = 0;  ///< datagrams
  std::uint64_t to_guests = 0;
  std::uint64_t lost = 0;         ///< of them, larger than the MTU and more than may wait for room
  std::uint64_t send_failed = 0;  ///< the host refused one
  std::uint64_t errors = 0;       ///< ICMP errors passed on
};

/// A guest's endpoint, and what only some of its datagrams are for.
struct DatagramKey {
  DatagramKind kind = DatagramKind::udp;
  IpAddress guest;
  std::uint16_t port = 0;  ///< of an echo the identifier
  std::optional<Endpoint> service{};

  bool operator==(const DatagramKey&) const noexcept = default;
};

/// A flow as others see it.
struct DatagramView {
  FlowId id{};
  DatagramKey key;
  MacAddress mac;
  Endpoint last;  ///< whom it has sent to last
  Instant began{};
  Instant used{};
  std::uint64_t bytes_to_host = 0;
  std::uint64_t bytes_to_guest = 0;
};

class DatagramFlows {
 public:
  struct Setup {
    std::size_t mtu = 1500;
    SipHashKey key;  ///< secret
    DatagramLimits limits{};
    DatagramTimes times{};
    /// Whom errors of our own come from, by family: the gateway.
    std::optional<Ipv4Address> ipv4{};
    std::optional<Ipv6Address> ipv6{};
  };
  /// What a flow's datagram is about, as the guest sent it.
  struct Datagram {
    DatagramKey from;
    MacAddress mac;
    Endpoint to;       ///< as the guest has it
    Endpoint target;   ///< where the host sends it; for a service, always the same
    ByteView payload;  ///< of an echo: sequence number and data. Borrowed until `end_batch`
    std::uint8_t ttl = 64;
  };
  using NewId = std::function<FlowId()>;

  /// The references outlive this; `policy` translates addresses.
  DatagramFlows(const Setup& setup, GuestWire& wire, HostSockets& sockets, const EgressPolicy& policy, NewId new_id);

  /// The error: there is no room for the flow, or the host gives no such socket.
  [[nodiscard]] Result<void, HostError> handle(const Datagram& datagram, Instant now);
  void on_host(FlowId id, HostEvents events, Instant now);
  /// A datagram for a guest's endpoint; both endpoints are of one family.
  void give(DatagramKind kind, const Endpoint& from, const Endpoint& guest, const MacAddress& mac, ByteView payload);
  void end_batch(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

  void reconfigure(std::size_t mtu, Duration udp_timeout, std::optional<Ipv4Address> ipv4,
                   std::optional<Ipv6Address> ipv6) noexcept {
    setup_.mtu = mtu;
    setup_.times.udp = udp_timeout;
    setup_.ipv4 = ipv4;
    setup_.ipv6 = ipv6;
  }
  /// Whether the guest can be given a datagram now, that is: nothing waits for it, and its port has room.
  [[nodiscard]] bool has_room(const MacAddress& guest) const {
    return !large_.waits(guest) && wire_.has_room(guest, setup_.mtu);
  }
  /// The guest behind `mac` is gone; its flows are for `drop_if`.
  void forget(const MacAddress& mac) { large_.forget(mac); }
  void drop_if(const std::function<bool(const DatagramView&)>& over);
  [[nodiscard]] std::size_t size() const noexcept { return flows_.size(); }
  [[nodiscard]] std::size_t size(DatagramKind kind) const noexcept { return sizes_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] const DatagramLimits& limits() const noexcept { return setup_.limits; }
  [[nodiscard]] const DatagramCounters& counters() const noexcept { return counters_; }
  /// Null: there is none. Valid until the next call that is not const.
  [[nodiscard]] const DatagramView* find(FlowId id) const noexcept;
  void for_each(const std::function<void(const DatagramView&)>& see) const;

 private:
  using Lru = std::list<FlowId>;
  struct Flow {
    DatagramView view;
    std::unique_ptr<DatagramSocket> socket;
    Endpoint target;               ///< of a service
    std::vector<OutDatagram> out;  ///< of this batch
    Lru::iterator place;           ///< among its guest's, the one longest unused first
    FlowTimers::Armed armed;
    bool only_dns = true;
    bool touched = false;
    bool readable = false;
    bool failed = false;
    bool queued = false;
  };
  struct KeyHash {
    SipHashKey key;
    std::size_t operator()(const DatagramKey& of) const noexcept;
  };
  [[nodiscard]] Result<Flow*, HostError> find_or_open(const Datagram& datagram, Instant now);
  void send_out(Flow& flow);
  void receive(Flow& flow);
  void deliver(Flow& flow, const InDatagram& datagram);
  [[nodiscard]] std::optional<Endpoint> seen_as(const Flow& flow, const Endpoint& host) const;
  [[nodiscard]] std::optional<IpAddress> reporter_of(const Flow& flow, const DatagramError& error) const;
  void pass_errors(Flow& flow);
  void tell_error(const Flow& flow, const DatagramError& error);
  void touch(FlowId id, Flow& flow);
  void remove(FlowId id);
  [[nodiscard]] Duration patience(const Flow& flow) const noexcept;

  Setup setup_;
  GuestWire& wire_;
  HostSockets& sockets_;
  const EgressPolicy& policy_;
  NewId new_id_;
  std::unordered_map<FlowId, Flow> flows_;
  std::array<std::size_t, 2> sizes_{};  ///< of each kind
  std::unordered_map<DatagramKey, FlowId, KeyHash> by_key_;
  std::unordered_map<IpAddress, Lru> by_guest_;
  std::vector<FlowId> touched_;
  std::vector<FlowId> waiting_;  ///< readable, and their guest's port or the outbox was full
  FlowTimers timers_;
  FragmentQueue large_;
  DatagramCounters counters_;
};

}  // namespace vnet::nat
