// Impairments as they are asked for: in the config file, by the API, by a reload; and how they last over a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Impair impair_of(const std::string& text) {
  return loaded(R"({"nics": [{"mac": "52:00:00:00:00:01", "impair": )" + text + "}]}").nics[0].impair;
}

TEST(ImpairConfig, WhatIsSaidOnceHoldsEachWay) {
  const Impair impair = impair_of(R"({"latency_ms": 20.5, "jitter_ms": 3, "jitter_reorders": true, "loss": 0.01,
    "loss_burst": {"enter": 0.1, "leave": 0.5, "loss": 0.9}, "duplicate": 0.02, "reorder": 0.03, "corrupt": 0.04,
    "rate_mbps": 2.5, "queue_kb": 64})");
  EXPECT_EQ(impair.up, impair.down);
  EXPECT_EQ(impair.up.latency, 20500us);
  EXPECT_EQ(impair.up.jitter, 3ms);
  EXPECT_TRUE(impair.up.jitter_reorders);
  EXPECT_EQ(impair.up.loss, 0.01);
  EXPECT_EQ(impair.up.loss_burst, (l2::LossBurst{0.1, 0.5, 0.9}));
  EXPECT_EQ(impair.up.duplicate, 0.02);
  EXPECT_EQ(impair.up.reorder, 0.03);
  EXPECT_EQ(impair.up.corrupt, 0.04);
  EXPECT_EQ(impair.up.rate_mbps, 2.5);
  EXPECT_EQ(impair.up.queue_kb, 64U);
}

TEST(ImpairConfig, ADirectionSaysWhatIsDifferent) {
  const Impair impair =
      impair_of(R"({"latency_ms": 20, "loss": 0.1, "up": {"loss": 0}, "down": {"rate_mbps": 10, "latency_ms": 5}})");
  EXPECT_EQ(impair.up.latency, 20ms);
  EXPECT_EQ(impair.up.loss, 0);
  EXPECT_EQ(impair.up.rate_mbps, 0);
  EXPECT_EQ(impair.down.latency, 5ms);
  EXPECT_EQ(impair.down.loss, 0.1);
  EXPECT_EQ(impair.down.rate_mbps, 10);
}

TEST(ImpairConfig, PrintedItIsTheSame) {
  for (const char* text : {"{}", R"({"latency_ms": 0.3, "loss_burst": {"enter": 0.25}})",
                           R"({"loss": 0.1, "up": {"loss": 0.2, "queue_kb": 1}})"}) {
    const Config config = loaded(R"({"networks": [{"impair": )" + std::string{text} + "}]}");
    EXPECT_EQ(load_config(print_config(config), kTestFolders)->config, config) << text;
  }
}

TEST(ImpairConfig, ADirectionHasNoDirections) {
  EXPECT_THAT(complaints(R"({"networks": [{"impair": {"up": {"down": {}}}}]})"),
              HasSubstr("/networks/0/impair/up/down: found an unknown member \"down\""));
  EXPECT_THAT(complaints(R"({"networks": [{"impair": {"loss_burst": 0.5}}]})"),
              HasSubstr("/networks/0/impair/loss_burst: found 0.5 (a number); expected an object"));
  EXPECT_THAT(complaints(R"({"networks": [{"impair": {"queue_kb": 0}}]})"),
              HasSubstr("/networks/0/impair/queue_kb: found 0; expected an integer from 1 to 16384"));
}

class ImpairTest : public testing::Test, protected ApiPlant {
 protected:
  /// What shows of the impairments at `target`.
  Json shown(std::string_view target) { return call("GET", target).json().at("impair"); }
  [[nodiscard]] const l2::ImpairedLink* link(std::string_view name) const { return nic(name).impaired.get(); }
};

TEST_F(ImpairTest, ANicsAreSetShownAndKept) {
  EXPECT_EQ(shown("/v1/nics/alice"), Json::object());
  const Answer changed =
      call("PATCH", "/v1/nics/alice", R"({"impair": {"latency_ms": 50, "up": {"loss": 0.02}}, "cause": "rain"})");
  EXPECT_EQ(changed.status, 200);
  const Json expected = Json::parse(R"({"up": {"latency_ms": 50, "loss": 0.02}, "down": {"latency_ms": 50}})");
  EXPECT_EQ(changed.json().at("impair"), expected);
  EXPECT_EQ(shown("/v1/nics/alice"), expected);
  ASSERT_NE(link("alice"), nullptr);
  EXPECT_EQ(link("alice")->up.rules().loss, 0.02);
  EXPECT_EQ(link("alice")->down.rules().latency, 50ms);
  EXPECT_EQ(after_restart().nics[0].impair.up.loss, 0.02);
  EXPECT_EQ(nic_configs(after_restart())[0].impair, nic("alice").config.impair);
  bool told = false;
  for (const network::Event& event : fabric.events().take()) {
    told =
        told || (event.kind == network::EventKind::nic_changed && event.subject == "impair" && event.cause == "rain");
  }
  EXPECT_TRUE(told);
}

TEST_F(ImpairTest, TheNewOnesTakeThePlaceOfAllOldOnes) {
  (void)call("PATCH", "/v1/nics/alice", R"({"impair": {"latency_ms": 50}})");
  EXPECT_EQ(call("PATCH", "/v1/nics/alice", R"({"impair": {"loss": 0.02}})").json().at("impair"),
            Json::parse(R"({"loss": 0.02})"));
  EXPECT_EQ(call("PATCH", "/v1/nics/alice", R"({"hostname": "queen"})").json().at("impair"),
            Json::parse(R"({"loss": 0.02})"));
  (void)call("PATCH", "/v1/nics/alice", R"({"impair": {}, "hostname": "alice"})");
  turn(1ms);
  EXPECT_EQ(link("alice"), nullptr);
  EXPECT_TRUE(operations.changes().empty());
}

TEST_F(ImpairTest, ANetworksAreSetShownAndKept) {
  EXPECT_EQ(shown("/v1/networks/home"), Json::object());
  const Answer changed =
      call("PATCH", "/v1/networks/HOME", R"({"impair": {"loss_burst": {"enter": 0.1, "leave": 0.5}}})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.json().at("impair"), Json::parse(R"({"loss_burst": {"enter": 0.1, "leave": 0.5, "loss": 1}})"));
  EXPECT_EQ(link("alice")->up.rules().loss_burst.enter, 0.1);
  EXPECT_EQ(link("bob")->down.rules().loss_burst.leave, 0.5);
  EXPECT_THAT(events(), ElementsAre("network.changed  "));
  EXPECT_EQ(after_restart(), operations.config());
  EXPECT_EQ(network_configs(after_restart())[0].impair, fabric.network_config(0).impair);
  EXPECT_EQ(call("PATCH", "/v1/networks/home", R"({"impair": {}})").status, 200);
  EXPECT_TRUE(operations.changes().empty());
  EXPECT_EQ(after_restart(), file);
}

TEST_F(ImpairTest, AMistakeIsPointedAt) {
  const Answer range = call("PATCH", "/v1/nics/alice", R"({"impair": {"up": {"loss": 1.5}}})");
  EXPECT_EQ(range.status, 400);
  EXPECT_EQ(range.pointer(), "/impair/up/loss");
  EXPECT_EQ(range.detail(), "found 1.5; expected a number from 0 to 1");
  const Answer name = call("PATCH", "/v1/networks/home", R"({"impair": {"latency": 5}})");
  EXPECT_EQ(name.pointer(), "/impair/latency");
  EXPECT_THAT(name.detail(), HasSubstr("did you mean \"latency_ms\"?"));
  EXPECT_EQ(call("PATCH", "/v1/networks/hone", R"({"impair": {}})").status, 404);
  EXPECT_EQ(operations.config(), file);
}

TEST_F(ImpairTest, AReloadChangesThemAndLeavesGatewaysAlone) {
  (void)events();
  Config edited = file;
  edited.networks[0].impair.up.latency = 5ms;
  edited.nics[1].impair.down.loss = 0.5;
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_THAT(events(), ElementsAre("network.changed  ", "nic.changed bob impair"));
  EXPECT_EQ(link("alice")->up.rules().latency, 5ms);
  EXPECT_EQ(link("bob")->down.rules().loss, 0.5);
  ASSERT_TRUE(operations.reload(file));
  turn(1ms);
  EXPECT_EQ(link("alice"), nullptr);
  EXPECT_EQ(link("bob"), nullptr);
}

TEST_F(ImpairTest, WhatTheFileSaysDifferentlySinceHolds) {
  (void)call("PATCH", "/v1/networks/home", R"({"impair": {"latency_ms": 50}})");
  Config edited = file;
  edited.networks[0].impair.up.latency = 5ms;
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_THAT(notices,
              ElementsAre("impair of network home: changed at run time, and in the file since: the file holds"));
  EXPECT_EQ(operations.config(), edited);
  notices.clear();
  (void)call("PATCH", "/v1/networks/home", R"({"impair": {"latency_ms": 50}})");
  edited.nics[0].hostname = "queen";
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_THAT(notices, IsEmpty());
  EXPECT_EQ(operations.config().networks[0].impair.down.latency, 50ms) << "this the file has not touched";
}

}  // namespace
}  // namespace vnet::daemon
