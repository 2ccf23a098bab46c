#include "adapter/vm/snapshot_commands.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/table.hpp"
#include "adapter/vm/ask_vm.hpp"
#include "adapter/vm/cache.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/launch.hpp"
#include "adapter/vm/snapshot.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr std::uint64_t kMib = 1024 * 1024;
constexpr std::size_t kShortKey = 16;

/// What is to run: the saved VM, with the NICs that were asked for in the place of its own.
Read<VmSpec> spec_to_restore(const VmSpec& saved, const VmFlags& flags) {
  VmSpec spec = saved;
  if (flags.name) spec.name = *flags.name;
  if (!flags.nics.empty()) spec.nics.clear();
  for (const std::string& text : flags.nics) {
    auto nic = read_nic_flag(text);
    if (!nic) return fail(nic.error());
    spec.nics.push_back(std::move(*nic));
  }
  if (const std::string other = nic_difference(saved, spec); !other.empty()) return fail(other);
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    VmNic& nic = spec.nics[i];
    nic.mac = saved.nics[i].mac;
    if (nic.network.empty()) nic.network = saved.nics[i].network;
    // A VM of another name has other names for its NICs, too, unless they are given.
    const bool renamed = flags.name && *flags.name != saved.name;
    if (flags.nics.empty() && renamed) nic.name.clear();
    if (nic.name.empty() && !renamed) nic.name = saved.nics[i].name;
    nic.disconnected = nic.disconnected || flags.disconnected;
  }
  return spec;
}

Json snapshot_json(const std::string& name, const Read<Manifest>& manifest) {
  if (!manifest) return {{"name", name}, {"problem", manifest.error()}};
  Json nics = Json::array();
  for (const VmNic& nic : manifest->spec.nics) {
    nics.push_back({{"name", nic.name}, {"mac", nic.mac->to_string()}, {"network", nic.network}, {"model", nic.model}});
  }
  return {{"name", name},
          {"vm", manifest->spec.name},
          {"created", manifest->created},
          {"bytes", manifest->state.bytes + manifest->memory.bytes},
          {"memory_mib", manifest->spec.memory_mib},
          {"qemu", manifest->qemu_version},
          {"nics", std::move(nics)}};
}

ExitCode prune() {
  const Pruned pruned = prune_cache(false);
  std::printf("%zu removed%s\n", pruned.removed,
              pruned.in_use == 0 ? "" : (", " + std::to_string(pruned.in_use) + " in use").c_str());
  return ExitCode::ok;
}

}  // namespace

ExitCode save_vm(const VmOptions& options) {
  const std::string name = options.snapshot.value_or(options.name);
  const auto saved = ask_vm(options.name, "save", {{"snapshot", name}});
  if (!saved) return failed(saved.error());
  std::printf("%s: %llu MiB\n", name.c_str(), static_cast<unsigned long long>(count_at(*saved, "bytes") / kMib));
  return ExitCode::ok;
}

ExitCode restore_vm(const Common& common, const VmOptions& options) {
  if (!options.snapshot || !vm_name_problem(*options.snapshot).empty()) {
    return failed("vm restore: " + found_expected(options.snapshot ? in_quotes(*options.snapshot) : "no snapshot",
                                                  "one that `vnet vm snapshots` shows"));
  }
  const Snapshot snapshot = find_snapshot(*options.snapshot);
  auto manifest = open_snapshot(snapshot);
  if (!manifest) return failed(printable(manifest.error()));
  auto spec = spec_to_restore(manifest->spec, options.flags);
  if (!spec) return failed("the snapshot " + snapshot.name + ": " + spec.error());
  SavedGuest saved = saved_guest(snapshot, *manifest);
  const std::string started = options.foreground ? "" : spec->name;
  return told(launch_vm({.spec = std::move(*spec),
                         .switch_path = control_path(common),
                         .foreground = options.foreground,
                         .saved = std::move(saved),
                         .accel = manifest->accel}),
              started);
}

ExitCode list_snapshots(const Common& common, const VmOptions& options) {
  if (options.prune) return prune();
  Json all = Json::array();
  for (const std::string& name : snapshot_names()) {
    const auto text = file_text(find_snapshot(name).manifest(), kMaxManifest);
    all.push_back(
        snapshot_json(name, text ? read_manifest(*text) : Read<Manifest>{fail(std::string{"it cannot be read"})}));
  }
  for (const CachedGuest& guest : cached_guests()) {
    all.push_back(snapshot_json(guest.key.substr(0, kShortKey), guest.manifest));
    all.back()["cached"] = true;
  }
  if (options.json) {
    std::fputs(pretty(all).c_str(), stdout);
    return ExitCode::ok;
  }
  if (all.empty()) {
    std::fputs("no snapshot\n", stderr);
    return ExitCode::ok;
  }
  Table table{{{"NAME"}, {"VM"}, {"CREATED"}, {"SIZE", Align::right}, {"MEMORY", Align::right}, {"NICS"}}};
  for (const Json& one : all) {
    std::string nics = text_at(one, "problem");
    for (const Json& nic : member(one, "nics")) {
      nics += (nics.empty() ? "" : ", ") + text_at(nic, "model") + " " + text_at(nic, "mac");
    }
    table.add({text_at(one, "name"), text_at(one, "vm"), text_at(one, "created"),
               std::to_string(count_at(one, "bytes") / kMib) + "M", std::to_string(count_at(one, "memory_mib")) + "M",
               nics});
  }
  std::fputs(table.to_string({wants_color(common.color, STDOUT_FILENO)}).c_str(), stdout);
  return ExitCode::ok;
}

ExitCode remove_snapshot(const std::string& name) {
  const Snapshot snapshot = find_snapshot(name);
  std::error_code error;
  if (!vm_name_problem(name).empty() || !std::filesystem::exists(snapshot.manifest(), error)) {
    return failed("there is no snapshot " + printable(name) + did_you_mean(name, snapshot_names()));
  }
  std::filesystem::remove_all(snapshot.folder, error);
  return error ? failed("cannot remove " + snapshot.folder + ": " + error.message()) : ExitCode::ok;
}

}  // namespace vnet::adapter
