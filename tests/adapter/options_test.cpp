#include "adapter/options.hpp"

#include <gmock/gmock.h>

namespace vnet::adapter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

TapOptions tap_of(const Words& words) {
  const Command command = parse_options(words, "1.2.3");
  if (const auto* exit = std::get_if<Exit>(&command)) ADD_FAILURE() << exit->text;
  return std::get<TapOptions>(command);
}

Exit exit_of(const Words& words) { return std::get<Exit>(parse_options(words, "1.2.3")); }

TEST(VnetOptions, TapHasDefaultsForEverything) {
  const TapOptions tap = tap_of({"tap"});
  EXPECT_EQ(tap, TapOptions{});
  EXPECT_EQ(tap.name, "tap0");
  EXPECT_EQ(tap.mtu, 1500);
}

TEST(VnetOptions, TapTakesEachFlag) {
  TapOptions expected;
  expected.name = "eth0";
  expected.mac = MacAddress::parse("52:cc:cc:cc:cc:01");
  expected.netns = "blue";
  expected.socket = "/tmp/s";
  expected.mtu = 65520;
  expected.queue = 5000;
  expected.dhcp = true;
  EXPECT_EQ(tap_of({"tap", "--name", "eth0", "--mac", "52:CC:cc:cc:cc:01", "--netns", "blue", "--socket=/tmp/s",
                    "--mtu", "65520", "--queue", "5000", "--dhcp"}),
            expected);
}

TEST(VnetOptions, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(exit_of({"--version"}).text, "vnet 1.2.3\n");
  EXPECT_EQ(exit_of({"--version"}).code, ExitCode::ok);
  EXPECT_THAT(exit_of({"--help"}).text, HasSubstr("tap"));
  const Exit help = exit_of({"tap", "--help"});
  EXPECT_EQ(help.code, ExitCode::ok);
  EXPECT_THAT(help.text, AllOf(HasSubstr("--netns"), HasSubstr("Examples:")));
}

TEST(VnetOptions, ABadCommandLineSaysWhatWasFoundAndExpected) {
  const std::vector<std::pair<Words, std::string>> cases = {
      {{}, "found no command, expected one of: tap"},
      {{"tpa"}, "found the command \"tpa\", expected one of: tap"},
      {{"tap", "--mac", "1:2"}, "--mac: found \"1:2\", expected six pairs"},
      {{"tap", "--mac", "01:00:5e:00:00:01"}, "even first byte"},
      {{"tap", "--mac", "00:00:00:00:00:00"}, "not all zero"},
      {{"tap", "--name", "sixteen-bytes-16"}, "--name: found a name of 16 bytes, expected 1 to 15"},
      {{"tap", "--mtu", "67"}, "68 to 65520"},
      {{"tap", "--mtu", "65521"}, "68 to 65520"},
      {{"tap", "--mtu", "large"}, "--mtu"},
      {{"tap", "--queue", "0"}, "--queue"},
      {{"tap", "--socket", std::string(108, 'x')}, "--socket: found a path of 108 bytes, expected 1 to 107"},
      {{"tap", "--netns", ""}, "--netns"},
      {{"tap", "--netsn", "a"}, "--netsn"},
      {{"tap", "extra"}, "extra"},
  };
  for (const auto& [words, expected] : cases) {
    const Exit exit = exit_of(words);
    EXPECT_EQ(exit.code, ExitCode::usage) << expected;
    EXPECT_THAT(exit.text, AllOf(HasSubstr(expected), HasSubstr("vnet --help")));
  }
}

}  // namespace
}  // namespace vnet::adapter
