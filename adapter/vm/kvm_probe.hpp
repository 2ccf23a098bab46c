// Whether a guest really runs on /dev/kvm: a device that opens may still hang whoever uses it.
//
// Found on a machine whose KVM runs a guest of three instructions and its firmware's first half: nothing less than a
// boot tells. So the probe lets QEMU's own firmware run, the way our VMs will, until it looks for something to boot,
// and is given up after kKvmProbeTime. Where KVM works that takes about a tenth of a second. The answer is kept in a
// file until the machine boots again. Where there is no device, nothing is started.
#pragma once

#include <string>

#include "packet/time.hpp"

namespace vnet::adapter {

inline constexpr Duration kKvmProbeTime = std::chrono::seconds{3};

/// Empty: it works. Else why not, for the log. `qemu` is the program; `memory` the file that keeps the answer.
[[nodiscard]] std::string kvm_problem(const std::string& qemu, const std::string& memory);

}  // namespace vnet::adapter
