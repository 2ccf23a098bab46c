// Disks that a VM has to itself: copies that it may write to, and that go when it has ended.
//
// A disk is copied when the VM's description says so (`copy`, of which --image is a short form), and whenever the VM
// wakes from a saved state, whose disks belong to the snapshot. Where the file system can (btrfs, XFS), a copy shares
// its blocks with the original until either is written to; elsewhere what is no hole is copied.
//
// They are in the state folder, beside the snapshots: the runtime folder is memory on most machines.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "adapter/vm/spec.hpp"
#include "dgram/socket.hpp"

namespace vnet::adapter {

/// Makes or replaces the file `to`, for us alone.
[[nodiscard]] dgram::SystemResult<void> copy_sparse(const std::string& from, const std::string& to);

/// The folder of a VM's copies: `$XDG_STATE_HOME/vnet/disks/NAME`.
[[nodiscard]] std::string disk_folder(const std::string& vm);

class DiskCopies {
 public:
  /// `saved`: the files of a snapshot, one for each disk, empty where the disk is not in it; or nothing at all.
  [[nodiscard]] static dgram::SystemResult<DiskCopies> make(const VmSpec& spec, const std::vector<std::string>& saved);
  DiskCopies(DiskCopies&& other) noexcept
      : folder_(std::exchange(other.folder_, {})), files_(std::move(other.files_)) {}
  DiskCopies& operator=(DiskCopies&&) = delete;
  /// Removes them.
  ~DiskCopies();

  /// The file of each disk.
  [[nodiscard]] const std::vector<std::string>& files() const noexcept { return files_; }

 private:
  explicit DiskCopies(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;  ///< empty: none was made
  std::vector<std::string> files_;
};

}  // namespace vnet::adapter
