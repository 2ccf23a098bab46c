#include <gmock/gmock.h>

#include "adapter/vm/qemu_command.hpp"
#include "adapter/vm/spec.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

VmSpec spec_of(const VmFlags& flags) {
  VmSpec spec;
  const auto applied = apply_vm_flags(flags, "/home/me", spec);
  EXPECT_TRUE(applied.has_value()) << applied.error();
  const auto complete = complete_vm_spec(spec);
  EXPECT_TRUE(complete.has_value()) << complete.error();
  return spec;
}

std::string problem_of(const VmFlags& flags) {
  VmSpec spec;
  if (const auto applied = apply_vm_flags(flags, "/home/me", spec); !applied) return applied.error();
  const auto complete = complete_vm_spec(spec);
  return complete ? "" : complete.error();
}

VmFlags flags_with(const std::vector<std::string>& nics) { return {.name = "alice", .kernel = "k", .nics = nics}; }

TEST(VmSpec, FlagsAreReadAndPathsMadeAbsolute) {
  const VmSpec spec = spec_of({.name = "alice",
                               .kernel = "vmlinuz",
                               .initrd = "/boot/initrd",
                               .append = "console=ttyS0",
                               .memory = "2G",
                               .cpus = 2,
                               .disks = {"a.qcow2", "b.img,readonly", "c,format=qcow2"},
                               .shares = {"src", "/data=d"}});
  EXPECT_EQ(spec.kernel, "/home/me/vmlinuz");
  EXPECT_EQ(spec.initrd, "/boot/initrd");
  EXPECT_EQ(spec.memory_mib, 2048U);
  EXPECT_THAT(spec.disks, ElementsAre(VmDisk{"/home/me/a.qcow2", "qcow2", false}, VmDisk{"/home/me/b.img", "raw", true},
                                      VmDisk{"/home/me/c", "qcow2", false}));
  EXPECT_THAT(spec.shares, ElementsAre(VmShare{"/home/me/src", "share0"}, VmShare{"/data", "d"}));
  EXPECT_THAT(spec.nics, ElementsAre(VmNic{.name = "alice"})) << "one NIC where none is named";
}

TEST(VmSpec, NicsAreReadAndNamedAfterTheVm) {
  const VmSpec spec =
      spec_of(flags_with({"network=home,mac=52:cc:cc:cc:cc:01", "disconnected", "name=wan,model=e1000"}));
  EXPECT_THAT(spec.nics,
              ElementsAre(VmNic{"alice", MacAddress::parse("52:cc:cc:cc:cc:01"), "home", false, "virtio-net-pci"},
                          VmNic{"alice-2", std::nullopt, "", true, "virtio-net-pci"},
                          VmNic{"wan", std::nullopt, "", false, "e1000"}));
  VmFlags all = flags_with({"network=home", ""});
  all.disconnected = true;
  for (const VmNic& nic : spec_of(all).nics) EXPECT_TRUE(nic.disconnected);
}

TEST(VmSpec, WhatIsWrongIsSaidWithWhatWasFoundAndExpected) {
  EXPECT_THAT(problem_of({.kernel = "k"}), HasSubstr("--name"));
  EXPECT_THAT(problem_of({.name = "alice"}), HasSubstr("--kernel"));
  EXPECT_THAT(problem_of({.name = "../x", .kernel = "k"}), HasSubstr("../x"));
  EXPECT_THAT(problem_of({.name = std::string(49, 'a'), .kernel = "k"}), HasSubstr("48"));
  EXPECT_THAT(problem_of({.name = "a", .kernel = "k", .memory = "lots"}), HasSubstr("lots"));
  EXPECT_THAT(problem_of({.name = "a", .kernel = "k", .memory = "99999999999999G"}), HasSubstr("512M"));
  EXPECT_THAT(problem_of({.name = "a", .kernel = "k", .accel = "kvn"}), HasSubstr("kvm"));
  EXPECT_THAT(problem_of({.name = "a", .kernel = "k", .qemu_args = {"-daemonize"}}), HasSubstr("-daemonize"));
  EXPECT_THAT(problem_of({.name = "a", .kernel = "k", .disks = {"x,format=vdi"}}), HasSubstr("vdi"));
  EXPECT_THAT(problem_of(flags_with({"netwerk=home"})), HasSubstr("did you mean \"network\"?"));
  EXPECT_THAT(problem_of(flags_with({"mac=01:00:00:00:00:01"})), HasSubstr("01:00:00:00:00:01"));
  EXPECT_THAT(problem_of(flags_with({"name=a", "name=a"})), HasSubstr("twice"));
  EXPECT_THAT(problem_of(flags_with({"mac=52:cc:cc:cc:cc:01", "mac=52:cc:cc:cc:cc:01"})), HasSubstr("twice"));
  EXPECT_THAT(problem_of(flags_with({"model=a b"})), HasSubstr("virtio-net-pci"));
  EXPECT_THAT(problem_of(flags_with(std::vector<std::string>(9))), HasSubstr("at most 8 NICs"));
}

TEST(VmSpec, AFileSaysTheSameAsItsOwnText) {
  VmSpec spec = spec_of({.name = "alice",
                         .kernel = "k",
                         .memory = "1G",
                         .image = "i.img",
                         .disks = {"d.qcow2,readonly", "e.img,copy"},
                         .nics = {"network=home,mac=52:cc:cc:cc:cc:01,disconnected,assign"},
                         .shares = {"src=s"},
                         .qemu_args = {"-device", "virtio-rng-pci"}});
  const auto read = read_vm_spec(pretty(vm_spec_json(spec)), "/elsewhere");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_EQ(*read, spec);
}

TEST(VmSpec, AnImageIsTheFirstDiskAndCopied) {
  const VmSpec spec = spec_of({.name = "a", .image = "/i.qcow2", .disks = {"/d"}});
  EXPECT_THAT(spec.disks, ElementsAre(VmDisk{"/i.qcow2", "qcow2", false, true}, VmDisk{"/d", "raw"}));
  EXPECT_THAT(problem_of({.name = "a", .disks = {"/d,copy,readonly"}}), HasSubstr("one of them at most"));
}

TEST(VmSpec, AFileMayHaveCommentsAndPathsAreRelativeToIt) {
  const auto read = read_vm_spec(R"({
    // what it boots
    "name": "alice", "kernel": "vmlinuz", "memory": 256, "cpus": 4, "disks": ["a.qcow2"], "shares": ["src"]
  })",
                                 "/vms");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_EQ(read->kernel, "/vms/vmlinuz");
  EXPECT_EQ(read->memory_mib, 256U);
  EXPECT_THAT(read->disks, ElementsAre(VmDisk{"/vms/a.qcow2", "qcow2", false}));
}

TEST(VmSpec, AFileThatIsWrongSaysWhere) {
  const auto error_of = [](const std::string& text) {
    const auto read = read_vm_spec(text, "/");
    return read ? std::string{} : read.error();
  };
  EXPECT_THAT(error_of("{"), HasSubstr("no JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("an object"));
  EXPECT_THAT(error_of(R"({"kernle": "x"})"), HasSubstr("did you mean \"kernel\"?"));
  EXPECT_THAT(error_of(R"({"kernel": 7})"), HasSubstr("kernel: found 7"));
  EXPECT_THAT(error_of(R"({"cpus": 0})"), HasSubstr("cpus"));
  EXPECT_THAT(error_of(R"({"memory": -1})"), HasSubstr("memory"));
  EXPECT_THAT(error_of(R"({"nics": {}})"), HasSubstr("nics"));
  EXPECT_THAT(error_of(R"({"nics": [{"mac": "x"}]})"), HasSubstr("mac"));
  EXPECT_THAT(error_of(R"({"qemu_args": [1]})"), HasSubstr("qemu_args"));
}

TEST(QemuCommand, SaysWhatTheVmIsMadeOf) {
  const VmSpec spec = spec_of({.name = "alice",
                               .kernel = "/k",
                               .initrd = "/i",
                               .append = "console=ttyS0 quiet",
                               .cpus = 2,
                               .disks = {"/a.qcow2"},
                               .nics = {"mac=52:cc:cc:cc:cc:01", "mac=52:cc:cc:cc:cc:02,model=e1000"},
                               .shares = {"/src=s"},
                               .qemu_args = {"-device", "virtio-rng-pci"}});
  const auto words = qemu_command(
      spec,
      {.accel = "tcg", .console_fd = 5, .qmp_fd = 6, .agent_fd = 9, .disk_files = {"/copies/0"}, .nic_fds = {7, 8}});
  EXPECT_EQ(words.front(), "qemu-system-x86_64");
  EXPECT_THAT(words, IsSupersetOf({"-S", "-nodefaults", "-no-user-config", "512M", "/k", "/i", "console=ttyS0 quiet",
                                   "dgram,id=net0,local.type=fd,local.str=7", "dgram,id=net1,local.type=fd,local.str=8",
                                   "virtio-net-pci,id=nic0,netdev=net0,mac=52:cc:cc:cc:cc:01,romfile=",
                                   "e1000,id=nic1,netdev=net1,mac=52:cc:cc:cc:cc:02,romfile=", "socket,id=console,fd=5",
                                   "socket,id=qmp,fd=6", "socket,id=agent,fd=9",
                                   "virtserialport,id=agent,bus=ports.0,chardev=agent,name=vnet.agent",
                                   "if=none,id=disk0,file=/copies/0,format=qcow2", "vmgenid,guid=auto",
                                   "local,path=/src,mount_tag=s,security_model=none"}));
  EXPECT_EQ(words.back(), "virtio-rng-pci") << "the user's words come last";
  EXPECT_THAT(words, ::testing::Not(::testing::Contains("-incoming")));
}

TEST(QemuCommand, ACommaInAFileNameIsDoubled) {
  VmSpec spec{.name = "a", .disks = {{"/a,b", "raw", true}}};
  const auto words = qemu_command(spec, {.disk_files = {"/a,b"}, .incoming = true});
  EXPECT_THAT(words, IsSupersetOf({"if=none,id=disk0,file=/a,,b,format=raw,readonly=on", "-incoming", "defer"}));
}

TEST(QemuCommand, AMemoryThatIsAFileHasTheNameThatItHasWithout) {
  VmSpec spec{.name = "a", .kernel = "/k", .memory_mib = 256};
  EXPECT_THAT(qemu_command(spec, {.incoming = true, .memory_fd = 9}),
              IsSupersetOf({"pc,memory-backend=pc.ram",
                            "memory-backend-file,id=pc.ram,size=256M,mem-path=/proc/self/fd/9,share=off"}));
  EXPECT_THAT(qemu_command(spec, {.memory_fd = 9}),
              IsSupersetOf({"memory-backend-file,id=pc.ram,size=256M,mem-path=/proc/self/fd/9,share=on"}));
  EXPECT_THAT(qemu_command(spec, {}), IsSupersetOf({"pc"}));
  spec.machine = "q35,smm=off";
  EXPECT_EQ(qemu_memory_id(spec), "pc.ram");
  spec.qemu_args = {"-numa", "node"};
  EXPECT_EQ(qemu_memory_id(spec), "") << "the user's own words";
  spec.qemu_args = {"-object", "memory-backend-memfd,id=m,size=256M"};
  EXPECT_EQ(qemu_memory_id(spec), "");
  spec.qemu_args = {"-m", "2G"};
  EXPECT_EQ(qemu_memory_id(spec), "") << "a file of memory_mib would not be of that size";
  spec.qemu_args = {"-device", "virtio-rng-pci"};
  EXPECT_EQ(qemu_memory_id(spec), "pc.ram");
  spec = {.machine = "microvm"};
  EXPECT_EQ(qemu_memory_id(spec), "");
}

TEST(QemuCommand, KvmTakesTheHostsProcessor) {
  const VmSpec spec{.name = "a", .kernel = "/k", .machine = "microvm"};
  EXPECT_THAT(qemu_command(spec, {.accel = "kvm"}), ::testing::Not(::testing::Contains("vmgenid,guid=auto")));
  EXPECT_THAT(qemu_command(spec, {.accel = "kvm"}), IsSupersetOf({"kvm", "host"}));
}

}  // namespace
}  // namespace vnet::adapter
