// The words of `vnet network NAME` about its router: nat, wan, blackhole, egress.
#pragma once

#include <string>
#include <vector>

#include "adapter/command_tree.hpp"
#include "adapter/json.hpp"

namespace vnet::adapter {

/// `words` are what stands behind `where`. Members of a NAT are said as KEY=VALUE, a preset by its name.
[[nodiscard]] Command decide_nat(const std::string& where, Call call, const std::vector<std::string>& words);
[[nodiscard]] Command decide_wan(const std::string& where, Call call, const std::vector<std::string>& words);
[[nodiscard]] Command decide_blackhole(const std::string& where, Call call, const std::vector<std::string>& words);
[[nodiscard]] Command decide_egress(const std::string& where, Call call, const std::vector<std::string>& words);

[[nodiscard]] Candidates complete_nat();

/// `hard`, or what is said of an object, as it is written on the command line.
[[nodiscard]] std::string nat_text(const Json& nat);

}  // namespace vnet::adapter
