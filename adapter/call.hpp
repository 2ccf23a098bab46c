// A command that is one exchange with the control API.
#pragma once

#include "adapter/options.hpp"

namespace vnet::adapter {

/// The largest document that is read from a file or stdin to be sent; a larger one is refused. The daemon's own limit
/// may be smaller.
inline constexpr std::size_t kMaxBody = 16 * 1024 * 1024;

/// Asks, and shows the answer on stdout and what else there is to say on stderr.
[[nodiscard]] ExitCode run_call(const Common& common, const Call& call);

}  // namespace vnet::adapter
