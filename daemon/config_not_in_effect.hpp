// What the config file may say and this version of vnetd does not do.
//
// A member that has no effect is accepted, and named here, so that nobody believes in a NAT that is not there: a
// network without outside addresses has none to translate to.
#pragma once

#include <string>
#include <vector>

#include "daemon/json_text.hpp"

namespace vnet::daemon {

/// JSON pointers of the members of `document` (which fits the schema) that have no effect. A member that asks for what
/// happens anyway ("nat": "none") is not named.
[[nodiscard]] std::vector<std::string> features_not_in_effect(const Json& document);

}  // namespace vnet::daemon
