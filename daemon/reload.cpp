// A new reading of the config file, applied as the difference to what holds.
//
// First everything is checked that can fail: that the file and the run-time changes go together, that new sockets can
// be made and a new capture begins. Only then is anything changed, in an order in which each step finds what it needs:
// what leaves makes room (NICs, sockets), then networks, then NICs, then what needs both. What is the same in both is
// not touched: its frames see nothing of it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/config_changes.hpp"
#include "daemon/network_setup.hpp"
#include "daemon/operations.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kCause = "the configuration was changed";

/// What a network answers for beside its NICs: its own records, and the names of services.
std::vector<DnsRecord> records_of(const Config& config, const Network& network) {
  std::vector<DnsRecord> records = network.dns.records;
  for (const Service& service : config.services) {
    DnsRecord record;
    record.name = service.name;
    record.a = service.ipv4;
    record.aaaa = service.ipv6;
    if (!record.a.empty() || !record.aaaa.empty()) records.push_back(std::move(record));
  }
  return records;
}

/// Whether the gateway must be made anew: everything but the records, which change one by one.
bool needs_new_gateway(Network before, Network after) {
  before.dns.records.clear();
  after.dns.records.clear();
  return before != after;
}

/// Whether a socket can be bound at `path`; leaves nothing behind.
dgram::SystemResult<void> try_path(const std::string& path, int type) {
  const auto fd = dgram::make_socket(type);
  if (!fd) return fail(fd.error());
  if (const auto bound = dgram::bind_replacing_stale(*fd, path); !bound) return fail(bound.error());
  const dgram::SocketFile removed_at_once{path};
  return {};
}

bool has_path(const std::vector<ListenEntry>& entries, const std::string& path) {
  return std::ranges::find(entries, path, &ListenEntry::path) != entries.end();
}

const Nic* find_nic(const Config& config, const MacAddress& mac) {
  const auto found = std::ranges::find(config.nics, mac, &Nic::mac);
  return found == config.nics.end() ? nullptr : &*found;
}

}  // namespace

class Operations::Reload {
 public:
  Reload(Operations& owner, const Config& wanted)
      : parts_(owner.parts_), before_(owner.now_), wanted_(wanted), now_(parts_.clock().now) {}

  [[nodiscard]] std::optional<Refusal> check() {
    if (Problems problems = setup_problems(wanted_); !problems.empty()) return refuse(problems);
    Problems problems;
    const std::string& first = before_.networks.front().name;
    const auto stays = std::ranges::find(wanted_.networks, first, &Network::name);
    if (stays != wanted_.networks.end() && stays != wanted_.networks.begin()) {
      problems.add("/networks/0", found_expected("the network " + in_quotes(wanted_.networks.front().name),
                                                 in_quotes(first) + ", which is the first since the start"));
    }
    try_sockets(before_.listen.dgram, wanted_.listen.dgram, SOCK_DGRAM, "/listen/dgram", problems);
    try_sockets(before_.listen.stream, wanted_.listen.stream, SOCK_STREAM, "/listen/stream", problems);
    for (std::size_t i = 0; i < wanted_.nics.size(); ++i) {
      const Nic* const was = find_nic(before_, wanted_.nics[i].mac);
      if (!wanted_.nics[i].dgram || (was != nullptr && was->dgram == wanted_.nics[i].dgram)) continue;
      if (const auto bound = try_path(*wanted_.nics[i].dgram, SOCK_DGRAM); !bound) {
        problems.add("/nics/" + std::to_string(i) + "/dgram", bound.error().to_string());
      }
    }
    if (!problems.empty()) return refuse(problems);
    return change_capture();
  }

  void run() {
    remove_nics();
    close_sockets(before_.listen.dgram, wanted_.listen.dgram,
                  [&](const auto& path) { parts_.hub.close_dgram(path, kCause); });
    close_sockets(before_.listen.stream, wanted_.listen.stream,
                  [&](const auto& path) { parts_.hub.close_stream(path, kCause); });
    change_networks();
    change_nics();
    remove_networks();
    open_sockets();
    parts_.hub.end_batch();
  }

 private:
  [[nodiscard]] network::Fabric& fabric() const { return parts_.fabric; }
  [[nodiscard]] std::size_t slot_of(const std::string& name) const { return fabric().find_network(name).value(); }

  static Refusal refuse(const Problems& problems) {
    return {Refusal::Kind::invalid, problems.listed().front().place, problems.listed().front().text, problems};
  }

  static void try_sockets(const std::vector<ListenEntry>& before, const std::vector<ListenEntry>& wanted, int type,
                          const std::string& pointer, Problems& problems) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (has_path(before, wanted[i].path)) continue;
      if (const auto bound = try_path(wanted[i].path, type); !bound) {
        problems.add(pointer + "/" + std::to_string(i), bound.error().to_string());
      }
    }
  }

  /// The file that is being written is put aside by the new capture, should it be the same.
  std::optional<Refusal> change_capture() {
    if (before_.capture == wanted_.capture) return std::nullopt;
    if (before_.capture) parts_.captures.stop(Captures::kConfigured);
    if (!wanted_.capture) return std::nullopt;
    auto begun = parts_.captures.start(configured_capture(*wanted_.capture), true);
    if (begun) return std::nullopt;
    if (before_.capture) (void)parts_.captures.start(configured_capture(*before_.capture), true);
    return Refusal{Refusal::Kind::failed, "/capture/file", begun.error()};
  }

  void remove_nics() {
    for (const Nic& nic : before_.nics) {
      const l2::PortId port = fabric().find(nic.mac);
      if (find_nic(wanted_, nic.mac) != nullptr || port == l2::kNoPort) continue;
      parts_.hub.forget(port, kCause);
      fabric().remove(port, kCause, now_);
    }
  }

  template <typename Close>
  static void close_sockets(const std::vector<ListenEntry>& before, const std::vector<ListenEntry>& wanted,
                            Close close) {
    for (const ListenEntry& entry : before) {
      if (std::ranges::find(wanted, entry) == wanted.end()) close(entry.path);
    }
  }

  void change_networks() {
    for (std::size_t i = 0; i < wanted_.networks.size(); ++i) {
      const Network& wanted = wanted_.networks[i];
      auto was = std::ranges::find(before_.networks, wanted.name, &Network::name);
      // The first network is always the same one, whatever it is called.
      if (i == 0) was = before_.networks.begin();
      if (was == before_.networks.end()) {
        parts_.names.set_network(fabric().add_network(network_config(wanted_, wanted), now_), wanted.dns);
      } else if (needs_new_gateway(*was, wanted)) {
        const std::size_t slot = slot_of(was->name);
        fabric().reconfigure(slot, network_config(wanted_, wanted), now_);
        parts_.names.set_network(slot, wanted.dns);
      } else {
        change_records(slot_of(was->name), records_of(before_, *was), records_of(wanted_, wanted));
      }
    }
  }

  void change_records(std::size_t slot, const std::vector<DnsRecord>& before, const std::vector<DnsRecord>& wanted) {
    dns::LocalData& local = fabric().gateway(slot).dns().local();
    for (const DnsRecord& record : before) {
      if (std::ranges::find(wanted, record.name, &DnsRecord::name) != wanted.end()) continue;
      if (const auto name = dns::Name::parse(record.name)) local.remove(*name);
    }
    for (const DnsRecord& record : wanted) {
      if (std::ranges::find(before, record) != before.end()) continue;
      if (const auto put = local.put(record_of(record)); !put) {
        parts_.notice("DNS name " + record.name + ": " + std::string{to_string(put.error())});
      }
    }
  }

  void change_nics() {
    // Two NICs may swap names or addresses: those that are changed give theirs up first.
    for (const Nic& nic : wanted_.nics) {
      const Nic* const was = find_nic(before_, nic.mac);
      if (was != nullptr && (was->name != nic.name || was->ip != nic.ip)) give_up_name(*was);
    }
    for (const Nic& nic : wanted_.nics) {
      const Nic* const was = find_nic(before_, nic.mac);
      if (was == nullptr) {
        add_nic(nic);
      } else if (*was != nic) {
        change_nic(*was, nic);
      }
    }
  }

  void give_up_name(const Nic& nic) {
    const l2::PortId port = fabric().find(nic.mac);
    network::NicConfig config = fabric().nic(port).config;
    config.name = "changing-" + nic.mac.to_string();
    std::ranges::replace(config.name, ':', '-');
    config.ip.reset();
    report(fabric().change(port, std::move(config), kCause, now_));
  }

  void add_nic(const Nic& nic) {
    const auto port = fabric().add(nic_config(nic, slot_of(nic.network)), now_);
    if (!port) {
      parts_.notice("NIC " + nic.name + ": " + port.error().text);
    } else if (nic.dgram) {
      report(parts_.hub.listen_own(*nic.dgram, *port));
    }
  }

  void change_nic(const Nic& was, const Nic& nic) {
    const l2::PortId port = fabric().find(nic.mac);
    const std::size_t network = slot_of(nic.network);
    network::NicConfig config = nic_config(nic, network);
    config.link_up = fabric().nic(port).config.link_up;
    const auto act = [&] { report(fabric().change(port, std::move(config), kCause, now_)); };
    if (fabric().nic(port).config.network != network) {
      parts_.hub.change(port, act);
    } else {
      act();
    }
    if (was.link != nic.link) parts_.hub.set_link(port, nic.link == Link::up, kCause);
    if (was.dgram == nic.dgram) return;
    if (was.dgram) (void)parts_.hub.close_own(port, kCause);
    if (nic.dgram) report(parts_.hub.listen_own(*nic.dgram, port));
  }

  void remove_networks() {
    for (const Network& network : before_.networks) {
      const auto slot = fabric().find_network(network.name);
      if (!slot || std::ranges::find(wanted_.networks, network.name, &Network::name) != wanted_.networks.end())
        continue;
      for (std::size_t i = 0; i < fabric().nic_slots(); ++i) {
        const l2::PortId port{static_cast<std::uint32_t>(i)};
        if (fabric().nic(port).in_use && fabric().nic(port).config.network == *slot) parts_.hub.forget(port, kCause);
      }
      parts_.names.remove_network(*slot);
      fabric().remove_network(*slot, now_);
    }
  }

  void open_sockets() {
    for (const ListenEntry& entry : wanted_.listen.dgram) {
      if (std::ranges::find(before_.listen.dgram, entry) != before_.listen.dgram.end()) continue;
      report(parts_.hub.listen_dgram(entry.path, slot_of(entry.network)));
    }
    for (const ListenEntry& entry : wanted_.listen.stream) {
      if (std::ranges::find(before_.listen.stream, entry) != before_.listen.stream.end()) continue;
      report(parts_.hub.listen_stream(entry.path, slot_of(entry.network)));
    }
  }

  /// What was checked and fails nevertheless is told, and the rest goes on.
  void report(const dgram::SystemResult<void>& result) const {
    if (!result) parts_.notice(result.error().to_string());
  }
  void report(const Result<void, network::NicProblem>& result) const {
    if (!result) parts_.notice(result.error().text);
  }

  Parts& parts_;
  const Config& before_;
  const Config& wanted_;
  Instant now_;
};

Outcome<Reloaded> Operations::reload(Config file) {
  Config wanted = file;
  for (const std::string& dropped : apply_changes(changes(), wanted)) parts_.notice(dropped);
  ConfigChanges changed = compare_configs(file_, file);
  wanted.listen.control = now_.listen.control;
  wanted.state = now_.state;
  wanted.seed = now_.seed;
  Reload reload{*this, wanted};
  if (auto refusal = reload.check()) return fail(std::move(*refusal));
  reload.run();
  file_ = std::move(file);
  now_ = std::move(wanted);
  save();
  return Reloaded{std::move(changed.changed), std::move(changed.restart_needed)};
}

}  // namespace vnet::daemon
