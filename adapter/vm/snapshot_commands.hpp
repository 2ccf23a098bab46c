// `vnet vm save|restore|snapshots`, and `rm --snapshot`.
#pragma once

#include "adapter/options.hpp"
#include "adapter/vm/options.hpp"

namespace vnet::adapter {

[[nodiscard]] ExitCode save_vm(const VmOptions& options);
/// Compares what is to run with what was saved, and starts it only when they fit.
[[nodiscard]] ExitCode restore_vm(const Common& common, const VmOptions& options);
[[nodiscard]] ExitCode list_snapshots(const Common& common, const VmOptions& options);
[[nodiscard]] ExitCode remove_snapshot(const std::string& name);

}  // namespace vnet::adapter
