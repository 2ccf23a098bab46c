// When the events of a timeline are due, on virtual time; what each does; and what is checked before.
#include "daemon/timeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/operations_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Instant kStart{1'000s};

/// Events at these times, in the file's order.
std::vector<TimelineEvent> events_at(std::initializer_list<Duration> times) {
  std::vector<TimelineEvent> events;
  for (const Duration at : times) events.emplace_back().at = at;
  return events;
}

TEST(Timeline, EachEventIsToldOnceWhenItsTimeHasCome) {
  Timeline timeline{events_at({10s, 20s, 12'500ms})};
  EXPECT_EQ(timeline.next_deadline(), kNever) << "time has not begun";
  EXPECT_THAT(timeline.take_due(kStart + 1h), IsEmpty());
  timeline.begin(kStart, std::nullopt);
  EXPECT_EQ(timeline.next_deadline(), kStart + 10s);
  EXPECT_THAT(timeline.take_due(kStart + 10s - 1ns), IsEmpty());
  EXPECT_THAT(timeline.take_due(kStart + 10s), ElementsAre(0));
  EXPECT_THAT(timeline.take_due(kStart + 10s), IsEmpty());
  EXPECT_EQ(timeline.next_deadline(), kStart + 12'500ms);
  EXPECT_THAT(timeline.take_due(kStart + 1h), ElementsAre(2, 1)) << "late, and in order";
  EXPECT_EQ(timeline.next_deadline(), kNever);
}

TEST(Timeline, WhatIsAtTheSameTimeKeepsTheFilesOrder) {
  Timeline timeline{events_at({5s, 0s, 5s, 0s, 5s})};
  timeline.begin(kStart, std::nullopt);
  EXPECT_EQ(timeline.next_deadline(), kStart);
  EXPECT_THAT(timeline.take_due(kStart), ElementsAre(1, 3));
  EXPECT_THAT(timeline.take_due(kStart + 5s), ElementsAre(0, 2, 4));
}

TEST(Timeline, AReloadBringsWhatIsStillToComeAndNothingElse) {
  Timeline timeline{events_at({10s, 20s})};
  timeline.begin(kStart, std::nullopt);
  EXPECT_THAT(timeline.take_due(kStart + 10s), ElementsAre(0));
  timeline.replace(events_at({25s, 10s, 5s, 15s, 14s}), kStart + 14s);
  EXPECT_EQ(timeline.next_deadline(), kStart + 15s) << "10 has happened, 5 and 14 have passed";
  EXPECT_THAT(timeline.take_due(kStart + 30s), ElementsAre(3, 0));
  timeline.replace({}, kStart + 31s);
  EXPECT_EQ(timeline.next_deadline(), kNever);
  timeline.replace(events_at({0s, 31s, 32s}), kStart + 31s);
  EXPECT_THAT(timeline.take_due(kStart + 1h), ElementsAre(2));
}

TEST(Timeline, ASuccessorGoesOnWhereItsPredecessorWas) {
  Timeline before{events_at({0s, 10s, 20s})};
  before.begin(kStart, std::nullopt);
  EXPECT_THAT(before.take_due(kStart + 10s + 1ns), ElementsAre(0, 1));
  Timeline after{events_at({0s, 10s, 10s + 1ns, 10s + 2ns, 20s})};
  constexpr Instant kLater{5'000s};
  after.begin(kLater, before.elapsed());
  EXPECT_EQ(after.next_deadline(), kLater + 1ns);
  EXPECT_THAT(after.take_due(kLater + 10s), ElementsAre(3, 4));
  // One that had not come to anything yet has it all before it.
  Timeline idle{events_at({0s})};
  idle.begin(kStart, std::nullopt);
  Timeline next{events_at({0s})};
  next.begin(kLater, idle.elapsed());
  EXPECT_THAT(next.take_due(kLater + 1s), ElementsAre(0));
}

constexpr std::string_view kScripted = R"({
  "networks": [
    {"name": "home", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.1"}, "dns": {"upstream": "none"}},
    {"name": "office", "ipv4": "10.1.0.1/24", "dns": {"upstream": "none"}}],
  "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"},
           {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
  "services": [{"name": "a.test", "ipv4": "3.3.3.3"}],
  "listen": {"dgram": [], "stream": []},
  "timeline": [
    {"at_s": 1, "nic": "alice", "link": "down", "impair": {"loss": 0.5}},
    {"at_s": 2, "nic": "alice", "network": "office"},
    {"at_s": 3, "network": "home", "nat": "hard", "wan": {"ipv4": "2.1.1.9"}, "blackhole": ["3.0.0.0/8"]},
    {"at_s": 4, "network": "home", "egress": {"enabled": false}, "impair": {"latency_ms": 5}, "ipv4": "10.0.0.2/24"},
    {"at_s": 5, "network": "home", "reboot": true},
    {"at_s": 6, "network": "home", "wan": null},
    {"at_s": 7, "service": "a.test", "up": false}]})";

class TimelineActs : public testing::Test, protected Plant {
 protected:
  TimelineActs() : Plant(kScripted) { EXPECT_TRUE(services.serve(file.services)); }
  void run(std::size_t index) {
    const auto done = operations.run(file.timeline[index]);
    EXPECT_TRUE(done) << (done ? "" : done.error().place + ": " + done.error().text);
    (void)events();
  }
  [[nodiscard]] const Network& home() const { return operations.config().networks[0]; }
};

TEST_F(TimelineActs, EveryEventDoesWhatItSays) {
  run(0);
  EXPECT_FALSE(nic("alice").config.link_up);
  EXPECT_EQ(nic("alice").config.impair.up.loss, 0.5);
  run(1);
  EXPECT_EQ(nic("alice").config.network, 1U);
  run(2);
  EXPECT_EQ(home().nat, nat_of(nat::NatPreset::hard));
  EXPECT_EQ(fabric.network_config(0).nat, behavior_of(nat::NatPreset::hard));
  EXPECT_EQ(fabric.network_config(0).wan->ipv4, ip4("2.1.1.9"));
  EXPECT_EQ(fabric.network_config(0).blackhole.size(), 1U);
  run(3);
  EXPECT_FALSE(home().egress.enabled);
  EXPECT_EQ(fabric.network_config(0).impair.up.latency, 5ms);
  EXPECT_EQ(fabric.network_config(0).ipv4, Ipv4Prefix::parse("10.0.0.2/24"));
  run(4);
  run(5);
  EXPECT_EQ(fabric.network_config(0).wan, std::nullopt);
  run(6);
  EXPECT_EQ(difference(operations.config(), after_restart()), RuntimeChanges{}) << "as what anybody asks for";
}

TEST_F(TimelineActs, WhatIsNotThereAnyMoreIsSaid) {
  operations.remove_nic(port("alice"), "test");
  const auto gone = operations.run(file.timeline[0]);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().place, "/nic");
  EXPECT_THAT(gone.error().text, HasSubstr("alice"));
  ASSERT_TRUE(operations.change_network(1, {.wan = Wan{ip4("2.1.1.9"), {}}}, "test"));
  const auto taken = operations.run(file.timeline[2]);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().place, "/wan/ipv4");
  EXPECT_EQ(home(), file.networks[0]) << "all of it or nothing";
}

TEST_F(TimelineActs, ANewStartBeginsFromTheFile) {
  for (std::size_t i = 0; i < file.timeline.size(); ++i) run(i);
  NicChange other;
  other.hostname = "queen";
  ASSERT_TRUE(operations.change_nic(port("alice"), other, "test"));
  ASSERT_TRUE(operations.change_network(1, {.nat = nat_of(nat::NatPreset::hard)}, "test"));
  RuntimeChanges kept = operations.changes();
  leave_to_timeline(kept, file.timeline);
  Config again = file;
  EXPECT_THAT(apply_changes(kept, again), IsEmpty());
  EXPECT_EQ(again.networks[0], file.networks[0]);
  EXPECT_EQ(again.networks[1].nat, nat_of(nat::NatPreset::hard)) << "the timeline does not speak of it";
  EXPECT_EQ(again.nics[0].hostname, "queen");
  EXPECT_EQ(again.nics[0].link, Link::up);
  EXPECT_EQ(again.nics[0].network, "home");
  EXPECT_EQ(again.nics[0].ip, ip4("10.0.0.50"));
}

TEST(TimelineConfig, EveryMemberArrivesAndIsPrinted) {
  const Config config = loaded(kScripted);
  EXPECT_EQ(config.timeline[2].wan, (Wan{ip4("2.1.1.9"), {}}));
  EXPECT_EQ(config.timeline[3].ipv4, Ipv4Prefix::parse("10.0.0.2/24"));
  EXPECT_TRUE(config.timeline[4].reboot);
  ASSERT_TRUE(config.timeline[5].wan);
  EXPECT_EQ(*config.timeline[5].wan, std::nullopt);
  EXPECT_EQ(config.timeline[6].service, "a.test");
  EXPECT_EQ(config.timeline[6].up, false);
  EXPECT_EQ(loaded(print_config(config)).timeline, config.timeline);
  EXPECT_THAT(load_config(kScripted, kTestFolders)->not_in_effect, testing::IsEmpty());
}

TEST(TimelineConfig, EventsAreCheckedAsTheyFollowEachOther) {
  const auto timeline = [](std::string_view list) {
    return complaints(R"({"networks": [
        {"name": "isp", "ipv4": "100.64.0.1/16", "wan": {"ipv4": "2.0.0.1"}},
        {"name": "home", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.0.0.2"}}, {"name": "v6", "ipv6": "2052::1/64"}],
        "services": [{"name": "a.test", "ipv4": "3.3.3.3"}],
        "nics": [{"name": "alice", "mac": "52:00:00:00:00:01"}], "timeline": [)" +
                      std::string{list} + "]}");
  };
  const std::string at = "run.json: /timeline/0";
  EXPECT_EQ(timeline(R"({"at_s": 2, "network": "home", "wan": {"ipv4": "2.0.0.1"}},
                        {"at_s": 1, "network": "isp", "wan": {"ipv4": "2.0.0.3"}})"),
            "");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "wan": {"ipv4": "2.0.0.1"}},
                        {"at_s": 2, "network": "isp", "wan": {"ipv4": "2.0.0.3"}})"),
            at + "/wan/ipv4: found 2.0.0.1, network \"isp\"'s; expected an address that is free\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "nat": {"behind": "isp"}})"),
            at + ": found 2.0.0.2; expected a host address of 100.64.0.0/16\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "nat": {"behind": "isp"}, "wan": {"ipv4": "100.64.0.2"}},
                        {"at_s": 2, "network": "home", "nat": "hard"})"),
            "");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "nat": {"behind": "ips"}})"),
            at + "/nat/behind: found no network named \"ips\"; expected one of isp, home, v6; did you mean \"isp\"?\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "ipv4": "10.0.0.0/24"})"),
            at + "/ipv4: found 10.0.0.0, the address of the network itself; expected the gateway's, such as "
                 "10.0.0.1/24\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "v6", "ipv4": "10.0.0.1/24"})"),
            at + "/ipv4: found an address for a network without ipv4; expected none\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "wan": null})"), "");
  EXPECT_EQ(timeline(R"({"at_s": 1, "service": "b.test", "up": true})"),
            at + "/service: found no service named \"b.test\"; expected one of a.test; did you mean \"a.test\"?\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "service": "a.test"})"),
            at + ": found a service without up; expected up, true or false\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "service": "a.test", "up": true, "nat": "hard"})"),
            at + ": found a service with another member than up; expected up alone\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "service": "a.test", "up": true})"),
            at + ": found a service beside a nic or a network; expected an event for each\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "up": true})"),
            at + ": found up without service; expected the service that changes\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "nic": "alice", "reboot": true})"),
            at + ": found nat, wan, ipv4, blackhole, egress or reboot of a NIC; expected them with network alone\n");
}

}  // namespace
}  // namespace vnet::daemon
