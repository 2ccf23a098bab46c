#include "daemon/service_setup.hpp"

#include <gtest/gtest.h>

#include "tests/daemon/config_testing.hpp"

namespace vnet::daemon {
namespace {

using nat::EgressProtocol;
using nat::HostPath;
using nat::ServiceTarget;

const IpAddress kFour = Ipv4Address{52, 52, 0, 2};
const IpAddress kSix = *Ipv6Address::parse("2052::2");

TEST(ServiceSetup, EveryAddressHasEveryPort) {
  const Config config = loaded(R"({"services": [{"name": "a.test", "ipv4": ["52.52.0.2", "52.52.0.3"],
    "ipv6": "2052::2", "forward": {"tcp/8008": "unix:driver.sock", "udp/514": "127.0.0.1:1514"},
    "proxy_protocol": 2}]})");
  const nat::ServiceTargets targets = service_targets(config.services, {});
  EXPECT_EQ(targets.size(), 6U);
  const ServiceTarget driver{HostPath{"/etc/vnet/driver.sock"}, 2, false};
  const ServiceTarget logs{nat::Endpoint{Ipv4Address{127, 0, 0, 1}, 1514}, 0, false};
  for (const IpAddress& address : {kFour, IpAddress{Ipv4Address{52, 52, 0, 3}}, kSix}) {
    EXPECT_EQ(*targets.find(EgressProtocol::tcp, {address, 8008}), driver);
    EXPECT_EQ(*targets.find(EgressProtocol::udp, {address, 514}), logs);
    EXPECT_EQ(targets.find(EgressProtocol::udp, {address, 8008}), nullptr);
    EXPECT_EQ(targets.find(EgressProtocol::tcp, {address, 514}), nullptr);
  }
}

TEST(ServiceSetup, FilesAreServedByASocketOfOurOwn) {
  const Config config = loaded(R"({"services": [
    {"name": "files.test", "ipv4": "52.52.0.2", "kind": "files", "root": "f", "forward": {"tcp/21": "127.0.0.1:2121"}},
    {"name": "cloud-init.test", "ipv6": "2052::2", "kind": "cloud-init", "root": "s"},
    {"name": "echo.test", "ipv4": "52.52.0.7", "kind": "echo"}]})");
  const nat::ServiceTargets targets = service_targets(config.services, {{"files.test", "/run/1.sock"}});
  EXPECT_EQ(targets.find(EgressProtocol::tcp, {kFour, 80})->to, nat::HostTarget{HostPath{"/run/1.sock"}});
  EXPECT_NE(targets.find(EgressProtocol::tcp, {kFour, 21}), nullptr);
  EXPECT_EQ(targets.find(EgressProtocol::tcp, {kSix, 80})->to, nat::HostTarget{HostPath{}}) << "it has no socket";
  EXPECT_EQ(targets.size(), 3U);
}

TEST(ServiceSetup, OneThatIsDownIsStillThere) {
  const Config config = loaded(R"({"services": [
    {"name": "a.test", "ipv4": "52.52.0.2", "forward": {"tcp/1": "127.0.0.1:1"}},
    {"name": "b.test", "ipv4": "52.52.0.3", "forward": {"tcp/1": "127.0.0.1:1"}}]})");
  const nat::ServiceTargets targets = service_targets(config.services, {}, {"a.test"});
  EXPECT_TRUE(targets.find(EgressProtocol::tcp, {kFour, 1})->down);
  EXPECT_FALSE(targets.find(EgressProtocol::tcp, {Ipv4Address{52, 52, 0, 3}, 1})->down);
}

}  // namespace
}  // namespace vnet::daemon
