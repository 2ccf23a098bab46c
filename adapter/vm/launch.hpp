// From a VmSpec to a running supervisor, in this process or in one of its own.
//
// What can be wrong is found out before QEMU starts and before anything is left behind: files that are not there, a VM
// of the name that runs, a NIC without a MAC address (the switch is asked, else one is derived from the names). A
// supervisor in the background is a child of ours until the guest runs; then it is on its own, in a session of its own,
// with its log in the VM's folder.
#pragma once

#include <string>

#include "adapter/options.hpp"
#include "adapter/vm/spec.hpp"

namespace vnet::adapter {

struct Launch {
  VmSpec spec;
  std::string switch_path;
  bool foreground = false;
  std::string state{};   ///< the file of a saved state to begin with
  Json switch_memory{};  ///< that goes with it
  std::string accel{};   ///< that it was saved with; empty: chosen
};

[[nodiscard]] ExitCode launch_vm(Launch launch);

/// The spec of a VM that has run before and has not been removed.
[[nodiscard]] Read<VmSpec> spec_of_vm(const std::string& name);

}  // namespace vnet::adapter
