// Startup: what a run of the daemon begins with: the configuration, what was changed at run time in an earlier life,
// and what a predecessor or the service manager has left.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/config_source.hpp"
#include "daemon/runtime_changes.hpp"
#include "daemon/socket_activation.hpp"
#include "daemon/take_over.hpp"

namespace vnet::daemon {

struct Startup {
  ConfigSource source;
  Config file;  ///< what the file and the command line say
  Config now;   ///< with the run-time changes
  RuntimeChanges changes;
  InheritedSockets inherited;
  std::optional<Predecessor> predecessor;
  std::vector<std::string> notices;  ///< for the log
};

/// Finds the run-time changes: a predecessor's, else those in the state folder.
[[nodiscard]] Startup prepare(ConfigSource source, Config file, InheritedSockets inherited,
                              std::optional<Predecessor> predecessor);

}  // namespace vnet::daemon
