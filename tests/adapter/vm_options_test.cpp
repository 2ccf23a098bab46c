#include <gmock/gmock.h>

#include "adapter/complete.hpp"
#include "adapter/options.hpp"
#include "adapter/vm/options.hpp"

namespace vnet::adapter {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Verb = VmOptions::Verb;
using Words = std::vector<std::string>;

CommandLine line_of(Words words) {
  words.insert(words.begin(), "vm");
  return parse_options(words, {"1.2.3", "/home/me"});
}

VmOptions options_of(const Words& words) {
  const CommandLine line = line_of(words);
  if (const auto* exit = std::get_if<Exit>(&line.command)) ADD_FAILURE() << exit->text;
  return std::get<VmOptions>(line.command);
}

std::string refused(const Words& words) { return std::get<Exit>(line_of(words).command).text; }

TEST(VmOptions, AVmIsDescribedByFlags) {
  const VmOptions run = options_of({"run",
                                    "--name",
                                    "alice",
                                    "--kernel",
                                    "k",
                                    "--initrd",
                                    "i",
                                    "--append",
                                    "console=ttyS0 quiet",
                                    "--disk",
                                    "a.qcow2",
                                    "--disk",
                                    "b",
                                    "--memory",
                                    "1G",
                                    "--cpus",
                                    "2",
                                    "--nic",
                                    "network=home",
                                    "--nic",
                                    "disconnected",
                                    "--share",
                                    "src=s",
                                    "--accel",
                                    "tcg",
                                    "--qemu-arg=-device",
                                    "--qemu-arg=virtio-rng-pci"});
  EXPECT_EQ(run.verb, Verb::run);
  EXPECT_EQ(run.flags, (VmFlags{.name = "alice",
                                .kernel = "k",
                                .initrd = "i",
                                .append = "console=ttyS0 quiet",
                                .memory = "1G",
                                .cpus = 2,
                                .accel = "tcg",
                                .disks = {"a.qcow2", "b"},
                                .nics = {"network=home", "disconnected"},
                                .shares = {"src=s"},
                                .qemu_args = {"-device", "virtio-rng-pci"}}));
  EXPECT_EQ(run.folder, "/home/me");
  const VmOptions start = options_of({"start", "alice.json", "--disconnected"});
  EXPECT_EQ(start.verb, Verb::start);
  EXPECT_EQ(start.file, "alice.json");
  EXPECT_TRUE(start.flags.disconnected);
}

TEST(VmOptions, TheOthersTakeAName) {
  const VmOptions attach = options_of({"attach", "alice", "lab", "--nic", "alice-2", "--json"});
  EXPECT_EQ(attach.verb, Verb::attach);
  EXPECT_EQ(attach.name, "alice");
  EXPECT_EQ(attach.network, "lab");
  EXPECT_EQ(attach.nic, "alice-2");
  EXPECT_TRUE(attach.json);
  EXPECT_EQ(options_of({"detach", "alice"}).verb, Verb::detach);
  EXPECT_EQ(options_of({"ip", "alice", "--timeout", "5"}).timeout_s, 5U);
  EXPECT_EQ(options_of({"stop", "alice", "--timeout=0"}).timeout_s, 0U);
  EXPECT_EQ(options_of({"save", "alice", "warm"}).snapshot, "warm");
  EXPECT_EQ(options_of({"restore", "warm", "--name", "eve", "--nic", "network=lab", "--foreground"}).flags.nics,
            Words{"network=lab"});
  EXPECT_EQ(options_of({"rm", "--snapshot", "warm"}).snapshot, "warm");
  EXPECT_EQ(options_of({"screenshot", "alice", "a.png"}).file, "a.png");
  EXPECT_EQ(options_of({"screenshot", "alice", "a.png", "--size", "64x48"}).size, "64x48");
  EXPECT_TRUE(options_of({"logs", "alice", "-f", "--supervisor"}).follow);
  EXPECT_EQ(options_of({"list"}).verb, Verb::list);
}

TEST(VmOptions, WhatIsWrongIsSaid) {
  EXPECT_THAT(refused({}), AllOf(HasSubstr("found no command"), HasSubstr("snapshots")));
  EXPECT_THAT(refused({"strat"}), HasSubstr("did you mean \"start\"?"));
  EXPECT_THAT(refused({"attach"}), HasSubstr("vm attach: found no name"));
  EXPECT_THAT(refused({"attach", "../x"}), HasSubstr("../x"));
  EXPECT_THAT(refused({"stop", "alice", "--timeout", "soon"}), HasSubstr("--timeout"));
  EXPECT_THAT(refused({"run", "--kernle", "k"}), HasSubstr("did you mean \"--kernel\"?"));
  EXPECT_THAT(refused({"run", "--cpus", "0"}), HasSubstr("--cpus"));
  EXPECT_THAT(refused({"stop", "alice", "--json"}), HasSubstr("--json"));
}

TEST(VmOptions, WordsAreCompleted) {
  const auto networks = [](const std::string& target) {
    return target == "/v1/networks" ? std::string{R"([{"name":"home"},{"name":"lab"}])"} : std::string{};
  };
  EXPECT_THAT(complete({"vm", "sa"}, networks), HasSubstr("save\t"));
  EXPECT_EQ(complete({"vm", "attach", "alice", ""}, networks), "home\nlab\n");
  EXPECT_EQ(complete({"vm", "run", "--accel", ""}, networks), "auto\nkvm\ntcg\n");
  EXPECT_THAT(complete({"vm", "run", "--k"}, networks), HasSubstr("--kernel\t"));
  EXPECT_THAT(complete({"vm", "run", "--kernel", ""}, networks), HasSubstr(":files"));
}

}  // namespace
}  // namespace vnet::adapter
