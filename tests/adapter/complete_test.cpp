#include "adapter/complete.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "adapter/commands.hpp"
#include "fake_api.hpp"

namespace vnet::adapter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

std::string nobody(const std::string& /*target*/) { return {}; }

std::string names(const std::string& target) {
  if (target == "/v1/nics")
    return R"([{"name":"alice","network":"home"},{"name":"al;ien","network":"x"},{"name":"bob","network":"home"}])";
  if (target == "/v1/networks") return R"([{"name":"home"},{"name":"lab"}])";
  if (target == "/v1/services") return R"([{"name":"stun.test","kind":"stun"},{"name":"driver.test"}])";
  if (target == "/v1/leases") return R"([{"ip":"192.168.1.2","mac":"52:cc:cc:cc:cc:01"}])";
  if (target == "/v1/captures") return R"([{"id":"3"}])";
  if (target == "/v1/forwards") return R"([{"id":"4","listen":"127.0.0.1:2222"}])";
  if (target == "/v1/dns/records") return R"([{"name":"a.test"}])";
  return {};
}

TEST(Complete, CommandsAndFlagsNeedNoDaemon) {
  EXPECT_THAT(complete({""}, nobody), AllOf(HasSubstr("status\t"), HasSubstr("\ncapture\t"), HasSubstr("tap\t")));
  EXPECT_EQ(complete({"comp"}, nobody), "completion\tThe completion script of a shell\n");
  EXPECT_THAT(complete({"nics", "--"}, nobody),
              AllOf(HasSubstr("--network\t"), HasSubstr("--json\t"), HasSubstr("--control\t")));
  EXPECT_THAT(complete({"tap", "--"}, nobody), AllOf(HasSubstr("--netns\t"), Not(HasSubstr("--control"))));
  EXPECT_EQ(complete({"--color", "a"}, nobody), "auto\nalways\n");
  EXPECT_EQ(complete({"completion", ""}, nobody), "bash\nzsh\n");
  EXPECT_EQ(complete({"no", "such"}, nobody), "");
  EXPECT_EQ(complete({}, nobody), complete({""}, nobody));
}

TEST(Complete, NamesComeFromTheDaemon) {
  EXPECT_EQ(complete({"nic", "al"}, names), "alice\thome\n") << "a name with a semicolon is no name for a shell";
  EXPECT_EQ(complete({"nic", "alice", "l"}, names), "link\tset its link\n");
  EXPECT_EQ(complete({"nic", "alice", "link", ""}, names), "up\ndown\n");
  EXPECT_EQ(complete({"nic", "alice", "move", ""}, names), "home\nlab\n");
  EXPECT_EQ(complete({"nic", "alice", "detach", ""}, names), "");
  EXPECT_EQ(complete({"nic", "alice", "impair", "lat"}, names), "latency_ms=\tdelay of every frame\n");
  EXPECT_EQ(complete({"nic", "alice", "impair", "loss=1%", "up.lat"}, names), "up.latency_ms=\n");
  EXPECT_EQ(complete({"network", "h"}, names), "home\n");
  EXPECT_EQ(complete({"network", "home", "im"}, names), "impair\tmake its links bad\n");
  EXPECT_EQ(complete({"network", "home", "nat", "fullc"}, names),
            "fullcone\tendpoint-independent mapping and filtering\n");
  EXPECT_EQ(complete({"network", "home", "nat", "preset=hard", "hair"}, names),
            "hairpin=\twhether guests reach each other by outside addresses\n");
  EXPECT_EQ(complete({"network", "home", "blackhole", ""}, names), "add\nrm\nclear\n");
  EXPECT_EQ(complete({"network", "home", "egress", "o"}, names), "on\noff\n");
  EXPECT_EQ(complete({"network", "home", "reboot", ""}, names), "");
  EXPECT_EQ(complete({"network", "home", "impair", "n"}, names), "none\ta link without any\n");
  EXPECT_EQ(complete({"service", ""}, names), "stun.test\tstun\ndriver.test\n");
  EXPECT_EQ(complete({"service", "stun.test", "d"}, names), "down\tit is silent\n");
  EXPECT_EQ(complete({"nic", "rm", "b"}, names), "bob\thome\n");
  EXPECT_EQ(complete({"--control", "x", "lease", "rm", ""}, names), "192.168.1.2\t52:cc:cc:cc:cc:01\n");
  EXPECT_EQ(complete({"leases", "--network", "l"}, names), "lab\n");
  EXPECT_EQ(complete({"flows", "--nic", "b"}, names), "bob\thome\n");
  EXPECT_EQ(complete({"capture", "stop", ""}, names), "3\n");
  EXPECT_EQ(complete({"forward", "rm", ""}, names), "4\t127.0.0.1:2222\n");
  EXPECT_EQ(complete({"dns", "rm", ""}, names), "a.test\n");
  EXPECT_EQ(complete({"snapshot", "alice", "b"}, names), "bob\thome\n");
  EXPECT_EQ(complete({"status", ""}, names), "");
}

TEST(Complete, FilesAreLeftToTheShell) {
  EXPECT_EQ(complete({"restore", "x"}, names), ":files\n");
  EXPECT_EQ(complete({"capture", "-w", ""}, names), ":files\n");
}

/// What bash makes of `line`, completed at its end.
std::string in_bash(const std::string& vnet, const Words& words, const std::string& control) {
  const std::string script = std::filesystem::path{vnet} += ".bash";
  std::ofstream{script} << completion_script("bash");
  std::string typed;
  for (const std::string& word : words) typed += " '" + word + "'";
  const std::string command =
      "VNET_CONTROL=" + control + " bash --norc -c 'source " + script + "; " +
      "COMP_WORDS=(\"$0\" \"$@\"); COMP_CWORD=$#; _vnet 2>/dev/null; echo \"${COMPREPLY[@]}\"' " + vnet + typed;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string said;
  std::array<char, 4096> piece{};
  while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) said += piece.data();
  EXPECT_EQ(::pclose(pipe), 0);
  return said;
}

TEST(BashCompletion, AsksTheProgramAndDropsDescriptions) {
  const std::string folder = FakeApi::make_folder();
  const std::string vnet = folder + "/vnet";
  // In the place of the program, which this test does not have: it says what it was asked.
  std::ofstream{vnet} << "#!/bin/sh\nshift\nprintf 'word%s\\tdescription\\n' \"$@\"\n";
  std::filesystem::permissions(vnet, std::filesystem::perms::owner_all);
  EXPECT_EQ(in_bash(vnet, {"nic", "al"}, "/nonexistent"), "wordnic wordal\n");
  EXPECT_EQ(in_bash(vnet, {"nic", ""}, "/nonexistent"), "wordnic word\n") << "an empty word to complete is a word";
  std::ofstream{vnet} << "#!/bin/sh\nexit 1\n";
  EXPECT_EQ(in_bash(vnet, {"nic", "al"}, "/nonexistent"), "\n");
  std::filesystem::remove_all(folder);
}

TEST(ZshCompletion, IsTheOtherScript) {
  EXPECT_THAT(std::string{completion_script("zsh")}, HasSubstr("#compdef vnet\n"));
  EXPECT_THAT(std::string{completion_script("bash")}, HasSubstr("complete -F _vnet vnet\n"));
}

}  // namespace
}  // namespace vnet::adapter
