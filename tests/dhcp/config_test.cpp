// What a configuration may not say.
#include "dhcp/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using test::home;
using test::ip;
using test::mac;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

template <typename Change>
std::string problem_after(Change change) {
  ServerConfig config = home();
  change(config);
  return problem(config).value_or("none");
}

TEST(DhcpConfig, HomeHasNoProblem) { EXPECT_EQ(problem(home()), std::nullopt); }

TEST(DhcpConfig, GatewayIsAHostOfAPrefixOfUsefulSize) {
  EXPECT_THAT(problem_after([](auto& c) { c.gateway.address = ip("192.168.1.0"); }), HasSubstr("host address"));
  EXPECT_THAT(problem_after([](auto& c) { c.gateway.address = ip("192.168.1.255"); }), HasSubstr("host address"));
  EXPECT_THAT(problem_after([](auto& c) { c.gateway.length = 31; }), HasSubstr("8 to 30"));
  EXPECT_THAT(problem_after([](auto& c) { c.gateway.length = 7; }), HasSubstr("8 to 30"));
}

TEST(DhcpConfig, RangeIsOrderedAndInsideThePrefix) {
  EXPECT_THAT(problem_after([](auto& c) { c.range_first = ip("192.168.1.200"); }), HasSubstr("above"));
  EXPECT_THAT(problem_after([](auto& c) { c.range_last = ip("192.168.2.1"); }), HasSubstr("192.168.1.1/24"));
  EXPECT_THAT(problem_after([](auto& c) { c.range_first = ip("10.0.0.1"); }), HasSubstr("192.168.1.1/24"));
  EXPECT_EQ(problem_after([](auto& c) { c.range_first = c.range_last = {}; }), "none");
}

TEST(DhcpConfig, TimesAndCountsHaveBounds) {
  EXPECT_THAT(problem_after([](auto& c) { c.lease_time = 999ms; }), HasSubstr("times"));
  EXPECT_THAT(problem_after([](auto& c) { c.lease_time = std::chrono::seconds{0xffffffff}; }), HasSubstr("times"));
  EXPECT_THAT(problem_after([](auto& c) { c.max_leases = 0; }), HasSubstr("max_leases"));
  EXPECT_THAT(problem_after([](auto& c) { c.max_leases = kMaxLeases + 1; }), HasSubstr("max_leases"));
  EXPECT_THAT(problem_after([](auto& c) { c.excluded.resize(1025); }), HasSubstr("excluded"));
}

TEST(DhcpConfig, ParametersMustFitTheirOptions) {
  EXPECT_THAT(problem_after([](auto& c) { c.dns_servers.resize(64); }), HasSubstr("DNS"));
  EXPECT_THAT(problem_after([](auto& c) { c.domain = "a..b"; }), HasSubstr("\"a..b\""));
  EXPECT_THAT(problem_after([](auto& c) { c.search = {"ok", ""}; }), HasSubstr("domain name"));
  EXPECT_THAT(problem_after([](auto& c) { c.search.assign(65, "a"); }), HasSubstr("search"));
  EXPECT_THAT(problem_after([](auto& c) { c.mtu = 575; }), HasSubstr("576"));
  EXPECT_THAT(problem_after([](auto& c) { c.routes.resize(65); }), HasSubstr("routes"));
  EXPECT_THAT(problem_after([](auto& c) { c.options[43].resize(1025); }), HasSubstr("43"));
}

TEST(DhcpConfig, ProtocolOptionsCannotBeSet) {
  for (const std::uint8_t code : test::Bytes{0, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82, 255}) {
    EXPECT_THAT(problem_after([&](auto& c) { c.options[code] = {1}; }), HasSubstr("protocol")) << int{code};
  }
  EXPECT_EQ(problem_after([](auto& c) { c.options[3] = {}; }), "none");
}

TEST(DhcpConfig, ReservationIsANicAndAnAddressThatMayBeGiven) {
  EXPECT_EQ(problem_after([](auto& c) { c.reservations = {{mac(1), ip("192.168.1.5"), "alice"}}; }), "none");
  for (const char* address : {"192.168.1.0", "192.168.1.255", "192.168.1.1", "10.0.0.1", "192.168.1.254"}) {
    EXPECT_THAT(problem_after([&](auto& c) {
                  c.excluded = {ip("192.168.1.254")};
                  c.reservations = {{mac(1), ip(address), ""}};
                }),
                HasSubstr(address));
  }
  EXPECT_THAT(problem_after([](auto& c) {
                c.reservations = {{MacAddress::broadcast(), ip("192.168.1.5"), ""}};
              }),
              HasSubstr("NIC"));
  EXPECT_THAT(problem_after([](auto& c) {
                c.reservations = {{mac(1), ip("192.168.1.5"), "a b"}};
              }),
              HasSubstr("host name"));
  EXPECT_THAT(problem_after([](auto& c) {
                c.reservations = {{mac(1), ip("192.168.1.5"), ""}, {mac(1), ip("192.168.1.6"), ""}};
              }),
              HasSubstr("two reservations"));
  EXPECT_THAT(problem_after([](auto& c) {
                c.reservations = {{mac(1), ip("192.168.1.5"), ""}, {mac(2), ip("192.168.1.5"), ""}};
              }),
              HasSubstr("twice"));
}

}  // namespace
}  // namespace vnet::dhcp
