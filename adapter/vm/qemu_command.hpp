// The command line that makes QEMU the VM of a VmSpec: a pure function, so that a test can read it.
//
// Headless, no configuration of the user's, and paused: the supervisor sets the links before the guest runs. Console,
// QMP and NICs are descriptors that QEMU inherits, so there is no path to wait for and none to clean up. The devices'
// order is fixed, because a snapshot knows them by their place. The screen is QEMU's standard VGA, which nobody sees
// but `vnet vm screenshot`.
//
// The memory can be a file of ours on QEMU's PCs (pc, q35), unless the spec's own QEMU arguments settle the memory.
// Elsewhere it is QEMU's, and a saved state holds it.
#pragma once

#include <string>
#include <vector>

#include "adapter/vm/spec.hpp"

namespace vnet::adapter {

struct QemuParts {
  std::string accel = "tcg";  ///< what has been found to work
  int console_fd = -1;
  int qmp_fd = -1;
  int agent_fd = -1;
  std::vector<std::string> disk_files{};  ///< as many as the spec has disks
  std::vector<int> nic_fds{};             ///< as many as the spec has NICs, each of which has a MAC address
  bool incoming = false;                  ///< waits for a saved state
  /// A file of the memory's size, into which the guest writes; one that is `incoming` begins as it is, and writes into
  /// copies of its pages. -1: QEMU finds memory by itself.
  int memory_fd = -1;
};

/// What QEMU calls the machine's memory; empty: that is not known here, or the spec's own words settle it.
[[nodiscard]] std::string qemu_memory_id(const VmSpec& spec);

[[nodiscard]] std::vector<std::string> qemu_command(const VmSpec& spec, const QemuParts& parts);

/// The ids of NIC `index` and its network backend in QEMU.
[[nodiscard]] std::string qemu_nic_id(std::size_t index);
[[nodiscard]] std::string qemu_netdev_id(std::size_t index);
/// The id of the agent's port in QMP's events.
inline constexpr const char* kAgentPortId = "agent";

}  // namespace vnet::adapter
