#include "daemon/lease_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <tuple>

#include "dhcp/lease_pool.hpp"
#include "tests/daemon/lease_fixture.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LeaseStore, LeaseIsThereAfterARestart) {
  const TempFolder folder;
  {
    auto store = open(folder);
    store->note("lan", granted(1, moment(3600).now), moment(0));
    EXPECT_TRUE(store->commit(moment(0)));
  }
  auto store = open(folder, 600);
  EXPECT_THAT(store->take_messages(), IsEmpty());
  const auto leases = store->leases(moment(600));
  ASSERT_EQ(leases.size(), 1U);
  const dhcp::Lease expected = lease_of(1, moment(3600).now);
  EXPECT_EQ(leases[0].network, "lan");
  EXPECT_EQ(leases[0].lease.ip, expected.ip);
  EXPECT_EQ(leases[0].lease.mac, expected.mac);
  EXPECT_EQ(leases[0].lease.client, expected.client);
  EXPECT_EQ(leases[0].lease.hostname, expected.hostname);
  EXPECT_EQ(leases[0].lease.state, dhcp::LeaseState::bound);
  EXPECT_EQ(leases[0].lease.expires, expected.expires);
}

TEST(LeaseStore, LoopClockMayBeginAnewAtARestart) {
  const TempFolder folder;
  {
    auto store = open(folder);
    store->note("lan", granted(1, moment(3600).now), moment(0));
    store->commit(moment(0));
  }
  const Moment rebooted{Instant{std::chrono::seconds{1}}, (kStart + 600) * 1000};
  const auto store = LeaseStore::open(folder.path(), rebooted);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->leases(rebooted).at(0).lease.expires, rebooted.now + std::chrono::seconds{3000});
}

TEST(LeaseStore, WallClockThatWentBackDoesNotProlongALease) {
  const TempFolder folder;
  {
    auto store = open(folder);
    store->note("lan", granted(1, moment(3600).now), moment(0));
    store->commit(moment(0));
  }
  const Moment in_1970{Instant{}, 1000};
  const auto store = LeaseStore::open(folder.path(), in_1970);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->leases(in_1970).at(0).lease.expires, Instant{std::chrono::seconds{3600}});
}

TEST(LeaseStore, EndIsRoundedUpToAWholeSecond) {
  const TempFolder folder;
  const Moment odd{Instant{std::chrono::nanoseconds{123'456'789}}, kStart * 1000 + 501};
  auto store = LeaseStore::open(folder.path(), odd);
  ASSERT_TRUE(store);
  (*store)->note("lan", granted(1, odd.now + std::chrono::seconds{60}), odd);
  const Duration left = (*store)->leases(odd).at(0).lease.expires - odd.now;
  EXPECT_GE(left, std::chrono::seconds{60});
  EXPECT_LT(left, std::chrono::seconds{61});
}

TEST(LeaseStore, RenewalsOfOneSecondCostOneLine) {
  const TempFolder folder;
  auto store = open(folder);
  for (int i = 0; i < 100; ++i) {
    const Moment at{moment(0).now + std::chrono::milliseconds{i}, moment(0).unix_ms + i};
    store->note("lan", {dhcp::LeaseEvent::Kind::renewed, lease_of(1, at.now + std::chrono::milliseconds{59'900})}, at);
    EXPECT_TRUE(store->commit(at));
  }
  const std::string text = folder.read("leases.jsonl");
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
}

TEST(LeaseStore, BatchIsOneLinePerAddress) {
  const TempFolder folder;
  auto store = open(folder);
  for (int i = 0; i < 100; ++i) {
    store->note("lan", granted(1, moment(3600 + i).now), moment(0));
    store->note("lan", {dhcp::LeaseEvent::Kind::released, lease_of(1, moment(3600).now)}, moment(0));
  }
  EXPECT_TRUE(store->commit(moment(0)));
  const std::string text = folder.read("leases.jsonl");
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_EQ(store->journal_bytes(), text.size());
}

TEST(LeaseStore, PoolRemembersReleasedAndExpiredClients) {
  const TempFolder folder;
  {
    auto store = open(folder);
    store->note("lan", granted(1, moment(60).now), moment(0));  // will expire
    store->note("lan", granted(2, moment(3600).now), moment(0));
    store->note("lan", {dhcp::LeaseEvent::Kind::released, lease_of(2, moment(3600).now)}, moment(10));
    store->note("lan", granted(3, moment(3600).now), moment(10));
    EXPECT_TRUE(store->commit(moment(10)));
  }
  dhcp::ServerConfig config;
  config.gateway = {Ipv4Address{10, 0, 255, 254}, 16};
  config.range_first = ip_of(1);
  config.range_last = ip_of(100);
  dhcp::LeasePool pool{config};
  auto store = open(folder, 120);
  for (const StoredLease& stored : store->leases(moment(120))) {
    EXPECT_TRUE(pool.restore(stored.lease, moment(120).now));
  }
  EXPECT_EQ(pool.at(ip_of(1))->state, dhcp::LeaseState::free);
  EXPECT_EQ(pool.at(ip_of(2))->state, dhcp::LeaseState::free);
  EXPECT_EQ(pool.at(ip_of(3))->state, dhcp::LeaseState::bound);
  const std::string key = lease_of(2, {}).client;
  EXPECT_EQ(pool.choose({key, mac_of(2)}, std::nullopt), ip_of(2));
}

TEST(LeaseStore, DeclinedAndForgottenAddressesAreNobodys) {
  const TempFolder folder;
  {
    auto store = open(folder);
    for (std::uint32_t i = 1; i <= 3; ++i) store->note("lan", granted(i, moment(3600).now), moment(0));
    EXPECT_TRUE(store->commit(moment(0)));
    store->note("lan", {dhcp::LeaseEvent::Kind::declined, lease_of(1, moment(3600).now)}, moment(1));
    store->note("lan", {dhcp::LeaseEvent::Kind::released, lease_of(2, moment(3600).now)}, moment(1));
    store->forget("lan", ip_of(2));
    store->forget("lan", ip_of(77));
    EXPECT_TRUE(store->commit(moment(1)));
  }
  auto store = open(folder, 2);
  const auto leases = store->leases(moment(2));
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].lease.ip, ip_of(3));
}

TEST(LeaseStore, EventsThatChangeNothingCostNothing) {
  const TempFolder folder;
  auto store = open(folder);
  const std::string before = folder.read("leases.jsonl");
  for (const auto kind : {dhcp::LeaseEvent::Kind::refused, dhcp::LeaseEvent::Kind::exhausted,
                          dhcp::LeaseEvent::Kind::expired, dhcp::LeaseEvent::Kind::declined}) {
    store->note("lan", {kind, lease_of(1, moment(3600).now)}, moment(0));
  }
  EXPECT_TRUE(store->commit(moment(0)));
  EXPECT_EQ(folder.read("leases.jsonl"), before);
  EXPECT_EQ(store->next_deadline(), kNever);
}

TEST(LeaseStore, LongExpiredLeasesAreDroppedAtOpen) {
  const TempFolder folder;
  folder.write("leases.jsonl", journal_of(3));
  const std::int64_t month = LeaseTable::kRemember.count();
  EXPECT_EQ(open(folder, 3600 + month)->size(), 3U);
  EXPECT_EQ(open(folder, 3600 + month + 1)->size(), 0U);
  EXPECT_EQ(folder.read("leases.jsonl"), header_line());
}

TEST(LeaseStore, LongestRunningComeFirst) {
  const TempFolder folder;
  auto store = open(folder);
  for (const std::uint32_t i : {20U, 40U, 10U, 30U}) store->note("lan", granted(i, moment(i).now), moment(0));
  std::vector<Ipv4Address> order;
  for (const auto& stored : store->leases(moment(0))) order.push_back(stored.lease.ip);
  EXPECT_THAT(order, ElementsAre(ip_of(40), ip_of(30), ip_of(20), ip_of(10)));
}

TEST(LeaseStore, JournalIsWrittenAnewWhenMostOfItIsOutOfDate) {
  const TempFolder folder;
  auto store = open(folder);
  std::uintmax_t largest = 0;
  for (int i = 1; i <= 5000; ++i) {
    store->note("lan", granted(1, moment(3600 + i).now), moment(i));
    ASSERT_TRUE(store->commit(moment(i)));
    ASSERT_EQ(std::filesystem::file_size(folder.path("leases.jsonl")), store->journal_bytes());
    largest = std::max(largest, std::filesystem::file_size(folder.path("leases.jsonl")));
  }
  constexpr std::size_t kLine = 190;  // bytes, about
  EXPECT_LT(largest, (LeaseStore::kSlackLines + 20) * kLine);
  EXPECT_GT(largest, LeaseStore::kSlackLines * kLine / 2);
  EXPECT_THAT(files(folder), ElementsAre("leases.jsonl", "lock"));
  store.reset();
  store = open(folder, 5001);
  EXPECT_THAT(store->take_messages(), IsEmpty());
  EXPECT_EQ(store->leases(moment(5001)).at(0).lease.expires, moment(8600).now);
}

TEST(LeaseStore, GuestCannotCauseOneSyncAfterAnother) {
  const TempFolder folder;
  auto store = open(folder);
  struct stat before {};
  ASSERT_EQ(::stat(folder.path("leases.jsonl").c_str(), &before), 0);
  for (int i = 1; i <= 5000; ++i) {
    store->note("lan", granted(1, moment(3600 + i).now), moment(1));
    ASSERT_TRUE(store->commit(moment(1)));
  }
  struct stat after {};
  ASSERT_EQ(::stat(folder.path("leases.jsonl").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST(LeaseStore, SixtyFiveThousandLeases) {
  const TempFolder folder;
  constexpr std::uint32_t kCount = 65'536;
  {
    auto store = open(folder);
    for (std::uint32_t i = 0; i < kCount; ++i) store->note("lan", granted(i, moment(3600).now), moment(0));
    EXPECT_TRUE(store->commit(moment(0)));
  }
  auto store = open(folder, 1);
  EXPECT_THAT(store->take_messages(), IsEmpty());
  const auto leases = store->leases(moment(1));
  ASSERT_EQ(leases.size(), kCount);
  EXPECT_EQ(leases.back().lease.ip, ip_of(kCount - 1));
  EXPECT_EQ(leases.back().lease.client, lease_of(kCount - 1, {}).client);
}

/// No file grows beyond a size, as on a full disk, until the end of the scope.
class FullDisk {
 public:
  explicit FullDisk(std::uint64_t size) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = size;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(LeaseStore, FullDiskIsToldOnceAndMadeUpForLater) {
  const TempFolder folder;
  auto store = open(folder);
  store->note("lan", granted(1, moment(3600).now), moment(0));
  ASSERT_TRUE(store->commit(moment(0)));
  const std::string before = folder.read("leases.jsonl");
  {
    const FullDisk full{before.size() + 20};  // room for a part of a line
    for (std::uint32_t i = 2; i <= 30; ++i) {
      store->note("lan", granted(i, moment(3600).now), moment(i));
      EXPECT_FALSE(store->commit(moment(i)));
    }
    EXPECT_EQ(folder.read("leases.jsonl"), before) << "a part of a line must not stay";
    EXPECT_GT(store->next_deadline(), moment(30).now);
    EXPECT_LE(store->next_deadline(), moment(30).now + LeaseStore::kRetry);
  }
  EXPECT_FALSE(store->commit(moment(30))) << "not before its time";
  EXPECT_TRUE(store->commit(moment(36)));
  EXPECT_EQ(store->next_deadline(), kNever);
  EXPECT_THAT(store->take_messages(),
              ElementsAre(HasSubstr("cannot write leases.jsonl: File too large"), HasSubstr("are kept again")));
  store.reset();
  EXPECT_EQ(open(folder)->size(), 30U);
}

TEST(LeaseStore, DiskThatIsFullAtTheStartKeepsNobodyFromStarting) {
  const TempFolder folder;
  folder.write("leases.jsonl", journal_of(3));
  std::unique_ptr<LeaseStore> store;
  {
    const FullDisk full{0};
    store = open(folder);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->size(), 3U);
    store->note("lan", granted(4, moment(3600).now), moment(1));
    EXPECT_FALSE(store->commit(moment(10)));
  }
  EXPECT_TRUE(store->commit(moment(20)));
  EXPECT_THAT(store->take_messages(), ElementsAre(HasSubstr("cannot write"), HasSubstr("are kept again")));
  store.reset();
  EXPECT_EQ(open(folder)->size(), 4U);
}

TEST(LeaseStore, NoRoomForASecondFileLeavesRoomForLines) {
  const TempFolder folder;
  auto store = open(folder);
  for (std::uint32_t i = 0; i < LeaseStore::kSlackLines; ++i) {
    store->note("lan", granted(1, moment(3600 + i).now), moment(i));
    ASSERT_TRUE(store->commit(moment(i)));
  }
  std::filesystem::create_directories(folder.path("leases.jsonl.new/in the way"));
  for (std::uint32_t i = LeaseStore::kSlackLines; i < 2 * LeaseStore::kSlackLines; ++i) {
    store->note("lan", granted(1, moment(3600 + i).now), moment(i));
    ASSERT_TRUE(store->commit(moment(i)));
  }
  EXPECT_GT(std::ranges::count(folder.read("leases.jsonl"), '\n'), std::ptrdiff_t{2 * LeaseStore::kSlackLines - 1});
}

TEST(LeaseStore, FileThatSomebodyChangesIsWrittenAnew) {
  const TempFolder folder;
  auto store = open(folder);
  const auto grant = [&](std::uint32_t number) {
    store->note("lan", granted(number, moment(3600).now), moment(number));
    EXPECT_TRUE(store->commit(moment(number)));
  };
  grant(1);
  std::filesystem::remove(folder.path("leases.jsonl"));
  grant(2);
  folder.write("leases.jsonl", "");
  grant(3);
  EXPECT_EQ(store->take_messages().size(), 2U);
  store.reset();
  store = open(folder);
  EXPECT_THAT(store->take_messages(), IsEmpty());
  EXPECT_EQ(store->size(), 3U);
}

}  // namespace
}  // namespace vnet::daemon
