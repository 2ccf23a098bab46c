// `vnet grid`: which NATs meet by hole punching, tried out in this process. No daemon is asked.
#pragma once

#include "adapter/options.hpp"

namespace vnet::adapter {

/// `failed` where a pair contradicts theory, or the page cannot be written.
[[nodiscard]] ExitCode run_grid(const Common& common, const GridOptions& options);

}  // namespace vnet::adapter
