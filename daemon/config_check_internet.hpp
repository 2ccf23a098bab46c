// Whether the routers of the networks go together: their outside addresses, and who stands behind whom.
#pragma once

#include <cstddef>
#include <string>

#include "daemon/config.hpp"
#include "daemon/problem.hpp"

namespace vnet::daemon {

void check_routers(const Config& config, Problems& problems);

/// The router of one network that has changed: its own, beside all others, and those that stand behind it. `pointer` is
/// of the network.
void check_changed_router(const Config& config, std::size_t network, const std::string& pointer, Problems& problems);

}  // namespace vnet::daemon
