// What the config file may say and this version of vnetd does not do.
//
// The file format is fixed ahead of the features, so that a file written today keeps its meaning. A member whose
// subject does not exist yet is accepted, and named here, so that nobody believes in a NAT that is not there.
// Whoever builds a feature deletes its line from the table.
#pragma once

#include <string>
#include <vector>

#include "daemon/json_text.hpp"

namespace vnet::daemon {

/// JSON pointers of the members of `document` (which fits the schema) that have no effect, in the table's order. A
/// member that asks for what happens anyway ("nat": "none", an empty list, an impairment of all zeros) is not named.
[[nodiscard]] std::vector<std::string> features_not_in_effect(const Json& document);

}  // namespace vnet::daemon
