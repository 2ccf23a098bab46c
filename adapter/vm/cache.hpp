// The cache of booted guests: `--cached` boots a machine once, and restores what it had become from then on.
//
// An entry is a snapshot like any other, taken when vnet-agent was up, of a machine whose NICs have never had a
// carrier, and where QEMU can be told so, with its memory as a file of its own that restored VMs map. Its name is a
// digest of all that could make it another one: the content of kernel, initrd and disks, the command line, memory,
// processors, devices, QEMU, and kCacheVersion. Names and MAC addresses are not in it, because the agent gives a
// restored guest its own: so one entry serves many VMs, several at once, each with a copy of the disks.
//
//   $XDG_CACHE_HOME/vnet/vms/KEY/           the snapshot
//                            KEY.lock       held shared by who reads it, alone by who prepares or removes it
//                            digests.json   of files that have not changed since (digest_book.hpp)
//
// Two who want the same entry: the second waits for the first. An entry that is not whole, or whose guest does not wake
// up, is removed; the machine is then booted as without a cache, and it is said why. Whoever prepares an entry removes
// those that nothing can use any more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/vm/launch.hpp"
#include "adapter/vm/snapshot.hpp"

namespace vnet::adapter {

/// To be raised when what is prepared, or what an agent is told when it wakes, becomes another thing.
inline constexpr int kCacheVersion = 2;
/// For the guest to boot and start its agent.
inline constexpr std::uint32_t kPrepareTimeout = 300;

/// The entry's name, 32 hexadecimal digits. The spec is complete; the error is a sentence.
[[nodiscard]] Read<std::string> cache_key(const VmSpec& spec, const std::string& accel);
[[nodiscard]] Snapshot cache_entry(const std::string& key);

[[nodiscard]] Read<ExitCode> launch_cached(Launch launch);

struct CachedGuest {
  std::string key;
  Read<Manifest> manifest;
};
[[nodiscard]] std::vector<CachedGuest> cached_guests();
/// Removes the entries that nobody uses right now: all, or those that are `stale`. How many, and how many are in use.
struct Pruned {
  std::size_t removed = 0;
  std::size_t in_use = 0;
};
[[nodiscard]] Pruned prune_cache(bool only_stale);

}  // namespace vnet::adapter
