#include "daemon/lease_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vnet::daemon {
namespace {

constexpr std::int64_t kMillis = 1000;

// Times before 1970 are what a machine without a clock says; the journal has none.
std::int64_t unix_seconds(const Moment& at) { return std::max<std::int64_t>(at.unix_ms / kMillis, 0); }

/// When an instant is, in Unix seconds, rounded up.
std::int64_t unix_seconds(Instant instant, const Moment& at) {
  const auto away = std::chrono::duration_cast<std::chrono::milliseconds>(instant - at.now).count();
  return std::max<std::int64_t>((at.unix_ms + away + kMillis - 1) / kMillis, 0);
}

/// Whether the system refused because there is no room, which may change.
bool is_full(int error) noexcept { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

dhcp::Lease to_lease(const LeaseRecord& record, const Moment& at) {
  const std::int64_t left =
      std::min(record.expires * kMillis - at.unix_ms, (record.expires - record.written) * kMillis);
  const std::int64_t least = -std::chrono::milliseconds{LeaseTable::kRemember}.count();
  dhcp::Lease lease{record.ip, record.mac, record.client, record.hostname};
  lease.state = left > 0 ? dhcp::LeaseState::bound : dhcp::LeaseState::free;
  // A lease time is a 32-bit number of seconds (RFC 2132, 9.2).
  lease.expires = at.now + std::chrono::milliseconds{std::clamp(left, least, std::int64_t{0xffff'ffff} * kMillis)};
  return lease;
}

}  // namespace

Result<std::unique_ptr<LeaseStore>, std::string> LeaseStore::open(const std::string& folder, const Moment& at) {
  auto opened = StateFolder::open(folder);
  if (!opened) return fail(opened.error());
  std::unique_ptr<LeaseStore> store{new LeaseStore(std::move(*opened))};
  if (const auto loaded = store->load(at); !loaded) return fail(loaded.error().to_string());
  return store;
}

dgram::SystemResult<void> LeaseStore::load(const Moment& at) {
  if (!folder_.is_locked()) {
    say("state folder " + folder_.path() + ": its file system has no locks; a second vnetd on it would not be noticed");
  }
  const std::string name{kFileName};
  std::string damage;
  if (const auto file = folder_.open_file(name); !file) {
    damage = file.error().to_string();
  } else if (*file) {
    damage = read(*file);
  }
  if (!damage.empty()) {
    const auto aside = folder_.set_aside(name);
    if (!aside) return fail(aside.error());
    say(damage + "; leases kept: " + std::to_string(table_.size()) + "; the file as it was is now " + folder_.path() +
        "/" + *aside);
  }
  const auto written = rewrite(at);
  if (written || !is_full(written.error().code)) return written;
  broken_ = true;
  fall_behind(written.error(), at);
  return {};
}

/// What is wrong with the file; empty: nothing.
std::string LeaseStore::read(const dgram::Fd& file) {
  const std::string place = folder_.path() + "/" + std::string{kFileName};
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return place + " is not a regular file";
  JournalReader reader{[this](LeaseRecord record) { table_.apply(std::move(record)); }};
  std::vector<char> buffer(std::size_t{64} * 1024);
  std::uint64_t total = 0;
  ssize_t size = 0;
  while (total < kMaxJournalBytes && (size = ::read(file.get(), buffer.data(), buffer.size())) > 0) {
    reader.feed({buffer.data(), static_cast<std::size_t>(size)});
    total += static_cast<std::uint64_t>(size);
  }
  const int error = size < 0 ? errno : 0;
  reader.finish();
  if (error != 0) return place + " cannot be read to its end: " + std::strerror(error);
  if (size > 0) return place + " is longer than " + std::to_string(kMaxJournalBytes) + " bytes";
  if (reader.bad_lines() > 0) return place + ": damaged lines: " + std::to_string(reader.bad_lines());
  if (!reader.has_header()) return place + " does not begin with the header of a lease journal of this version";
  return {};
}

std::vector<StoredLease> LeaseStore::leases(const Moment& at) const {
  std::vector<StoredLease> leases;
  leases.reserve(table_.size());
  for (const auto& [key, record] : table_.records()) leases.push_back({record.network, to_lease(record, at)});
  std::ranges::stable_sort(leases, std::ranges::greater{},
                           [](const StoredLease& stored) { return stored.lease.expires; });
  return leases;
}

void LeaseStore::note(std::string_view network, const dhcp::LeaseEvent& event, const Moment& at) {
  const dhcp::Lease& lease = event.lease;
  LeaseRecord record{.network = std::string{network}, .ip = lease.ip};
  switch (event.kind) {
    case dhcp::LeaseEvent::Kind::granted:
    case dhcp::LeaseEvent::Kind::renewed: record.expires = unix_seconds(lease.expires, at); break;
    case dhcp::LeaseEvent::Kind::released: record.expires = unix_seconds(at); break;
    case dhcp::LeaseEvent::Kind::declined:
    case dhcp::LeaseEvent::Kind::removed: record.forgotten = true; break;
    case dhcp::LeaseEvent::Kind::expired:  // the record says it already
    case dhcp::LeaseEvent::Kind::refused:
    case dhcp::LeaseEvent::Kind::exhausted: return;
  }
  if (!record.forgotten) {
    record.mac = lease.mac;
    record.client = lease.client;
    record.hostname = lease.hostname;
    record.written = unix_seconds(at);
  }
  change(std::move(record));
}

void LeaseStore::forget(std::string_view network, Ipv4Address ip) {
  change({.network = std::string{network}, .ip = ip, .forgotten = true});
}

void LeaseStore::change(LeaseRecord record) {
  LeaseTable::Key key{record.network, record.ip};
  if (!table_.apply(std::move(record))) return;
  dirty_.insert(std::move(key));
  if (dirty_.size() <= LeaseTable::kMaxRecords) return;
  // Only while the disk refuses writes, and for addresses that are forgotten again: the table knows all that counts.
  dirty_.clear();
  broken_ = true;
}

void LeaseStore::say(std::string message) {
  if (messages_.size() < kMaxMessages) messages_.push_back(std::move(message));
}

bool LeaseStore::commit(const Moment& at) {
  if (dirty_.empty() && !broken_) return true;
  if (failing_ && at.now < retry_at_) return false;
  if (!broken_ && !is_our_file()) {
    broken_ = true;
    say(folder_.path() + "/" + std::string{kFileName} + " was changed or removed by somebody else; it is written anew");
  }
  auto done = broken_ || wants_rewrite(at) ? rewrite(at) : append();
  // Without room for a second file there may be room for a few lines.
  if (!done && !broken_) done = append();
  if (!done) {
    fall_behind(done.error(), at);
    return false;
  }
  if (failing_) say("state folder " + folder_.path() + ": leases are kept again");
  failing_ = false;
  return true;
}

void LeaseStore::fall_behind(const dgram::SystemError& error, const Moment& at) {
  if (!failing_) say(error.to_string() + "; new leases would not survive a restart");
  failing_ = true;
  retry_at_ = at.now + kRetry;
}

bool LeaseStore::wants_rewrite(const Moment& at) const {
  return lines_ + dirty_.size() > 2 * table_.size() + kSlackLines && at.now - rewritten_ >= kMinRewriteInterval;
}

bool LeaseStore::is_our_file() const {
  struct stat info {};
  return ::fstat(file_.get(), &info) == 0 && info.st_nlink > 0 &&
         static_cast<std::uint64_t>(info.st_size) == file_size_;
}

dgram::SystemResult<void> LeaseStore::rewrite(const Moment& at) {
  rewritten_ = at.now;
  table_.prune(unix_seconds(at));
  std::string content = header_line();
  for (const auto& [key, record] : table_.records()) content += to_line(record);
  auto file = folder_.replace_file(std::string{kFileName}, content);
  if (!file) return fail(file.error());
  file_ = std::move(*file);
  file_size_ = content.size();
  lines_ = table_.size();
  dirty_.clear();
  broken_ = false;
  return {};
}

dgram::SystemResult<void> LeaseStore::append() {
  std::string content;
  for (const LeaseTable::Key& key : dirty_) {
    const LeaseRecord* record = table_.find(key);
    content +=
        to_line(record != nullptr ? *record : LeaseRecord{.network = key.network, .ip = key.ip, .forgotten = true});
  }
  if (!write_all(file_, content)) {
    dgram::SystemError error{"state folder " + folder_.path() + ": cannot write " + std::string{kFileName}, errno};
    // Half a line must not spoil the one that comes after it.
    broken_ = ::ftruncate(file_.get(), static_cast<off_t>(file_size_)) != 0;
    return fail(std::move(error));
  }
  file_size_ += content.size();
  lines_ += dirty_.size();
  dirty_.clear();
  return {};
}

}  // namespace vnet::daemon
