#include "adapter/vm/snapshot.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "adapter/vm/digest.hpp"
#include "adapter/vm/folders.hpp"
#include "dgram/file_times.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

namespace fs = std::filesystem;

std::string nic_text(const VmNic& nic) { return nic.model + " " + nic.mac.value_or(MacAddress{}).to_string(); }

std::string list_of(const std::vector<VmNic>& nics) {
  std::vector<std::string> texts;
  for (const VmNic& nic : nics) texts.push_back(nic_text(nic));
  return texts.empty() ? "none" : join(texts);
}

Read<Manifest> bad(const Snapshot& snapshot, const std::string& why) {
  return fail("the snapshot " + snapshot.name + ": " + why);
}

}  // namespace

Json mark_json(const FileMark& mark) {
  return {{"bytes", mark.bytes}, {"modified_ns", mark.modified_ns}, {"xxh3", mark.digest}};
}

FileMark read_mark(const Json& object) {
  const Json& time = member(object, "modified_ns");
  return {count_at(object, "bytes"), time.is_number_integer() ? time.get<std::int64_t>() : 0, text_at(object, "xxh3")};
}

std::optional<FileMark> look_at_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileMark{static_cast<std::uint64_t>(info.st_size), dgram::nanoseconds(dgram::modified(info)), {}};
}

bool is_same_file(const std::string& path, const FileMark& mark) {
  const auto found = look_at_file(path);
  if (!found || found->bytes != mark.bytes) return false;
  return found->modified_ns == mark.modified_ns || digest_of_file(path) == mark.digest;
}

void limit_connections(Json& nics) {
  std::size_t room = kMaxSavedConnections;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const auto own = nics[i].find("connections");
    if (own == nics[i].end()) continue;
    const std::size_t share = std::min(own->size(), room / (nics.size() - i));
    own->erase(own->begin() + static_cast<std::ptrdiff_t>(share), own->end());
    room -= share;
  }
}

Json manifest_json(const Manifest& manifest) {
  Json disks = Json::array();
  for (const FileMark& disk : manifest.disks) disks.push_back(mark_json(disk));
  return {{"version", kManifestVersion},
          {"created", manifest.created},
          {"vm", vm_spec_json(manifest.spec)},
          {"accel", manifest.accel},
          {"qemu_version", manifest.qemu_version},
          {"qemu", mark_json(manifest.qemu)},
          {"kernel", mark_json(manifest.kernel)},
          {"initrd", mark_json(manifest.initrd)},
          {"state", mark_json(manifest.state)},
          {"memory", mark_json(manifest.memory)},
          {"disks", std::move(disks)},
          {"agent", manifest.agent},
          {"switch_memory", manifest.switch_memory}};
}

Read<Manifest> read_manifest(std::string_view text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return fail(std::string{"its manifest is no JSON object"});
  if (count_at(*json, "version") != kManifestVersion) {
    return fail("its manifest is of version " + compact(member(*json, "version")) + ", and this vnet knows " +
                std::to_string(kManifestVersion));
  }
  auto spec = read_vm_spec(compact(member(*json, "vm")), "/");
  if (!spec) return fail("its manifest: vm: " + spec.error());
  if (auto complete = complete_vm_spec(*spec); !complete) return fail("its manifest: vm: " + complete.error());
  for (const VmNic& nic : spec->nics) {
    if (!nic.mac) return fail("its manifest: the NIC " + nic.name + " has no MAC address");
  }
  const Json& disks = member(*json, "disks");
  if (disks.size() != spec->disks.size()) return fail(std::string{"its manifest: the disks are not those of the VM"});
  std::vector<FileMark> marks;
  for (const Json& disk : disks) marks.push_back(read_mark(disk));
  return Manifest{std::move(*spec),
                  text_at(*json, "accel"),
                  text_at(*json, "qemu_version"),
                  read_mark(member(*json, "qemu")),
                  read_mark(member(*json, "kernel")),
                  read_mark(member(*json, "initrd")),
                  read_mark(member(*json, "state")),
                  read_mark(member(*json, "memory")),
                  std::move(marks),
                  flag_at(*json, "agent"),
                  text_at(*json, "created"),
                  member(*json, "switch_memory")};
}

std::string nic_difference(const VmSpec& saved, const VmSpec& wanted) {
  const std::string both = "; saved: " + list_of(saved.nics) + "; now: " + list_of(wanted.nics);
  if (saved.nics.size() != wanted.nics.size()) {
    const auto count = [](std::size_t number) { return std::to_string(number) + (number == 1 ? " NIC" : " NICs"); };
    return "it was saved with " + count(saved.nics.size()) + ", and is to be restored with " +
           std::to_string(wanted.nics.size()) + both;
  }
  for (std::size_t i = 0; i < saved.nics.size(); ++i) {
    const VmNic& before = saved.nics[i];
    const VmNic& now = wanted.nics[i];
    const std::string which = "NIC " + std::to_string(i + 1) + " (" + before.name + ")";
    if (before.model != now.model) {
      return which + " was saved as " + before.model + ", and is to be restored as " + now.model + both;
    }
    if (now.mac && before.mac != now.mac) {
      return which + " was saved with the MAC address " + before.mac.value_or(MacAddress{}).to_string() +
             ", and is to be restored with " + now.mac->to_string() + both;
    }
  }
  return {};
}

Snapshot find_snapshot(const std::string& name) { return {name, snapshot_root() + "/" + name}; }

std::vector<std::string> snapshot_names() {
  std::vector<std::string> names;
  std::error_code none;
  for (fs::directory_iterator entry{snapshot_root(), none}, end; !none && entry != end; entry.increment(none)) {
    const std::string name = entry->path().filename();
    if (vm_name_problem(name).empty() && fs::exists(entry->path() / "manifest.json", none)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Read<Manifest> open_whole_snapshot(const Snapshot& snapshot, const DigestOf& digest) {
  const auto text = file_text(snapshot.manifest(), kMaxManifest);
  if (!text) return fail("there is no snapshot " + snapshot.name + did_you_mean(snapshot.name, snapshot_names()));
  auto manifest = read_manifest(*text);
  if (!manifest) return bad(snapshot, manifest.error());
  const auto damage_of = [&](const std::string& what, const std::string& file, const FileMark& mark) -> std::string {
    const std::uint64_t bytes = look_at_file(file).value_or(FileMark{}).bytes;
    if (bytes != mark.bytes) {
      return what + " is not whole: found " + std::to_string(bytes) + " bytes, expected " + std::to_string(mark.bytes);
    }
    return digest(file) == mark.digest ? "" : what + " is damaged: " + file + " is not what was written";
  };
  std::string damage = damage_of("its state", snapshot.state(), manifest->state);
  if (damage.empty() && manifest->memory.bytes != 0) {
    damage = damage_of("its memory", snapshot.memory(), manifest->memory);
  }
  if (!damage.empty()) return bad(snapshot, damage);
  for (std::size_t i = 0; i < manifest->disks.size(); ++i) {
    const FileMark& mark = manifest->disks[i];
    if (manifest->spec.disks[i].read_only) continue;
    const auto disk = look_at_file(snapshot.disk(i));
    if (!disk || disk->bytes != mark.bytes || disk->modified_ns != mark.modified_ns) {
      return bad(snapshot, "its disk is damaged: " + snapshot.disk(i) + " is not what was written");
    }
  }
  return manifest;
}

Read<Manifest> open_snapshot(const Snapshot& snapshot) {
  auto manifest = open_whole_snapshot(snapshot, digest_of_file);
  if (!manifest) return manifest;
  const VmSpec& spec = manifest->spec;
  const auto other = [&](const char* what, const std::string& file) {
    return bad(snapshot, std::string{"the "} + what + " " + file + " is not the one that it was saved with");
  };
  if (!spec.kernel.empty() && !is_same_file(spec.kernel, manifest->kernel)) return other("kernel", spec.kernel);
  if (!spec.initrd.empty() && !is_same_file(spec.initrd, manifest->initrd)) return other("initrd", spec.initrd);
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const VmDisk& disk = spec.disks[i];
    if (disk.read_only && !is_same_file(disk.file, manifest->disks[i])) return other("disk", disk.file);
  }
  if (!is_same_file(find_program(spec.qemu), manifest->qemu)) {
    return bad(snapshot, spec.qemu + " is not the QEMU " + manifest->qemu_version + " that it was saved with");
  }
  return manifest;
}

SavedGuest saved_guest(const Snapshot& snapshot, const Manifest& manifest) {
  SavedGuest saved{.agent = manifest.agent, .state = snapshot.state(), .switch_memory = manifest.switch_memory};
  if (manifest.memory.bytes != 0) saved.memory = snapshot.memory();
  for (const VmNic& nic : manifest.spec.nics) saved.macs.push_back(nic.mac.value_or(MacAddress{}));
  for (std::size_t i = 0; i < manifest.spec.disks.size(); ++i) {
    saved.disks.push_back(manifest.spec.disks[i].read_only ? "" : snapshot.disk(i));
  }
  return saved;
}

dgram::SystemResult<void> place_snapshot(const std::string& fresh, const Snapshot& snapshot) {
  const std::string old = fresh + ".old";
  if (std::rename(snapshot.folder.c_str(), old.c_str()) != 0 && errno != ENOENT) {
    return fail(dgram::SystemError{"move the old snapshot away from " + snapshot.folder, errno});
  }
  if (std::rename(fresh.c_str(), snapshot.folder.c_str()) != 0) {
    return fail(dgram::SystemError{"rename " + fresh, errno});
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
  return {};
}

std::string find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::istringstream folders{path != nullptr ? path : "/usr/bin:/bin"};
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = folder + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return program;
}

}  // namespace vnet::adapter
