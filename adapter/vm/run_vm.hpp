// `vnet vm`: the commands' work. `run`, `start` and `restore` become a supervisor or make one; the others ask it by its
// control socket, and the switch by its own.
#pragma once

#include "adapter/options.hpp"
#include "adapter/vm/options.hpp"

namespace vnet::adapter {

/// How long `ip` waits when it is not told, in seconds.
inline constexpr std::uint32_t kIpTimeout = 30;

[[nodiscard]] ExitCode run_vm(const Common& common, const VmOptions& options);

}  // namespace vnet::adapter
