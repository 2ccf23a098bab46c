// VmSpec: what a VM is made of, as people write it: flags, or a JSON file, or a file with flags on top.
//
// Reading looks at nothing but the text; whether files exist is found out when the VM starts. Relative paths are made
// absolute by the folder that is given: the file's for a file, the current one for flags. Errors are sentences that
// name the member, what was found and what was expected.
// Limits: kMaxVmNics, kMaxVmDisks, kMaxVmShares; a name is 1 to kMaxVmName letters, digits and hyphens, as a NIC's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/json.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxVmName = 48;  ///< so that `NAME-8` is a NIC's name, and the socket's path fits
inline constexpr std::size_t kMaxVmNics = 8;
inline constexpr std::size_t kMaxVmDisks = 8;
inline constexpr std::size_t kMaxVmShares = 4;
inline constexpr std::uint32_t kMaxVmMemoryMib = 1024 * 1024;
inline constexpr std::uint32_t kMaxVmCpus = 255;

struct VmNic {
  std::string name;                      ///< the switch's; empty in flags: derived from the VM's
  std::optional<MacAddress> mac{};       ///< else what the switch knows, else derived
  std::string network{};                 ///< empty: where the switch has it
  bool disconnected = false;             ///< at boot: no carrier and no attachment
  std::string model = "virtio-net-pci";  ///< a device of QEMU's
  bool assign = false;                   ///< its address is told to the guest's agent

  bool operator==(const VmNic&) const = default;
};

struct VmDisk {
  std::string file;
  std::string format = "raw";
  bool read_only = false;
  bool copy = false;  ///< the VM writes to a copy, which goes when it ends

  bool operator==(const VmDisk&) const = default;
};

struct VmShare {
  std::string folder;
  std::string tag;

  bool operator==(const VmShare&) const = default;
};

struct VmSpec {
  std::string name{};
  std::string kernel{};
  std::string initrd{};
  std::string append{};
  std::vector<VmDisk> disks{};
  std::vector<VmNic> nics{};
  std::vector<VmShare> shares{};
  std::uint32_t memory_mib = 512;
  std::uint32_t cpus = 1;
  std::string accel = "auto";  ///< auto, kvm or tcg
  std::string machine = "pc";
  std::string qemu = "qemu-system-x86_64";
  std::vector<std::string> qemu_args{};

  bool operator==(const VmSpec&) const = default;
};

/// Flags as they were given; what was not is left to the file, or to the defaults.
struct VmFlags {
  std::optional<std::string> name{};
  std::optional<std::string> kernel{};
  std::optional<std::string> initrd{};
  std::optional<std::string> append{};
  std::optional<std::string> memory{};
  std::optional<std::uint32_t> cpus{};
  std::optional<std::string> accel{};
  std::optional<std::string> machine{};
  std::optional<std::string> qemu{};
  std::optional<std::string> image{};  ///< a disk before all others, of which the VM gets a copy
  std::vector<std::string> disks{};
  std::vector<std::string> nics{};
  std::vector<std::string> shares{};
  std::vector<std::string> qemu_args{};
  bool disconnected = false;  ///< all NICs

  bool operator==(const VmFlags&) const = default;
};

template <typename T>
using Read = Result<T, std::string>;

[[nodiscard]] Read<VmSpec> read_vm_spec(std::string_view text, const std::string& folder);
[[nodiscard]] Read<void> apply_vm_flags(const VmFlags& flags, const std::string& folder, VmSpec& spec);
/// What is still open is filled in: one NIC where none is named, names of NICs and tags. Then everything that can be
/// wrong by itself is looked at.
[[nodiscard]] Read<void> complete_vm_spec(VmSpec& spec);
/// The document that read_vm_spec reads.
[[nodiscard]] Json vm_spec_json(const VmSpec& spec);

/// `network=home,mac=52:..,name=eth,model=e1000,disconnected`; `none` is refused here.
[[nodiscard]] Read<VmNic> read_nic_flag(const std::string& text);
/// `512`, `512M`, `2G`: MiB unless said otherwise.
[[nodiscard]] Read<std::uint32_t> read_memory(const std::string& text);
/// Empty, or why it cannot be the name of a VM or a NIC.
[[nodiscard]] std::string vm_name_problem(std::string_view name);

}  // namespace vnet::adapter
