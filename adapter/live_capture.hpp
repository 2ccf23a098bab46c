// `vnet capture`: frames as they pass, from the daemon to a file or stdout, until Ctrl-C, or until whoever reads goes.
//
// The file is made only when the daemon has agreed, so a misspelled filter does not empty yesterday's capture.
#pragma once

#include "adapter/options.hpp"

namespace vnet::adapter {

[[nodiscard]] ExitCode run_live_capture(const Common& common, const LiveCapture& capture);

}  // namespace vnet::adapter
