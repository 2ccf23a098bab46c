#include "daemon/startup.hpp"

#include <utility>

#include "daemon/runtime_store.hpp"
#include "daemon/timeline.hpp"

namespace vnet::daemon {

Startup prepare(ConfigSource source, Config file, InheritedSockets inherited, std::optional<Predecessor> predecessor) {
  Startup startup{std::move(source), file, std::move(file), {}, std::move(inherited), {}, std::vector<std::string>{}};
  startup.predecessor = std::move(predecessor);
  if (startup.predecessor) {
    startup.changes = startup.predecessor->changes;
  } else if (startup.file.state) {
    startup.changes = RuntimeStore{*startup.file.state}.load(startup.notices);
    leave_to_timeline(startup.changes, startup.file.timeline);
  }
  for (std::string& dropped : apply_changes(startup.changes, startup.now))
    startup.notices.push_back(std::move(dropped));
  return startup;
}

}  // namespace vnet::daemon
