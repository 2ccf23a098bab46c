// Whether the ports of a service that lead to sockets of the host make sense together.
#pragma once

#include <string>

#include "daemon/config.hpp"

namespace vnet::daemon {

/// `pointer` is the service's.
void check_service_forwards(const Service& service, const std::string& pointer, Problems& problems);

}  // namespace vnet::daemon
