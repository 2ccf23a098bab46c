// Run-time changes: found as a difference, made again on a new reading of the file, and kept as a document.
#include "daemon/runtime_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/config_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kTwoNetworks = R"({
  "networks": [{"name": "home", "ipv4": "10.0.0.1/24", "dns": {"records": [{"name": "nas.test", "a": ["10.0.0.9"]}]}},
               {"name": "office", "ipv4": "10.1.0.1/24"}],
  "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"},
           {"name": "bob", "mac": "52:cc:cc:cc:00:02"}]})";

/// The file, with a change of each kind: alice is down and at the office, bob is gone, carol is new; of the names, one
/// is changed and one new; links of the office are slow one way.
Config changed() {
  Config now = loaded(kTwoNetworks);
  now.nics[0].link = Link::down;
  now.nics[0].network = "office";
  now.nics[0].ip.reset();
  now.nics.erase(now.nics.begin() + 1);
  now.nics.push_back(make_nic("carol", 3));
  now.networks[0].dns.records[0].a = {Ipv4Address{10, 0, 0, 8}};
  now.networks[1].dns.records.push_back(make_record("printer.test", "10.1.0.7"));
  now.networks[1].impair.down.rate_mbps = 10;
  now.networks[1].egress.enabled = false;
  return now;
}

std::vector<std::string> applied(const RuntimeChanges& changes, Config& config) {
  return apply_changes(changes, config);
}

TEST(RuntimeChanges, ThereAreNoneWhereNothingIsDifferent) {
  EXPECT_TRUE(difference(loaded(kTwoNetworks), loaded(kTwoNetworks)).empty());
}

TEST(RuntimeChanges, EachDifferenceRemembersBothSides) {
  const Config file = loaded(kTwoNetworks);
  const Config now = changed();
  const RuntimeChanges changes = difference(file, now);
  ASSERT_THAT(changes.nics, SizeIs(3));
  EXPECT_EQ(changes.nics[0].file, file.nics[0]);
  EXPECT_EQ(changes.nics[0].now, now.nics[0]);
  EXPECT_EQ(changes.nics[1].file, std::nullopt) << "carol is new";
  EXPECT_EQ(changes.nics[1].now->name, "carol");
  EXPECT_EQ(changes.nics[2].file->name, "bob");
  EXPECT_EQ(changes.nics[2].now, std::nullopt) << "bob is gone";
  ASSERT_THAT(changes.impaired, SizeIs(1));
  EXPECT_EQ(changes.impaired[0].network, "office");
  EXPECT_EQ(changes.impaired[0].file, Impair{});
  EXPECT_EQ(changes.impaired[0].now->down.rate_mbps, 10);
  ASSERT_THAT(changes.egress, SizeIs(1));
  EXPECT_EQ(changes.egress[0].network, "office");
  EXPECT_EQ(changes.egress[0].file, Egress{});
  EXPECT_FALSE(changes.egress[0].now->enabled);
  ASSERT_THAT(changes.records, SizeIs(2));
  EXPECT_EQ(changes.records[0].network, "home");
  EXPECT_EQ(changes.records[1].network, "office");
  EXPECT_EQ(changes.records[1].file, std::nullopt);
}

TEST(RuntimeChanges, MakingThemOnTheSameFileGivesWhatHeld) {
  const Config file = loaded(kTwoNetworks);
  const Config now = changed();
  Config again = file;
  EXPECT_THAT(applied(difference(file, now), again), IsEmpty());
  EXPECT_EQ(difference(now, again), RuntimeChanges{});
  EXPECT_EQ(difference(file, again), difference(file, now));
}

TEST(RuntimeChanges, WhatTheFileSaysDifferentlySinceGoesAndTheRestStays) {
  const RuntimeChanges changes = difference(loaded(kTwoNetworks), changed());
  Config edited = loaded(kTwoNetworks);
  edited.nics[0].ip = Ipv4Address{10, 0, 0, 51};
  edited.networks[0].dns.records.clear();
  const Config before = edited;
  const auto dropped = applied(changes, edited);
  EXPECT_THAT(dropped, ElementsAre(AllOf(HasSubstr("NIC alice"), HasSubstr("the file holds")),
                                   AllOf(HasSubstr("DNS name nas.test of network home"), HasSubstr("the file holds"))));
  EXPECT_EQ(edited.nics[0], before.nics[0]);
  EXPECT_THAT(edited.networks[0].dns.records, IsEmpty());
  EXPECT_THAT(edited.nics, SizeIs(2)) << "alice and carol; bob stays removed";
  EXPECT_THAT(edited.networks[1].dns.records, SizeIs(1));
}

TEST(RuntimeChanges, AFileThatHasCaughtUpIsNothingToMention) {
  Config caught_up = changed();
  EXPECT_THAT(applied(difference(loaded(kTwoNetworks), changed()), caught_up), IsEmpty());
  EXPECT_EQ(caught_up, changed());
}

TEST(RuntimeChanges, AChangeThatDoesNotGoWithTheRestOfTheFileAnyMoreGoes) {
  Config now = loaded(kTwoNetworks);
  now.nics.push_back(make_nic("carol", 3));
  now.nics.push_back(make_nic("dave", 4));
  const RuntimeChanges changes = difference(loaded(kTwoNetworks), now);
  Config edited = loaded(kTwoNetworks);
  edited.nics.push_back(make_nic("carol", 9));  // somebody else has the name now
  EXPECT_THAT(applied(changes, edited),
              ElementsAre(AllOf(HasSubstr("NIC carol"), HasSubstr("does not go together with the file"))));
  EXPECT_THAT(edited.nics, SizeIs(4));
  EXPECT_EQ(edited.nics.back().name, "dave");
}

TEST(RuntimeChanges, NicsAndNamesOfANetworkThatIsGoneGoWithIt) {
  Config now = loaded(kTwoNetworks);
  now.nics.push_back(make_nic("carol", 3, "office"));
  now.networks[1].dns.records.push_back(make_record("printer.test", "10.1.0.7"));
  Config edited = loaded(kTwoNetworks);
  edited.networks.pop_back();
  EXPECT_THAT(applied(difference(loaded(kTwoNetworks), now), edited),
              ElementsAre(HasSubstr("NIC carol"), HasSubstr("DNS name printer.test")));
  EXPECT_THAT(edited.nics, SizeIs(2));
}

TEST(RuntimeChanges, ForwardsAreToldApartByWhereTheyListen) {
  const Forward ssh{Protocol::tcp, *parse_endpoint("127.0.0.1:2222"), *parse_endpoint("10.0.0.50:22"), 1};
  const Forward web{Protocol::tcp, UnixPath{"/tmp/web.sock"}, *parse_endpoint("10.0.0.50:80")};
  Config file = loaded(kTwoNetworks);
  file.networks[0].forwards = {web};
  Config now = file;
  now.networks[0].forwards = {ssh};
  const RuntimeChanges changes = difference(file, now);
  ASSERT_THAT(changes.forwards, SizeIs(2));
  EXPECT_EQ(changes.forwards[0].key, "tcp 127.0.0.1:2222");
  EXPECT_EQ(changes.forwards[1].key, "tcp unix:/tmp/web.sock");
  EXPECT_EQ(runtime_changes_from_json(to_json(changes)).value(), changes);
  EXPECT_THAT(applied(changes, file), IsEmpty());
  EXPECT_EQ(file, now);
}

TEST(RuntimeChanges, TwoNicsThatSwappedNamesKeepThem) {
  Config now = loaded(kTwoNetworks);
  std::swap(now.nics[0].name, now.nics[1].name);
  Config again = loaded(kTwoNetworks);
  EXPECT_THAT(applied(difference(loaded(kTwoNetworks), now), again), IsEmpty());
  EXPECT_EQ(again, now);
}

TEST(RuntimeChanges, ThousandsTakeNoLongerThanALookAtEach) {
  Config now = loaded(kTwoNetworks);
  for (std::uint64_t i = 0; i < 3000; ++i) now.nics.push_back(make_nic("vm-" + std::to_string(i), 0x100 + i));
  const RuntimeChanges changes = difference(loaded(kTwoNetworks), now);
  ASSERT_THAT(changes.nics, SizeIs(3000));
  Config edited = loaded(kTwoNetworks);
  edited.nics.push_back(make_nic("vm-7", 9));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(applied(changes, edited), SizeIs(1));
  EXPECT_THAT(edited.nics, SizeIs(3002));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{2}) << "frames wait meanwhile";
}

// The document.

RuntimeChanges everything() {
  RuntimeChanges changes = difference(loaded(kTwoNetworks), changed());
  changes.nics[0].now->dgram = "/run/alice.sock";
  changes.nics[0].now->impair.up.loss = 0.25;
  changes.captures = {{"3", "/tmp/a.pcapng", {"alice", "home-gateway"}, "not arp", 96, 10, 4},
                      {"9", "/b", {}, "", 0, 0, 0}};
  changes.zones = {{"internal.", {{"host", "10.0.0.254"}}, "10.0.0.1"}, {"", {}, ""}};
  return changes;
}

TEST(RuntimeChangesDocument, AllOfItComesBack) {
  const auto again = runtime_changes_from_json(to_json(everything()));
  ASSERT_TRUE(again) << to_string(again.error(), "runtime.json");
  EXPECT_EQ(*again, everything());
  const auto none = runtime_changes_from_json(to_json(RuntimeChanges{}));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(RuntimeChangesDocument, OnlyTheVersionMustBeThere) {
  const auto read = runtime_changes_from_json(Json::parse(R"({"version": 1})"));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->empty());
}

TEST(RuntimeChangesDocument, AnythingElseIsAProblemAtItsPlace) {
  const std::vector<std::pair<const char*, const char*>> wrong = {
      {R"([])", ""},
      {R"({})", ""},
      {R"({"version": 2})", "/version"},
      {R"({"version": "1"})", "/version"},
      {R"({"version": 1, "nicks": []})", "/nicks"},
      {R"({"version": 1, "nics": {}})", "/nics"},
      {R"({"version": 1, "nics": [{}]})", "/nics/0"},
      {R"({"version": 1, "nics": [{"mac": "52:00:00:00:00:01", "now": {"name": "x"}}]})", "/nics/0/now"},
      {R"({"version": 1, "nics": [{"mac": "53:00:00:00:00:01"}]})", "/nics/0/mac"},
      {R"({"version": 1, "records": [{"name": "a.test"}]})", "/records/0"},
      {R"({"version": 1, "records": [{"network": "lan", "name": "a..test"}]})", "/records/0/name"},
      {R"({"version": 1, "impaired": [{"network": "lan", "file": {}}]})", "/impaired/0"},
      {R"({"version": 1, "impaired": [{"network": "lan", "file": {}, "now": {"loss": 2}}]})", "/impaired/0/now/loss"},
      {R"({"version": 1, "egress": [{"network": "lan", "file": {}}]})", "/egress/0"},
      {R"({"version": 1, "egress": [{"network": "lan", "file": {}, "now": {"deny": 2}}]})", "/egress/0/now/deny"},
      {R"({"version": 1, "captures": [{"id": "1"}]})", "/captures/0"},
      {R"({"version": 1, "captures": [{"id": 1, "file": "x"}]})", "/captures/0/id"},
      {R"({"version": 1, "captures": [{"id": "1", "file": "x", "snaplen": 4294967296}]})", "/captures/0/snaplen"},
      {R"({"version": 1, "zones": [{"name": "x", "default_ip": ""}]})", "/zones/0"},
  };
  for (const auto& [text, place] : wrong) {
    const auto read = runtime_changes_from_json(Json::parse(text));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().listed().front().place, place) << text;
  }
}

TEST(RuntimeChangesDocument, AChangeIsAboutOneThing) {
  RuntimeChanges changes = everything();
  changes.nics[0].mac = MacAddress::from_u64(0x52cccccc0009U);
  changes.records[1].name = "another.test";
  const auto read = runtime_changes_from_json(to_json(changes));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().listed(), SizeIs(2));
  EXPECT_EQ(read.error().listed()[0].place, "/nics/0");
  EXPECT_EQ(read.error().listed()[1].place, "/records/1");
}

TEST(RuntimeChangesDocument, WhatWasAddedAndIsGoneMakesAnEarlierChangeVoid) {
  const auto gone = runtime_changes_from_json(Json::parse(
      R"({"version": 1, "nics": [{"mac": "52:cc:cc:cc:00:03"}],
          "records": [{"network": "office", "name": "printer.test"}]})"));
  ASSERT_TRUE(gone);
  Config config = loaded(kTwoNetworks);
  EXPECT_THAT(applied(*gone, config), IsEmpty());
  EXPECT_EQ(config, loaded(kTwoNetworks));
  RuntimeChanges changes = difference(loaded(kTwoNetworks), changed());
  merge(changes, *gone);
  EXPECT_THAT(changes.nics, SizeIs(2));
  EXPECT_THAT(changes.records, SizeIs(1));
}

TEST(RuntimeChanges, LaterOnesTakeThePlaceOfEarlierOnesAboutTheSame) {
  RuntimeChanges changes = difference(loaded(kTwoNetworks), changed());
  changes.captures = {{"1", "/tmp/a", {}, "", 0, 0, 0}};
  Config later = changed();
  later.nics[0].link = Link::up;
  later.networks[0].dns.records[0] = loaded(kTwoNetworks).networks[0].dns.records[0];
  merge(changes, difference(loaded(kTwoNetworks), later));
  EXPECT_EQ(changes.nics, difference(loaded(kTwoNetworks), later).nics);
  EXPECT_THAT(changes.captures, IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
