#include "daemon/runtime_changes.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_map>

#include "daemon/config_check.hpp"
#include "daemon/config_print.hpp"
#include "daemon/config_read.hpp"
#include "daemon/json_schema.hpp"

namespace vnet::daemon {
namespace {

constexpr int kVersion = 1;

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
std::string name_of(const DnsRecord& record) { return record.name; }

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

bool apply_one(const RuntimeChanges::Impaired& change, Config& config) {
  return apply_to_network(change, config, &Network::impair);
}

bool apply_one(const RuntimeChanges::Ruled& change, Config& config) {
  return apply_to_network(change, config, &Network::egress);
}

bool apply_one(const RuntimeChanges::PortForward& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  return network != config.networks.end() && apply_one(change, change.key, forward_key, network->forwards);
}

std::string title_of(const RuntimeChanges::PortForward& change) {
  return "forward " + change.key + " of network " + change.network;
}

std::string title_of(const RuntimeChanges::Interface& change) {
  if (change.now) return "NIC " + change.now->name;
  return "NIC " + (change.file ? change.file->name : change.mac.to_string());
}

std::string title_of(const RuntimeChanges::Record& change) {
  return "DNS name " + change.name + " of network " + change.network;
}

std::string title_of(const RuntimeChanges::Impaired& change) { return "impair of network " + change.network; }

std::string title_of(const RuntimeChanges::Ruled& change) { return "egress of network " + change.network; }

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
  merge_lists(changes.impaired, std::move(later.impaired), same_network);
  merge_lists(changes.egress, std::move(later.egress), same_network);
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
    if (before->impair != network.impair) {
      changes.impaired.push_back({{before->impair, network.impair}, network.name});
    }
    if (before->egress != network.egress) changes.egress.push_back({{before->egress, network.egress}, network.name});
    compare(before->dns.records, network.dns.records, name_of,
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
  const auto add = [&](const auto& list) {
    for (const auto& change : list) {
      if (apply_one(change, tried)) {
        steps.push_back({title_of(change), [&change](Config& c) { return apply_one(change, c); }});
      } else {
        dropped.push_back(title_of(change) + ": changed at run time, and in the file since: the file holds");
      }
    }
  };
  add(changes.nics);
  add(changes.records);
  add(changes.impaired);
  add(changes.egress);
  add(changes.forwards);
  apply_steps(steps, config, dropped);
  return dropped;
}

namespace {

template <typename T>
Json change_to_json(const RuntimeChanges::Change<T>& change) {
  Json object = Json::object();
  if (change.file) object["file"] = to_json(*change.file);
  if (change.now) object["now"] = to_json(*change.now);
  return object;
}

Json to_json(const CaptureRequest& capture) {
  return {{"id", capture.id},         {"file", capture.file},       {"nics", capture.nics},
          {"filter", capture.filter}, {"snaplen", capture.snaplen}, {"rotate_mb", capture.rotate_mb},
          {"keep", capture.keep}};
}

Json to_json(const GvproxyZone& zone) {
  Json records = Json::array();
  for (const auto& record : zone.records) records.push_back({{"name", record.name}, {"ip", record.ip}});
  return {{"name", zone.name}, {"records", std::move(records)}, {"default_ip", zone.default_ip}};
}

/// What runtime_changes_from_json accepts; the parts that are the config file's are in its schema.
const Json& changes_schema() {
  static const Json kSchema = [] {
    Json root = Json::parse(schema_text());
    Json own = Json::parse(R"({
      "type": "object", "additionalProperties": false, "required": ["version"],
      "properties": {
        "version": {"type": "integer", "minimum": 1, "maximum": 1},
        "nics": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["mac"], "properties": {"mac": {"$ref": "#/$defs/mac"},
          "file": {"$ref": "#/$defs/nic"}, "now": {"$ref": "#/$defs/nic"}}}},
        "records": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "name"], "properties": {"network": {"$ref": "#/$defs/name"},
          "name": {"type": "string", "format": "record-name"},
          "file": {"$ref": "#/$defs/dns_record"}, "now": {"$ref": "#/$defs/dns_record"}}}},
        "impaired": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "file", "now"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/impair"}, "now": {"$ref": "#/$defs/impair"}}}},
        "egress": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "file", "now"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/egress"}, "now": {"$ref": "#/$defs/egress"}}}},
        "forwards": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "key"], "properties": {"network": {"$ref": "#/$defs/name"},
          "key": {"type": "string"}, "file": {"$ref": "#/$defs/forward"}, "now": {"$ref": "#/$defs/forward"}}}},
        "captures": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["id", "file"], "properties": {"id": {"type": "string"}, "file": {"type": "string"},
          "nics": {"type": "array", "items": {"type": "string"}}, "filter": {"type": "string"},
          "snaplen": {"type": "integer", "minimum": 0, "maximum": 4294967295},
          "rotate_mb": {"type": "integer", "minimum": 0, "maximum": 4294967295},
          "keep": {"type": "integer", "minimum": 0, "maximum": 4294967295}}}},
        "zones": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["name", "records", "default_ip"], "properties": {"name": {"type": "string"},
          "default_ip": {"type": "string"}, "records": {"type": "array", "items": {"type": "object",
          "additionalProperties": false, "required": ["name", "ip"],
          "properties": {"name": {"type": "string"}, "ip": {"type": "string"}}}}}}}
      }})");
    root["$defs"]["runtime_changes"] = std::move(own);
    return root;
  }();
  return kSchema;
}

/// False: a side is about something else than `key`.
template <typename T, typename Key, typename KeyOf, typename Read>
bool read_change(const Json& object, RuntimeChanges::Change<T>& change, const Key& key, KeyOf key_of, Read read) {
  if (object.contains("file")) change.file = read(object.at("file"));
  if (object.contains("now")) change.now = read(object.at("now"));
  return (!change.file || std::invoke(key_of, *change.file) == key) &&
         (!change.now || std::invoke(key_of, *change.now) == key);
}

CaptureRequest read_capture(const Json& object) {
  return {object.at("id"),
          object.at("file"),
          object.value("nics", std::vector<std::string>{}),
          object.value("filter", ""),
          object.value("snaplen", 0U),
          object.value("rotate_mb", 0U),
          object.value("keep", 0U)};
}

GvproxyZone read_zone(const Json& object) {
  GvproxyZone zone{object.at("name"), {}, object.at("default_ip")};
  for (const Json& record : object.at("records")) zone.records.push_back({record.at("name"), record.at("ip")});
  return zone;
}

}  // namespace

Json to_json(const RuntimeChanges& changes) {
  Json document = {{"version", kVersion}};
  for (const char* const list : {"nics", "records", "impaired", "egress", "forwards", "captures", "zones"}) {
    document[list] = Json::array();
  }
  for (const auto& change : changes.nics) {
    document["nics"].push_back(change_to_json(change));
    document["nics"].back()["mac"] = change.mac.to_string();
  }
  for (const auto& change : changes.records) {
    document["records"].push_back(change_to_json(change));
    document["records"].back()["network"] = change.network;
    document["records"].back()["name"] = change.name;
  }
  for (const auto& change : changes.impaired) {
    document["impaired"].push_back(change_to_json(change));
    document["impaired"].back()["network"] = change.network;
  }
  for (const auto& change : changes.egress) {
    document["egress"].push_back(change_to_json(change));
    document["egress"].back()["network"] = change.network;
  }
  for (const auto& change : changes.forwards) {
    document["forwards"].push_back(change_to_json(change));
    document["forwards"].back()["network"] = change.network;
    document["forwards"].back()["key"] = change.key;
  }
  for (const auto& capture : changes.captures) document["captures"].push_back(to_json(capture));
  for (const auto& zone : changes.zones) document["zones"].push_back(to_json(zone));
  return document;
}

Result<RuntimeChanges, Problems> runtime_changes_from_json(const Json& document) {
  Problems problems;
  const Json& schema = changes_schema();
  check_schema(schema, schema.at("$defs").at("runtime_changes"), document, problems);
  if (!problems.empty()) return fail(std::move(problems));
  RuntimeChanges changes;
  const auto mixed = [&](const char* name, std::size_t index) {
    problems.add(child_pointer(child_pointer({}, name), index), "expected file, now and the key to be about the same");
  };
  const auto each = [&](const char* name, auto read) {
    if (!document.contains(name)) return;
    for (const Json& object : document.at(name)) read(object);
  };
  each("nics", [&](const Json& object) {
    RuntimeChanges::Interface change;
    change.mac = MacAddress::parse(object.at("mac").get<std::string>()).value();
    const auto read = [](const Json& nic) { return read_nic(nic, {}, {}); };
    if (!read_change(object, change, change.mac, &Nic::mac, read)) mixed("nics", changes.nics.size());
    changes.nics.push_back(std::move(change));
  });
  each("records", [&](const Json& object) {
    RuntimeChanges::Record change;
    change.network = object.at("network");
    change.name = object.at("name");
    if (!read_change(object, change, change.name, &DnsRecord::name, read_dns_record)) {
      mixed("records", changes.records.size());
    }
    changes.records.push_back(std::move(change));
  });
  each("impaired", [&](const Json& object) {
    changes.impaired.push_back({{read_impair(object.at("file")), read_impair(object.at("now"))}, object.at("network")});
  });
  each("egress", [&](const Json& object) {
    changes.egress.push_back({{read_egress(object.at("file")), read_egress(object.at("now"))}, object.at("network")});
  });
  each("forwards", [&](const Json& object) {
    RuntimeChanges::PortForward change;
    change.network = object.at("network");
    change.key = object.at("key");
    const auto read = [](const Json& forward) { return read_forward(forward, {}); };
    if (!read_change(object, change, change.key, forward_key, read)) mixed("forwards", changes.forwards.size());
    changes.forwards.push_back(std::move(change));
  });
  if (!problems.empty()) return fail(std::move(problems));
  each("captures", [&](const Json& object) { changes.captures.push_back(read_capture(object)); });
  each("zones", [&](const Json& object) { changes.zones.push_back(read_zone(object)); });
  return changes;
}

}  // namespace vnet::daemon
