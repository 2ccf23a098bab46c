// What is changed of a network's router while it runs: done whole or refused, shown, and kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kRouters = R"({
  "networks": [
    {"name": "home", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.1"}, "dns": {"upstream": "none"}},
    {"name": "isp", "ipv4": "100.64.0.1/16", "wan": {"ipv4": "2.1.1.2"}, "dns": {"upstream": "none"}},
    {"name": "flat", "ipv4": "10.2.0.1/24", "wan": {"ipv4": "100.64.0.2"}, "nat": {"behind": "isp"},
     "dns": {"upstream": "none"}}],
  "services": [{"name": "a.test", "ipv4": "3.3.3.3"}],
  "listen": {"dgram": [], "stream": []}})";

class ControlRouters : public testing::Test, protected ApiPlant {
 protected:
  ControlRouters() : ApiPlant(kRouters) {}

  Answer patch(std::string_view network, std::string body) {
    return call("PATCH", "/v1/networks/" + std::string{network}, std::move(body));
  }
  /// The change is made, shown, and still there after a restart.
  Json changed(std::string_view network, std::string body) {
    SCOPED_TRACE(body);
    const Answer answer = patch(network, std::move(body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(difference(operations.config(), after_restart()), RuntimeChanges{});
    EXPECT_EQ(call("GET", "/v1/networks/" + std::string{network}).json(), answer.json());
    return answer.json();
  }
  void expect_refused(std::string_view network, std::string body, std::string_view pointer, std::string_view text) {
    SCOPED_TRACE(body);
    const Answer answer = patch(network, std::move(body));
    EXPECT_GE(answer.status, 400);
    EXPECT_EQ(answer.json().value("pointer", ""), pointer) << answer.body;
    EXPECT_THAT(answer.detail(), HasSubstr(text));
    EXPECT_EQ(operations.config(), file);
    EXPECT_EQ(after_restart(), file);
  }
  [[nodiscard]] const network::NetworkConfig& fabric_config(std::string_view name) const {
    return fabric.network_config(fabric.find_network(name).value());
  }
};

TEST_F(ControlRouters, ANatIsChangedByItsNameOrByItsBehaviours) {
  EXPECT_EQ(changed("home", R"({"nat": "hard", "cause": "a test"})").at("nat"), "hard");
  EXPECT_EQ(fabric_config("home").nat, behavior_of(nat::NatPreset::hard));
  EXPECT_THAT(events(), ElementsAre("network.changed  "));
  const Json shown = changed("home", R"({"nat": {"preset": "easy", "udp_timeout_s": 30}})").at("nat");
  EXPECT_EQ(shown.at("preset"), "easy");
  EXPECT_EQ(shown.at("udp_timeout_s"), 30);
  EXPECT_EQ(fabric_config("home").nat.udp_timeout, 30s);
  EXPECT_EQ(changed("home", R"({"nat": "easy"})").at("nat"), "easy");
  EXPECT_EQ(operations.changes(), RuntimeChanges{}) << "as the file has it";
}

TEST_F(ControlRouters, WhereARouterStandsStaysUnlessItIsNamed) {
  EXPECT_EQ(changed("flat", R"({"nat": "hard"})").at("nat").at("behind"), "isp");
  EXPECT_EQ(fabric_config("flat").behind, "isp");
  changed("home", R"({"nat": {"preset": "one2one", "host": "10.0.0.9"}})");
  EXPECT_EQ(fabric_config("home").one_to_one_host, ip4("10.0.0.9"));
  EXPECT_EQ(changed("home", R"({"nat": "one2one"})").at("nat").at("host"), "10.0.0.9");
  EXPECT_EQ(changed("home", R"({"nat": "easy"})").at("nat"), "easy");
}

TEST_F(ControlRouters, ARouterMovesBehindAnotherWithItsAddress) {
  changed("home", R"({"nat": {"preset": "hard", "behind": "isp"}, "wan": {"ipv4": "100.64.0.3"}})");
  EXPECT_EQ(fabric_config("home").behind, "isp");
  EXPECT_THAT(fabric_config("isp").dhcp->excluded, Contains(ip4("100.64.0.3"))) << "nobody else is given it";
  EXPECT_THAT(fabric_config("isp").dhcp->excluded, Contains(ip4("100.64.0.2")));
}

TEST_F(ControlRouters, OutsideAddressesAreChangedAndTakenAway) {
  EXPECT_EQ(changed("home", R"({"wan": {"ipv4": "2.1.1.9", "ipv6": "2001:db8::9"}})").at("wan"),
            Json::parse(R"({"ipv4": "2.1.1.9", "ipv6": "2001:db8::9"})"));
  EXPECT_EQ(fabric_config("home").wan, (network::Wan{ip4("2.1.1.9"), Ipv6Address::parse("2001:db8::9")}));
  EXPECT_FALSE(changed("home", R"({"wan": null})").contains("wan"));
  EXPECT_EQ(fabric_config("home").wan, std::nullopt);
}

TEST_F(ControlRouters, BlackholesAreSetAddedAndRemoved) {
  EXPECT_EQ(changed("home", R"({"blackhole": ["3.0.0.0/8"]})").at("blackhole"), Json::parse(R"(["3.0.0.0/8"])"));
  EXPECT_EQ(changed("home", R"({"blackhole": {"add": ["2052::/16", "3.1.0.0/8"]}})").at("blackhole"),
            Json::parse(R"(["3.0.0.0/8", "2052::/16"])"));
  EXPECT_EQ(changed("home", R"({"blackhole": {"remove": ["3.0.0.0/8"], "add": ["4.4.4.4"]}})").at("blackhole"),
            Json::parse(R"(["2052::/16", "4.4.4.4/32"])"));
  EXPECT_EQ(fabric_config("home").blackhole.size(), 2U);
  EXPECT_EQ(changed("home", R"({"blackhole": []})").at("blackhole"), Json::array());
  expect_refused("home", R"({"blackhole": {"remove": ["3.0.0.0/8"]}})", "/blackhole/remove/0",
                 "there are no blackholes");
  expect_refused("home", R"({"blackhole": ["3.0.0.0/33"]})", "/blackhole/0", "an IP prefix");
}

TEST_F(ControlRouters, AGatewayGetsAnotherAddress) {
  EXPECT_EQ(changed("home", R"({"ipv4": "10.0.0.2/24"})").at("ipv4"), "10.0.0.2/24");
  EXPECT_EQ(fabric_config("home").ipv4, Ipv4Prefix::parse("10.0.0.2/24"));
  EXPECT_THAT(operations.config().networks[0].dns.address, ElementsAre(IpAddress{ip4("10.0.0.2")}));
  EXPECT_EQ(changed("home", R"({"ipv4": "10.9.0.1/24"})").at("dhcp").at("range"),
            Json::parse(R"(["10.9.0.2", "10.9.0.254"])"));
}

TEST_F(ControlRouters, WhatDoesNotGoTogetherIsRefused) {
  expect_refused("home", R"({"nat": "hrad"})", "/nat", "did you mean \"hard\"?");
  expect_refused("home", R"({"nat": {"behind": "ips"}})", "/nat/behind", "did you mean \"isp\"?");
  expect_refused("home", R"({"nat": {"behind": "home"}})", "/nat/behind", "the network itself");
  expect_refused("isp", R"({"nat": {"behind": "flat"}})", "/nat/behind", "a circle");
  expect_refused("home", R"({"nat": {"ipv6": "nptv6"}})", "/nat/ipv6", "without ipv6");
  expect_refused("home", R"({"nat": {"host": "10.0.0.9"}})", "/nat/host", "without one2one");
  expect_refused("home", R"({"wan": {"ipv4": "2.1.1.2"}})", "/wan/ipv4", "network \"isp\"'s");
  expect_refused("isp", R"({"wan": {"ipv4": "2.1.1.1"}})", "/wan/ipv4", "network \"home\"'s");
  expect_refused("home", R"({"wan": {"ipv4": "3.3.3.3"}})", "/wan/ipv4", "service \"a.test\"'s");
  expect_refused("home", R"({"wan": {}})", "/wan", "at least one of them");
  expect_refused("flat", R"({"wan": null})", "/nat/behind", "without wan.ipv4");
  expect_refused("isp", R"({"ipv4": "100.64.0.2/16"})", "", "100.64.0.2, the gateway's address");
  expect_refused("isp", R"({"ipv4": "100.65.0.1/16"})", "", "100.64.0.2; expected a host address of 100.65.0.0/16");
}

TEST_F(ControlRouters, ARouterIsRebooted) {
  EXPECT_EQ(call("POST", "/v1/networks/home/reboot", R"({"cause": "a test"})").status, 204);
  EXPECT_EQ(call("POST", "/v1/networks/home/reboot").status, 204);
  EXPECT_THAT(events(), ElementsAre("network.changed  ", "network.changed  "));
  EXPECT_EQ(call("POST", "/v1/networks/hone/reboot").status, 404);
  EXPECT_EQ(call("POST", "/v1/networks/home/reboot", R"({"case": "x"})").pointer(), "/case");
}

TEST_F(ControlRouters, AFileThatWasEditedIsTheNewerWord) {
  changed("home", R"({"nat": "hard", "wan": {"ipv4": "2.1.1.9"}, "blackhole": ["3.0.0.0/8"]})");
  Config edited = file;
  edited.networks[0].nat = nat_of(nat::NatPreset::fullcone);
  edited.networks[0].wan = Wan{ip4("2.1.1.8"), {}};
  EXPECT_THAT(apply_changes(operations.changes(), edited),
              ElementsAre("nat of network home: changed at run time, and in the file since: the file holds",
                          "wan of network home: changed at run time, and in the file since: the file holds"));
  EXPECT_EQ(edited.networks[0].blackhole.size(), 1U);
  EXPECT_EQ(edited.networks[0].wan, (Wan{ip4("2.1.1.8"), {}}));
}

TEST_F(ControlRouters, AReloadChangesRoutersWithoutNewGateways) {
  Config edited = file;
  edited.networks[0].nat = nat_of(nat::NatPreset::hard);
  edited.networks[0].wan = Wan{ip4("2.1.1.8"), {}};
  edited.networks[0].blackhole = {*parse_ip_prefix("3.0.0.0/8")};
  edited.networks[2].wan = Wan{ip4("100.64.0.7"), {}};
  const network::Gateway* const gateway = &fabric.gateway(0);
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_EQ(&fabric.gateway(0), gateway);
  EXPECT_EQ(fabric_config("home").nat, behavior_of(nat::NatPreset::hard));
  EXPECT_EQ(fabric_config("home").wan->ipv4, ip4("2.1.1.8"));
  EXPECT_EQ(fabric_config("home").blackhole.size(), 1U);
  EXPECT_THAT(fabric_config("isp").dhcp->excluded, Contains(ip4("100.64.0.7")));
}

}  // namespace
}  // namespace vnet::daemon
