// What is different between two readings of a config file, for people: JSON pointers into the new one.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.hpp"

namespace vnet::daemon {

struct ConfigChanges {
  std::vector<std::string> changed;         ///< can be put in effect while the daemon runs
  std::vector<std::string> restart_needed;  ///< cannot
};

/// Networks are compared by name and NICs by MAC address, wherever they stand in the file. What is not there any more
/// is named by the list that it was in and its name, as in "/nics (alice removed)".
[[nodiscard]] ConfigChanges compare_configs(const Config& before, const Config& after);

}  // namespace vnet::daemon
