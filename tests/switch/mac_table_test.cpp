// The MAC table's rules one by one: learning, moving, ageing, flapping, limits and pinned entries.
#include "switch/mac_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vnet::l2 {
namespace {

using namespace std::chrono_literals;
using Learned = MacTable::Learned;

constexpr Instant kBegin{1000s};
constexpr PortId kFirst{1};
constexpr PortId kSecond{2};

MacAddress mac(std::uint64_t n) { return MacAddress::from_u64(0x52cccccc0000U + n); }

class MacTableTest : public testing::Test {
 protected:
  MacTable table{{}, 42};
};

TEST_F(MacTableTest, KnowsNobodyAtFirst) { EXPECT_EQ(table.lookup(mac(1), kBegin), kNoPort); }

TEST_F(MacTableTest, Ieee8021dLearnsWhereAFrameCameFrom) {
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin), Learned::added);
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin), Learned::known);
  EXPECT_EQ(table.lookup(mac(1), kBegin), kFirst);
  EXPECT_EQ(table.lookup(mac(2), kBegin), kNoPort);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(MacTableTest, CountsWhatIsBehindEachPort) {
  table.pin(mac(9), kGatewayPort);
  (void)table.learn(mac(1), kFirst, kBegin);
  (void)table.learn(mac(2), kFirst, kBegin);
  EXPECT_EQ(table.size(kFirst), 2U);
  EXPECT_EQ(table.size(kSecond), 0U);
  EXPECT_EQ(table.size(PortId{4000}), 0U) << "a port that was never heard of";
  (void)table.learn(mac(2), kSecond, kBegin);
  EXPECT_EQ(table.size(kFirst), 1U);
  EXPECT_EQ(table.size(kSecond), 1U);
}

TEST_F(MacTableTest, NewLimitsHoldForWhatIsLearnedNext) {
  (void)table.learn(mac(1), kFirst, kBegin);
  (void)table.learn(mac(2), kFirst, kBegin);
  table.set_limits({.max_entries = 10, .max_per_port = 1, .age = 300s});
  EXPECT_EQ(table.learn(mac(3), kFirst, kBegin), Learned::full);
  EXPECT_EQ(table.learn(mac(2), kFirst, kBegin), Learned::known) << "what is there stays";
}

TEST_F(MacTableTest, TheAllZeroAddressIsAnEntryLikeAnyOther) {
  EXPECT_EQ(table.lookup(MacAddress{}, kBegin), kNoPort);
  EXPECT_EQ(table.learn(MacAddress{}, kFirst, kBegin), Learned::added);
  EXPECT_EQ(table.lookup(MacAddress{}, kBegin), kFirst);
}

TEST_F(MacTableTest, AStationThatMovesIsFollowedAtOnce) {
  table.learn(mac(1), kFirst, kBegin);
  EXPECT_EQ(table.learn(mac(1), kSecond, kBegin + 1ms), Learned::moved);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 1ms), kSecond);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(MacTableTest, AnEntryAgesOutAfter300Seconds) {
  table.learn(mac(1), kFirst, kBegin);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 300s - 1ns), kFirst);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 300s), kNoPort);
}

TEST_F(MacTableTest, EveryFrameMakesAnEntryYoungAgain) {
  table.learn(mac(1), kFirst, kBegin);
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin + 200s), Learned::known);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 499s), kFirst);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 500s), kNoPort);
}

TEST_F(MacTableTest, AnAgedEntryIsNewAgainWhereverItAppears) {
  table.learn(mac(1), kFirst, kBegin);
  table.learn(mac(2), kFirst, kBegin);
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin + 300s), Learned::added);
  EXPECT_EQ(table.learn(mac(2), kSecond, kBegin + 300s), Learned::added);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 300s), kFirst);
  EXPECT_EQ(table.lookup(mac(2), kBegin + 300s), kSecond);
}

TEST_F(MacTableTest, AFlappingAddressStaysWhereItIsAndIsReportedOncePerWindow) {
  table.learn(mac(1), kFirst, kBegin);
  PortId at = kFirst;
  for (int i = 0; i < MacTable::kMaxMoves; ++i) {
    at = at == kFirst ? kSecond : kFirst;
    EXPECT_EQ(table.learn(mac(1), at, kBegin + 1s), Learned::moved);
  }
  const PortId other = at == kFirst ? kSecond : kFirst;
  EXPECT_EQ(table.learn(mac(1), other, kBegin + 2s), Learned::flapping_began);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(table.learn(mac(1), other, kBegin + 3s), Learned::flapping);
  EXPECT_EQ(table.lookup(mac(1), kBegin + 3s), at);
  EXPECT_EQ(table.learn(mac(1), at, kBegin + 3s), Learned::known) << "its owner is not disturbed";
}

TEST_F(MacTableTest, FlappingIsForgivenInTheNextWindow) {
  table.learn(mac(1), kFirst, kBegin);
  for (int i = 0; i <= MacTable::kMaxMoves; ++i) table.learn(mac(1), i % 2 == 0 ? kSecond : kFirst, kBegin);
  ASSERT_EQ(table.learn(mac(1), kSecond, kBegin + MacTable::kFlapWindow - 1ns), Learned::flapping);
  EXPECT_EQ(table.learn(mac(1), kSecond, kBegin + MacTable::kFlapWindow), Learned::moved);
  for (int i = 1; i < MacTable::kMaxMoves; ++i) {
    EXPECT_EQ(table.learn(mac(1), i % 2 == 0 ? kSecond : kFirst, kBegin + 11s), Learned::moved);
  }
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin + 12s), Learned::known);
  EXPECT_EQ(table.learn(mac(1), kSecond, kBegin + 12s), Learned::flapping_began) << "a new window, a new report";
}

TEST_F(MacTableTest, OnePortHasAtMost32Addresses) {
  for (std::uint64_t i = 0; i < 32; ++i) ASSERT_EQ(table.learn(mac(i), kFirst, kBegin), Learned::added);
  EXPECT_EQ(table.learn(mac(32), kFirst, kBegin), Learned::full);
  EXPECT_EQ(table.lookup(mac(32), kBegin), kNoPort);
  EXPECT_EQ(table.learn(mac(32), kSecond, kBegin), Learned::added) << "another port has room";
  EXPECT_EQ(table.learn(mac(32), kFirst, kBegin), Learned::full) << "nor may it move there";
  EXPECT_EQ(table.lookup(mac(32), kBegin), kSecond);
}

TEST_F(MacTableTest, AFullPortHasRoomAgainWhenItsAddressesHaveAged) {
  for (std::uint64_t i = 0; i < 32; ++i) table.learn(mac(i), kFirst, kBegin);
  ASSERT_EQ(table.learn(mac(32), kFirst, kBegin + 299s), Learned::full);
  EXPECT_EQ(table.learn(mac(32), kFirst, kBegin + 301s), Learned::added);
}

TEST_F(MacTableTest, AStationMayMoveToAFullPortWhoseAddressesHaveAged) {
  for (std::uint64_t i = 0; i < 32; ++i) table.learn(mac(i), kFirst, kBegin);
  table.learn(mac(99), kSecond, kBegin + 299s);
  EXPECT_EQ(table.learn(mac(99), kFirst, kBegin + 301s), Learned::moved);
  EXPECT_EQ(table.lookup(mac(99), kBegin + 301s), kFirst);
}

TEST(MacTableLimit, TheTableAsAWholeIsBounded) {
  MacTable table{{.max_entries = 100, .max_per_port = 32, .age = 300s}, 1};
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(table.learn(mac(i), PortId{i / 25}, kBegin), Learned::added);
  EXPECT_EQ(table.learn(mac(100), PortId{50}, kBegin), Learned::full);
  EXPECT_EQ(table.size(), 100U);
  EXPECT_EQ(table.learn(mac(0), PortId{3}, kBegin), Learned::moved) << "who is in the table may still move";
  EXPECT_EQ(table.learn(mac(100), PortId{50}, kBegin + 300s), Learned::added);
  EXPECT_LE(table.size(), 2U) << "the aged ones were swept";
}

TEST_F(MacTableTest, APinnedAddressNeitherAgesNorMoves) {
  table.pin(mac(1), kGatewayPort);
  EXPECT_EQ(table.lookup(mac(1), kBegin + std::chrono::hours{10'000}), kGatewayPort);
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin), Learned::flapping);
  EXPECT_EQ(table.learn(mac(1), kFirst, kBegin + std::chrono::hours{10'000}), Learned::flapping);
  EXPECT_EQ(table.lookup(mac(1), kBegin), kGatewayPort);
}

TEST_F(MacTableTest, PinningTakesAnAddressFromWhoeverHadIt) {
  table.learn(mac(1), kFirst, kBegin);
  table.pin(mac(1), kGatewayPort);
  EXPECT_EQ(table.lookup(mac(1), kBegin), kGatewayPort);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(MacTableTest, APinnedAddressSurvivesASweep) {
  table.pin(mac(1), kGatewayPort);
  for (std::uint32_t i = 10; i < 2000; ++i) table.learn(mac(i), PortId{i / 30}, kBegin + 400s * (i / 500));
  EXPECT_EQ(table.lookup(mac(1), kBegin + std::chrono::hours{10'000}), kGatewayPort);
}

TEST_F(MacTableTest, ForgettingAPortLeavesTheOthersAlone) {
  for (std::uint64_t i = 0; i < 20; ++i) table.learn(mac(i), i % 2 == 0 ? kFirst : kSecond, kBegin);
  table.forget(kFirst);
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(table.lookup(mac(i), kBegin), i % 2 == 0 ? kNoPort : kSecond) << i;
  }
  EXPECT_EQ(table.size(), 10U);
}

TEST_F(MacTableTest, ForgettingGivesBackTheRoomBehindAPort) {
  for (std::uint64_t i = 0; i < 32; ++i) table.learn(mac(i), kFirst, kBegin);
  table.forget(mac(5));
  EXPECT_EQ(table.lookup(mac(5), kBegin), kNoPort);
  EXPECT_EQ(table.learn(mac(32), kFirst, kBegin), Learned::added);
  EXPECT_EQ(table.learn(mac(33), kFirst, kBegin), Learned::full);
  table.forget(kFirst);
  EXPECT_EQ(table.learn(mac(33), kFirst, kBegin), Learned::added);
}

/// Addresses whose places in a table of `slots` slots are next to each other: long runs to probe through.
std::vector<MacAddress> crowd(std::uint64_t seed, std::size_t slots, std::size_t count) {
  std::vector<MacAddress> result;
  for (std::uint64_t n = 0; result.size() < count; ++n) {
    if ((mix64(mac(n).to_u64() + 1, seed) & (slots - 1)) < 2) result.push_back(mac(n));
  }
  return result;
}

TEST(MacTableCollisions, KeysWithOneHomeAreKeptApart) {
  constexpr std::uint64_t kSeed = 99;
  MacTable table{{}, kSeed};
  const auto macs = crowd(kSeed, 64, 30);
  for (std::size_t i = 0; i < macs.size(); ++i) {
    ASSERT_EQ(table.learn(macs[i], PortId{static_cast<std::uint32_t>(i)}, kBegin), Learned::added);
  }
  for (std::size_t i = 0; i < macs.size(); ++i) {
    EXPECT_EQ(table.lookup(macs[i], kBegin), PortId{static_cast<std::uint32_t>(i)});
  }
}

TEST(MacTableCollisions, ForgettingFromTheMiddleOfARunLosesNobodyBehindIt) {
  constexpr std::uint64_t kSeed = 7;
  MacTable table{{}, kSeed};
  const auto macs = crowd(kSeed, 64, 20);
  for (const MacAddress& address : macs) table.learn(address, kFirst, kBegin);
  for (std::size_t i = 0; i < macs.size(); i += 2) table.forget(macs[i]);
  for (std::size_t i = 0; i < macs.size(); ++i) {
    EXPECT_EQ(table.lookup(macs[i], kBegin), i % 2 == 0 ? kNoPort : kFirst) << i;
  }
}

}  // namespace
}  // namespace vnet::l2
