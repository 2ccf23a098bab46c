// DHCP as the gateway runs it: UDP payloads in, frames out, and what a lease means for the rest of the network.
//
// A granted address binds the source guard and gives the station its names; an ended one takes both back. Every change
// is also kept for whoever stores leases: `take_changes` must be drained, and its content written, before the frames
// of the batch are sent, so that an acknowledged lease is never forgotten.
#pragma once

#include <optional>
#include <vector>

#include "dhcp/server.hpp"
#include "network/event.hpp"
#include "network/nic_names.hpp"
#include "network/outbox.hpp"
#include "network/source_guard.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ethernet.hpp"
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

  /// A lease from before a restart.
  bool restore(const dhcp::Lease& lease, Instant now);
  /// At most kMaxChanges; the oldest go first where nobody takes them.
  [[nodiscard]] std::vector<dhcp::LeaseEvent> take_changes() { return std::exchange(changes_, {}); }
  [[nodiscard]] bool has_changes() const noexcept { return !changes_.empty(); }

  [[nodiscard]] dhcp::Server& server() noexcept { return server_; }

 private:
  /// A reserved address stays its NIC's whether it is leased at the moment or not.
  [[nodiscard]] bool is_reserved(const dhcp::Lease& lease) const;
  void apply_events(Instant now);
  void apply(const dhcp::LeaseEvent& event, Instant now);

  dhcp::Server server_;
  std::string network_;
  MacAddress mac_;
  NicNames& names_;
  SourceGuard& guard_;
  EventLog& events_;
  std::vector<dhcp::LeaseEvent> changes_;
};

}  // namespace vnet::network
