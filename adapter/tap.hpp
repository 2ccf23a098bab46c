// `vnet tap`: joins a network namespace to the switch. It makes a TAP interface there, attaches to the switch's
// unixgram path as a client like any other, and carries frames between the two until SIGINT or SIGTERM.
//
// The interface's carrier tells whether there is a switch: down while there is none, so that whoever manages the
// interface (a DHCP client, the kernel's routes) knows.
#pragma once

#include "adapter/options.hpp"

namespace vnet::adapter {

/// Runs until asked to stop. What happens is said on stderr, a line each; `vnet tap ready: NAME MAC via PATH` once,
/// when the interface is up and the switch's socket takes frames.
[[nodiscard]] ExitCode run_tap(const TapOptions& options);

}  // namespace vnet::adapter
