// RuntimeChanges: what was changed by request while the daemon ran, as the difference to the configuration file.
//
// It is kept over a restart (daemon/runtime_store.hpp), carried over a reload of the file, and handed to a successor.
// Each difference remembers what the file said when the change was made. As long as the file still says that, the
// change holds; where somebody has edited that part of the file since, the file is the newer word and the change goes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {

/// A capture that somebody asked for, to a file that the daemon writes.
struct CaptureRequest {
  std::string id;
  std::string file;
  std::vector<std::string> nics;  ///< names of interfaces; empty: all
  std::string filter;
  std::uint32_t snaplen = 0;
  std::uint32_t rotate_mb = 0;
  std::uint32_t keep = 0;
  bool operator==(const CaptureRequest&) const = default;
};

/// gvproxy's form of DNS names, kept as it was given to be shown as it was given.
struct GvproxyZone {
  struct Record {
    std::string name;
    std::string ip;
    bool operator==(const Record&) const = default;
  };
  std::string name;
  std::vector<Record> records;
  std::string default_ip;
  bool operator==(const GvproxyZone&) const = default;
};

struct RuntimeChanges {
  /// Absent on one side: added, or removed. On both: what had been added is gone, so an earlier change is void.
  template <typename T>
  struct Change {
    std::optional<T> file;
    std::optional<T> now;
    bool operator==(const Change&) const = default;
  };
  struct Interface : Change<Nic> {
    MacAddress mac;
    bool operator==(const Interface&) const = default;
  };
  /// What a network has one of. Only a wan may be absent.
  template <typename T>
  struct OfNetwork : Change<T> {
    std::string network;
    bool operator==(const OfNetwork&) const = default;
  };
  struct Record : Change<DnsRecord> {
    std::string network;
    std::string name;
    bool operator==(const Record&) const = default;
  };

  struct PortForward : Change<Forward> {
    std::string network;
    std::string key;  ///< see forward_key
    bool operator==(const PortForward&) const = default;
  };

  std::vector<Interface> nics;              ///< one for each MAC address
  std::vector<Record> records;              ///< one for each name on a network
  std::vector<OfNetwork<Impair>> impaired;  ///< one for each network; so the following
  std::vector<OfNetwork<Egress>> egress;
  std::vector<OfNetwork<Nat>> nats;
  std::vector<OfNetwork<Wan>> wans;
  std::vector<OfNetwork<std::vector<IpPrefix>>> blackholes;
  std::vector<OfNetwork<Ipv4Prefix>> renumbered;
  std::vector<PortForward> forwards;  ///< one for each place where one listens
  std::vector<CaptureRequest> captures;
  std::vector<GvproxyZone> zones;

  [[nodiscard]] bool empty() const noexcept {
    return nics.empty() && records.empty() && impaired.empty() && egress.empty() && nats.empty() && wans.empty() &&
           blackholes.empty() && renumbered.empty() && forwards.empty() && captures.empty() && zones.empty();
  }
  /// Calls `visit` with the name and the lists, in `one` and in `other`, of all that a network has one of.
  static void each_of_networks(auto& one, auto& other, auto visit) {
    visit("impair", one.impaired, other.impaired);
    visit("egress", one.egress, other.egress);
    visit("ipv4", one.renumbered, other.renumbered);
    visit("nat", one.nats, other.nats);
    visit("wan", one.wans, other.wans);
    visit("blackhole", one.blackholes, other.blackholes);
  }
  bool operator==(const RuntimeChanges&) const = default;
};

/// How the NICs, DNS records, and networks' own members and forwards of `now` differ from those of `file`.
[[nodiscard]] RuntimeChanges difference(const Config& file, const Config& now);

/// Adds what was changed later: in the place of earlier changes to the same things, and of all captures and
/// zones. What is again as the file has it is no change any more.
void merge(RuntimeChanges& changes, RuntimeChanges later);

/// Makes the changes to NICs, records, networks and forwards in `config`, a new reading of the file. Returns a sentence
/// about each that does not hold any more.
[[nodiscard]] std::vector<std::string> apply_changes(const RuntimeChanges& changes, Config& config);

[[nodiscard]] Json to_json(const RuntimeChanges& changes);
/// The problems say what is not as `to_json` writes it.
[[nodiscard]] Result<RuntimeChanges, Problems> runtime_changes_from_json(const Json& document);

}  // namespace vnet::daemon
