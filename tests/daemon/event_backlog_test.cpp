// The numbered backlog of events, and the time of day that they are told with.
#include "daemon/event_backlog.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "daemon/wall_time.hpp"

namespace vnet::daemon {
namespace {

network::Event event_of(std::string nic) {
  network::Event event;
  event.nic = std::move(nic);
  return event;
}

TEST(EventBacklog, NumbersGoUpByOneFromTheFirst) {
  EventBacklog backlog{1000};
  EXPECT_EQ(backlog.next(), 1000U);
  EXPECT_EQ(backlog.oldest(), 1000U);
  EXPECT_EQ(backlog.size(), 0U);
  backlog.add(event_of("alice"), 5);
  backlog.add(event_of("bob"), 6);
  EXPECT_EQ(backlog.oldest(), 1000U);
  EXPECT_EQ(backlog.next(), 1002U);
  EXPECT_EQ(backlog.at(1000).event.nic, "alice");
  EXPECT_EQ(backlog.at(1001).event.nic, "bob");
  EXPECT_EQ(backlog.at(1001).id, 1001U);
  EXPECT_EQ(backlog.at(1001).unix_ms, 6);
}

TEST(EventBacklog, TheOldestMakeRoom) {
  EventBacklog backlog{7};
  for (std::size_t i = 0; i < EventBacklog::kCapacity + 3; ++i) backlog.add(event_of(std::to_string(i)), 0);
  EXPECT_EQ(backlog.size(), EventBacklog::kCapacity);
  EXPECT_EQ(backlog.oldest(), 7U + 3U);
  EXPECT_EQ(backlog.at(backlog.oldest()).event.nic, "3");
  EXPECT_EQ(backlog.at(backlog.next() - 1).event.nic, std::to_string(EventBacklog::kCapacity + 2));
}

TEST(EventBacklog, WhatAPredecessorHasToldCountsAsKnownNumbers) {
  EXPECT_EQ(EventBacklog{7}.first(), 7U);
  EventBacklog inherited{1000, 400};
  inherited.add(event_of("alice"), 0);
  EXPECT_EQ(inherited.first(), 400U);
  EXPECT_EQ(inherited.oldest(), 1000U);
  EXPECT_EQ(inherited.next(), 1001U);
}

TEST(EventBacklog, KnowsFromWhereOnAPredecessorHasCounted) {
  EXPECT_EQ(EventBacklog{1000}.first(), 1000U);
  EventBacklog backlog{1000, 900};
  backlog.add(event_of("alice"), 0);
  EXPECT_EQ(backlog.first(), 900U);
  EXPECT_EQ(backlog.oldest(), 1000U);
}

TEST(WallTime, IsWrittenAsRfc3339Says) {
  EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(1'795'366'449'123), "2026-11-22T16:54:09.123Z");
  EXPECT_EQ(to_rfc3339(1'709'164'800'007), "2024-02-29T00:00:00.007Z");
  EXPECT_EQ(to_rfc3339(4'102'444'800'000), "2100-01-01T00:00:00.000Z");
}

TEST(WallTime, BeforeTheEpochTheFractionStillGoesForward) {
  EXPECT_EQ(to_rfc3339(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(-1000), "1969-12-31T23:59:59.000Z");
}

TEST(WallTime, AnInstantIsTranslatedByItsDistance) {
  const Moment at{Instant{std::chrono::seconds{50}}, 1'000'000};
  EXPECT_EQ(at.unix_ms_of(at.now), 1'000'000);
  EXPECT_EQ(at.unix_ms_of(at.now - std::chrono::milliseconds{1500}), 998'500);
  EXPECT_EQ(at.unix_ms_of(at.now + std::chrono::hours{1}), 4'600'000);
}

TEST(WallTime, WhoAsksTwiceWhenSomethingHappenedIsToldTheSame) {
  WallClock clock;
  const Instant event{std::chrono::nanoseconds{5'000'000'123'456}};
  const std::int64_t first = clock.at(event).unix_ms_of(event);
  for (int i = 0; i < 40; ++i) {
    const Instant later = event + std::chrono::microseconds{i * 777};
    EXPECT_EQ(clock.at(later).unix_ms_of(event), first) << i;
  }
}

TEST(WallTime, FollowsTheTimeOfDayWhenItIsSet) {
  WallClock clock;
  const Instant now{std::chrono::seconds{5000}};
  const std::int64_t first = clock.at(now).unix_ms;
  // The loop's clock goes ahead by an hour while the time of day stands still, as if that had been set back.
  const Moment jumped = clock.at(now + std::chrono::hours{1});
  EXPECT_LT(std::abs(jumped.unix_ms - first), 10'000);
}

TEST(WallTime, TheFractionOfAMillisecondIsNotLost) {
  const Moment at{Instant{std::chrono::seconds{50}}, 1'000'000, std::chrono::microseconds{900}};
  EXPECT_EQ(at.unix_ms_of(at.now), 1'000'000);
  EXPECT_EQ(at.unix_ms_of(at.now + std::chrono::microseconds{100}), 1'000'001);
  EXPECT_EQ(at.unix_ms_of(at.now - std::chrono::microseconds{901}), 999'999);
}

TEST(WallTime, TheSameInstantIsTheSameTimeHoweverOftenOneAsks) {
  WallClock clock;
  const Instant then{std::chrono::seconds{50}};
  const auto first = clock.at(then).unix_ms_of(then);
  for (int i = 0; i < 1000; ++i) {
    const Instant now =
        then + std::chrono::microseconds{7 * i};  // a clock that goes a little otherwise than the wall's
    ASSERT_EQ(clock.at(now).unix_ms_of(then), first);
  }
}

TEST(WallTime, AClockThatIsSetIsFollowed) {
  WallClock clock;
  const Instant then{std::chrono::seconds{50}};
  const auto before = clock.at(then).unix_ms_of(then);
  // The loop's clock an hour behind is the wall's an hour ahead.
  const auto after = clock.at(then - std::chrono::hours{1}).unix_ms_of(then);
  EXPECT_NEAR(static_cast<double>(after - before), 3'600'000, 1000);
}

}  // namespace
}  // namespace vnet::daemon
