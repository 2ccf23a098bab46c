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
#include "adapter/vm/vm.hpp"

namespace vnet::adapter {

struct Launch {
  VmSpec spec;
  std::string switch_path;
  bool foreground = false;
  SavedGuest saved{};     ///< to begin with; without a state: the guest is booted
  std::string accel{};    ///< that it was saved with; empty: chosen
  dgram::Fd leash{};      ///< a pipe's end: the VM is ended when the other end closes
  bool prepares = false;  ///< it runs to be saved once and restored often
};

/// How the VM ended, or that it runs in the background; the error is a sentence: the guest never ran.
[[nodiscard]] Read<ExitCode> launch_vm(Launch launch);

/// Prints why the guest does not run, or the name of a VM that was started in the background.
[[nodiscard]] ExitCode told(const Read<ExitCode>& how, const std::string& started);

/// The accelerator that the VM runs with. Trying one out takes a while, so it is remembered until the next boot.
[[nodiscard]] std::string choose_accel(const VmSpec& spec);

/// The spec of a VM that has run before and has not been removed.
[[nodiscard]] Read<VmSpec> spec_of_vm(const std::string& name);

}  // namespace vnet::adapter
