#include "daemon/config_changes.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "daemon/config_print.hpp"

namespace vnet::daemon {
namespace {

void compare_members(const Json& before, const Json& after, const std::string& pointer,
                     std::vector<std::string>& changed) {
  for (const auto& member : after.items()) {
    const auto old = before.find(member.key());
    if (old == before.end() || *old != member.value()) changed.push_back(child_pointer(pointer, member.key()));
  }
  for (const auto& member : before.items()) {
    if (!after.contains(member.key())) changed.push_back(child_pointer(pointer, member.key()));
  }
}

const Json* find_by(const Json& list, const char* key, const Json& value) {
  for (const Json& element : list) {
    if (element.at(key) == value) return &element;
  }
  return nullptr;
}

void compare_lists(const Json& before, const Json& after, const char* name, const char* key,
                   std::vector<std::string>& changed) {
  const std::string pointer = child_pointer({}, name);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const Json* const old = find_by(before, key, after[i].at(key));
    const std::string at = child_pointer(pointer, i);
    if (old == nullptr) {
      changed.push_back(at);
    } else {
      compare_members(*old, after[i], at, changed);
    }
  }
  for (const Json& element : before) {
    if (find_by(after, key, element.at(key)) == nullptr) {
      changed.push_back(pointer + " (" + element.at("name").get<std::string>() + " removed)");
    }
  }
}

}  // namespace

ConfigChanges compare_configs(const Config& before, const Config& after) {
  constexpr std::array kFixed = {"/listen/control", "/listen/control_tcp", "/state", "/seed"};
  const Json old = to_json(before);
  const Json now = to_json(after);
  std::vector<std::string> all;
  compare_lists(old.at("networks"), now.at("networks"), "networks", "name", all);
  compare_lists(old.at("nics"), now.at("nics"), "nics", "mac", all);
  compare_members(old.at("listen"), now.at("listen"), "/listen", all);
  Json old_rest = old;
  Json now_rest = now;
  for (const char* const done : {"networks", "nics", "listen"}) {
    old_rest.erase(done);
    now_rest.erase(done);
  }
  compare_members(old_rest, now_rest, {}, all);
  ConfigChanges changes;
  for (std::string& pointer : all) {
    const bool fixed = std::find(kFixed.begin(), kFixed.end(), pointer) != kFixed.end();
    (fixed ? changes.restart_needed : changes.changed).push_back(std::move(pointer));
  }
  return changes;
}

}  // namespace vnet::daemon
