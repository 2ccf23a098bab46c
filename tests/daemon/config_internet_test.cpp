// Whether the routers of a config go together, and what becomes of them for the fabric.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_testing.hpp"
#include "daemon/network_setup.hpp"

namespace vnet::daemon {
namespace {

std::string networks(std::string_view list, std::string_view rest = {}) {
  return complaints(R"({"networks": [)" + std::string{list} + "]" + std::string{rest} + "}");
}

/// What is said of a home at 10.0.0.1/24, 2052::1/64 with these members, beside the network isp.
std::string home(std::string_view members) {
  return networks(R"({"name": "isp", "ipv4": "100.64.0.1/10", "ipv6": "2053::1/64", "wan": {"ipv4": "2.0.0.1"},
                      "host_alias": "100.64.0.9"},
                     {"name": "home", "ipv4": "10.0.0.1/24", "ipv6": "2052::1/64", )" +
                  std::string{members} + "}");
}

TEST(ConfigInternet, WhatIsRightIsNotNamed) {
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2", "ipv6": "2001:db8::1"})"), "");
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2", "ipv6": "2001:db8::1"}, "nat": {"ipv6": "nptv6"})"), "");
  EXPECT_EQ(home(R"("wan": {"ipv6": "2001:db8::1"}, "nat": "cgnat")"), "");
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.2", "ipv6": "2053::2"}, "nat": {"behind": "isp"})"), "");
  EXPECT_EQ(home(R"("nat": "hard")"), "") << "a wan may come later";
}

TEST(ConfigInternet, WhoStandsBehindANetworkHasAnAddressOfIt) {
  const std::string at = "run.json: /networks/1";
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2"}, "nat": {"behind": "ips"})"),
            at + "/nat/behind: found no network named \"ips\"; expected one of isp, home; did you mean \"isp\"?\n");
  EXPECT_EQ(home(R"("nat": {"behind": "isp"})"),
            at + "/nat/behind: found a network without wan.ipv4; expected a wan with an ipv4 of 100.64.0.0/10\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2"}, "nat": {"behind": "isp"})"),
            at + "/wan/ipv4: found 2.0.0.2; expected a host address of 100.64.0.0/10\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.1"}, "nat": {"behind": "isp"})"),
            at + "/wan/ipv4: found 100.64.0.1, the gateway's address; expected an address that is free\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.9"}, "nat": {"behind": "isp"})"),
            at + "/wan/ipv4: found 100.64.0.9, the host alias; expected an address that is free\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.2", "ipv6": "2001:db8::1"}, "nat": {"behind": "isp"})"),
            at + "/wan/ipv6: found 2001:db8::1; expected a host address of 2053::1/64 other than the gateway's\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.2"}, "nat": {"preset": "cgnat", "behind": "isp"})"),
            at + "/nat/behind: found cgnat behind another network; expected another preset; cgnat has a carrier of its "
                 "own, in front of it\n");
  EXPECT_EQ(networks(R"({"name": "a", "ipv6": "2052::1/64"},
                        {"name": "b", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "10.0.1.2"}, "nat": {"behind": "a"}})"),
            at + "/nat/behind: found \"a\", which has no ipv4; expected a network with ipv4\n");
  EXPECT_EQ(networks(R"({"name": "a", "ipv4": "10.0.0.1/8"}, {"name": "b", "ipv4": "10.0.0.1/24",
                         "wan": {"ipv4": "10.0.0.2"}, "nat": {"behind": "a"}})"),
            at + "/wan/ipv4: found 10.0.0.2, inside the network itself; expected an address of the network that it "
                 "stands behind\n");
}

TEST(ConfigInternet, NobodyStandsBehindHimself) {
  EXPECT_EQ(networks(R"({"name": "a", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "10.0.0.2"}, "nat": {"behind": "a"}})"),
            "run.json: /networks/0/nat/behind: found the network itself; expected another network\n"
            "run.json: /networks/0/wan/ipv4: found 10.0.0.2, inside the network itself; expected an address of the "
            "network that it stands behind\n");
  EXPECT_EQ(networks(R"({"name": "a", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "10.0.1.2"}, "nat": {"behind": "b"}},
                        {"name": "b", "ipv4": "10.0.1.1/24", "wan": {"ipv4": "10.0.0.2"}, "nat": {"behind": "a"}},
                        {"name": "c", "ipv4": "10.0.2.1/24", "wan": {"ipv4": "10.0.0.3"}, "nat": {"behind": "a"}})"),
            "run.json: /networks/0/nat/behind: found a circle: \"b\" stands behind this one; expected none\n"
            "run.json: /networks/1/nat/behind: found a circle: \"a\" stands behind this one; expected none\n");
}

TEST(ConfigInternet, OutsideAddressesAreOfTheInternet) {
  const std::string at = "run.json: /networks/1/wan";
  EXPECT_EQ(home(R"("wan": {"ipv4": "100.64.0.2"})"),
            at + "/ipv4: found 100.64.0.2, inside network \"isp\"; expected an address outside of every network, or "
                 "nat.behind that network\n");
  EXPECT_EQ(home(R"("wan": {"ipv6": "2052::5"})"),
            at + "/ipv6: found 2052::5, inside network \"home\"; expected an address outside of every network\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "127.0.0.1", "ipv6": "ff02::1"})"),
            at + "/ipv4: found 127.0.0.1; expected a unicast address, not in 0/8 or 127/8\nrun.json: /networks/1/wan"
                 "/ipv6: found ff02::1; expected a global or unique local unicast address\n");
  EXPECT_EQ(home(R"("wan": {})"), at + ": found neither ipv4 nor ipv6; expected at least one of them\n");
}

TEST(ConfigInternet, OutsideAddressesAreOnesOwn) {
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.1"})"),
            "run.json: /networks/1/wan/ipv4: found 2.0.0.1, network \"isp\"'s; expected an address that is free\n");
  const auto two = [](std::string_view first, std::string_view second) {
    return networks(R"({"ipv6": "2052::1/64", "wan": {"ipv6": "2001:db8::1"}, "name": "a", "nat": )" +
                    std::string{first} + R"(}, {"ipv6": "2053::1/64", "wan": {"ipv6": "2001:db8::2"}, "nat": )" +
                    std::string{second} + "}");
  };
  EXPECT_EQ(two(R"("easy")", R"({"ipv6": "nat66"})"), "");
  EXPECT_EQ(two(R"({"ipv6": "nptv6"})", R"("easy")"),
            "run.json: /networks/1/wan/ipv6: found 2001:db8::2, network \"a\"'s; expected one of another /64, which "
            "nptv6 maps as a whole\n");
  EXPECT_EQ(networks(R"({"wan": {"ipv4": "3.3.3.4", "ipv6": "2054::1"}})",
                     R"(, "services": [{"name": "a.test", "ipv4": ["3.3.3.3", "3.3.3.4"], "ipv6": "2054::1"}])"),
            "run.json: /networks/0/wan/ipv4: found 3.3.3.4, service \"a.test\"'s; expected an address that is free\n"
            "run.json: /networks/0/wan/ipv6: found 2054::1, service \"a.test\"'s; expected an address that is free\n");
  EXPECT_EQ(networks(R"({"name": "isp", "ipv4": "100.64.0.1/10"}, {"name": "a", "ipv4": "10.0.0.1/24",
                         "wan": {"ipv4": "100.64.0.2"}, "nat": {"behind": "isp"}})",
                     R"(, "nics": [{"mac": "52:00:00:00:00:01", "ip": "100.64.0.2"}])"),
            "run.json: /nics/0/ip: found 100.64.0.2, the outside address of network \"a\"; expected an address that is "
            "free\n");
}

TEST(ConfigInternet, WhatANatNeedsIsThere) {
  const std::string at = "run.json: /networks/1/nat";
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2"}, "nat": {"host": "10.0.0.5"})"),
            at + "/host: found a host without one2one; expected the preset one2one\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2"}, "nat": {"preset": "one2one", "host": "10.0.1.5"})"),
            at + "/host: found 10.0.1.5; expected a host address of 10.0.0.0/24\n");
  EXPECT_EQ(home(R"("wan": {"ipv4": "2.0.0.2"}, "nat": {"ipv6": "nptv6"})"),
            at + "/ipv6: found nptv6 without wan.ipv6; expected routed, or both of them\n");
  EXPECT_EQ(networks(R"({"ipv4": "10.0.0.1/24", "wan": {"ipv6": "2001:db8::1"}, "nat": {"ipv6": "nat66"}})"),
            "run.json: /networks/0/nat/ipv6: found nat66 without ipv6; expected routed, or both of them\n");
  EXPECT_EQ(networks(R"({"ipv4": "100.127.0.1/24", "wan": {"ipv4": "2.0.0.2"}, "nat": "cgnat"})"),
            "run.json: /networks/0/nat: found cgnat with 100.127.0.1/24 inside; expected a network outside of "
            "100.64.0.0/10, where the carrier has its customers\n");
}

TEST(ConfigInternet, TheFabricIsToldAllOfIt) {
  const Config config = loaded(R"({"networks": [
      {"name": "isp", "ipv4": "100.64.0.1/10", "wan": {"ipv4": "2.0.0.1", "ipv6": "2001:db8::1"}, "nat": "hard",
       "blackhole": ["3.0.0.0/8"]},
      {"name": "home", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "100.64.0.2"},
       "nat": {"preset": "one2one", "behind": "isp", "host": "10.0.0.5"}}, {"name": "alone", "ipv4": "10.0.0.1/24"}]})");
  const auto made = network_configs(config);
  EXPECT_EQ(made[0].wan, (network::Wan{Ipv4Address{2, 0, 0, 1}, Ipv6Address::parse("2001:db8::1")}));
  EXPECT_EQ(made[0].nat, behavior_of(nat::NatPreset::hard));
  EXPECT_EQ(made[0].behind, "");
  EXPECT_THAT(made[0].blackhole, testing::ElementsAre(*parse_ip_prefix("3.0.0.0/8")));
  EXPECT_THAT(made[0].dhcp->excluded, testing::Contains(Ipv4Address(100, 64, 0, 2))) << "it is a router's";
  EXPECT_EQ(made[1].behind, "isp");
  EXPECT_EQ(made[1].one_to_one_host, Ipv4Address(10, 0, 0, 5));
  EXPECT_EQ(made[2].wan, std::nullopt);
  EXPECT_FALSE(made[2].nat.translates);
}

}  // namespace
}  // namespace vnet::daemon
