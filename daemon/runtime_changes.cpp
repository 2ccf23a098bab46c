#include "daemon/runtime_changes.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <unordered_map>

#include "daemon/config_check.hpp"
#include "daemon/config_defaults.hpp"

namespace vnet::daemon {
namespace {

/// Configurations can be large: every look-up by key, not by walking.
template <typename T, typename Key>
auto index_by(const std::vector<T>& values, Key key) {
  std::unordered_map<std::decay_t<decltype(key(values.front()))>, const T*> index;
  for (const T& value : values) index.emplace(key(value), &value);
  return index;
}

/// Appends a Change for each key whose value is not the same in both lists, in the order of the lists.
template <typename T, typename Key, typename Add>
void compare(const std::vector<T>& file, const std::vector<T>& now, Key key, Add add) {
  const auto in_file = index_by(file, key);
  const auto in_now = index_by(now, key);
  for (const T& value : now) {
    const auto before = in_file.find(key(value));
    if (before == in_file.end()) {
      add(std::nullopt, std::optional<T>{value});
    } else if (*before->second != value) {
      add(std::optional<T>{*before->second}, std::optional<T>{value});
    }
  }
  for (const T& value : file) {
    if (!in_now.contains(key(value))) add(std::optional<T>{value}, std::nullopt);
  }
}

MacAddress mac_of(const Nic& nic) { return nic.mac; }
std::string record_name(const DnsRecord& record) { return record.name; }

/// Makes the change to what `key` leads to in `list`, if it still says what it said. False: it does not.
template <typename T, typename Key, typename KeyOf>
bool apply_one(const RuntimeChanges::Change<T>& change, const Key& key, KeyOf key_of, std::vector<T>& list) {
  const auto found = std::ranges::find(list, key, key_of);
  const auto is = [&](const std::optional<T>& side) {
    return side ? found != list.end() && *found == *side : found == list.end();
  };
  if (is(change.now)) return true;  // the file has caught up
  if (!is(change.file)) return false;
  if (!change.now) {
    list.erase(found);
  } else if (found == list.end()) {
    list.push_back(*change.now);
  } else {
    *found = *change.now;
  }
  return true;
}

bool has_network(const Config& config, const std::string& name) {
  return std::ranges::find(config.networks, name, &Network::name) != config.networks.end();
}

bool apply_one(const RuntimeChanges::Interface& change, Config& config) {
  if (change.now && !has_network(config, change.now->network)) return false;
  return apply_one(change, change.mac, &Nic::mac, config.nics);
}

bool apply_one(const RuntimeChanges::Record& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  return network != config.networks.end() && apply_one(change, change.name, &DnsRecord::name, network->dns.records);
}

/// Makes the change to a member of a network, under the same condition.
template <typename Change, typename T>
bool apply_to_network(const Change& change, Config& config, T Network::*member) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  if (network == config.networks.end()) return false;
  T& value = (*network).*member;
  if (value != change.file && value != change.now) return false;
  value = change.now.value_or(T{});
  return true;
}

bool apply_one(const RuntimeChanges::OfNetwork<Impair>& change, Config& config) {
  return apply_to_network(change, config, &Network::impair);
}

bool apply_one(const RuntimeChanges::OfNetwork<Egress>& change, Config& config) {
  return apply_to_network(change, config, &Network::egress);
}

bool apply_one(const RuntimeChanges::OfNetwork<Nat>& change, Config& config) {
  return apply_to_network(change, config, &Network::nat);
}

bool apply_one(const RuntimeChanges::OfNetwork<std::vector<IpPrefix>>& change, Config& config) {
  return apply_to_network(change, config, &Network::blackhole);
}

bool apply_one(const RuntimeChanges::OfNetwork<Wan>& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  if (network == config.networks.end() || (network->wan != change.file && network->wan != change.now)) return false;
  network->wan = change.now;
  return true;
}

bool apply_one(const RuntimeChanges::OfNetwork<Ipv4Prefix>& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  if (network == config.networks.end() || !change.now) return false;
  if (network->ipv4 == change.now) return true;
  if (network->ipv4 != change.file) return false;
  renumber(*network, *change.now);
  return true;
}

bool apply_one(const RuntimeChanges::PortForward& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  return network != config.networks.end() && apply_one(change, change.key, forward_key, network->forwards);
}

std::string title_of_forward(const RuntimeChanges::PortForward& change) {
  return "forward " + change.key + " of network " + change.network;
}

std::string title_of_nic(const RuntimeChanges::Interface& change) {
  if (change.now) return "NIC " + change.now->name;
  return "NIC " + (change.file ? change.file->name : change.mac.to_string());
}

std::string title_of_record(const RuntimeChanges::Record& change) {
  return "DNS name " + change.name + " of network " + change.network;
}

/// One change, of whatever kind. `apply` says false where the file no longer says what it said, and changes nothing.
struct Step {
  std::string title;
  std::function<bool(Config&)> apply;
};

/// Applies those steps with which the whole makes sense. Nearly always all of them do, and one look at the whole is
/// enough; else the halves are tried, because a look at the whole for each of thousands would take minutes.
void apply_steps(std::span<const Step> steps, Config& config, std::vector<std::string>& dropped) {
  if (steps.empty()) return;
  Config changed = config;
  for (const Step& step : steps) step.apply(changed);
  Problems problems;
  check_config(changed, problems);
  if (problems.empty()) {
    config = std::move(changed);
  } else if (steps.size() == 1) {
    dropped.push_back(steps.front().title +
                      ": changed at run time, which does not go together with the file any more (" +
                      problems.listed().front().text + "): the file holds");
  } else {
    apply_steps(steps.first(steps.size() / 2), config, dropped);
    apply_steps(steps.subspan(steps.size() / 2), config, dropped);
  }
}

template <typename T, typename Same>
void merge_lists(std::vector<T>& list, std::vector<T> later, Same same) {
  for (T& change : later) {
    const auto known = std::ranges::find_if(list, [&](const T& each) { return same(each, change); });
    if (known == list.end()) {
      list.push_back(std::move(change));
    } else {
      *known = std::move(change);
    }
  }
  std::erase_if(list, [](const T& change) { return change.file == change.now; });
}

}  // namespace

void merge(RuntimeChanges& changes, RuntimeChanges later) {
  merge_lists(changes.nics, std::move(later.nics),
              [](const auto& one, const auto& other) { return one.mac == other.mac; });
  merge_lists(changes.records, std::move(later.records), [](const auto& one, const auto& other) {
    return one.network == other.network && one.name == other.name;
  });
  const auto same_network = [](const auto& one, const auto& other) { return one.network == other.network; };
  RuntimeChanges::each_of_networks(changes, later, [&](std::string_view, auto& list, auto& others) {
    merge_lists(list, std::move(others), same_network);
  });
  merge_lists(changes.forwards, std::move(later.forwards),
              [](const auto& one, const auto& other) { return one.network == other.network && one.key == other.key; });
  changes.captures = std::move(later.captures);
  changes.zones = std::move(later.zones);
}

RuntimeChanges difference(const Config& file, const Config& now) {
  RuntimeChanges changes;
  compare(file.nics, now.nics, mac_of, [&](std::optional<Nic> before, std::optional<Nic> after) {
    const MacAddress mac = after ? after->mac : before->mac;
    changes.nics.push_back({{std::move(before), std::move(after)}, mac});
  });
  for (const Network& network : now.networks) {
    const auto before = std::ranges::find(file.networks, network.name, &Network::name);
    if (before == file.networks.end()) continue;
    const auto add = [&]<typename T>(std::vector<RuntimeChanges::OfNetwork<T>>& list, const std::optional<T>& was,
                                     const std::optional<T>& is) {
      if (was != is) list.push_back({{was, is}, network.name});
    };
    add(changes.impaired, std::optional{before->impair}, std::optional{network.impair});
    add(changes.egress, std::optional{before->egress}, std::optional{network.egress});
    add(changes.nats, std::optional{before->nat}, std::optional{network.nat});
    add(changes.wans, before->wan, network.wan);
    add(changes.blackholes, std::optional{before->blackhole}, std::optional{network.blackhole});
    if (before->ipv4 && network.ipv4) add(changes.renumbered, before->ipv4, network.ipv4);
    compare(before->dns.records, network.dns.records, record_name,
            [&](std::optional<DnsRecord> was, std::optional<DnsRecord> is) {
              std::string name = is ? is->name : was->name;
              changes.records.push_back({{std::move(was), std::move(is)}, network.name, std::move(name)});
            });
    compare(before->forwards, network.forwards, forward_key,
            [&](std::optional<Forward> was, std::optional<Forward> is) {
              std::string key = forward_key(is ? *is : *was);
              changes.forwards.push_back({{std::move(was), std::move(is)}, network.name, std::move(key)});
            });
  }
  return changes;
}

std::vector<std::string> apply_changes(const RuntimeChanges& changes, Config& config) {
  std::vector<std::string> dropped;
  std::vector<Step> steps;
  Config tried = config;
  const auto add = [&](const auto& list, auto title_of) {
    for (const auto& change : list) {
      if (apply_one(change, tried)) {
        steps.push_back({title_of(change), [&change](Config& c) { return apply_one(change, c); }});
      } else {
        dropped.push_back(title_of(change) + ": changed at run time, and in the file since: the file holds");
      }
    }
  };
  add(changes.nics, title_of_nic);
  add(changes.records, title_of_record);
  RuntimeChanges::each_of_networks(changes, changes, [&](std::string_view name, const auto& list, const auto&) {
    add(list, [name](const auto& change) { return std::string{name} + " of network " + change.network; });
  });
  add(changes.forwards, title_of_forward);
  apply_steps(steps, config, dropped);
  return dropped;
}

}  // namespace vnet::daemon
