// /v1/services: what there is, who is switched off, and what becomes of that in a reload.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kInternet = R"({
  "networks": [{"name": "home", "ipv4": "10.0.0.1/24", "dns": {"upstream": "none"}}],
  "services": [
    {"name": "driver.test", "ipv4": ["52.52.0.2", "52.52.0.4"], "ipv6": "2052::2", "proxy_protocol": true,
     "forward": {"tcp/8008": "unix:driver.sock", "udp/53": "127.0.0.1:5353"}},
    {"name": "files.test", "ipv4": "52.52.0.6", "kind": "files", "root": "files/"},
    {"name": "name.test", "ipv4": "52.52.0.7"}],
  "listen": {"dgram": [], "stream": []}})";

/// The order of members means nothing.
nlohmann::json unordered(const Json& value) { return nlohmann::json::parse(value.dump()); }

class ControlServices : public testing::Test, protected ApiPlant {
 protected:
  ControlServices() : ApiPlant(kInternet) {}

  Answer patch(std::string_view service, std::string body) {
    return call("PATCH", "/v1/services/" + std::string{service}, std::move(body));
  }
  [[nodiscard]] std::vector<bool> ups() {
    std::vector<bool> ups;
    for (const Json& service : call("GET", "/v1/services").json()) ups.push_back(service.at("up"));
    return ups;
  }
};

TEST_F(ControlServices, EachIsShownWithWhereItLeads) {
  const Json shown = call("GET", "/v1/services").json();
  Json driver = {{"name", "driver.test"}, {"up", true}, {"proxy_protocol", 1}};
  driver["addresses"] = {"52.52.0.2", "52.52.0.4", "2052::2"};
  driver["forward"] = {{"tcp/8008", "unix:" + folder.path("driver.sock")}, {"udp/53", "127.0.0.1:5353"}};
  EXPECT_EQ(unordered(shown.at(0)), unordered(driver));
  EXPECT_EQ(shown.at(1).at("kind"), "files");
  EXPECT_EQ(shown.at(1).at("root"), folder.path("files/"));
  EXPECT_FALSE(shown.at(2).contains("kind"));
  EXPECT_EQ(call("GET", "/v1/services/driver.test").json(), shown.at(0));
  const Answer unknown = call("GET", "/v1/services/driver.tst");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.detail(), HasSubstr("did you mean \"driver.test\"?"));
}

TEST_F(ControlServices, OneIsSwitchedOffAndOnAndSaysSoOnce) {
  EXPECT_EQ(patch("driver.test", R"({"up": false, "cause": "a test"})").json().at("up"), false);
  EXPECT_THAT(ups(), ElementsAre(false, true, true));
  EXPECT_THAT(events(), ElementsAre("service.changed  driver.test down"));
  EXPECT_EQ(patch("driver.test", R"({"up": false})").status, 200);
  EXPECT_EQ(patch("driver.test", "{}").json().at("up"), false);
  EXPECT_THAT(events(), IsEmpty()) << "nothing has changed";
  EXPECT_EQ(patch("driver.test", R"({"up": true})").json().at("up"), true);
  EXPECT_THAT(events(), ElementsAre("service.changed  driver.test up"));
}

TEST_F(ControlServices, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(patch("driver.tst", R"({"up": false})").status, 404);
  EXPECT_EQ(patch("driver.test", R"({"up": "no"})").pointer(), "/up");
  EXPECT_EQ(patch("driver.test", R"({"down": true})").pointer(), "/down");
  EXPECT_EQ(call("DELETE", "/v1/services/driver.test").status, 405);
  EXPECT_THAT(ups(), ElementsAre(true, true, true));
}

TEST_F(ControlServices, OneThatIsDownStaysSoInAReloadHoweverItIsEditedUntilItIsGone) {
  for (const char* const name : {"driver.test", "name.test"}) ASSERT_EQ(patch(name, R"({"up": false})").status, 200);
  (void)events();
  Config edited = file;
  edited.services[0].ipv4 = {ip4("52.52.0.9")};
  edited.services[1].forward.clear();
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_THAT(ups(), ElementsAre(false, true, false));
  EXPECT_FALSE(operations.is_up("driver.test"));
  std::erase_if(edited.services, [](const Service& service) { return service.name == "name.test"; });
  ASSERT_TRUE(operations.reload(edited));
  ASSERT_TRUE(operations.reload(file));
  EXPECT_THAT(ups(), ElementsAre(false, true, true)) << "one that comes anew is up";
}

}  // namespace
}  // namespace vnet::daemon
