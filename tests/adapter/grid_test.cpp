// The grid as people and programs get it, agreeing with theory and not.
#include <gmock/gmock.h>

#include "adapter/grid_text.hpp"

namespace vnet::adapter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

sim::Grid small_grid() {
  sim::Grid grid{7, {{"soft", "lets <everybody> in", {}}, {"hard", "", {}}}, {}};
  const sim::Endpoint endpoint{Ipv4Address{1, 2, 3, 4}, 5};
  const sim::PunchResult direct{sim::Path::direct, endpoint, endpoint, std::chrono::microseconds{60'400}, 12};
  const sim::PunchResult relayed{sim::Path::relayed, {}, {}, std::chrono::seconds{3}, 80};
  grid.cells = {{0, 0, direct, true, 0}, {0, 1, direct, true, 0}, {1, 0, direct, true, 0}, {1, 1, relayed, false, 0}};
  return grid;
}

TEST(GridText, ATableForPeople) {
  EXPECT_EQ(grid_table(small_grid(), {}),
            "NAT    soft   hard\n"
            "soft  60 ms  60 ms\n"
            "hard  60 ms  relay\n"
            "\n"
            "4 pairs: 3 direct, 1 by the relay; all as theory has it (seed 7)\n");
}

TEST(GridText, AContradictionIsSeenEverywhere) {
  sim::Grid grid = small_grid();
  grid.cells[1].expected_direct = false;
  grid.cells[3].expected_direct = true;
  EXPECT_EQ(grid.contradictions(), 2U);
  EXPECT_THAT(grid_table(grid, {}), HasSubstr("!60 ms\nhard  60 ms  !relay\n"));
  EXPECT_THAT(grid_table(grid, {}), HasSubstr("2 contradict theory"));
  EXPECT_THAT(grid_page(grid, "1.2.3"), HasSubstr("class=\"direct wrong\""));
  EXPECT_THAT(grid_page(grid, "1.2.3"), HasSubstr("theory says direct"));
  EXPECT_EQ(grid_json(grid)["contradictions"], 2);
}

TEST(GridText, APageThatNeedsNothingElse) {
  const std::string page = grid_page(small_grid(), "1.2.3");
  EXPECT_THAT(page, HasSubstr("lets &lt;everybody&gt; in"));
  EXPECT_THAT(page, HasSubstr("soft and hard: 1.2.3.4:5, 1.2.3.4:5"));
  EXPECT_THAT(page, HasSubstr("vnet grid --seed 7</code> of vnet 1.2.3"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, Not(HasSubstr("wrong\"")));
  for (const char* outside : {"http:", "https:", "<script", "@import", "url("})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
}

TEST(GridText, JsonForPrograms) {
  const Json json = grid_json(small_grid());
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["nats"][0]["name"], "soft");
  EXPECT_EQ(json["cells"].size(), 4U);
  EXPECT_EQ(json["cells"][1], (Json{{"a", "soft"},
                                    {"b", "hard"},
                                    {"result", "direct"},
                                    {"expected", "direct"},
                                    {"milliseconds", 60},
                                    {"packets", 12},
                                    {"endpoint_a", "1.2.3.4:5"},
                                    {"endpoint_b", "1.2.3.4:5"}}));
  EXPECT_FALSE(json["cells"][3].contains("endpoint_a"));
}

}  // namespace
}  // namespace vnet::adapter
