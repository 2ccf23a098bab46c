// /metrics in Prometheus' text form, and the token file of the TCP listener.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <regex>
#include <set>
#include <sstream>

#include "daemon/control/control_servers.hpp"
#include "daemon/control/metrics.hpp"
#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public testing::Test, protected ApiPlant {
 protected:
  std::string text() { return call("GET", "/metrics").body; }
};

TEST_F(MetricsTest, EveryLineIsAsTheFormatSays) {
  ASSERT_TRUE(operations.change_nic(port("bob"), NicChange{.link = Link::down}, "test"));
  fabric.refuse(port("alice"), {}, DropReason::runt, loop.now());
  const std::regex comment{R"(# (HELP|TYPE) [a-z_]+ .+)"};
  const std::regex sample{R"re([a-z_]+(\{[a-z]+="(\\.|[^"\\])*"(,[a-z]+="(\\.|[^"\\])*")*\})? [0-9]+)re"};
  std::istringstream lines{text()};
  std::set<std::string> seen;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(seen.insert(family).second) << family << " twice";
    }
    EXPECT_TRUE(std::regex_match(line, line.starts_with('#') ? comment : sample)) << line;
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(line.starts_with(family + "{") || line.starts_with(family + " ")) << line;
  }
  EXPECT_GT(seen.size(), 15U);
}

TEST_F(MetricsTest, NicsHaveTheirCounters) {
  ASSERT_TRUE(operations.change_nic(port("bob"), NicChange{.link = Link::down}, "test"));
  fabric.refuse(port("alice"), {}, DropReason::runt, loop.now());
  const std::string all = text();
  EXPECT_THAT(all, HasSubstr("vnet_nic_link_up{nic=\"alice\",network=\"home\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nic_link_up{nic=\"bob\",network=\"home\"} 0\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nic_attached{nic=\"alice\",network=\"home\"} 0\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nic_dropped_frames_total{nic=\"alice\",network=\"home\",reason=\"runt\","
                             "direction=\"in\"} 1\n"));
  EXPECT_THAT(all, Not(HasSubstr("reason=\"oversize\""))) << "what did not occur has no sample";
  EXPECT_THAT(all, HasSubstr("vnet_start_time_seconds 1795366449\n"));
}

TEST_F(MetricsTest, ManyNicsComeUnderOneHeading) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(fabric.add({"vm-" + std::to_string(i), mac(0x1000 + i), 0, true}, loop.now()));
  }
  const std::string all = text();
  std::size_t samples = 0;
  for (std::size_t at = 0; (at = all.find("\nvnet_nic_attached{", at)) != std::string::npos; ++at) ++samples;
  EXPECT_EQ(samples, 502U);
}

TEST_F(MetricsTest, LabelsAreEscaped) {
  RuntimeChanges left;
  left.captures = {{"a\"b\\c\nd", folder.path("x.pcapng"), {}, "", 0, 0, 0}};
  operations.resume(left);
  EXPECT_THAT(text(), HasSubstr("vnet_capture_lost_records_total{capture=\"a\\\"b\\\\c\\nd\"} 0\n"));
}

class TokenTest : public testing::Test {
 protected:
  /// What is wrong with a token file, or the token.
  std::string read(std::string_view content, mode_t mode = 0600) {
    folder_.write("token", content);
    ::chmod(folder_.path("token").c_str(), mode);
    auto token = read_token(folder_.path("token"));
    return token ? *token : token.error();
  }
  const TempFolder folder_;
};

TEST_F(TokenTest, TheFirstLineIsTheToken) {
  const std::string hex(32, 'a');
  const std::string base64 = "0123456789_-ABCDEFGHIJ";
  EXPECT_EQ(read(hex), hex);
  EXPECT_EQ(read(hex + "\n"), hex);
  EXPECT_EQ(read(hex + "\r\nsecond line"), hex);
  EXPECT_EQ(read(base64 + "\n"), base64);
  EXPECT_EQ(read(std::string(512, 'x')), std::string(512, 'x'));
}

TEST_F(TokenTest, LessThan128BitsAreRefused) {
  for (const std::string& token : {std::string{}, std::string{"\n"}, std::string(31, 'a'), std::string(21, 'x'),
                                   std::string(22, 'f'), std::string(513, 'x'), "\n" + std::string(32, 'a')}) {
    EXPECT_THAT(read(token), HasSubstr("at least 128 random bits")) << token;
  }
}

TEST_F(TokenTest, WhatAHeaderCannotCarryIsRefused) {
  for (const char* const end : {" ", "\t", "\x80", "+", "="}) {
    EXPECT_THAT(read(std::string(32, 'a') + end), HasSubstr("at least 128")) << end;
  }
  EXPECT_THAT(read(std::string(16, 'a') + std::string(1, '\0') + std::string(16, 'a')), HasSubstr("at least 128"));
}

TEST_F(TokenTest, AFileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0666U}) {
    EXPECT_THAT(read(std::string(32, 'a'), mode), HasSubstr("chmod 600")) << mode;
  }
  EXPECT_THAT(read(std::string(32, 'a'), 0400), std::string(32, 'a'));
}

TEST_F(TokenTest, AFileThatIsNotThereIsNamed) {
  const auto token = read_token(folder_.path("missing"));
  ASSERT_FALSE(token);
  EXPECT_THAT(token.error(), HasSubstr("missing"));
  EXPECT_FALSE(read_token(folder_.path())) << "a folder";
}

}  // namespace
}  // namespace vnet::daemon
