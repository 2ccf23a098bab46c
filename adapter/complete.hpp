// `vnet complete WORD...`: what the shells' completion scripts ask, so that they know nothing themselves.
//
// The answer is a line for each candidate, `word` or `word TAB description`, and `:files` where a file may stand. Names
// come from the daemon, within kCompleteTimeout; without one there are none, and nothing is said. A name with
// characters that a shell might act on is left out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapter/command_tree.hpp"

namespace vnet::adapter {

/// Longer than this and the person has typed on.
inline constexpr std::chrono::milliseconds kCompleteTimeout{500};

/// `fetch` gives the body of GET `target`, or nothing.
[[nodiscard]] std::string complete(const std::vector<std::string>& words,
                                   const std::function<std::string(const std::string& target)>& fetch);

[[nodiscard]] ExitCode run_complete(const CompleteOptions& options);

}  // namespace vnet::adapter
