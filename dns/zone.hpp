// The names that are answered here: configured records, the NICs' own names, and the zones that stay inside.
//
// Three trees are asked in order: records that a person configured, hosts that the network set (`alice.vnet`, its
// addresses and their reverse names), and what is built in (localhost, the apex of each local zone). A configured name
// hides a host of that name altogether.
//
// Authority. Inside a local zone (the domain, other zones by option, and the locally served ones of special_names.hpp,
// which an option leaves out) every answer is ours:
// a name that neither exists nor has names below it is NXDOMAIN, a type that it lacks is no data, both with the zone's
// SOA (RFC 2308). Outside, a configured record makes us answer for exactly that name, as if it were the apex of
// its own zone; its neighbours are left to the upstream servers. A name of one label that is a host's is answered too.
//
// CNAMEs are followed as long as they stay in local data, at most `kMaxChain` times, which also ends loops; a chain
// that leaves hands back the name to go on with. Wildcards follow RFC 4592: the closest encloser decides.
//
// Not supported: delegations, DNAME, zone transfer, dynamic update, DNSSEC signing.
// Limits: names per tree (`kMaxNames`), refused when full: local data is what somebody asked for, so nothing is
// evicted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "dns/answer.hpp"
#include "dns/name.hpp"
#include "dns/record.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

struct LocalOptions {
  Name domain = Name::parse("vnet").value();  ///< where hosts live; the root: no domain, and no host names
  std::uint32_t host_ttl_s = 30;
  /// How long "no such name" may be remembered. Short, because a VM often asks for a peer that is still booting.
  std::uint32_t negative_ttl_s = 5;
  std::vector<Name> zones{};  ///< answered for like the domain, and without hosts
  /// Whether the zones that stay inside of a network are answered for: by its own server yes, by one of the internet
  /// no.
  bool special_zones = true;
};

struct LocalAnswer {
  Answer answer;
  /// The chain of CNAMEs in `answer` goes on here, outside of local data.
  std::optional<Name> continues_at;
};

class LocalData {
 public:
  static constexpr std::size_t kMaxNames = 16'384;
  static constexpr std::size_t kMaxChain = 8;  ///< CNAMEs followed
  static constexpr std::size_t kMaxHostAddresses = 16;

  explicit LocalData(LocalOptions options = {});

  /// Replaces all configured records of `record.name`. On an error the old ones stay.
  [[nodiscard]] Result<void, RecordError> put(const Record& record);
  /// True when there was something to remove.
  bool remove(const Name& name);
  /// The configured record of exactly this name, or null. Valid until the next change.
  [[nodiscard]] const Record* find(const Name& name) const;
  /// All configured records in canonical order.
  [[nodiscard]] std::vector<Record> records() const;

  /// Sets the addresses of `<host>.<domain>` and their reverse names in place of the old ones; none removes it. Of two
  /// hosts with one address the last has its reverse name. False, with nothing changed, when `host` is not one
  /// label of letters, digits, hyphens and underscores, there is no domain, or the table is full. Only the first
  /// `kMaxHostAddresses` addresses count.
  bool set_host(std::string_view host, std::span<const IpAddress> addresses);

  /// Nothing: not local, ask upstream. The question's class is IN and its type is no meta type.
  [[nodiscard]] std::optional<LocalAnswer> lookup(const Name& name, Type type) const;

  [[nodiscard]] const Name& domain() const noexcept { return options_.domain; }

 private:
  struct Node {
    Record record;
    std::vector<Rdata> data;
  };
  using Tree = std::map<Name, Node, CanonicalLess>;
  struct NameHash {
    std::size_t operator()(const Name& name) const noexcept { return name.hash(); }
  };
  // A name's place: its data if it has any, and the zone that is answered for.
  struct Place {
    const Node* node = nullptr;
    Name apex;
    bool exists = false;
  };

  std::optional<Place> locate(const Name& name, Type type) const;
  const Node* match(const Name& name) const;
  const Node* match_host(const Name& name) const;
  std::optional<Name> zone_of(const Name& name) const;
  const Node* match_wildcard(const Name& name) const;
  const Node* find_node(const Name& name) const;
  bool exists(const Name& name) const;
  void add_soa(const Name& apex, Answer& answer) const;
  void drop_host(const Name& name);
  void put_built_in(const Record& record);

  LocalOptions options_;
  Tree configured_;
  Tree hosts_;
  Tree built_in_;
  std::unordered_set<Name, NameHash> zones_;
  std::set<std::size_t, std::greater<>> zone_depths_;  // label counts of zones_
};

}  // namespace vnet::dns
