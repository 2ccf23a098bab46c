// Which client has which address: the server's memory (RFC 2131, 4.3.1 and 4.4.4).
//
// A client is known by its key: the client identifier (option 61) where it sends one, else hardware type and MAC
// address (RFC 2131, 4.2). Both spellings of "Ethernet, this MAC" are the same bytes, so a boot loader that sends no
// option 61 and a system that sends the usual one are one client. A client has one address at a time.
//
// An address is in one of these states:
//
//   (absent)   nobody had it yet
//   offered    kept for its client until `expires`                  -> bound, or free when the time is over
//   bound      its client's until `expires`                         -> free by release or expiry, or declined
//   free       nobody's; its last client is remembered and gets it back -> offered, bound
//   declined   somebody uses it without asking; it rests until `expires` -> free
//
// A new client gets, in this order: its reservation; what was assigned to its NIC; the address it has or had; the one
// it asks for; one found by hashing its MAC address into the range, so that the same topology gets the same addresses
// on every run; the next never used one; the one that has been free for longest.
//
// Every operation is a few look-ups in hash tables and balanced trees; nothing scans the range. The table grows with
// use to at most `max_leases` addresses, plus one for each reservation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dhcp/config.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"

namespace vnet::dhcp {

enum class LeaseState : std::uint8_t { free, offered, bound, declined };

struct Lease {
  Ipv4Address ip;
  MacAddress mac;
  std::string client;    ///< the client's key: option 61, or hardware type and MAC address; raw bytes
  std::string hostname;  ///< a checked host label, or empty
  LeaseState state = LeaseState::free;
  Instant expires{};  ///< the end of the state; of a free address, since when it is free
};

/// Who asks. `key` borrows from the message.
struct Client {
  std::string_view key;
  MacAddress mac;
};

/// The key under which a lease is held that was not asked for by DHCP but given to the NIC by other means, see
/// Server::assign. No client can send it as its identifier, and any identifier of the NIC may take the lease over: a
/// guest that is assigned an address and uses DHCP as well has one address.
[[nodiscard]] std::string assigned_key(const MacAddress& mac);
[[nodiscard]] bool is_assigned_key(std::string_view key) noexcept;

class LeasePool {
 public:
  /// `config` must have no `problem`.
  explicit LeasePool(const ServerConfig& config);

  /// The address that this client has, is offered or had last; nullptr: unknown. Pointers to leases are valid until
  /// the next call that is not const.
  [[nodiscard]] const Lease* of_client(std::string_view key) const;
  [[nodiscard]] const Lease* at(Ipv4Address ip) const;
  [[nodiscard]] const Reservation* reservation(const MacAddress& mac) const;
  /// The reservation of the address `ip`; nullptr: it is nobody's.
  [[nodiscard]] const Reservation* reservation(Ipv4Address ip) const;

  /// Whether this client may be given `ip` now: it is of the range or reserved for the client, nobody else has it,
  /// and the client has no reservation that should be taken instead.
  [[nodiscard]] bool may_have(const Client& client, Ipv4Address ip) const;
  /// The lease that was assigned to the NIC and that no DHCP client of it has taken over; nullptr: none.
  [[nodiscard]] const Lease* assigned(const MacAddress& mac) const;
  /// Whether range and reservations allow `ip` for a client that has it; a new reservation elsewhere does not matter.
  [[nodiscard]] bool may_keep(const Client& client, Ipv4Address ip) const { return is_vacant(client, ip); }
  /// The address to offer, by the order above; nullopt: none is left.
  [[nodiscard]] std::optional<Ipv4Address> choose(const Client& client, std::optional<Ipv4Address> requested);

  /// Both need `may_have`. The client loses any other address; a bound lease stays bound when it is offered again.
  const Lease& offer(const Client& client, Ipv4Address ip, Instant until);
  const Lease& bind(const Client& client, Ipv4Address ip, std::string hostname, Instant until);
  /// Ends an offer or a lease; the client is remembered if the address was ever bound.
  void release(Ipv4Address ip, Instant now);
  /// Ends the lease and lets the address rest.
  void decline(Ipv4Address ip, Instant until);
  /// As if the client had never been seen. False: the address was nobody's.
  bool forget(Ipv4Address ip);
  /// Takes a lease that was read back from disk: bound, or free when it is past `expires`. False: another has the
  /// address or it cannot be given to this client any more.
  bool restore(const Lease& lease, Instant now);

  /// Both need a reservation without a `problem`. A lease of another client on the address runs on, but is not renewed.
  void add_reservation(const Reservation& reservation);
  bool remove_reservation(const MacAddress& mac);
  /// Takes over every address of `other`, a pool of the same server under another configuration, that is in use or
  /// remembered. One that is no longer allowed stays occupied until its time is over, but is not renewed.
  void adopt(const LeasePool& other);

  [[nodiscard]] Instant next_deadline() const { return timed_.empty() ? kNever : timed_.begin()->first; }
  /// Ends one state whose time is over. Returns the lease as it was; nullopt: nothing is due.
  std::optional<Lease> expire_one(Instant now);

  /// Up to `count` bound leases in the order of their addresses, the first one behind `last`. Costs O(log n + count).
  [[nodiscard]] std::vector<Lease> bound_after(Ipv4Address last, std::size_t count) const;
  [[nodiscard]] std::size_t bound_count() const { return bound_.size(); }
  /// Addresses in the table, in any state.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Lease lease;
    bool used = false;  ///< was bound since its client was recorded; an address only offered is not remembered
  };
  using Timed = std::pair<Instant, Ipv4Address>;

  [[nodiscard]] bool in_range(Ipv4Address ip) const;
  [[nodiscard]] bool has_room() const { return entries_.size() < max_leases_ + reserved_.size(); }
  [[nodiscard]] bool is_vacant(const Client& client, Ipv4Address ip) const;
  [[nodiscard]] std::optional<Ipv4Address> choose_from_range(const MacAddress& mac);
  [[nodiscard]] std::optional<Ipv4Address> next_unused();

  Entry& claim(const Client& client, Ipv4Address ip);
  void detach_client(Entry& entry);
  void enter(Entry& entry, LeaseState state, Instant when);
  void leave_queue(const Entry& entry);
  void settle_free(Ipv4Address ip);

  std::uint32_t range_first_ = 0;
  std::uint32_t range_size_ = 0;
  std::uint32_t cursor_ = 0;  ///< every address of the range before it has an entry or cannot be given
  std::size_t max_leases_;
  Ipv4Prefix gateway_;
  std::unordered_set<Ipv4Address> forbidden_;
  std::unordered_map<MacAddress, Reservation> reservations_;
  std::unordered_map<Ipv4Address, MacAddress> reserved_;

  std::unordered_map<Ipv4Address, Entry> entries_;
  std::map<std::string, Ipv4Address, std::less<>> clients_;  ///< a tree: guests choose the keys
  std::set<Timed> timed_;                                    ///< offered, bound and declined, by end
  std::set<Timed> reusable_;                                 ///< free and for anybody, longest free first
  std::set<Ipv4Address> bound_;
};

}  // namespace vnet::dhcp
