#include "adapter/vm/save_job.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include "adapter/vm/disk_copies.hpp"
#include "adapter/vm/folders.hpp"

namespace vnet::adapter {
namespace {

/// A large memory to a slow disk.
constexpr Duration kSaveTime = std::chrono::minutes{10};
constexpr Duration kResumeTime = std::chrono::seconds{10};
constexpr Duration kResumeRetry = std::chrono::milliseconds{5};
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;  ///< bytes a second

std::string fresh_folder(const Snapshot& snapshot) {
  const std::filesystem::path place{snapshot.folder};
  return place.parent_path() / (".fresh-" + place.filename().string() + "-" + std::to_string(::getpid()));
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32] = {};
  (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

SaveJob::SaveJob(Vm& vm, std::shared_ptr<Report> report, Snapshot snapshot, Instant now)
    : Job(vm, std::move(report), now + kSaveTime),
      snapshot_(std::move(snapshot)),
      fresh_(fresh_folder(snapshot_)),
      was_running_(vm.running()) {
  if (auto made = make_private_folder(fresh_); !made) {
    report_->failed("cannot " + made.error().to_string());
    return;
  }
  manifest_.spec = vm_.spec();
  manifest_.disks.resize(manifest_.spec.disks.size());
  manifest_.agent = vm_.agent().heard();
  for (std::size_t i = 0; i < vm_.nics().size(); ++i) {
    const NicState& state = vm_.nics()[i]->state();
    manifest_.spec.nics[i].network = state.network();
    manifest_.spec.nics[i].disconnected = !state.wanted();
  }
  vm_.hold_all(now);
}

SaveJob::~SaveJob() {
  std::error_code ignored;
  std::filesystem::remove_all(fresh_, ignored);
}

Instant SaveJob::next_deadline() const noexcept {
  switch (stage_) {
    case Stage::digest: return kAtOnce;
    case Stage::notice: return noticed_;
    case Stage::again: return again_at_;
    default: return deadline_;
  }
}

bool SaveJob::answered() {
  if (asked_.waiting()) return false;
  if (!asked_.answer() && problem_.empty()) problem_ = asked_.answer().error();
  return true;
}

void SaveJob::go(Instant now) {
  if (stage_ == Stage::unplug && vm_.disconnected()) {
    noticed_ = now + (was_running_ ? kNotice : Duration::zero());
    stage_ = Stage::notice;
  }
  if (stage_ == Stage::notice && now >= noticed_) {
    manifest_.switch_memory = vm_.switch_memory();
    asked_.ask(vm_.qmp(), "stop");
    stage_ = Stage::stop;
  }
  if (stage_ == Stage::stop && answered()) {
    asked_.ask(vm_.qmp(), "migrate-set-parameters", {{"max-bandwidth", kNoLimit}});
    stage_ = Stage::limits;
  }
  if (stage_ == Stage::limits && answered()) {
    // A guest that has a copy of a memory file keeps what it wrote to itself: that is in the state, then.
    asked_.ask(vm_.qmp(), "migrate-set-capabilities",
               migration_capabilities({{"x-ignore-shared", vm_.memory_file() != nullptr}}));
    stage_ = Stage::capabilities;
  }
  if (stage_ == Stage::capabilities && answered()) write_state(now);
  if (stage_ == Stage::give && answered()) {
    if (!problem_.empty()) return resume(now);
    vm_.forget_migration();
    asked_.ask(vm_.qmp(), "migrate", {{"uri", "fd:state"}});
    stage_ = Stage::write;
  }
  if (stage_ == Stage::write && answered()) {
    if (vm_.migration() == "failed" && problem_.empty()) problem_ = "QEMU could not write its state; is the disk full?";
    if (problem_.empty() && vm_.migration() != "completed") return;
    if (problem_.empty()) copy_memory();
    if (problem_.empty()) copy_disks();
    resume(now);
  }
  if (stage_ == Stage::resume && !asked_.waiting()) resumed(now);
  if (stage_ == Stage::again && now >= again_at_) resume(now);
  if (stage_ == Stage::plug && vm_.settled()) {
    if (!problem_.empty()) return report_->failed(problem_);
    stage_ = Stage::digest;
  }
  if (stage_ == Stage::digest && digest_on()) finish();
}

void SaveJob::write_state(Instant now) {
  const std::string path = fresh_ + "/state";
  dgram::Fd state{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!state && problem_.empty()) problem_ = "cannot write " + path + ": " + std::strerror(errno);
  if (!problem_.empty()) return resume(now);
  asked_.give(vm_.qmp(), std::move(state), "state");
  stage_ = Stage::give;
}

void SaveJob::resume(Instant now) {
  if (!was_running_) {
    vm_.release_all(now);
    stage_ = Stage::plug;
    return;
  }
  if (patience_ == kNever) patience_ = now + kResumeTime;
  asked_.ask(vm_.qmp(), "cont");
  stage_ = Stage::resume;
}

void SaveJob::resumed(Instant now) {
  if (!asked_.answer() && now < patience_) {
    again_at_ = now + kResumeRetry;
    stage_ = Stage::again;
    return;
  }
  (void)answered();
  vm_.release_all(now);
  stage_ = Stage::plug;
}

void SaveJob::copy_memory() {
  if (vm_.memory_file() == nullptr) return;
  const std::string file = "/proc/self/fd/" + std::to_string(vm_.memory_file()->get());
  const auto copied = copy_sparse(file, fresh_ + "/memory");
  if (!copied) problem_ = "cannot " + copied.error().to_string();
}

void SaveJob::copy_disks() {
  for (std::size_t i = 0; i < manifest_.disks.size() && problem_.empty(); ++i) {
    if (manifest_.spec.disks[i].read_only) continue;
    const std::string copy = fresh_ + "/disk" + std::to_string(i);
    const auto copied = copy_sparse(vm_.how().disk_files.at(i), copy);
    if (!copied) problem_ = "cannot " + copied.error().to_string();
    manifest_.disks[i] = look_at_file(copy).value_or(FileMark{});
  }
}

/// Reads on in the files whose digests are wanted. True: there are no more.
bool SaveJob::digest_on() {
  if (files_.empty() && !digest_) {
    const VmSpec& spec = manifest_.spec;
    files_ = {
        {spec.kernel, &manifest_.kernel}, {spec.initrd, &manifest_.initrd}, {fresh_ + "/state", &manifest_.state}};
    if (vm_.memory_file() != nullptr) files_.emplace_back(fresh_ + "/memory", &manifest_.memory);
    for (std::size_t i = 0; i < spec.disks.size(); ++i) {
      if (spec.disks[i].read_only) files_.emplace_back(spec.disks[i].file, &manifest_.disks[i]);
    }
    std::erase_if(files_, [](const auto& file) { return file.first.empty(); });
  }
  if (files_.empty()) return true;
  const auto& [path, mark] = files_.back();
  if (!digest_) {
    *mark = look_at_file(path).value_or(FileMark{});
    file_ = std::ifstream{path, std::ios::binary};
    digest_.emplace();
  }
  constexpr std::size_t kPiece = 1024 * 1024;
  std::vector<char> piece(kPiece);
  file_.read(piece.data(), static_cast<std::streamsize>(piece.size()));
  digest_->add({piece.data(), static_cast<std::size_t>(file_.gcount())});
  if (file_) return false;
  mark->digest = digest_->text();
  files_.pop_back();
  if (files_.empty()) return true;
  digest_.reset();
  return false;
}

void SaveJob::finish() {
  manifest_.qemu = look_at_file(find_program(manifest_.spec.qemu)).value_or(FileMark{});
  manifest_.accel = vm_.how().accel;
  manifest_.qemu_version = vm_.qemu_version();
  manifest_.created = utc_now();
  auto done = write_file(fresh_ + "/manifest.json", pretty(manifest_json(manifest_)));
  if (done) done = place_snapshot(fresh_, snapshot_);
  if (!done) return report_->failed("cannot " + done.error().to_string());
  report_->done({{"snapshot", snapshot_.name},
                 {"bytes", manifest_.state.bytes + manifest_.memory.bytes},
                 {"folder", snapshot_.folder}});
}

void SaveJob::late(Instant now) {
  if (problem_.empty()) problem_ = "saving took too long";
  give_up(problem_, now);
}

void SaveJob::give_up(const std::string& why, Instant now) {
  deadline_ = kNever;
  // Whatever QEMU is at: it is told to go on, and the NICs come back.
  vm_.qmp().ask("migrate_cancel", nullptr, nullptr);
  if (was_running_) vm_.qmp().ask("cont", nullptr, nullptr);
  vm_.release_all(now);
  report_->failed(why);
}

}  // namespace vnet::adapter
