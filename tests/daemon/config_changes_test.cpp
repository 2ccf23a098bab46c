// Where a configuration comes from, and what is different between two readings of it.
#include "daemon/config_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config_source.hpp"
#include "tests/daemon/config_testing.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using vnet::test::TempFolder;

constexpr std::string_view kFile = R"({
  "networks": [{"name": "home", "ipv4": "10.0.0.1/24"}, {"name": "office", "ipv4": "10.1.0.1/24"}],
  "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01"}, {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
  "listen": {"dgram": ["a.sock"], "control": "c.sock"}, "seed": 1})";

ConfigChanges compare(std::string_view after) { return compare_configs(loaded(kFile), loaded(after)); }

TEST(ConfigChanges, TheSameTextIsNoChange) {
  EXPECT_THAT(compare(kFile).changed, IsEmpty());
  EXPECT_THAT(compare(kFile).restart_needed, IsEmpty());
}

TEST(ConfigChanges, OrderDoesNotMatter) {
  EXPECT_THAT(compare(R"({
    "networks": [{"name": "office", "ipv4": "10.1.0.1/24"}, {"name": "home", "ipv4": "10.0.0.1/24"}],
    "nics": [{"name": "bob", "mac": "52:cc:cc:cc:00:02", "network": "home"},
             {"name": "alice", "mac": "52:cc:cc:cc:00:01", "network": "home"}],
    "listen": {"dgram": [{"path": "a.sock", "network": "home"}],
               "stream": [{"path": "/run/user/1000/vnet/stream.sock", "network": "home"}], "control": "c.sock"},
    "seed": 1})")
                  .changed,
              IsEmpty());
}

TEST(ConfigChanges, WhatIsDifferentIsPointedAtInTheNewFile) {
  const ConfigChanges changes = compare(R"({
    "networks": [{"name": "home", "ipv4": "10.0.0.1/24", "mtu": 9000}, {"name": "cafe", "ipv4": "10.2.0.1/24"}],
    "nics": [{"name": "carol", "mac": "52:cc:cc:cc:00:03"},
             {"name": "alicia", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.5", "hostname": "alice"}],
    "listen": {"dgram": ["b.sock"], "control": "c.sock"}, "capture": {"file": "x.pcapng"}, "seed": 1})");
  EXPECT_THAT(changes.changed, testing::UnorderedElementsAre(
                                   "/networks/0/mtu", "/networks/1", "/networks (office removed)", "/nics/0",
                                   "/nics/1/name", "/nics/1/ip", "/nics (bob removed)", "/listen/dgram", "/capture"));
  EXPECT_THAT(changes.restart_needed, IsEmpty());
}

TEST(ConfigChanges, WhatNeedsARestartIsSaidSo) {
  const ConfigChanges changes = compare(R"({
    "networks": [{"name": "home", "ipv4": "10.0.0.1/24"}, {"name": "office", "ipv4": "10.1.0.1/24"}],
    "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01"}, {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
    "listen": {"dgram": ["a.sock"], "control": "d.sock",
               "control_tcp": {"address": "127.0.0.1:7070", "token_file": "token"}},
    "state": "state/", "seed": 2})");
  EXPECT_THAT(changes.changed, IsEmpty());
  EXPECT_THAT(changes.restart_needed,
              testing::UnorderedElementsAre("/listen/control", "/listen/control_tcp", "/state", "/seed"));
}

Options with_file(const std::string& path) {
  Options options;
  options.config = path;
  return options;
}

TEST(ConfigSource, WithoutAFileItIsTheBuiltInOne) {
  const ConfigSource source{Options{}, "/home/me", "/run/vnet"};
  EXPECT_FALSE(source.has_file());
  const auto loaded = source.load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config, default_config("/run/vnet"));
}

TEST(ConfigSource, ReadsTheFileAnewEveryTimeWithTheFlagsOverIt) {
  const TempFolder folder;
  Options options = with_file("run.json");
  options.dgram = {"flag.sock"};
  const ConfigSource source{options, folder.path(), "/run/vnet"};
  EXPECT_TRUE(source.has_file());
  EXPECT_EQ(source.name(), "run.json");
  folder.write("run.json",
               R"({"networks": [{"name": "one", "ipv4": "10.0.0.1/24"}], "listen": {"dgram": ["x.sock"]}})");
  const auto first = source.load();
  folder.write("run.json", R"({"networks": [{"name": "two", "ipv4": "10.0.0.1/24"}]})");
  const auto second = source.load();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->config.networks[0].name, "one");
  EXPECT_THAT(first->config.listen.dgram, ElementsAre(ListenEntry{folder.path("flag.sock"), "one"}));
  EXPECT_THAT(second->config.listen.dgram, ElementsAre(ListenEntry{folder.path("flag.sock"), "two"}));
}

TEST(ConfigSource, EveryMistakeNamesItsSource) {
  const TempFolder folder;
  const auto wrong = [&](Options options) {
    const auto loaded = ConfigSource{std::move(options), folder.path(), "/run/vnet"}.load();
    return loaded ? std::string{"(right)"} : to_string(loaded.error().problems, loaded.error().source);
  };
  EXPECT_THAT(wrong(with_file("missing.json")), HasSubstr("missing.json: "));
  folder.write("run.json", R"({"nets": []})");
  EXPECT_THAT(wrong(with_file("run.json")), HasSubstr("run.json: /nets: found an unknown member"));
  folder.write("run.json", R"({"capture": {"file": "x", "filter": "nonsense &"}})");
  EXPECT_THAT(wrong(with_file("run.json")), HasSubstr("run.json: /capture/filter: "));
  Options flag;
  flag.control = "";
  EXPECT_THAT(wrong(flag), HasSubstr("vnetd: --control: "));
}

}  // namespace
}  // namespace vnet::daemon
