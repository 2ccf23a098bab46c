// RuntimeStore: the changes made at run time, kept over a restart in `runtime.json` of the state folder.
//
// The file is replaced as a whole whenever something has changed, before the answer to the request leaves, so that a
// change that was acknowledged survives `kill -9`. It is not synced: what a power failure takes with it, it takes from
// the VMs as well. A damaged file is set aside as `runtime.json.damaged` and told; the daemon starts without it.
//
// Limit: a file longer than kMaxBytes is not read.
#pragma once

#include <string>
#include <vector>

#include "daemon/runtime_changes.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class RuntimeStore {
 public:
  static constexpr std::size_t kMaxBytes = 16U << 20U;

  /// The folder exists.
  explicit RuntimeStore(const std::string& folder) : path_(folder + "/runtime.json") {}

  /// What was saved; nothing when there is no file or a damaged one, about which `messages` has a sentence.
  [[nodiscard]] RuntimeChanges load(std::vector<std::string>& messages) const;
  /// The error is a sentence that names the file.
  [[nodiscard]] Result<void, std::string> save(const RuntimeChanges& changes) const;

 private:
  std::string path_;
};

}  // namespace vnet::daemon
