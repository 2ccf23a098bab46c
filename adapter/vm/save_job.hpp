// SaveJob: a running VM into a snapshot, after which it goes on as it was.
//
// Every NIC is unplugged first, so that the saved guest has no carrier and the switch nothing in flight; then the guest
// is stopped, QEMU writes its state into a file that we opened, in a folder beside the snapshot's place, and the disks
// that the guest may write to are copied beside it; so is its memory, where that is a file. Whatever happens in
// between, the guest is continued and the NICs are plugged in again as they were. The digests are computed when the
// guest runs again, a piece at a time.
//
// While something is copied that shares no blocks with its copy, the supervisor does nothing else.
#pragma once

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/vm/digest.hpp"
#include "adapter/vm/job.hpp"
#include "adapter/vm/snapshot.hpp"

namespace vnet::adapter {

class SaveJob final : public Job {
 public:
  SaveJob(Vm& vm, std::shared_ptr<Report> report, Snapshot snapshot, Instant now);
  ~SaveJob() override;
  [[nodiscard]] const char* name() const override { return "saving"; }
  [[nodiscard]] Instant next_deadline() const noexcept override;

 protected:
  void go(Instant now) override;
  void late(Instant now) override;

 private:
  /// So that the saved guest has seen its carrier go: one that has not would not notice that it comes.
  static constexpr Duration kNotice = std::chrono::milliseconds{250};
  enum class Stage { unplug, notice, stop, limits, capabilities, give, write, resume, again, plug, digest };

  [[nodiscard]] bool answered();
  void write_state(Instant now);
  void resume(Instant now);
  /// QEMU says that the state is written a moment before it lets the guest go on.
  void resumed(Instant now);
  void finish();
  void copy_memory();
  void copy_disks();
  [[nodiscard]] bool digest_on();
  void give_up(const std::string& why, Instant now);

  Snapshot snapshot_;
  std::string fresh_;  ///< the folder that becomes the snapshot's
  Manifest manifest_;
  bool was_running_;
  Stage stage_ = Stage::unplug;
  Asked asked_;
  Instant noticed_ = kNever;
  Instant again_at_ = kNever;
  Instant patience_ = kNever;
  std::string problem_;  ///< why there will be no snapshot
  std::vector<std::pair<std::string, FileMark*>> files_;
  std::ifstream file_;
  std::optional<Digest> digest_;
};

}  // namespace vnet::adapter
