// Run-time changes as JSON and back: what a line of the journal holds.
#include <functional>
#include <nlohmann/json.hpp>

#include "daemon/config_print.hpp"
#include "daemon/config_read.hpp"
#include "daemon/json_schema.hpp"
#include "daemon/runtime_changes.hpp"

namespace vnet::daemon {
namespace {

constexpr int kVersion = 1;

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
        "nat": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "file", "now"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/nat"}, "now": {"$ref": "#/$defs/nat"}}}},
        "wan": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/wan"}, "now": {"$ref": "#/$defs/wan"}}}},
        "blackhole": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "file", "now"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/prefixes"}, "now": {"$ref": "#/$defs/prefixes"}}}},
        "ipv4": {"type": "array", "items": {"type": "object", "additionalProperties": false,
          "required": ["network", "file", "now"], "properties": {"network": {"$ref": "#/$defs/name"},
          "file": {"$ref": "#/$defs/network/properties/ipv4"}, "now": {"$ref": "#/$defs/network/properties/ipv4"}}}},
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

void read_value(const Json& value, std::optional<Impair>& impair) { impair = read_impair(value); }
void read_value(const Json& value, std::optional<Egress>& egress) { egress = read_egress(value); }
void read_value(const Json& value, std::optional<Nat>& nat) { nat = read_nat(value); }
void read_value(const Json& value, std::optional<Wan>& wan) { wan = read_wan(value); }
void read_value(const Json& value, std::optional<std::vector<IpPrefix>>& list) { list = read_prefixes(value); }
void read_value(const Json& value, std::optional<Ipv4Prefix>& ipv4) {
  ipv4 = Ipv4Prefix::parse(value.get<std::string>()).value();
}

/// The first one was called otherwise.
std::string_view list_of(std::string_view member) { return member == "impair" ? "impaired" : member; }

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
  for (const char* const list : {"nics", "records", "forwards", "captures", "zones"}) document[list] = Json::array();
  for (const auto& change : changes.nics) {
    document["nics"].push_back(change_to_json(change));
    document["nics"].back()["mac"] = change.mac.to_string();
  }
  for (const auto& change : changes.records) {
    document["records"].push_back(change_to_json(change));
    document["records"].back()["network"] = change.network;
    document["records"].back()["name"] = change.name;
  }
  RuntimeChanges::each_of_networks(changes, changes, [&](std::string_view name, const auto& list, const auto&) {
    Json& array = document[std::string{list_of(name)}] = Json::array();
    for (const auto& change : list) {
      array.push_back(change_to_json(change));
      array.back()["network"] = change.network;
    }
  });
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
  const auto each = [&](std::string_view name, auto read) {
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
  RuntimeChanges::each_of_networks(changes, changes,
                                   [&]<typename Of>(std::string_view name, std::vector<Of>& list, auto&) {
                                     each(list_of(name), [&](const Json& object) {
                                       Of change;
                                       change.network = object.at("network");
                                       if (object.contains("file")) read_value(object.at("file"), change.file);
                                       if (object.contains("now")) read_value(object.at("now"), change.now);
                                       list.push_back(std::move(change));
                                     });
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
