#include "adapter/tap_names.hpp"

#include <gmock/gmock.h>

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DeriveMac, IsTheSameOnEveryStart) {
  EXPECT_EQ(derive_mac("host", "blue", "eth0"), derive_mac("host", "blue", "eth0"));
  // Once released, the function is a promise: leases and assignments hang on the address.
  EXPECT_EQ(derive_mac("host", "blue", "eth0").to_string(), "0a:d1:86:62:94:fa");
}

TEST(DeriveMac, DiffersByHostNamespaceAndName) {
  const MacAddress mac = derive_mac("host", "blue", "eth0");
  EXPECT_NE(mac, derive_mac("tsoh", "blue", "eth0"));
  EXPECT_NE(mac, derive_mac("host", "red", "eth0"));
  EXPECT_NE(mac, derive_mac("host", "blue", "eth1"));
  EXPECT_NE(derive_mac("host", "ab", "c"), derive_mac("host", "a", "bc"));
}

TEST(DeriveMac, IsLocallyAdministeredAndUnicast) {
  for (int i = 0; i < 1000; ++i) {
    const MacAddress mac = derive_mac("host", std::to_string(i), "tap0");
    ASSERT_FALSE(mac.is_group());
    ASSERT_EQ(mac.octets()[0] & 2, 2);
  }
}

TEST(InterfaceName, WhatLinuxTakesHasNoProblem) {
  for (const char* name : {"tap0", "eth0.100", "a", "exactly15bytes.", "br-1_x@y"}) {
    EXPECT_THAT(interface_name_problem(name), IsEmpty()) << name;
  }
}

TEST(InterfaceName, WhatLinuxRefusesIsRefusedWithAReason) {
  EXPECT_THAT(interface_name_problem(""), HasSubstr("1 to 15"));
  EXPECT_THAT(interface_name_problem("sixteen-bytes-16"), HasSubstr("16 bytes"));
  for (const char* name : {".", "..", "a/b", "a b", "a:0", "tap%d", "a\n", "\x7f"}) {
    EXPECT_FALSE(interface_name_problem(name).empty()) << name;
  }
}

TEST(OwnPaths, AreBesideTheSwitchFirst) {
  EXPECT_THAT(own_paths("/s/dgram.sock", "eth0", 42, "/run/user/7"),
              ElementsAre("/s/dgram.sock.tap-eth0-42", "/run/user/7/vnet-tap-eth0-42", "/tmp/vnet-tap-eth0-42"));
  EXPECT_THAT(own_paths("/s/dgram.sock", "eth0", 42, nullptr),
              ElementsAre("/s/dgram.sock.tap-eth0-42", "/tmp/vnet-tap-eth0-42"));
}

TEST(OwnPaths, LeaveOutWhatIsTooLongForASocket) {
  EXPECT_THAT(own_paths("/" + std::string(100, 'x'), "eth0", 42, nullptr), ElementsAre("/tmp/vnet-tap-eth0-42"));
}

}  // namespace
}  // namespace vnet::adapter
