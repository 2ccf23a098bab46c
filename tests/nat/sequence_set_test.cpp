#include "nat/sequence_set.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "packet/random.hpp"

namespace vnet::nat {
namespace {

using Ranges = std::vector<SequenceRange>;
Ranges ranges(const SequenceSet& set) { return {set.ranges().begin(), set.ranges().end()}; }

TEST(SequenceSet, JoinsWhatTouchesOrOverlaps) {
  SequenceSet set;
  EXPECT_TRUE(set.insert({10, 20}));
  EXPECT_TRUE(set.insert({30, 40}));
  EXPECT_EQ(ranges(set), (Ranges{{10, 20}, {30, 40}}));
  EXPECT_TRUE(set.insert({20, 25}));
  EXPECT_EQ(ranges(set), (Ranges{{10, 25}, {30, 40}}));
  EXPECT_TRUE(set.insert({5, 50}));
  EXPECT_EQ(ranges(set), (Ranges{{5, 50}}));
  EXPECT_EQ(set.size(), 45U);
  EXPECT_EQ(set.end(), 50U);
}

TEST(SequenceSet, KeepsItsOrderWhereNumbersWrap) {
  SequenceSet set;
  EXPECT_TRUE(set.insert({5, 10}));
  EXPECT_TRUE(set.insert({0xffff'fff0, 0xffff'fff8}));
  EXPECT_EQ(ranges(set), (Ranges{{0xffff'fff0, 0xffff'fff8}, {5, 10}}));
  EXPECT_EQ(set.first_hole({0xffff'ffe0, 20}), (SequenceRange{0xffff'ffe0, 0xffff'fff0}));
  EXPECT_EQ(set.first_hole({0xffff'fff0, 20}), (SequenceRange{0xffff'fff8, 5}));
  EXPECT_EQ(set.missing({0xffff'fff0, 20}), 8U + 5U + 10U);
  set.drop_below(7);
  EXPECT_EQ(ranges(set), (Ranges{{7, 10}}));
  set.drop_below(10);
  EXPECT_TRUE(set.empty());
}

TEST(SequenceSet, RefusesOneStretchTooManyAndTakesWhatJoins) {
  SequenceSet set;
  for (std::uint32_t i = 0; i < SequenceSet::kMaxRanges; ++i) EXPECT_TRUE(set.insert({10 * i, 10 * i + 5}));
  EXPECT_FALSE(set.insert({100'000, 100'005}));
  EXPECT_EQ(set.ranges().size(), SequenceSet::kMaxRanges);
  EXPECT_TRUE(set.insert({5, 10}));
  EXPECT_TRUE(set.insert({100'000, 100'005}));
}

TEST(SequenceSet, AgreesWithASetOfNumbers) {
  Random random{3};
  for (int round = 0; round < 300; ++round) {
    const auto base = static_cast<std::uint32_t>(random.next());
    SequenceSet set;
    std::vector<bool> all(200, false);
    for (int step = 0; step < 40; ++step) {
      const std::uint32_t begin = random.below(199);
      const std::uint32_t end = begin + 1 + random.below(std::min(30U, 199 - begin));
      if (random.chance(0.15)) {
        set.drop_below(base + begin);
        std::fill(all.begin(), all.begin() + begin, false);
      } else {
        ASSERT_TRUE(set.insert({base + begin, base + end}));
        std::fill(all.begin() + begin, all.begin() + end, true);
      }
      const auto count = static_cast<std::size_t>(std::count(all.begin(), all.end(), true));
      ASSERT_EQ(set.size(), count);
      ASSERT_EQ(set.missing({base + begin, base + end}),
                static_cast<std::size_t>(std::count(all.begin() + begin, all.begin() + end, false)));
      for (std::size_t i = 1; i < set.ranges().size(); ++i) {
        ASSERT_TRUE(sequence_before(set.ranges()[i - 1].end, set.ranges()[i].begin));
      }
    }
  }
}

}  // namespace
}  // namespace vnet::nat
