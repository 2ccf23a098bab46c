// What the lease store knows: the latest record of each address, kept in memory so that the journal can be written
// anew at any time without asking anybody.
//
// Two rules of dhcp/lease_pool.hpp hold here too, so that a replayed journal ends where the pool was: an address has
// one client, and a client has one address in its network. Because the second rule needs no line of its own, the
// lines of one commit may stand in any order.
//
// An ended lease is remembered for `kRemember`, because a client that comes back gets the same address; beyond that
// it is dropped. Limit: `kMaxRecords` over all networks; when full, the sixteenth that ended or ends first makes room.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/lease_journal.hpp"
#include "packet/ip_address.hpp"

namespace vnet::daemon {

class LeaseTable {
 public:
  /// Addresses over all networks; one server's leases and reservations at their limits. About 300 bytes each.
  static constexpr std::size_t kMaxRecords = 131'072;
  static constexpr std::chrono::seconds kRemember = std::chrono::days{30};

  struct Key {
    std::string network;
    Ipv4Address ip;
    auto operator<=>(const Key&) const = default;
  };

  /// Takes over what `record` says. False: nothing that a journal needs to hold has changed.
  bool apply(LeaseRecord record);
  [[nodiscard]] const LeaseRecord* find(const Key& key) const;
  /// Drops what ended more than `kRemember` before `now`, in Unix seconds.
  void prune(std::int64_t now);

  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
  [[nodiscard]] const std::map<Key, LeaseRecord>& records() const noexcept { return records_; }

 private:
  using Records = std::map<Key, LeaseRecord>;

  Records::iterator erase(Records::iterator record);
  void make_room();

  Records records_;
  std::map<std::pair<std::string, std::string>, Ipv4Address> addresses_;  ///< by network and client
};

}  // namespace vnet::daemon
