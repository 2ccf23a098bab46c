#include "nat/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vnet::nat {
namespace {

std::string text(unsigned version, const std::optional<ProxiedConnection>& connection) {
  const auto header = proxy_header(version, connection);
  return {header.begin(), header.end()};
}

const ProxiedConnection kFour = {{Ipv4Address{192, 0, 2, 1}, 0x1234}, {Ipv4Address{198, 51, 100, 7}, 443}};
const ProxiedConnection kSix = {{*Ipv6Address::parse("2001:db8::1"), 0x1234}, {*Ipv6Address::parse("::1"), 443}};
const std::string kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};

TEST(ProxyHeader, NoVersionIsNoHeader) { EXPECT_EQ(text(0, kFour), ""); }

TEST(ProxyHeader, Version1IsALineOfText) {
  EXPECT_EQ(text(1, kFour), "PROXY TCP4 192.0.2.1 198.51.100.7 4660 443\r\n");
  EXPECT_EQ(text(1, kSix), "PROXY TCP6 2001:db8::1 ::1 4660 443\r\n");
  EXPECT_EQ(text(1, std::nullopt), "PROXY UNKNOWN\r\n");
}

TEST(ProxyHeader, Version2HasBothAddressesAndThenBothPorts) {
  EXPECT_EQ(text(2, kFour),
            kSignature + std::string("\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x01\xbb", 16));
  const std::string six = text(2, kSix);
  EXPECT_EQ(six.size(), 16U + 36U);
  EXPECT_EQ(six.substr(12, 8), (std::string("\x21\x21\x00\x24\x20\x01\x0d\xb8", 8)));
  EXPECT_EQ(six.substr(48), "\x12\x34\x01\xbb");
}

TEST(ProxyHeader, Version2OfAnUnknownClientHasNoAddresses) {
  EXPECT_EQ(text(2, std::nullopt), kSignature + std::string("\x21\x00\x00\x00", 4));
}

}  // namespace
}  // namespace vnet::nat
