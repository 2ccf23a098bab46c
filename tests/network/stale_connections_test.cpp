// When a restored guest is asked about its connections: rounds, parts of them, and the end.
#include "network/stale_connections.hpp"

#include <gtest/gtest.h>

namespace vnet::network::test {
namespace {

using namespace std::chrono_literals;

constexpr Instant kBegin{1000s};
constexpr std::size_t kRoom = 128;

StaleConnections some(std::size_t count) {
  std::vector<GuestConnection> connections(count);
  for (std::size_t i = 0; i < count; ++i) connections[i].sequence = static_cast<std::uint32_t>(i);
  StaleConnections stale{std::move(connections)};
  stale.begin();
  return stale;
}

TEST(StaleConnections, NobodyIsAskedBeforeItsNicIsLive) {
  StaleConnections stale{{{}}};
  EXPECT_EQ(stale.due(), kNever);
  EXPECT_TRUE(stale.take(kBegin, kRoom, 0).empty());
  stale.begin();
  EXPECT_EQ(stale.take(kBegin, kRoom, 0).size(), 1U);
  stale.pause();
  EXPECT_EQ(stale.due(), kNever);
}

TEST(StaleConnections, WhoSaysNothingIsAskedAtDoublingIntervalsAndThenNoMore) {
  StaleConnections stale = some(3);
  Instant now = kBegin;
  Duration interval = StaleConnections::kFirstInterval;
  for (unsigned round = 0; round < StaleConnections::kRounds; ++round) {
    EXPECT_FALSE(stale.over());
    EXPECT_EQ(stale.take(now, kRoom, 0).size(), 3U);
    EXPECT_TRUE(stale.take(now, kRoom, 0).empty());
    if (round + 1 == StaleConnections::kRounds) break;
    EXPECT_EQ(stale.due(), now + interval);
    now = stale.due();
    interval *= 2;
  }
  EXPECT_TRUE(stale.over());
}

TEST(StaleConnections, WhoHasAnsweredForEachIsAskedNoMore) {
  StaleConnections stale = some(3);
  EXPECT_EQ(stale.take(kBegin, kRoom, 70).size(), 3U);
  EXPECT_EQ(stale.take(stale.due(), kRoom, 72).size(), 3U) << "one is missing, and nobody knows which";
  EXPECT_EQ(stale.take(stale.due(), kRoom, 74).size(), 3U) << "what came in another round does not count";
  EXPECT_TRUE(stale.take(stale.due(), kRoom, 77).empty());
  EXPECT_TRUE(stale.over());
}

TEST(StaleConnections, ARoundTakesAsManyPartsAsTheNicHasRoomFor) {
  StaleConnections stale = some(300);
  EXPECT_EQ(stale.take(kBegin, kRoom, 0).size(), 128U);
  EXPECT_EQ(stale.due(), kBegin + StaleConnections::kTurn);
  EXPECT_TRUE(stale.take(stale.due(), 0, 0).empty());
  const auto second = stale.take(stale.due(), kRoom, 0);
  EXPECT_EQ(second.front().sequence, 128U);
  const Instant last = stale.due();
  EXPECT_EQ(stale.take(last, kRoom, 0).size(), 44U);
  EXPECT_EQ(stale.due(), last + StaleConnections::kFirstInterval);
  EXPECT_EQ(stale.take(stale.due(), kRoom, 299).front().sequence, 0U);
}

TEST(StaleConnections, ANicThatIsPluggedInAgainBeginsAnew) {
  StaleConnections stale = some(300);
  (void)stale.take(kBegin, kRoom, 0);
  stale.pause();
  stale.begin();
  EXPECT_EQ(stale.take(kBegin + 1h, kRoom, 0).front().sequence, 0U);
}

}  // namespace
}  // namespace vnet::network::test
