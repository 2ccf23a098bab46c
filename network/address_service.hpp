// DHCP as the gateway runs it: UDP payloads in, frames out, and what a lease means for the rest of the network.
//
// An address that is leased is its client's for the source guard, one that is only reserved is its NIC's. A station's
// IPv4 name is that of its running lease, else of its reservation. Both are worked out anew whenever a lease or a
// reservation begins or ends, so their order does not matter. Every change of a lease is also kept for whoever stores
// leases: `take_changes` must be drained, and its content written, before the frames of the batch are sent, so that an
// acknowledged lease is never forgotten.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dhcp/server.hpp"
#include "network/event.hpp"
#include "network/nic_names.hpp"
#include "network/source_guard.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ethernet.hpp"
#include "packet/outbox.hpp"
#include "packet/time.hpp"

namespace vnet::network {

class AddressService {
 public:
  static constexpr std::size_t kMaxChanges = dhcp::Server::kMaxEvents;

  /// The references outlive this. `network` names the network in events, `mac` is the gateway's.
  AddressService(dhcp::ServerConfig config, std::string network, const MacAddress& mac, NicNames& names,
                 SourceGuard& guard, EventLog& events);

  /// A datagram to port 67.
  [[nodiscard]] std::optional<DropReason> handle(const MacAddress& from, ByteView payload, Instant now, Outbox& out);
  [[nodiscard]] Instant next_deadline() const { return server_.next_deadline(); }
  void expire(Instant now);

  /// The address of the NIC, for who is told it by other means than DHCP: that of its running lease or its reservation,
  /// else one that is leased to it now, which is a change like any other. It must be asked for again before the lease
  /// ends. nullopt: there is none for it.
  [[nodiscard]] std::optional<Ipv4Address> assign(const MacAddress& mac, std::string_view hostname, Instant now);
  /// Keeps an address for a NIC, in place of any other that is kept for it. False, with nothing kept: it cannot be.
  bool reserve(const dhcp::Reservation& reservation);
  void unreserve(const MacAddress& mac);
  /// Gives the station the name that its lease or reservation has for it, as far as there is one.
  void publish(const MacAddress& mac);

  /// A lease from before a restart.
  bool restore(const dhcp::Lease& lease, Instant now);
  /// Ends and forgets whatever is known of an address. False: it was nobody's.
  bool remove(Ipv4Address ip, Instant now, std::string_view cause = "it was asked for");
  /// Goes on where `former`, the same network's under its last configuration, has stopped: with its leases, its
  /// counters and its changes. A lease that does not fit any more ends.
  void succeed(AddressService& former, Instant now);
  /// Says that every lease ends, because the network has no more DHCP.
  void close(Instant now);

  /// The lease that the station with the address `mac` was given last and still has; null: none. Valid until the next
  /// call that is not const.
  [[nodiscard]] const dhcp::Lease* lease_of(const MacAddress& mac) const;
  /// At most kMaxChanges; the oldest go first where nobody takes them.
  [[nodiscard]] std::vector<dhcp::LeaseEvent> take_changes() { return std::exchange(changes_, {}); }
  [[nodiscard]] bool has_changes() const noexcept { return !changes_.empty(); }

  /// What changes its leases goes through this service, or names and guard would not follow.
  [[nodiscard]] const dhcp::Server& server() const noexcept { return server_; }

 private:
  void apply_events(Instant now, std::string_view cause = {});
  void apply(const dhcp::LeaseEvent& event);
  void tell(const dhcp::LeaseEvent& event, std::string_view cause, Instant now);
  void bind(const dhcp::Lease& lease);
  void bind_guard(Ipv4Address ip);

  dhcp::Server server_;
  std::string network_;
  MacAddress mac_;
  NicNames& names_;
  SourceGuard& guard_;
  EventLog& events_;
  std::vector<dhcp::LeaseEvent> changes_;
  std::unordered_map<MacAddress, Ipv4Address> leased_;  ///< what each station was given last; as many as leases
};

}  // namespace vnet::network
