// Search lists, routes and host names, against the examples of their RFCs.
#include "dhcp/option_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace vnet::dhcp {
namespace {

using Bytes = std::vector<std::uint8_t>;
using ::testing::ElementsAre;
using namespace std::string_literals;

Bytes route(std::string_view destination) {
  const std::array routes = {Route{*Ipv4Prefix::parse(destination), Ipv4Address{10, 0, 0, 1}}};
  Bytes bytes = encode_routes(routes);
  EXPECT_EQ(Bytes(bytes.end() - 4, bytes.end()), (Bytes{10, 0, 0, 1}));
  bytes.resize(bytes.size() - 4);
  return bytes;
}

TEST(Rfc3442, DestinationDescriptorsOfTheTableOfExamples) {
  EXPECT_THAT(route("0.0.0.0/0"), ElementsAre(0));
  EXPECT_THAT(route("10.0.0.0/8"), ElementsAre(8, 10));
  EXPECT_THAT(route("10.0.0.0/24"), ElementsAre(24, 10, 0, 0));
  EXPECT_THAT(route("10.17.0.0/16"), ElementsAre(16, 10, 17));
  EXPECT_THAT(route("10.27.129.0/24"), ElementsAre(24, 10, 27, 129));
  EXPECT_THAT(route("10.229.0.128/25"), ElementsAre(25, 10, 229, 0, 128));
  EXPECT_THAT(route("10.198.122.47/32"), ElementsAre(32, 10, 198, 122, 47));
}

TEST(Rfc3442, HostBitsAreCleared) { EXPECT_THAT(route("10.229.0.200/25"), ElementsAre(25, 10, 229, 0, 128)); }

TEST(Rfc3397, ExampleOfSection2IsCompressedInsideTheOption) {
  const std::array names = {"eng.apple.com"s, "marketing.apple.com"s};
  const std::string expected =
      "\x03"
      "eng\x05"
      "apple\x03"
      "com\0\x09"
      "marketing\xc0\x04"s;
  EXPECT_EQ(as_text(encode_search_list(names)), expected);
}

TEST(Rfc3397, NameThatIsATailOrARepetitionIsOnePointer) {
  const std::array names = {"eng.apple.com"s, "apple.com"s, "eng.apple.com"s, "test"s};
  const std::string expected =
      "\x03"
      "eng\x05"
      "apple\x03"
      "com\0\xc0\x04\xc0\0\x04"
      "test\0"s;
  EXPECT_EQ(as_text(encode_search_list(names)), expected);
}

TEST(DhcpHostName, IsTheFirstLabelInLowerCase) {
  EXPECT_EQ(clean_host_name(as_bytes("alice")), "alice");
  EXPECT_EQ(clean_host_name(as_bytes("Alice-2.home.arpa")), "alice-2");
  EXPECT_EQ(clean_host_name(as_bytes("alice\0"s)), "alice") << "some clients send a NUL";
  EXPECT_EQ(clean_host_name(as_bytes(std::string(63, 'a'))), std::string(63, 'a'));
}

TEST(DhcpHostName, HostileTextIsNoName) {
  for (const std::string& text : {""s, "-a"s, "a-"s, ".a"s, "a b"s, "a\n"s, "a/../b"s, "<script>"s, "\xc3\xa4"s, "\0a"s,
                                  "a_b"s, std::string(64, 'a')}) {
    EXPECT_EQ(clean_host_name(as_bytes(text)), "") << ::testing::PrintToString(text);
  }
}

TEST(DhcpDomainName, KeepsTheLimitsOfRfc1035) {
  EXPECT_TRUE(is_domain_name("vnet"));
  EXPECT_TRUE(is_domain_name("_tcp.a-b.example.com"));
  const std::string label(63, 'a');
  EXPECT_TRUE(is_domain_name(label + "." + label + "." + label + "." + std::string(61, 'a')));
  EXPECT_FALSE(is_domain_name(label + "." + label + "." + label + "." + std::string(62, 'a')));
  for (const std::string& name : {""s, "."s, "a."s, ".a"s, "a..b"s, "a b"s, label + "a"}) {
    EXPECT_FALSE(is_domain_name(name)) << name;
  }
}

}  // namespace
}  // namespace vnet::dhcp
