// The DHCPv4 server of one network (RFC 2131), as a machine without I/O: a UDP payload goes in, a reply and where to
// send it come out.
//
//   DISCOVER                        OFFER; the address is kept for `offer_time`
//   REQUEST with server id          SELECTING: ACK, or NAK when the address is not to be had;
//                                   for another server: our offer is withdrawn, silence
//   REQUEST with option 50 only     INIT-REBOOT: ACK to the right address, NAK to a wrong one or a foreign network,
//                                   silence to a client that we do not know
//   REQUEST with ciaddr only        RENEWING, REBINDING: ACK, or NAK. A client that we do not know keeps its address
//                                   if it is free: the server may have lost its memory, the guest should not notice
//   DECLINE, RELEASE                no reply
//   INFORM                          ACK without address and lease time
//
// Options honoured: 12, 50, 51, 52, 54, 55, 57, 61 (echoed, RFC 6842). Options sent: 51, 53, 54, 56 (NAK), 58, 59 and
// those of `ServerConfig`.
//
// Not supported: the probe before an offer (4.3.1; guests probe with ARP and DECLINE), leases without end, rapid
// commit (RFC 4039), authentication (RFC 3118), relay agent information (RFC 3046) and pools for networks behind
// relay agents: a relay must have an address of this network. Client FQDN (option 81) is ignored.
//
// Limits: kMaxLeases, kMaxReservations, kMaxEvents.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dhcp/config.hpp"
#include "dhcp/lease_pool.hpp"
#include "dhcp/message.hpp"
#include "dhcp/parameters.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::dhcp {

/// Why a message got no reply.
enum class Refusal : std::uint8_t {
  malformed,       ///< not a DHCP message
  not_a_request,   ///< op or message type is not a client's
  hardware,        ///< not Ethernet, or chaddr is not the address of a NIC
  source_mac,      ///< chaddr is not the frame's source (only with `require_source_mac`)
  foreign_relay,   ///< giaddr is not of this network
  bad_field,       ///< a field or option that this kind of message must have is missing or impossible
  other_server,    ///< meant for another server
  unknown_client,  ///< INIT-REBOOT of a client without a record here
  not_holder,      ///< DECLINE or RELEASE of an address that is not the client's
  exhausted,       ///< no address is left
};
inline constexpr std::size_t kRefusalCount = 10;

[[nodiscard]] std::string_view to_string(Refusal refusal) noexcept;

/// What the frame around the message says.
struct RequestContext {
  MacAddress source_mac;
};

/// Where the reply in `out` goes. Its source is the gateway's address and port 67.
struct Reply {
  MessageType type = MessageType::ack;
  std::size_t size = 0;
  Ipv4Address destination;
  MacAddress destination_mac;  ///< no ARP is needed: the broadcast address, the client's, or who sent the request
  std::uint16_t destination_port = kClientPort;
};

struct LeaseEvent {
  enum class Kind : std::uint8_t {
    granted,    ///< a client has an address that it did not have
    renewed,    ///< a lease runs on
    released,   ///< given back, or lost because the client or the configuration moved on
    expired,    ///< not renewed in time
    declined,   ///< the client found the address in use
    removed,    ///< ended and forgotten by `Server::remove`; `lease.state` says what it was
    refused,    ///< NAK; `lease.ip` is what the client wanted
    exhausted,  ///< no address for this client
  };
  Kind kind = Kind::granted;
  Lease lease;
  std::string_view cause = {};  ///< why, for people, where the kind does not say it all; a literal
};

[[nodiscard]] std::string_view to_string(LeaseEvent::Kind kind) noexcept;

struct Counters {
  std::array<std::uint64_t, kMessageTypeCount> received{};  ///< by MessageType
  std::array<std::uint64_t, kMessageTypeCount> sent{};      ///< by MessageType
  std::array<std::uint64_t, kRefusalCount> refused{};       ///< by Refusal
  std::uint64_t events_lost = 0;
};

class Server {
 public:
  /// Events that wait for the caller; further ones are lost and counted. Enough for all leases to end at one instant.
  static constexpr std::size_t kMaxEvents = kMaxLeases + kMaxReservations;

  /// `config` must have no `problem`.
  explicit Server(ServerConfig config);

  /// Answers one message from a client's port 68 or a relay agent's port 67. `out` has room for at least
  /// MessageWriter::kMinSize bytes; more than MTU - 28 is never used. nullopt: done, and no reply is due.
  [[nodiscard]] Result<std::optional<Reply>, Refusal> handle(ByteView udp_payload, const RequestContext& context,
                                                             Instant now, ByteSpan out);
  [[nodiscard]] Instant next_deadline() const { return pool_.next_deadline(); }
  void expire(Instant now);

  /// What happened since `clear_events`, oldest first.
  [[nodiscard]] std::span<const LeaseEvent> events() const { return events_; }
  void clear_events() { events_.clear(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const ServerConfig& config() const { return config_; }

  /// The leases in force, by address.
  [[nodiscard]] std::vector<Lease> leases() const { return leases_after({}, lease_count()); }
  /// A page of them: up to `count`, the first one behind the address `last`. Costs O(log n + count).
  [[nodiscard]] std::vector<Lease> leases_after(Ipv4Address last, std::size_t count) const {
    return pool_.bound_after(last, count);
  }
  [[nodiscard]] std::size_t lease_count() const { return pool_.bound_count(); }
  /// The lease in force on an address; nullptr: none. Valid until the next call that is not const.
  [[nodiscard]] const Lease* lease(Ipv4Address ip) const;
  /// Whether the configuration still has room for a lease that is in force.
  [[nodiscard]] bool may_keep(const Lease& lease) const { return pool_.may_keep({lease.client, lease.mac}, lease.ip); }
  /// Takes a lease from before a restart; makes no event. False: it does not fit the configuration or another lease.
  bool restore(const Lease& lease, Instant now) { return pool_.restore(lease, now); }
  /// Gives the NIC an address by other means than DHCP: the one that DHCP has given it or would, leased for the full
  /// time; calling this again renews the lease in its second half. nullopt: none is left.
  [[nodiscard]] std::optional<Ipv4Address> assign(const MacAddress& mac, std::string_view hostname, Instant now);
  /// Ends and forgets whatever is known of an address. False: it was nobody's.
  bool remove(Ipv4Address ip);

  /// The text says what is wrong with the reservation; nullopt: it holds. A client that has another address gets a NAK
  /// at its next renewal and then the reserved one.
  [[nodiscard]] std::optional<std::string> add_reservation(const Reservation& reservation);
  bool remove_reservation(const MacAddress& mac);
  [[nodiscard]] const Reservation* reservation(const MacAddress& mac) const { return pool_.reservation(mac); }
  [[nodiscard]] const Reservation* reservation(Ipv4Address ip) const { return pool_.reservation(ip); }
  /// Leases go on under the new rules: one that they no longer allow is refused at its next renewal.
  void reconfigure(ServerConfig config);

 private:
  struct Exchange;
  using Answer = Result<std::optional<Reply>, Refusal>;

  [[nodiscard]] std::optional<Refusal> check(const Message& message, const RequestContext& context) const;
  Answer dispatch(const Exchange& exchange);
  Answer on_discover(const Exchange& exchange);
  Answer on_request(const Exchange& exchange);
  Answer on_selecting(const Exchange& exchange, Ipv4Address server, std::optional<Ipv4Address> requested);
  Answer on_init_reboot(const Exchange& exchange, Ipv4Address requested);
  Answer on_renewing(const Exchange& exchange);
  Answer on_decline(const Exchange& exchange);
  Answer on_release(const Exchange& exchange);
  Answer on_inform(const Exchange& exchange);

  Reply grant(const Exchange& exchange, Ipv4Address ip);
  Reply refuse(const Exchange& exchange, Ipv4Address ip, std::string_view why);
  Reply reply(const Exchange& exchange, MessageType type, Ipv4Address yiaddr, std::string_view text = {}) const;
  void address_reply(const Exchange& exchange, Reply& reply, Ipv4Address yiaddr) const;

  [[nodiscard]] bool is_for_us(const Message& message) const;
  [[nodiscard]] std::chrono::seconds lease_time(const Message& message) const;
  [[nodiscard]] std::string hostname(const Exchange& exchange) const;
  void announce_losses(const Client& client, Ipv4Address ip);
  void record(LeaseEvent::Kind kind, const Lease& lease, std::string_view cause = {});

  ServerConfig config_;
  Parameters parameters_;
  LeasePool pool_;
  std::vector<LeaseEvent> events_;
  Counters counters_;
};

}  // namespace vnet::dhcp
