// `vnet top`: the rates of every NIC, on a terminal in place, elsewhere one table after another.
#pragma once

#include "adapter/options.hpp"

namespace vnet::adapter {

/// Ends after options.count tables, on q, on SIGINT, SIGTERM and SIGHUP, or when nobody reads any more.
[[nodiscard]] ExitCode run_top(const Common& common, const TopOptions& options);

}  // namespace vnet::adapter
