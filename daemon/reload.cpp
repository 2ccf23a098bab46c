// A new reading of the config file, applied as the difference to what holds.
//
// First everything is checked that can fail: that the file and the run-time changes go together, that new sockets can
// be made and a new capture begins. Only then is anything changed, in an order in which each step finds what it needs:
// what leaves makes room (NICs, sockets), then networks, then NICs, then what needs both. What is the same in both is
// not touched: its frames see nothing of it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "daemon/config_changes.hpp"
#include "daemon/network_setup.hpp"
#include "daemon/operations.hpp"
#include "network/nic_names.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kReloaded = "the configuration was changed";

/// The routers that stand behind a network, whose addresses its gateway leases to nobody.
std::vector<std::optional<Wan>> behind(const Config& config, const std::string& name) {
  std::vector<std::optional<Wan>> routers;
  for (const Network& other : config.networks) {
    if (other.nat.behind == name) routers.push_back(other.wan);
  }
  return routers;
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

/// In whatever case, as the fabric finds it.
const Network* network_named(const Config& config, const std::string& name) {
  const auto is_it = [wanted = network::lower_case(name)](const Network& network) {
    return network::lower_case(network.name) == wanted;
  };
  const auto found = std::ranges::find_if(config.networks, is_it);
  return found == config.networks.end() ? nullptr : &*found;
}

}  // namespace

class Operations::Reload {
 public:
  Reload(Operations& owner, const Config& wanted)
      : owner_(owner), parts_(owner.parts_), before_(owner.now_), wanted_(wanted), now_(parts_.clock().now) {}

  [[nodiscard]] std::optional<Refusal> check() {
    if (Problems problems = setup_problems(wanted_); !problems.empty()) return refuse(problems);
    Problems problems;
    check_networks(problems);
    try_sockets(before_.listen.dgram, wanted_.listen.dgram, SOCK_DGRAM, "/listen/dgram", problems);
    try_sockets(before_.listen.stream, wanted_.listen.stream, SOCK_STREAM, "/listen/stream", problems);
    for (std::size_t i = 0; i < wanted_.nics.size(); ++i) {
      const Nic* const was = find_nic(before_, wanted_.nics[i].mac);
      if (!wanted_.nics[i].dgram || (was != nullptr && was->dgram == wanted_.nics[i].dgram)) continue;
      if (parts_.hub.listens(*wanted_.nics[i].dgram)) continue;  // its owner gives it up, for no path is wanted twice
      if (const auto bound = try_path(*wanted_.nics[i].dgram, SOCK_DGRAM); !bound) {
        problems.add("/nics/" + std::to_string(i) + "/dgram", bound.error().to_string());
      }
    }
    try_forwards(problems);
    if (!problems.empty()) return refuse(problems);
    return change_capture();
  }

  void run() {
    close_forwards();
    remove_nics();
    close_sockets(before_.listen.dgram, wanted_.listen.dgram,
                  [&](const auto& path) { parts_.hub.close_dgram(path, kReloaded); });
    close_sockets(before_.listen.stream, wanted_.listen.stream,
                  [&](const auto& path) { parts_.hub.close_stream(path, kReloaded); });
    close_own_sockets();
    change_networks();
    change_nics();
    remove_networks();
    open_sockets();
    open_forwards();
    change_services();
    fabric().end_host_events(now_);  // resets of flows that the new rules have ended
    parts_.hub.end_batch();
  }

 private:
  void check_networks(Problems& problems) const {
    const Network& first = before_.networks.front();
    const Network& wanted = wanted_.networks.front();
    const Network* const now = network_named(wanted_, first.name);
    const Network* const was = network_named(before_, wanted.name);
    // It may have another name, but not one that was another network's.
    if ((now != nullptr && now != &wanted) || (was != nullptr && was != &first)) {
      problems.add("/networks/0", found_expected("the network " + in_quotes(wanted.name),
                                                 in_quotes(first.name) + ", which is the first since the start"));
    }
    // Those that go are there until their NICs have moved to those that come.
    const auto fresh =
        std::ranges::count_if(wanted_.networks, [this](const Network& network) { return !former(network); });
    const std::size_t most = before_.networks.size() + static_cast<std::size_t>(fresh);
    if (most > network::Fabric::kMaxNetworks) {
      problems.add("/networks", found_expected(std::to_string(most) + " networks, those that go included",
                                               "at most " + std::to_string(network::Fabric::kMaxNetworks)));
    }
  }

  /// What a network of the new file was in the old one; null: it is new. The first is always the same one, whatever it
  /// is called.
  [[nodiscard]] const Network* former(const Network& wanted) const {
    const bool is_first = &wanted == &wanted_.networks.front();
    return is_first ? &before_.networks.front() : network_named(before_, wanted.name);
  }
  [[nodiscard]] bool is_same(const ListenEntry& before, const ListenEntry& wanted) const {
    const Network* const was = former(*network_named(wanted_, wanted.network));
    return before.path == wanted.path && was != nullptr && was->name == before.network;
  }
  /// What a NIC of the new file was in the old one; null: it is new, or could not be made then.
  [[nodiscard]] const Nic* former(const Nic& wanted) const {
    return fabric().find(wanted.mac) == l2::kNoPort ? nullptr : find_nic(before_, wanted.mac);
  }

  [[nodiscard]] network::Fabric& fabric() const { return parts_.fabric; }
  [[nodiscard]] std::size_t slot_of(const std::string& name) const { return fabric().find_network(name).value(); }

  static Refusal refuse(const Problems& problems) {
    return {Refusal::Kind::invalid, problems.listed().front().place, problems.listed().front().text, problems};
  }

  void try_sockets(const std::vector<ListenEntry>& before, const std::vector<ListenEntry>& wanted, int type,
                   const std::string& pointer, Problems& problems) const {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (has_path(before, wanted[i].path) || parts_.hub.listens(wanted[i].path)) continue;
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
    return Refusal{Refusal::Kind::conflict, "/capture/file", begun.error()};
  }

  void remove_nics() {
    for (const Nic& nic : before_.nics) {
      const l2::PortId port = fabric().find(nic.mac);
      if (find_nic(wanted_, nic.mac) != nullptr || port == l2::kNoPort) continue;
      parts_.hub.forget(port, kReloaded);
      fabric().remove(port, kReloaded, now_);
    }
  }

  void close_own_sockets() {
    for (const Nic& nic : before_.nics) {
      const Nic* const wanted = find_nic(wanted_, nic.mac);
      const l2::PortId port = fabric().find(nic.mac);
      if (wanted == nullptr || port == l2::kNoPort || !nic.dgram || nic.dgram == wanted->dgram) continue;
      (void)parts_.hub.close_own(port, kReloaded);
    }
  }

  template <typename Close>
  void close_sockets(const std::vector<ListenEntry>& before, const std::vector<ListenEntry>& wanted,
                     Close close) const {
    for (const ListenEntry& was : before) {
      if (std::ranges::none_of(wanted, [&](const ListenEntry& entry) { return is_same(was, entry); })) close(was.path);
    }
  }

  void change_networks() {
    for (const Network& wanted : wanted_.networks) {
      const Network* const was = former(wanted);
      if (was == nullptr) {
        parts_.names.set_network(fabric().add_network(network_config(wanted_, wanted), now_), wanted.dns);
        continue;
      }
      const std::size_t slot = slot_of(was->name);
      owner_.apply(slot, *was, wanted_, wanted, kReloaded);
      if (needs_new_gateway(*was, wanted)) continue;
      if (behind(before_, was->name) != behind(wanted_, wanted.name)) {
        fabric().reconfigure(slot, network_config(wanted_, wanted), now_);
        parts_.names.set_network(slot, wanted.dns);
      } else {
        change_records(slot, records_of(before_, *was), records_of(wanted_, wanted));
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
    // Two NICs may swap names or addresses: what another is to have is given up first.
    std::unordered_map<std::string, MacAddress> names;
    std::unordered_map<std::uint32_t, MacAddress> addresses;
    for (const Nic& nic : wanted_.nics) {
      names.emplace(network::lower_case(nic.name), nic.mac);
      if (nic.ip) addresses.emplace(nic.ip->to_u32(), nic.mac);
    }
    const auto is_anothers = [](const auto& owners, const auto& key, const Nic& nic) {
      const auto owner = owners.find(key);
      return owner != owners.end() && owner->second != nic.mac;
    };
    for (const Nic& nic : wanted_.nics) {
      const Nic* const was = former(nic);
      if (was == nullptr) continue;
      if (is_anothers(names, network::lower_case(was->name), nic) ||
          (was->ip && was->ip != nic.ip && is_anothers(addresses, was->ip->to_u32(), nic))) {
        give_up_name(*was);
      }
    }
    for (const Nic& nic : wanted_.nics) {
      const Nic* const was = former(nic);
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
    report(fabric().change(port, std::move(config), kReloaded, now_));
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
    const auto act = [&] { report(fabric().change(port, std::move(config), kReloaded, now_)); };
    if (fabric().nic(port).config.network != network) {
      parts_.hub.change(port, act);
    } else {
      act();
    }
    if (was.link != nic.link) parts_.hub.set_link(port, nic.link == Link::up, kReloaded);
    if (nic.dgram && nic.dgram != was.dgram) report(parts_.hub.listen_own(*nic.dgram, port));
  }

  void remove_networks() {
    for (const Network& network : before_.networks) {
      const auto slot = fabric().find_network(network.name);  // none: the first has another name now
      if (!slot || network_named(wanted_, network.name) != nullptr) continue;
      for (std::size_t i = 0; i < fabric().nic_slots(); ++i) {
        const l2::PortId port{static_cast<std::uint32_t>(i)};
        if (fabric().nic(port).in_use && fabric().nic(port).config.network == *slot) parts_.hub.forget(port, kReloaded);
      }
      parts_.names.remove_network(*slot);
      fabric().remove_network(*slot, now_);
    }
  }

  void open_sockets() {
    const auto is_open = [this](const std::vector<ListenEntry>& before, const ListenEntry& entry) {
      return std::ranges::any_of(before, [&](const ListenEntry& was) { return is_same(was, entry); });
    };
    for (const ListenEntry& entry : wanted_.listen.dgram) {
      if (is_open(before_.listen.dgram, entry)) continue;
      report(parts_.hub.listen_dgram(entry.path, slot_of(entry.network)));
    }
    for (const ListenEntry& entry : wanted_.listen.stream) {
      if (is_open(before_.listen.stream, entry)) continue;
      report(parts_.hub.listen_stream(entry.path, slot_of(entry.network)));
    }
  }

  void try_forwards(Problems& problems) const {
    for (std::size_t i = 0; i < wanted_.networks.size(); ++i) {
      const auto& forwards = wanted_.networks[i].forwards;
      for (std::size_t k = 0; k < forwards.size(); ++k) {
        if (parts_.forwards.find(forwards[k].proto, forwards[k].listen)) continue;
        if (const auto bound = parts_.forwards.try_open(forwards[k]); !bound) {
          problems.add("/networks/" + std::to_string(i) + "/forwards/" + std::to_string(k) + "/listen",
                       bound.error().to_string());
        }
      }
    }
  }

  void change_services() {
    if (before_.services == wanted_.services) return;
    if (const auto served = parts_.services.serve(wanted_.services); !served) parts_.notice(served.error());
  }

  void close_forwards() {
    for (const Forwards::Running& running : parts_.forwards.running()) {
      const auto is_it = [&](const Network& wanted) {
        const Network* const was = former(wanted);
        return was != nullptr && slot_of(was->name) == running.network &&
               std::ranges::find(wanted.forwards, running.forward) != wanted.forwards.end();
      };
      if (std::ranges::none_of(wanted_.networks, is_it)) (void)parts_.forwards.close(running.id);
    }
  }

  void open_forwards() {
    for (const Network& wanted : wanted_.networks) {
      for (const Forward& forward : wanted.forwards) {
        if (parts_.forwards.find(forward.proto, forward.listen)) continue;
        if (const auto opened = parts_.forwards.open(slot_of(wanted.name), forward); !opened) {
          parts_.notice(opened.error().to_string());
        }
      }
    }
  }

  /// What was checked and fails nevertheless is told, and the rest goes on.
  void report(const dgram::SystemResult<void>& result) const {
    if (!result) parts_.notice(result.error().to_string());
  }
  void report(const Result<void, network::NicProblem>& result) const {
    if (!result) parts_.notice(result.error().text);
  }

  Operations& owner_;
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
  wanted.listen.control_tcp = now_.listen.control_tcp;
  wanted.state = now_.state;
  wanted.seed = now_.seed;
  Reload reload{*this, wanted};
  if (auto refusal = reload.check()) return fail(std::move(*refusal));
  reload.run();
  file_ = std::move(file);
  now_ = std::move(wanted);
  save_all();
  return Reloaded{std::move(changed.changed), std::move(changed.restart_needed)};
}

}  // namespace vnet::daemon
