// `vnet vm ip`: the address that the switch has leased to a VM's NIC, waited for by the switch's events.
//
// First it subscribes, then it looks, then it looks again at every event: so nothing falls between two looks, and
// nothing is asked in vain. A daemon that goes away meanwhile is waited for, too.
#pragma once

#include "adapter/options.hpp"
#include "adapter/vm/options.hpp"

namespace vnet::adapter {

[[nodiscard]] ExitCode show_vm_address(const Common& common, const VmOptions& options);

}  // namespace vnet::adapter
