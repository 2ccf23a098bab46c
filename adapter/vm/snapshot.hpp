// Snapshots: a saved VM in a folder of its own, and what must be the same for it to be restored.
//
//   $XDG_STATE_HOME/vnet/snapshots/NAME/manifest.json   what it is a snapshot of
//                                       state           QEMU's, as `migrate` wrote it
//
// QEMU loads a state into whatever machine it is given, and fails in the middle of it when that is another one. So the
// manifest holds all that the machine's shape depends on, NICs first, and a restore compares before QEMU starts. It
// also holds what the switch remembers of the NICs (POST /v1/snapshot), because the guest believes in its lease, and in
// connections that are gone when it is restored.
//
//                                       memory          the guest's, where the state is without it
//                                       disk0 ...       those that the guest may write to, as they were
//
// A state with the memory in it is read into a new VM, page by page, which is most of what a restore costs. A memory
// that is a file of its own costs nothing: restored VMs map it, and copy a page when they write to it. Only a VM whose
// memory was a file from its first instruction is saved so (vm.hpp); no other program reads such a state without it.
//
// Files that the shape depends on are known by size, time and digest: the first two are looked at first, and the digest
// only when they differ. QEMU itself is known by size and time alone, which a package manager keeps. State and memory
// are compared by digest before every use, since half a state is worse than none; who uses them often may remember
// digests (digest_book.hpp).
//
// A snapshot appears whole: its folder is written beside its place and renamed. A restored VM works on copies of the
// disks, so that a snapshot can be restored often, and several times at once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/json.hpp"
#include "adapter/vm/spec.hpp"
#include "dgram/socket.hpp"

namespace vnet::adapter {

inline constexpr int kManifestVersion = 2;
inline constexpr std::size_t kMaxManifest = 4 * 1024 * 1024;
/// As many as the switch gives, and takes back, in one document.
inline constexpr std::size_t kMaxSavedConnections = 4096;

struct FileMark {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::string digest{};

  bool operator==(const FileMark&) const = default;
};

[[nodiscard]] Json mark_json(const FileMark& mark);
[[nodiscard]] FileMark read_mark(const Json& object);
/// Without a digest. Nothing when the file is not there.
[[nodiscard]] std::optional<FileMark> look_at_file(const std::string& path);
/// The same file as `mark` was made of: by size and time, or else by its digest if it has one.
[[nodiscard]] bool is_same_file(const std::string& path, const FileMark& mark);

struct Manifest {
  VmSpec spec{};  ///< MAC addresses and all; the networks and attachments are those of the moment
  std::string accel{};
  std::string qemu_version{};
  FileMark qemu{};
  FileMark kernel{};
  FileMark initrd{};
  FileMark state{};
  FileMark memory{};              ///< no bytes: it is in the state
  std::vector<FileMark> disks{};  ///< of the spec's disks; without a digest: kept in the snapshot
  bool agent = false;             ///< vnet-agent ran in the guest
  std::string created{};          ///< RFC 3339, UTC
  Json switch_memory{};           ///< null: the switch was not there

  bool operator==(const Manifest&) const = default;
};

/// Shortens the lists of connections among what the switch remembers of NICs, so that there are at most
/// kMaxSavedConnections in all, of which each NIC has its share.
void limit_connections(Json& nics);

[[nodiscard]] Json manifest_json(const Manifest& manifest);
[[nodiscard]] Read<Manifest> read_manifest(std::string_view text);

/// In which way the NICs of `wanted` are other ones than the saved; empty: they are the same, in number, order, model
/// and MAC address. Names and networks may differ.
[[nodiscard]] std::string nic_difference(const VmSpec& saved, const VmSpec& wanted);

struct Snapshot {
  std::string name;
  std::string folder;

  [[nodiscard]] std::string manifest() const { return folder + "/manifest.json"; }
  [[nodiscard]] std::string state() const { return folder + "/state"; }
  [[nodiscard]] std::string memory() const { return folder + "/memory"; }
  [[nodiscard]] std::string disk(std::size_t index) const { return folder + "/disk" + std::to_string(index); }
};
[[nodiscard]] Snapshot find_snapshot(const std::string& name);
[[nodiscard]] std::vector<std::string> snapshot_names();
/// A file's digest; nothing: it cannot be read.
using DigestOf = std::function<std::optional<std::string>(const std::string& file)>;
/// Reads it and checks that it is whole: state, memory, and the disks that it keeps.
[[nodiscard]] Read<Manifest> open_whole_snapshot(const Snapshot& snapshot, const DigestOf& digest);
/// Likewise, and everything else that can be checked without QEMU: kernel, initrd, other disks, QEMU itself.
[[nodiscard]] Read<Manifest> open_snapshot(const Snapshot& snapshot);

/// What goes with a saved state.
struct SavedGuest {
  std::vector<MacAddress> macs{};  ///< of its NICs
  bool agent = false;              ///< it ran vnet-agent
  std::string state{};             ///< the file; so is memory, empty where that is in the state
  std::string memory{};
  std::vector<std::string> disks{};  ///< the snapshot's file of each disk, empty where it keeps none
  Json switch_memory{};
};
[[nodiscard]] SavedGuest saved_guest(const Snapshot& snapshot, const Manifest& manifest);
/// Puts the finished folder `fresh` in the snapshot's place, whatever was there.
[[nodiscard]] dgram::SystemResult<void> place_snapshot(const std::string& fresh, const Snapshot& snapshot);
/// The file that running `program` would start, by PATH.
[[nodiscard]] std::string find_program(const std::string& program);

}  // namespace vnet::adapter
