// Keeps DHCP leases over a restart of the daemon: the journal `leases.jsonl` in the state folder.
//
// A change is appended as a line (daemon/lease_journal.hpp); what a batch changed is one write(2), made by `commit`
// before the batch's DHCP replies leave. So a lease that a client was told of survives `kill -9`. It is not synced to
// disk: a power failure may take the last seconds with it, as the operating system's cache goes. The journal is
// written anew, without lines that are out of date, when it is opened and when more than half of it is; the new file
// is synced before it takes the old one's place.
//
// Damage never keeps the daemon from starting. Good lines count, bad ones are left out, the file as it was is set
// aside as `leases.jsonl.damaged-1` (up to -5, the oldest goes), and a message says so. A folder that cannot be made
// or written, and one that another daemon uses, are errors.
//
// A write that fails while running is told once and tried again after `kRetry`; until then the changes wait in memory,
// where they take no more room than the leases themselves. A disk that is full at the start is no reason not to start.
//
// Two clocks: leases run on the loop's clock, the journal on Unix time. Times are kept in whole seconds, an end rounded
// up, so a client that renews all the time costs a line per second and no more. A lease never has more left after a
// restart than when it was written, which matters when the wall clock has gone back meanwhile.
//
// Not kept: offers, and the rest that a declined address takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/lease_table.hpp"
#include "daemon/state_folder.hpp"
#include "daemon/wall_time.hpp"
#include "dgram/socket.hpp"
#include "dhcp/server.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

/// A lease for dhcp::Server::restore, which takes those that have ended too: their clients are remembered.
struct StoredLease {
  std::string network;
  dhcp::Lease lease;
};

class LeaseStore {
 public:
  static constexpr std::string_view kFileName = "leases.jsonl";
  /// Lines that are out of date before the journal is written anew, besides as many as there are leases.
  static constexpr std::size_t kSlackLines = 1000;
  /// Writing anew costs a sync, during which the switch stands still: no guest can cause it more often than this.
  static constexpr Duration kMinRewriteInterval = std::chrono::seconds{10};
  /// Messages that wait to be taken; further ones are lost.
  static constexpr std::size_t kMaxMessages = 16;
  static constexpr Duration kRetry = std::chrono::seconds{5};

  /// The error is a sentence that names the folder.
  [[nodiscard]] static Result<std::unique_ptr<LeaseStore>, std::string> open(const std::string& folder,
                                                                             const Moment& at);

  /// What was read or noted, the longest to run first, so that a pool that has become smaller keeps those.
  [[nodiscard]] std::vector<StoredLease> leases(const Moment& at) const;

  /// Takes what matters of a server's event, in the order of events.
  void note(std::string_view network, const dhcp::LeaseEvent& event, const Moment& at);
  /// For dhcp::Server::remove, after its events have been noted.
  void forget(std::string_view network, Ipv4Address ip);
  /// Writes what has been noted. False: it could not be written, and waits. Without changes it does nothing.
  bool commit(const Moment& at);

  /// Whether `commit` has something to write.
  [[nodiscard]] bool has_work() const noexcept { return !dirty_.empty() || broken_; }
  /// When `commit` should be called again although nothing was noted.
  [[nodiscard]] Instant next_deadline() const noexcept { return failing_ ? retry_at_ : kNever; }
  /// Sentences for the log, each about a change for the worse or back.
  [[nodiscard]] std::vector<std::string> take_messages() { return std::exchange(messages_, {}); }

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::uint64_t journal_bytes() const noexcept { return file_size_; }

 private:
  explicit LeaseStore(StateFolder folder) : folder_(std::move(folder)) {}

  dgram::SystemResult<void> load(const Moment& at);
  [[nodiscard]] std::string read(const dgram::Fd& file);
  void change(LeaseRecord record);
  void say(std::string message);
  [[nodiscard]] bool wants_rewrite(const Moment& at) const;
  [[nodiscard]] bool is_our_file() const;
  void fall_behind(const dgram::SystemError& error, const Moment& at);
  dgram::SystemResult<void> rewrite(const Moment& at);
  dgram::SystemResult<void> append();

  StateFolder folder_;
  dgram::Fd file_;
  std::uint64_t file_size_ = 0;
  std::size_t lines_ = 0;
  LeaseTable table_;
  std::set<LeaseTable::Key> dirty_;  ///< changed since the last commit
  bool broken_ = false;              ///< the file is not what we wrote: it must be written anew
  bool failing_ = false;
  Instant retry_at_{};
  Instant rewritten_{};
  std::vector<std::string> messages_;
};

}  // namespace vnet::daemon
