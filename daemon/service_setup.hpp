// From the services of the configuration to the sockets of the host that some of their ports lead to.
//
// A service leads to programs of the operator's by `forward`; one of the kinds files and cloud-init leads with its port
// 80 to a UNIX socket of our own, where FileServices answers. Every address of a service has all its ports.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/file_services.hpp"
#include "nat/service_targets.hpp"

namespace vnet::daemon {

/// Those named in `down` are there and do not answer. A service of files without a socket refuses connections.
[[nodiscard]] nat::ServiceTargets service_targets(const std::vector<Service>& services, const FileSockets& files,
                                                  const std::set<std::string, std::less<>>& down = {});

}  // namespace vnet::daemon
