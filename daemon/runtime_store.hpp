// RuntimeStore: the changes made at run time, kept over a restart in the journal `runtime.jsonl` of the state folder.
//
// A change is one line, written before the answer to the request leaves, so that what was acknowledged survives
// `kill -9`, and a thousand NICs make the next change no slower. Lines are not synced: what a power failure takes with
// it, it takes from the VMs as well. When read, a later line about the same NIC or name takes an earlier one's place.
// The journal is written anew, as one line, when the daemon starts and when it has grown to many times that.
//
// A last line that was cut short is left out, as its change was never acknowledged. Any other damage sets the file
// aside as `runtime.jsonl.damaged`, which is told; what could be read counts.
//
// Limit: a file longer than kMaxBytes is not read.
#pragma once

#include <string>
#include <vector>

#include "daemon/runtime_changes.hpp"
#include "dgram/socket.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class RuntimeStore {
 public:
  static constexpr std::string_view kFileName = "runtime.jsonl";
  static constexpr std::size_t kMaxBytes = 64U << 20U;
  /// The journal is written anew when it is this many times as long as that would make it, and longer than kSlackBytes.
  static constexpr std::size_t kGrowth = 4;
  static constexpr std::size_t kSlackBytes = 1U << 20U;

  /// The folder exists.
  explicit RuntimeStore(const std::string& folder) : path_(folder + "/" + std::string{kFileName}) {}

  /// What was saved; nothing when there is no file. `messages` gets a sentence about damage.
  [[nodiscard]] RuntimeChanges load(std::vector<std::string>& messages) const;

  // The errors are sentences that name the file.

  /// Writes one change behind the others, those of an earlier life included: NICs and records that are different now,
  /// and all captures and zones.
  [[nodiscard]] Result<void, std::string> append(const RuntimeChanges& change);
  /// Whether `rewrite` is due.
  [[nodiscard]] bool wants_rewrite() const noexcept { return size_ > kSlackBytes && size_ > kGrowth * compact_size_; }
  /// Begins a new journal with all changes that there are.
  [[nodiscard]] Result<void, std::string> rewrite(const RuntimeChanges& all);

 private:
  std::string path_;
  dgram::Fd file_;
  std::size_t size_ = 0;          ///< bytes in the journal
  std::size_t compact_size_ = 0;  ///< what they were when it was written anew
};

}  // namespace vnet::daemon
