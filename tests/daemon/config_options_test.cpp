// The command line: every flag, every mistake, and how flags and config go together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config_testing.hpp"
#include "daemon/options.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Options parsed(const std::vector<std::string>& arguments) {
  const auto result = parse_options(arguments, "1.2.3");
  if (const auto* exit = std::get_if<Exit>(&result)) throw std::runtime_error(exit->text);
  return std::get<Options>(result);
}

Exit exited(const std::vector<std::string>& arguments) {
  const auto result = parse_options(arguments, "1.2.3");
  if (std::holds_alternative<Options>(result)) throw std::runtime_error("it would run");
  return std::get<Exit>(result);
}

TEST(CommandLine, NoArgumentsMeanDefaults) { EXPECT_EQ(parsed({}), Options{}); }

TEST(CommandLine, EveryFlagArrives) {
  const Options options = parsed({"--config",
                                  "a.json",
                                  "--dgram",
                                  "d.sock",
                                  "--dgram=e.sock",
                                  "--stream",
                                  "s.sock",
                                  "--control",
                                  "c.sock",
                                  "--pcap",
                                  "p.pcapng",
                                  "--state",
                                  "st",
                                  "--log-level",
                                  "debug",
                                  "--log-json",
                                  "--check",
                                  "--print-config",
                                  "--take-over",
                                  "--control-tcp",
                                  "127.0.0.1:7070",
                                  "--control-token-file",
                                  "token"});
  EXPECT_EQ(options.config, "a.json");
  EXPECT_THAT(options.dgram, ElementsAre("d.sock", "e.sock"));
  EXPECT_THAT(options.stream, ElementsAre("s.sock"));
  EXPECT_EQ(options.control, "c.sock");
  EXPECT_EQ(options.pcap, "p.pcapng");
  EXPECT_EQ(options.state, "st");
  EXPECT_EQ(options.log_level, LogLevel::debug);
  EXPECT_TRUE(options.log_json);
  EXPECT_TRUE(options.check);
  EXPECT_TRUE(options.print_config);
  EXPECT_TRUE(options.take_over);
  EXPECT_EQ(options.control_tcp, "127.0.0.1:7070");
  EXPECT_EQ(options.control_token_file, "token");
}

TEST(CommandLine, HelpNamesEveryFlagAndHasExamples) {
  for (const char* flag : {"--help", "-h"}) {
    const Exit exit = exited({flag});
    EXPECT_EQ(exit.code, ExitCode::ok);
    for (const char* name : {"--config", "--dgram", "--stream", "--control", "--pcap", "--state", "--log-level",
                             "--log-json", "--check", "--print-config", "--version", "--help", "--take-over",
                             "--control-tcp", "--control-token-file", "Examples:"}) {
      EXPECT_THAT(exit.text, HasSubstr(name));
    }
  }
}

TEST(CommandLine, VersionIsOneLine) {
  const Exit exit = exited({"--version"});
  EXPECT_EQ(exit.code, ExitCode::ok);
  EXPECT_EQ(exit.text, "vnetd 1.2.3\n");
}

TEST(CommandLine, MistakesExitWithTwoAndSayWhatWasMeant) {
  struct Mistake {
    std::vector<std::string> arguments;
    const char* says;
  };
  const std::vector<Mistake> mistakes = {
      {{"--confg", "a.json"}, "vnetd: found an unknown flag \"--confg\"; expected one of "},
      {{"--confg", "a.json"}, "; did you mean \"--config\"?\n"},
      {{"--dgam=x"}, "found an unknown flag \"--dgam\""},
      {{"--dgam=x"}, "did you mean \"--dgram\"?"},
      {{"a.json"}, "vnetd: found the argument \"a.json\"; expected flags only; did you mean --config a.json?\n"},
      {{"--dgram", "a.sock", "b.sock"}, "found the argument \"b.sock\"; expected flags only\n"},
      {{"--log-level", "wran"},
       "--log-level: found \"wran\"; expected one of trace, debug, info, warn, error; did you mean \"warn\"?\n"},
      {{"--config"}, "--config"},
      {{"--config", "a.json", "--config", "b.json"}, "--config"},
  };
  for (const Mistake& mistake : mistakes) {
    const Exit exit = exited(mistake.arguments);
    EXPECT_EQ(exit.code, ExitCode::usage);
    EXPECT_THAT(exit.text, HasSubstr(mistake.says));
    EXPECT_THAT(exit.text, HasSubstr("Try vnetd --help.\n"));
  }
}

TEST(CommandLine, FlagsTakeThePlaceOfTheConfig) {
  Config config = loaded(R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24"}],
    "listen": {"dgram": ["a.sock", "b.sock"]}, "capture": {"file": "old.pcapng", "filter": "arp"}, "state": "old"})");
  const Options options = parsed(
      {"--dgram", "d.sock", "--stream", "/s.sock", "--control", "../c.sock", "--pcap", "new.pcapng", "--state", "new"});
  EXPECT_EQ(to_string(apply_options(options, "/home/me", config), "vnetd"), "");
  EXPECT_THAT(config.listen.dgram, ElementsAre(ListenEntry{"/home/me/d.sock", "home"}));
  EXPECT_THAT(config.listen.stream, ElementsAre(ListenEntry{"/s.sock", "home"}));
  EXPECT_EQ(config.listen.control, "/home/c.sock");
  EXPECT_EQ(config.capture, (Capture{"/home/me/new.pcapng", "arp", 0, 0, 0}));
  EXPECT_EQ(config.state, "/home/me/new");
}

TEST(CommandLine, WithoutFlagsTheConfigStays) {
  Config config = loaded("{}");
  EXPECT_TRUE(apply_options(Options{}, "/home/me", config).empty());
  EXPECT_EQ(config, loaded("{}"));
}

TEST(CommandLine, StandardOutputIsNoPath) {
  Config config = loaded("{}");
  EXPECT_TRUE(apply_options(parsed({"--pcap", "-"}), "/home/me", config).empty());
  EXPECT_EQ(config.capture->file, "-");
}

TEST(CommandLine, SocketsOfFlagsAreCheckedToo) {
  Config config = loaded("{}");
  EXPECT_THAT(to_string(apply_options(parsed({"--dgram", std::string(120, 'x')}), "/h", config), "vnetd"),
              HasSubstr("vnetd: --dgram: found a socket path of 123 bytes"));
  config = loaded("{}");
  EXPECT_THAT(to_string(apply_options(parsed({"--dgram", "a", "--stream", "a"}), "/h", config), "vnetd"),
              HasSubstr("vnetd: --stream: found \"/h/a\" a second time"));
  config = loaded("{}");
  EXPECT_EQ(to_string(apply_options(parsed({"--control", ""}), "/h", config), "vnetd"),
            "vnetd: --control: found an empty path; expected a path\n");
}

TEST(CommandLine, TheControlApiOnTcpNeedsAnAddressAndATokenFile) {
  const auto problems = [](const std::vector<std::string>& arguments, Config config = loaded("{}")) {
    return to_string(apply_options(parsed(arguments), "/h", config), "vnetd");
  };
  EXPECT_EQ(problems({"--control-tcp", "127.0.0.1:7070"}),
            "vnetd: --control-tcp: found no --control-token-file; expected one: without a token anybody could "
            "connect\n");
  EXPECT_EQ(problems({"--control-token-file", "t"}),
            "vnetd: --control-token-file: found no --control-tcp; expected one: the token is for TCP alone\n");
  for (const char* const address : {"", "7070", "localhost:7070", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536"}) {
    const std::string said = problems({"--control-tcp", address, "--control-token-file", "t"});
    EXPECT_THAT(said, HasSubstr("expected an address and a port such as 127.0.0.1:7070\n")) << address;
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  }
  EXPECT_THAT(problems({"--control-tcp", "127.0.0.1:7070", "--control-token-file", ""}),
              HasSubstr("vnetd: --control-token-file: found an empty path"));
}

TEST(CommandLine, FlagsCompleteTheControlApiOnTcpOfTheConfig) {
  const std::string file = R"({"listen": {"control_tcp": {"address": "[::1]:7070", "token_file": "token"}}})";
  Config config = loaded(file);
  EXPECT_TRUE(apply_options(parsed({"--control-tcp", "127.0.0.1:8080"}), "/h", config).empty());
  EXPECT_EQ(config.listen.control_tcp, (ControlTcp{parse_endpoint("127.0.0.1:8080").value(), "/etc/vnet/token"}));
  config = loaded(file);
  EXPECT_TRUE(apply_options(parsed({"--control-token-file", "mine"}), "/h", config).empty());
  EXPECT_EQ(config.listen.control_tcp, (ControlTcp{parse_endpoint("[::1]:7070").value(), "/h/mine"}));
  config = loaded("{}");
  EXPECT_TRUE(
      apply_options(parsed({"--control-tcp", "127.0.0.1:1", "--control-token-file", "t"}), "/h", config).empty());
  EXPECT_EQ(config.listen.control_tcp, (ControlTcp{parse_endpoint("127.0.0.1:1").value(), "/h/t"}));
}

TEST(RuntimeFolder, FollowsTheXdgVariable) {
  EXPECT_EQ(runtime_folder("/run/user/1000", 1000), "/run/user/1000/vnet");
  EXPECT_EQ(runtime_folder("/run/user/1000/", 1000), "/run/user/1000/vnet");
  EXPECT_EQ(runtime_folder(nullptr, 1000), "/tmp/vnet-1000");
  EXPECT_EQ(runtime_folder("", 0), "/tmp/vnet-0");
  EXPECT_EQ(runtime_folder("relative", 7), "/tmp/vnet-7");
}

}  // namespace
}  // namespace vnet::daemon
