// Theory and practice of which NATs meet: every pair of presets, and all 81 pairs of the nine combinations.
#include "sim/grid.hpp"

#include <gtest/gtest.h>

namespace vnet::sim {
namespace {

constexpr PunchOptions kQuick{.patience = 1s};

void expect_theory(const Grid& grid) {
  SCOPED_TRACE(how_to_repeat(grid.seed));
  for (const GridCell& cell : grid.cells) {
    EXPECT_EQ(to_string(cell.result.path), to_string(cell.expected()))
        << grid.nats[cell.a].name << " and " << grid.nats[cell.b].name;
    EXPECT_GT(cell.result.packets, 0U);
  }
}

TEST(Grid, PresetsMeetAsTheoryHasIt) { expect_theory(compute_grid(preset_nats(), test_seed(), kQuick)); }

TEST(Grid, AllCombinationsMeetAsTheoryHasIt) { expect_theory(compute_grid(all_combinations(), test_seed(), kQuick)); }

TEST(Grid, HowPortsAreChosenMakesNoDifference) {
  expect_theory(compute_grid(all_combinations(PortChoice::preserve), test_seed(), kQuick));
}

TEST(Grid, WhatPeopleKnow) {
  const auto meet = [](NatPreset a, NatPreset b) { return can_meet(nat::behavior_of(a), nat::behavior_of(b)); };
  EXPECT_TRUE(meet(NatPreset::easy, NatPreset::easy));
  EXPECT_TRUE(meet(NatPreset::cgnat, NatPreset::easy));
  EXPECT_TRUE(meet(NatPreset::hard, NatPreset::easyaf));
  EXPECT_TRUE(meet(NatPreset::hard, NatPreset::none));
  EXPECT_FALSE(meet(NatPreset::hard, NatPreset::easy)) << "symmetric and port-restricted";
  EXPECT_FALSE(meet(NatPreset::hard, NatPreset::cgnat));
  EXPECT_FALSE(meet(NatPreset::hard, NatPreset::hard));
}

TEST(Grid, TheoryDoesNotAskWhoIsFirst) {
  for (const NamedNat& a : all_combinations()) {
    for (const NamedNat& b : all_combinations()) {
      EXPECT_EQ(can_meet(a.behavior, b.behavior), can_meet(b.behavior, a.behavior)) << a.name << ' ' << b.name;
    }
  }
}

TEST(Grid, ASeedDecidesEverything) {
  const auto digests = [](std::uint64_t seed) {
    std::vector<std::uint64_t> all;
    const std::vector<NamedNat> nats = {{"easy", "", nat::behavior_of(NatPreset::easy)},
                                        {"hard", "", nat::behavior_of(NatPreset::hard)}};
    for (const GridCell& cell : compute_grid(nats, seed, kQuick).cells) all.push_back(cell.digest);
    return all;
  };
  EXPECT_EQ(digests(1), digests(1));
  EXPECT_NE(digests(1), digests(2));
}

}  // namespace
}  // namespace vnet::sim
