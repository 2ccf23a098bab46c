#include "daemon/runtime_changes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
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

/// Makes one change to `list`, if it still says what it said. False: it does not.
template <typename T, typename Key>
bool apply_one(const RuntimeChanges::Change<T>& change, Key key, std::vector<T>& list) {
  const T& some = change.file ? *change.file : *change.now;
  const auto found = std::ranges::find_if(list, [&](const T& value) { return key(value) == key(some); });
  const bool holds = change.file ? found != list.end() && *found == *change.file : found == list.end();
  if (!holds) return found != list.end() && change.now && *found == *change.now;  // the file has caught up
  if (!change.now) {
    list.erase(found);
  } else if (found == list.end()) {
    list.push_back(*change.now);
  } else {
    *found = *change.now;
  }
  return true;
}

/// Keeps a change only if the whole still makes sense.
template <typename Apply>
void try_change(Config& config, const std::string& what, std::vector<std::string>& dropped, Apply apply) {
  Config changed = config;
  if (!apply(changed)) {
    dropped.push_back(what + ": changed at run time, and in the file since: the file holds");
    return;
  }
  Problems problems;
  check_config(changed, problems);
  if (problems.empty()) {
    config = std::move(changed);
  } else {
    dropped.push_back(what + ": changed at run time, which does not go together with the file any more (" +
                      problems.listed().front().text + "): the file holds");
  }
}

bool apply_record(const RuntimeChanges::Record& change, Config& config) {
  const auto network = std::ranges::find(config.networks, change.network, &Network::name);
  return network != config.networks.end() && apply_one(change, name_of, network->dns.records);
}

std::string title_of(const RuntimeChanges::Change<Nic>& change) {
  return "NIC " + (change.now ? change.now->name : change.file->name);
}

std::string title_of(const RuntimeChanges::Record& change) {
  return "DNS name " + (change.now ? change.now->name : change.file->name) + " of network " + change.network;
}

}  // namespace

RuntimeChanges difference(const Config& file, const Config& now) {
  RuntimeChanges changes;
  compare(file.nics, now.nics, mac_of, [&](std::optional<Nic> before, std::optional<Nic> after) {
    changes.nics.push_back({std::move(before), std::move(after)});
  });
  for (const Network& network : now.networks) {
    const auto before = std::ranges::find(file.networks, network.name, &Network::name);
    if (before == file.networks.end()) continue;
    compare(before->dns.records, network.dns.records, name_of,
            [&](std::optional<DnsRecord> was, std::optional<DnsRecord> is) {
              RuntimeChanges::Record change;
              change.file = std::move(was);
              change.now = std::move(is);
              change.network = network.name;
              changes.records.push_back(std::move(change));
            });
  }
  return changes;
}

std::vector<std::string> apply_changes(const RuntimeChanges& changes, Config& config) {
  std::vector<std::string> dropped;
  // Nearly always all of them hold, and then one look at the whole is enough.
  Config all = config;
  bool hold = true;
  for (const auto& change : changes.nics) hold = apply_one(change, mac_of, all.nics) && hold;
  for (const auto& change : changes.records) hold = apply_record(change, all) && hold;
  Problems problems;
  check_config(all, problems);
  if (hold && problems.empty()) {
    config = std::move(all);
    return dropped;
  }
  for (const auto& change : changes.nics) {
    try_change(config, title_of(change), dropped, [&](Config& c) { return apply_one(change, mac_of, c.nics); });
  }
  for (const auto& change : changes.records) {
    try_change(config, title_of(change), dropped, [&](Config& c) { return apply_record(change, c); });
  }
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
        "nics": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {
          "file": {"$ref": "#/$defs/nic"}, "now": {"$ref": "#/$defs/nic"}}}},
        "records": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/dns_record"}, "now": {"$ref": "#/$defs/dns_record"}}}},
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

template <typename T, typename Read>
bool read_change(const Json& object, RuntimeChanges::Change<T>& change, Read read) {
  if (object.contains("file")) change.file = read(object.at("file"));
  if (object.contains("now")) change.now = read(object.at("now"));
  return change.file || change.now;
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
  Json document = {{"version", kVersion},
                   {"nics", Json::array()},
                   {"records", Json::array()},
                   {"captures", Json::array()},
                   {"zones", Json::array()}};
  for (const auto& change : changes.nics) document["nics"].push_back(change_to_json(change));
  for (const auto& change : changes.records) {
    document["records"].push_back(change_to_json(change));
    document["records"].back()["network"] = change.network;
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
  const auto each = [&](const char* name, auto read) {
    if (!document.contains(name)) return;
    for (const Json& object : document.at(name)) read(object);
  };
  each("nics", [&](const Json& object) {
    RuntimeChanges::Change<Nic> change;
    if (read_change(object, change, [](const Json& nic) { return read_nic(nic, {}, {}); })) {
      changes.nics.push_back(std::move(change));
    }
  });
  each("records", [&](const Json& object) {
    RuntimeChanges::Record change;
    change.network = object.at("network");
    if (read_change(object, change, read_dns_record)) changes.records.push_back(std::move(change));
  });
  each("captures", [&](const Json& object) { changes.captures.push_back(read_capture(object)); });
  each("zones", [&](const Json& object) { changes.zones.push_back(read_zone(object)); });
  return changes;
}

}  // namespace vnet::daemon
