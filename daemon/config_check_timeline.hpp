// Whether the events of a config's timeline can happen: what they name exists, and what they make of the networks, one
// after the other, goes together.
#pragma once

#include "daemon/config.hpp"
#include "daemon/problem.hpp"

namespace vnet::daemon {

void check_timeline(const Config& config, Problems& problems);

}  // namespace vnet::daemon
