#include "adapter/vm/cache.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "adapter/printable.hpp"
#include "adapter/tap_names.hpp"
#include "adapter/vm/ask_vm.hpp"
#include "adapter/vm/digest.hpp"
#include "adapter/vm/digest_book.hpp"
#include "adapter/vm/folders.hpp"

namespace vnet::adapter {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeySize = 32;

void tell_user(const std::string& text) { std::fprintf(stderr, "vnet vm: %s\n", printable(text).c_str()); }

bool is_key(const std::string& name) {
  return name.size() == kKeySize && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

DigestBook digest_book() { return DigestBook{cache_root() + "/digests.json"}; }

/// The lock of an entry, in one of flock(2)'s ways; nothing: it is somebody else's right now.
class EntryLock {
 public:
  explicit EntryLock(const std::string& key)
      : fd_(::open((cache_root() + "/" + key + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  bool take(int how) const {
    while (fd_ && ::flock(fd_.get(), how) != 0) {
      if (errno != EINTR) return false;
    }
    return static_cast<bool>(fd_);
  }

 private:
  dgram::Fd fd_;
};

void remove_folder(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

/// Boots the machine without names, and saves it as the entry.
Read<void> prepare(const std::string& key, const Launch& launch, const std::string& accel) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return fail(std::string{"no pipe: "} + std::strerror(errno));
  // The machine runs for as long as this is open, so not longer than we do.
  dgram::Fd held{ends[1]};
  Launch first{.spec = launch.spec,
               .switch_path = launch.switch_path,
               .accel = accel,
               .leash = dgram::Fd{ends[0]},
               .prepares = true};
  (void)::fcntl(held.get(), F_SETFD, FD_CLOEXEC);
  first.spec.name = "cache-" + key.substr(0, 16);
  for (std::size_t i = 0; i < first.spec.nics.size(); ++i) {
    VmNic& nic = first.spec.nics[i];
    nic = {
        .name = "", .mac = derive_mac("vnet vm", "cache", std::to_string(i)), .disconnected = true, .model = nic.model};
  }
  const std::string name = first.spec.name;
  const auto started = launch_vm(std::move(first));
  if (!started) return fail(started.error());
  std::string problem;
  const auto up = ask_vm(name, "agent", {{"command", {{"ping", true}}}, {"timeout_s", kPrepareTimeout}});
  if (!up) problem = up.error();
  if (up) {
    if (const auto saved = ask_vm(name, "save", {{"cache", key}}); !saved) problem = saved.error();
  }
  held.close();
  await_end(vm_folder(name));
  remove_folder(vm_folder(name).path);
  if (!problem.empty()) return fail(problem);
  return {};
}

/// The entry, prepared if need be, with `lock` held shared.
Read<Manifest> find_or_prepare(const std::string& key, const EntryLock& lock, const Launch& launch,
                               const std::string& accel) {
  const Snapshot entry = cache_entry(key);
  std::error_code none;
  const auto is_there = [&] { return fs::exists(entry.manifest(), none); };
  const auto open = [&] {
    DigestBook digests = digest_book();
    return open_whole_snapshot(entry, [&](const std::string& file) { return digests.of(file); });
  };
  if (!lock.take(LOCK_SH | LOCK_NB)) {
    tell_user("another prepares the same guest; waiting for it");
    if (!lock.take(LOCK_SH)) return fail("cannot lock " + entry.folder + ".lock: " + std::strerror(errno));
  }
  if (is_there()) {
    auto manifest = open();
    if (manifest) return manifest;
    tell_user(manifest.error() + "; it is prepared anew");
  }
  (void)lock.take(LOCK_EX);
  if (is_there()) {
    if (auto manifest = open()) {
      (void)lock.take(LOCK_SH);
      return manifest;
    }
    remove_folder(entry.folder);
  }
  tell_user("booting once, to be saved as " + key.substr(0, 16) + "; what follows begins with it");
  if (auto prepared = prepare(key, launch, accel); !prepared) return fail(prepared.error());
  (void)prune_cache(true);
  (void)lock.take(LOCK_SH);
  return open();
}

}  // namespace

Snapshot cache_entry(const std::string& key) { return {key, cache_root() + "/" + key}; }

Read<std::string> cache_key(const VmSpec& spec, const std::string& accel) {
  DigestBook digests = digest_book();
  Json shape = vm_spec_json(spec);
  std::string problem;
  const auto content = [&](const std::string& file) -> Json {
    if (file.empty()) return nullptr;
    const auto digest = digests.of(file);
    if (!digest) problem = "cannot read " + file + ": " + std::strerror(errno);
    return digest.value_or("");
  };
  shape.erase("name");
  shape["kernel"] = content(spec.kernel);
  shape["initrd"] = content(spec.initrd);
  shape["accel"] = accel;
  shape["nics"] = Json::array();
  for (const VmNic& nic : spec.nics) shape["nics"].push_back(nic.model);
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const VmDisk& disk = spec.disks[i];
    if (!disk.read_only && !disk.copy) {
      return fail("--cached: found " + disk.file +
                  ", to which the guest would write; expected --image, or ,copy or "
                  ",readonly behind --disk");
    }
    shape["disks"][i]["file"] = content(disk.file);
  }
  const auto qemu = look_at_file(find_program(spec.qemu));
  if (!qemu) return fail("there is no program " + spec.qemu);
  shape["qemu"] = {{"bytes", qemu->bytes}, {"modified_ns", qemu->modified_ns}};
  shape["version"] = kCacheVersion;
  if (!problem.empty()) return fail(problem);
  return digest_of(compact(shape));
}

Read<ExitCode> launch_cached(Launch launch) {
  if (auto complete = complete_vm_spec(launch.spec); !complete) return fail(complete.error());
  if (vm_runs(vm_folder(launch.spec.name))) return fail("the VM " + launch.spec.name + " runs already");
  if (auto made = make_private_folder(cache_root()); !made) return fail("cannot " + made.error().to_string());
  const std::string accel = choose_accel(launch.spec);
  const auto key = cache_key(launch.spec, accel);
  if (!key) return fail(key.error());
  Launch cold{.spec = launch.spec, .switch_path = launch.switch_path, .foreground = launch.foreground, .accel = accel};
  std::string problem;
  {
    const EntryLock lock{*key};
    const auto manifest = find_or_prepare(*key, lock, launch, accel);
    if (manifest) {
      const Snapshot entry = cache_entry(*key);
      launch.saved = saved_guest(entry, *manifest);
      launch.saved.switch_memory = {};
      launch.accel = accel;
      auto launched = launch_vm(std::move(launch));
      if (launched) return launched;
      problem = "cannot begin with the prepared guest: " + launched.error();
      if (lock.take(LOCK_EX | LOCK_NB)) remove_folder(entry.folder);
    } else {
      problem = "cannot prepare a guest to begin with: " + manifest.error();
    }
  }
  tell_user("WARNING: " + problem + "; it is booted instead");
  return launch_vm(std::move(cold));
}

std::vector<CachedGuest> cached_guests() {
  std::vector<CachedGuest> guests;
  std::error_code none;
  for (fs::directory_iterator entry{cache_root(), none}, end; !none && entry != end; entry.increment(none)) {
    const std::string key = entry->path().filename();
    if (!is_key(key)) continue;
    const auto text = file_text(cache_entry(key).manifest(), kMaxManifest);
    guests.push_back({key, text ? read_manifest(*text) : Read<Manifest>{fail(std::string{"it cannot be read"})}});
  }
  std::ranges::sort(guests, {}, &CachedGuest::key);
  return guests;
}

Pruned prune_cache(bool only_stale) {
  Pruned pruned;
  for (const CachedGuest& guest : cached_guests()) {
    // With the files that it was made of as they are now, it would have the same name, or it is of no use.
    const bool stale = !guest.manifest || cache_key(guest.manifest->spec, guest.manifest->accel) != guest.key;
    if (only_stale && !stale) continue;
    const EntryLock lock{guest.key};
    if (!lock.take(LOCK_EX | LOCK_NB)) {
      ++pruned.in_use;
      continue;
    }
    remove_folder(cache_entry(guest.key).folder);
    ::unlink((cache_root() + "/" + guest.key + ".lock").c_str());
    ++pruned.removed;
  }
  return pruned;
}

}  // namespace vnet::adapter
