// `vnet vm exec`: files into the guest, a command there, files out of it, by vnet-agent.
//
// The command's output is ours as it comes, and its exit code is ours; 128 and the signal's number where a signal has
// ended it. What we do not live to see the end of, the agent ends. A command has an empty standard input.
#pragma once

#include "adapter/options.hpp"
#include "adapter/vm/options.hpp"

namespace vnet::adapter {

/// How long `exec` waits for the agent when it is not told, in seconds.
inline constexpr std::uint32_t kAgentTimeout = 30;

[[nodiscard]] ExitCode exec_in_vm(const VmOptions& options);

}  // namespace vnet::adapter
