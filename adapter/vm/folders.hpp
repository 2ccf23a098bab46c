// Where a VM's things are, and which VMs there are.
//
// A running VM has a folder (0700) in the runtime folder, beside vnetd's sockets: what it is made of (vm.json), its
// supervisor's control socket, its logs. A lock on the file `lock` in it, held by the supervisor for as long as it
// lives, says that the VM runs: a lock goes away with its holder however that ends, which a pid in a file does not.
// Snapshots outlive the machine's boot, so they are in the state folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::adapter {

struct VmFolder {
  std::string path;

  [[nodiscard]] std::string spec() const { return path + "/vm.json"; }
  [[nodiscard]] std::string control() const { return path + "/control.sock"; }
  [[nodiscard]] std::string console() const { return path + "/console.log"; }
  [[nodiscard]] std::string log() const { return path + "/vm.log"; }
  /// The names of NICs that were added to the switch for it, a line each.
  [[nodiscard]] std::string added() const { return path + "/nics-added"; }
  [[nodiscard]] std::string lock() const { return path + "/lock"; }
};

/// `$XDG_RUNTIME_DIR/vnet/vm`, else `/tmp/vnet-UID/vm`.
[[nodiscard]] std::string vm_root();
[[nodiscard]] VmFolder vm_folder(const std::string& name);
/// `$XDG_STATE_HOME/vnet/snapshots`, else below `~/.local/state`.
[[nodiscard]] std::string snapshot_root();

/// `$XDG_CACHE_HOME/vnet/vms`, else below `~/.cache`.
[[nodiscard]] std::string cache_root();

/// Makes a folder and those above it, for us alone; refuses one in which another user may write.
[[nodiscard]] dgram::SystemResult<void> make_private_folder(const std::string& path);
/// The lock, held until the descriptor is closed; EWOULDBLOCK: the VM runs.
[[nodiscard]] dgram::SystemResult<dgram::Fd> lock_vm(const VmFolder& folder);
[[nodiscard]] bool vm_runs(const VmFolder& folder);
/// Returns when it runs no more.
void await_end(const VmFolder& folder);
/// The names of those that have a folder, in order.
[[nodiscard]] std::vector<std::string> vm_names();

/// The whole file, or nothing; at most `limit` bytes.
[[nodiscard]] std::optional<std::string> file_text(const std::string& path, std::size_t limit);
/// Changes with every boot of this machine; empty where nothing says it.
[[nodiscard]] std::string boot_id();
/// Adds `line` to the file unless it is in it. What cannot be written is left out.
void remember_line(const std::string& path, const std::string& line);
/// By a temporary file and a rename, for us alone.
[[nodiscard]] dgram::SystemResult<void> write_file(const std::string& path, const std::string& text);

}  // namespace vnet::adapter
