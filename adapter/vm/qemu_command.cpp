#include "adapter/vm/qemu_command.hpp"

#include <algorithm>
#include <array>

#include "adapter/vm/agent_port.hpp"

namespace vnet::adapter {
namespace {

/// QEMU takes a comma in a value when it is doubled.
std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) out += c == ',' ? ",," : std::string{c};
  return out;
}

void add_boot(const VmSpec& spec, std::vector<std::string>& words) {
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(flag);
    words.push_back(value);
  };
  add("-kernel", spec.kernel);
  add("-initrd", spec.initrd);
  add("-append", spec.append);
}

void add_disks(const VmSpec& spec, const std::vector<std::string>& files, std::vector<std::string>& words) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const VmDisk& disk = spec.disks[i];
    const std::string id = "disk" + std::to_string(i);
    words.emplace_back("-drive");
    words.push_back("if=none,id=" + id + ",file=" + escaped(files.at(i)) + ",format=" + disk.format +
                    (disk.read_only ? ",readonly=on" : ""));
    words.emplace_back("-device");
    words.push_back("virtio-blk-pci,drive=" + id);
  }
}

void add_nics(const VmSpec& spec, const std::vector<int>& fds, std::vector<std::string>& words) {
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    const VmNic& nic = spec.nics[i];
    words.emplace_back("-netdev");
    words.push_back("dgram,id=" + qemu_netdev_id(i) + ",local.type=fd,local.str=" + std::to_string(fds.at(i)));
    words.emplace_back("-device");
    // No option ROM: nobody boots from this network, and looking for it takes time.
    words.push_back(nic.model + ",id=" + qemu_nic_id(i) + ",netdev=" + qemu_netdev_id(i) +
                    ",mac=" + nic.mac.value_or(MacAddress{}).to_string() + ",romfile=");
  }
}

void add_agent(int fd, std::vector<std::string>& words) {
  const std::string id = kAgentPortId;
  words.insert(words.end(),
               {"-device", "virtio-serial-pci,id=ports", "-chardev", "socket,id=" + id + ",fd=" + std::to_string(fd),
                "-device", "virtserialport,id=" + id + ",bus=ports.0,chardev=" + id + ",name=" + kAgentPortName});
}

bool is_pc(const VmSpec& spec) { return spec.machine.starts_with("pc") || spec.machine.starts_with("q35"); }

/// Under the name that it has without a file, so that a state fits with and without one.
std::string memory_words(const VmSpec& spec, const QemuParts& parts) {
  return "memory-backend-file,id=" + qemu_memory_id(spec) + ",size=" + std::to_string(spec.memory_mib) +
         "M,mem-path=/proc/self/fd/" + std::to_string(parts.memory_fd) + ",share=" + (parts.incoming ? "off" : "on");
}

/// Restored twice from one state, two guests would draw the same random numbers: its generation (Microsoft's VM
/// generation ID) tells a guest that it is a copy. PCs alone have it.
void add_generation(const VmSpec& spec, std::vector<std::string>& words) {
  if (!is_pc(spec)) return;
  words.insert(words.end(), {"-device", "vmgenid,guid=auto"});
}

}  // namespace

std::string qemu_memory_id(const VmSpec& spec) {
  const auto settles_memory = [](const std::string& word) {
    constexpr std::array kFlags = {"-m", "--m", "-mem-path", "--mem-path", "-numa", "--numa"};
    return word.find("memory-backend") != std::string::npos || std::ranges::find(kFlags, word) != kFlags.end();
  };
  const bool settled = settles_memory(spec.machine) || std::ranges::any_of(spec.qemu_args, settles_memory);
  return is_pc(spec) && !settled ? "pc.ram" : "";
}

std::string qemu_nic_id(std::size_t index) { return "nic" + std::to_string(index); }
std::string qemu_netdev_id(std::size_t index) { return "net" + std::to_string(index); }

std::vector<std::string> qemu_command(const VmSpec& spec, const QemuParts& parts) {
  const bool in_file = parts.memory_fd >= 0;
  std::vector<std::string> words = {spec.qemu,
                                    "-name",
                                    spec.name,
                                    "-machine",
                                    spec.machine + (in_file ? ",memory-backend=" + qemu_memory_id(spec) : ""),
                                    "-accel",
                                    parts.accel,
                                    "-m",
                                    std::to_string(spec.memory_mib) + "M",
                                    "-smp",
                                    std::to_string(spec.cpus),
                                    "-nodefaults",
                                    "-no-user-config",
                                    "-display",
                                    "none",
                                    "-vga",
                                    "std",
                                    "-S"};
  if (in_file) words.insert(words.end(), {"-object", memory_words(spec, parts)});
  if (parts.accel == "kvm") words.insert(words.end(), {"-cpu", "host"});
  if (parts.incoming) words.insert(words.end(), {"-incoming", "defer"});
  add_boot(spec, words);
  words.insert(words.end(),
               {"-chardev", "socket,id=console,fd=" + std::to_string(parts.console_fd), "-serial", "chardev:console",
                "-chardev", "socket,id=qmp,fd=" + std::to_string(parts.qmp_fd), "-mon", "chardev=qmp,mode=control"});
  add_disks(spec, parts.disk_files, words);
  add_nics(spec, parts.nic_fds, words);
  for (const VmShare& share : spec.shares) {
    words.emplace_back("-virtfs");
    words.push_back("local,path=" + escaped(share.folder) + ",mount_tag=" + escaped(share.tag) +
                    ",security_model=none");
  }
  add_agent(parts.agent_fd, words);
  add_generation(spec, words);
  words.insert(words.end(), spec.qemu_args.begin(), spec.qemu_args.end());
  return words;
}

}  // namespace vnet::adapter
