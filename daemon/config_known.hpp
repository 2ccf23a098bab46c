// Names that refer to something: whether it exists, and what else there is.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/problem.hpp"

namespace vnet::daemon {

[[nodiscard]] std::vector<std::string> names_of(const auto& named) {
  std::vector<std::string> names;
  for (const auto& one : named) names.push_back(one.name);
  return names;
}

/// Reports `name` when it is none of `known`.
inline void check_known(std::string_view what, const std::string& name, const std::vector<std::string>& known,
                        const std::string& pointer, Problems& problems) {
  if (std::ranges::find(known, name) != known.end()) return;
  const std::string expected = known.empty() ? "a config that has one" : "one of " + join(known);
  problems.add(pointer, found_expected("no " + std::string{what} + " named " + in_quotes(name), expected) +
                            did_you_mean(name, known));
}

}  // namespace vnet::daemon
