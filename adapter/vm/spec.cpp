#include "adapter/vm/spec.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kMaxNicName = 63;  ///< the switch's limit

std::string absolute_in(const std::string& folder, const std::string& path) {
  return path.empty() ? path : (std::filesystem::path{folder} / path).lexically_normal().string();
}

/// `name=value` and bare words between commas.
std::vector<std::pair<std::string, std::string>> pairs_of(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::istringstream pieces{text};
  for (std::string piece; std::getline(pieces, piece, ',');) {
    const std::size_t equals = piece.find('=');
    pairs.emplace_back(piece.substr(0, equals), equals == std::string::npos ? "" : piece.substr(equals + 1));
  }
  return pairs;
}

Read<void> known(const Json& object, const std::string& place, const Words& names) {
  if (!object.is_object()) return fail(place + ": " + found_expected(compact(object), "an object"));
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(names, name) == names.end()) {
      return fail(place + ": " + found_expected("the member " + in_quotes(name), "one of " + join(names)) +
                  did_you_mean(name, names));
    }
  }
  return {};
}

Read<void> take(const Json& object, const std::string& name, std::string& into) {
  const Json& value = member(object, name);
  if (value.is_null()) return {};
  if (!value.is_string()) return fail(name + ": " + found_expected(compact(value), "a text"));
  into = value.get<std::string>();
  return {};
}

Read<void> take(const Json& object, const std::string& name, bool& into) {
  const Json& value = member(object, name);
  if (value.is_null()) return {};
  if (!value.is_boolean()) return fail(name + ": " + found_expected(compact(value), "true or false"));
  into = value.get<bool>();
  return {};
}

Read<void> take_memory(const Json& object, std::uint32_t& into) {
  const Json& value = member(object, "memory");
  if (value.is_null()) return {};
  auto mib = read_memory(value.is_string() ? value.get<std::string>() : compact(value));
  if (!mib) return fail("memory: " + mib.error());
  into = *mib;
  return {};
}

Read<void> take_cpus(const Json& object, std::uint32_t& into) {
  const Json& value = member(object, "cpus");
  if (value.is_null()) return {};
  const std::uint64_t count = count_at(object, "cpus");
  if (!value.is_number_unsigned() || count < 1 || count > kMaxVmCpus) {
    return fail("cpus: " + found_expected(compact(value), "1 to " + std::to_string(kMaxVmCpus)));
  }
  into = static_cast<std::uint32_t>(count);
  return {};
}

Read<MacAddress> read_mac(const std::string& text) {
  const auto mac = MacAddress::parse(text);
  if (!mac || mac->is_group() || mac->is_zero()) {
    return fail("mac: " + found_expected(in_quotes(text), "the address of one interface: 52:cc:cc:cc:cc:01"));
  }
  return *mac;
}

Read<VmNic> read_nic(const Json& object) {
  VmNic nic;
  if (auto ok = known(object, "nics", {"name", "mac", "network", "disconnected", "assign", "model"}); !ok)
    return fail(ok.error());
  std::string mac;
  for (const auto& ok : {take(object, "name", nic.name), take(object, "network", nic.network), take(object, "mac", mac),
                         take(object, "model", nic.model), take(object, "disconnected", nic.disconnected),
                         take(object, "assign", nic.assign)}) {
    if (!ok) return fail("nics: " + ok.error());
  }
  if (mac.empty()) return nic;
  auto address = read_mac(mac);
  if (!address) return fail("nics: " + address.error());
  nic.mac = *address;
  return nic;
}

std::string format_of(const std::string& file) { return file.ends_with(".qcow2") ? "qcow2" : "raw"; }

Read<VmDisk> read_disk(const Json& object, const std::string& folder) {
  VmDisk disk;
  if (object.is_string()) {
    disk.file = object.get<std::string>();
  } else {
    if (auto ok = known(object, "disks", {"file", "format", "read_only", "copy"}); !ok) return fail(ok.error());
    disk.format.clear();
    for (const auto& ok : {take(object, "file", disk.file), take(object, "format", disk.format),
                           take(object, "read_only", disk.read_only), take(object, "copy", disk.copy)}) {
      if (!ok) return fail("disks: " + ok.error());
    }
  }
  if (object.is_string() || disk.format.empty()) disk.format = format_of(disk.file);
  disk.file = absolute_in(folder, disk.file);
  return disk;
}

Read<VmShare> read_share(const Json& object, const std::string& folder) {
  VmShare share;
  if (object.is_string()) {
    share.folder = object.get<std::string>();
  } else {
    if (auto ok = known(object, "shares", {"folder", "tag"}); !ok) return fail(ok.error());
    for (const auto& ok : {take(object, "folder", share.folder), take(object, "tag", share.tag)}) {
      if (!ok) return fail("shares: " + ok.error());
    }
  }
  share.folder = absolute_in(folder, share.folder);
  return share;
}

/// Reads each element of the list `name` into `into`.
template <typename T, typename ReadOne>
Read<void> take_list(const Json& object, const std::string& name, std::vector<T>& into, ReadOne read_one) {
  const Json& list = member(object, name);
  if (list.is_null()) return {};
  if (!list.is_array()) return fail(name + ": " + found_expected(compact(list), "a list"));
  for (const Json& element : list) {
    auto one = read_one(element);
    if (!one) return fail(one.error());
    into.push_back(std::move(*one));
  }
  return {};
}

Read<VmDisk> read_disk_flag(const std::string& text, const std::string& folder) {
  VmDisk disk;
  disk.format.clear();
  for (const auto& [name, value] : pairs_of(text)) {
    if (name == "format") {
      disk.format = value;
    } else if (name == "readonly" || name == "ro") {
      disk.read_only = true;
    } else if (name == "copy") {
      disk.copy = true;
    } else if (disk.file.empty()) {
      disk.file = value.empty() ? name : value;
    } else {
      return fail("--disk: " + found_expected(in_quotes(name), "FILE[,format=raw|qcow2][,readonly|copy]"));
    }
  }
  if (disk.format.empty()) disk.format = format_of(disk.file);
  disk.file = absolute_in(folder, disk.file);
  return disk;
}

VmShare read_share_flag(const std::string& text, const std::string& folder) {
  const std::size_t equals = text.rfind('=');
  return {absolute_in(folder, text.substr(0, equals)), equals == std::string::npos ? "" : text.substr(equals + 1)};
}

/// What must not be said to QEMU behind our back: it would leave our care, or another would have its control.
Read<void> check_qemu_args(const Words& arguments) {
  for (const std::string& word : arguments) {
    const std::string flag = word.starts_with("--") ? word.substr(1) : word;
    for (const char* bad : {"-daemonize", "-qmp", "-incoming", "-S", "-name"}) {
      if (flag == bad) return fail("--qemu-arg: found " + word + ", which vnet vm sees to itself");
    }
  }
  return {};
}

std::string name_problem(std::string_view name, std::size_t most) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
  });
  if (plain && !name.empty() && name.size() <= most && name.front() != '-') return {};
  return "name: " + found_expected(in_quotes(name), "1 to " + std::to_string(most) +
                                                        " letters, digits and hyphens, the first no hyphen");
}

Read<void> check_nics(const VmSpec& spec) {
  std::set<std::string> names;
  std::set<std::string> macs;
  for (const VmNic& nic : spec.nics) {
    if (const std::string problem = name_problem(nic.name, kMaxNicName); !problem.empty())
      return fail("NIC: " + problem);
    if (!names.insert(nic.name).second) return fail("NIC: the name " + in_quotes(nic.name) + " is there twice");
    if (nic.mac && !macs.insert(nic.mac->to_string()).second) {
      return fail("NIC: the MAC address " + nic.mac->to_string() + " is there twice");
    }
    if (nic.model.empty() || nic.model.find_first_of(", ") != std::string::npos) {
      return fail("NIC: model: " + found_expected(in_quotes(nic.model), "a device of QEMU's, such as virtio-net-pci"));
    }
  }
  return {};
}

}  // namespace

std::string vm_name_problem(std::string_view name) { return name_problem(name, kMaxVmName); }

Read<std::uint32_t> read_memory(const std::string& text) {
  std::uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit{rest, text.data() + text.size()};
  const bool giga = unit == "G" || unit == "GiB" || unit == "g";
  const bool mega = unit.empty() || unit == "M" || unit == "MiB" || unit == "m";
  if (error == std::errc{} && (giga || mega) && value >= 1 && value <= kMaxVmMemoryMib / (giga ? 1024 : 1)) {
    return static_cast<std::uint32_t>(value * (giga ? 1024 : 1));
  }
  return fail(found_expected(in_quotes(text), "MiB, or a number with M or G behind it: 512, 512M, 2G"));
}

Read<VmNic> read_nic_flag(const std::string& text) {
  VmNic nic;
  const Words names = {"network", "mac", "name", "model", "disconnected", "assign"};
  for (const auto& [name, value] : pairs_of(text)) {
    if ((name == "disconnected" || name == "assign") && value.empty()) {
      (name == "assign" ? nic.assign : nic.disconnected) = true;
    } else if (std::ranges::find(names, name) == names.end() || value.empty()) {
      return fail("--nic: " + found_expected(in_quotes(name), "network=, mac=, name=, model=, disconnected or assign") +
                  did_you_mean(name, names));
    } else if (name == "mac") {
      auto mac = read_mac(value);
      if (!mac) return fail("--nic: " + mac.error());
      nic.mac = *mac;
    } else {
      (name == "network" ? nic.network : name == "name" ? nic.name : nic.model) = value;
    }
  }
  return nic;
}

Read<VmSpec> read_vm_spec(std::string_view text, const std::string& folder) {
  const Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (object.is_discarded()) return fail(std::string{"it is no JSON"});
  const Words names = {"name",   "kernel", "initrd", "append",  "disks", "nics",     "shares",
                       "memory", "cpus",   "accel",  "machine", "qemu",  "qemu_args"};
  if (auto ok = known(object, "the VM", names); !ok) return fail(ok.error());
  VmSpec spec;
  const auto read_word = [](const Json& word) -> Read<std::string> {
    if (!word.is_string()) return fail("qemu_args: " + found_expected(compact(word), "a text"));
    return word.get<std::string>();
  };
  for (const auto& ok :
       {take(object, "name", spec.name), take(object, "kernel", spec.kernel), take(object, "initrd", spec.initrd),
        take(object, "append", spec.append), take(object, "accel", spec.accel), take(object, "machine", spec.machine),
        take(object, "qemu", spec.qemu), take_memory(object, spec.memory_mib), take_cpus(object, spec.cpus),
        take_list(object, "nics", spec.nics, read_nic),
        take_list(object, "disks", spec.disks, [&](const Json& one) { return read_disk(one, folder); }),
        take_list(object, "shares", spec.shares, [&](const Json& one) { return read_share(one, folder); }),
        take_list(object, "qemu_args", spec.qemu_args, read_word)}) {
    if (!ok) return fail(ok.error());
  }
  spec.kernel = absolute_in(folder, spec.kernel);
  spec.initrd = absolute_in(folder, spec.initrd);
  return spec;
}

Read<void> apply_vm_flags(const VmFlags& flags, const std::string& folder, VmSpec& spec) {
  if (flags.name) spec.name = *flags.name;
  if (flags.kernel) spec.kernel = absolute_in(folder, *flags.kernel);
  if (flags.initrd) spec.initrd = absolute_in(folder, *flags.initrd);
  if (flags.append) spec.append = *flags.append;
  if (flags.accel) spec.accel = *flags.accel;
  if (flags.machine) spec.machine = *flags.machine;
  if (flags.qemu) spec.qemu = *flags.qemu;
  if (flags.cpus) spec.cpus = *flags.cpus;
  if (flags.memory) {
    auto mib = read_memory(*flags.memory);
    if (!mib) return fail("--memory: " + mib.error());
    spec.memory_mib = *mib;
  }
  if (!flags.nics.empty()) spec.nics.clear();
  for (const std::string& text : flags.nics) {
    auto nic = read_nic_flag(text);
    if (!nic) return fail(nic.error());
    spec.nics.push_back(std::move(*nic));
  }
  if (flags.image) {
    auto disk = read_disk_flag(*flags.image, folder);
    if (!disk) return fail(disk.error());
    disk->copy = true;
    spec.disks.insert(spec.disks.begin(), std::move(*disk));
  }
  for (const std::string& text : flags.disks) {
    auto disk = read_disk_flag(text, folder);
    if (!disk) return fail(disk.error());
    spec.disks.push_back(std::move(*disk));
  }
  for (const std::string& text : flags.shares) spec.shares.push_back(read_share_flag(text, folder));
  spec.qemu_args.insert(spec.qemu_args.end(), flags.qemu_args.begin(), flags.qemu_args.end());
  if (spec.nics.empty()) spec.nics.push_back({});
  for (VmNic& nic : spec.nics) nic.disconnected = nic.disconnected || flags.disconnected;
  return {};
}

Read<void> complete_vm_spec(VmSpec& spec) {
  if (!vm_name_problem(spec.name).empty()) {
    return fail(spec.name.empty() ? std::string{"the VM has no name: --name NAME"} : vm_name_problem(spec.name));
  }
  if (spec.kernel.empty() && spec.disks.empty()) {
    return fail(std::string{"the VM has nothing to boot: --kernel FILE (with --initrd FILE), or --disk FILE"});
  }
  if (spec.nics.size() > kMaxVmNics || spec.disks.size() > kMaxVmDisks || spec.shares.size() > kMaxVmShares) {
    return fail("too many parts: at most " + std::to_string(kMaxVmNics) + " NICs, " + std::to_string(kMaxVmDisks) +
                " disks and " + std::to_string(kMaxVmShares) + " shares");
  }
  const Words accels = {"auto", "kvm", "tcg"};
  if (std::ranges::find(accels, spec.accel) == accels.end()) {
    return fail("accel: " + found_expected(in_quotes(spec.accel), "one of " + join(accels)));
  }
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    if (spec.nics[i].name.empty()) spec.nics[i].name = spec.name + (i == 0 ? "" : "-" + std::to_string(i + 1));
  }
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    if (spec.shares[i].tag.empty()) spec.shares[i].tag = "share" + std::to_string(i);
  }
  for (const VmDisk& disk : spec.disks) {
    if (disk.format != "raw" && disk.format != "qcow2") {
      return fail("disks: format: " + found_expected(in_quotes(disk.format), "raw or qcow2"));
    }
    if (disk.read_only && disk.copy) {
      return fail("disks: found read_only and copy for " + disk.file + ", expected one of them at most");
    }
  }
  if (auto ok = check_qemu_args(spec.qemu_args); !ok) return ok;
  return check_nics(spec);
}

Json vm_spec_json(const VmSpec& spec) {
  Json object = {{"name", spec.name}};
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) object[name] = value;
  };
  set("kernel", spec.kernel);
  set("initrd", spec.initrd);
  set("append", spec.append);
  object["memory"] = std::to_string(spec.memory_mib) + "M";
  object["cpus"] = spec.cpus;
  object["accel"] = spec.accel;
  object["machine"] = spec.machine;
  object["qemu"] = spec.qemu;
  object["nics"] = Json::array();
  for (const VmNic& nic : spec.nics) {
    Json one = {{"name", nic.name}, {"model", nic.model}};
    if (nic.mac) one["mac"] = nic.mac->to_string();
    if (!nic.network.empty()) one["network"] = nic.network;
    if (nic.disconnected) one["disconnected"] = true;
    if (nic.assign) one["assign"] = true;
    object["nics"].push_back(std::move(one));
  }
  for (const VmDisk& disk : spec.disks) {
    Json one = {{"file", disk.file}, {"format", disk.format}, {"read_only", disk.read_only}};
    if (disk.copy) one["copy"] = true;
    object["disks"].push_back(std::move(one));
  }
  for (const VmShare& share : spec.shares) object["shares"].push_back({{"folder", share.folder}, {"tag", share.tag}});
  if (!spec.qemu_args.empty()) object["qemu_args"] = spec.qemu_args;
  return object;
}

}  // namespace vnet::adapter
