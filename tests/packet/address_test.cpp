// Addresses and prefixes: what is read, what is written, and what is refused.
#include <gtest/gtest.h>

#include <unordered_set>

#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet {
namespace {

TEST(MacAddressText, IsReadWithColonsOrHyphensInEitherCase) {
  const MacAddress expected{{0x52, 0xcc, 0xcc, 0xcc, 0xcc, 0x01}};
  EXPECT_EQ(MacAddress::parse("52:cc:cc:cc:cc:01"), expected);
  EXPECT_EQ(MacAddress::parse("52-CC-cc-CC-cc-01"), expected);
  EXPECT_EQ(expected.to_string(), "52:cc:cc:cc:cc:01");
}

TEST(MacAddressText, RefusesEverythingElse) {
  for (const char* text : {"", "52:cc:cc:cc:cc", "52:cc:cc:cc:cc:1", "52:cc:cc:cc:cc:01:02", "52:cc-cc:cc:cc:01",
                           "52cccccccc01", "5g:cc:cc:cc:cc:01", "52:cc:cc:cc:cc:0x", "-2:cc:cc:cc:cc:01",
                           " 52:cc:cc:cc:cc:01", "52:cc:cc:cc:cc:01 ", "52.cc.cc.cc.cc.01", "+2:cc:cc:cc:cc:01"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << text;
  }
}

TEST(MacAddressValue, NumberAndBytesAgree) {
  const MacAddress mac = MacAddress::from_u64(0x0123456789abU);
  EXPECT_EQ(mac.to_string(), "01:23:45:67:89:ab");
  EXPECT_EQ(mac.to_u64(), 0x0123456789abU);
  EXPECT_EQ(MacAddress::from_u64(0xffff'0123456789abU), mac) << "the low 48 bits";
  EXPECT_EQ(MacAddress::load(mac.bytes().data()), mac);
}

TEST(MacAddressValue, Ieee8023TheFirstBitOnTheWireTellsAGroup) {
  EXPECT_TRUE(MacAddress::broadcast().is_group());
  EXPECT_TRUE(MacAddress::from_u64(0x01005e000001U).is_group());
  EXPECT_FALSE(MacAddress::from_u64(0x52cccccccc01U).is_group());
  EXPECT_FALSE(MacAddress::from_u64(0xfe0000000001U).is_group());
}

TEST(Ipv4AddressText, GoesThereAndBack) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "192.168.127.1", "10.0.0.200", "1.2.3.4"}) {
    const auto address = Ipv4Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(Ipv4Address::parse("1.2.3.4"), (Ipv4Address{1, 2, 3, 4}));
  EXPECT_EQ((Ipv4Address{1, 2, 3, 4}.to_u32()), 0x01020304U);
}

TEST(Ipv4AddressText, RefusesShortFormsLeadingZerosAndTheRest) {
  for (const char* text :
       {"",         ".",         "1",         "1.2",       "1.2.3",      "1.2.3.",           ".1.2.3",   "1..2.3",
        "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "01.2.3.4",   "1.2.3.04",         "00.0.0.0", "1.2.3.4 ",
        " 1.2.3.4", "1.2.3.+4",  "1.2.3.-4",  "0x1.2.3.4", "1.2.3.4/24", "4294967296.0.0.0", "1,2,3,4"}) {
    EXPECT_FALSE(Ipv4Address::parse(text)) << text;
  }
}

TEST(Ipv4AddressValue, KnowsItsKind) {
  EXPECT_TRUE((Ipv4Address{224, 0, 0, 1}.is_multicast()));
  EXPECT_TRUE((Ipv4Address{239, 255, 255, 255}.is_multicast()));
  EXPECT_FALSE((Ipv4Address{223, 255, 255, 255}.is_multicast()));
  EXPECT_FALSE((Ipv4Address{240, 0, 0, 1}.is_multicast()));
  EXPECT_TRUE((Ipv4Address{127, 9, 9, 9}.is_loopback()));
  EXPECT_TRUE(Ipv4Address::broadcast().is_broadcast());
  EXPECT_TRUE(Ipv4Address{}.is_unspecified());
}

struct Spelling {
  const char* read;
  const char* written;
};
void PrintTo(const Spelling& spelling, std::ostream* out) { *out << spelling.read; }

class Ipv6Text : public testing::TestWithParam<Spelling> {};

TEST_P(Ipv6Text, Rfc4291IsReadAndRfc5952IsWritten) {
  const auto address = Ipv6Address::parse(GetParam().read);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->to_string(), GetParam().written);
  EXPECT_EQ(Ipv6Address::parse(GetParam().written), address);
}
INSTANTIATE_TEST_SUITE_P(
    Spellings, Ipv6Text,
    testing::Values(Spelling{"::", "::"}, Spelling{"::1", "::1"}, Spelling{"1::", "1::"},
                    Spelling{"0:0:0:0:0:0:0:0", "::"}, Spelling{"2001:DB8::A", "2001:db8::a"},  // 4.3: lower case
                    Spelling{"2001:0db8:0000:0000:0001:0000:0000:0001",
                             "2001:db8::1:0:0:1"},                                       // 4.2.3: the first of equals
                    Spelling{"2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"},                // 4.2.3: the longest
                    Spelling{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},            // 4.2.2: not a single group
                    Spelling{"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},             //
                    Spelling{"0:0:1::", "0:0:1::"}, Spelling{"::1:0:0:0", "::1:0:0:0"},  //
                    Spelling{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"}, Spelling{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
                    Spelling{"fe80::50ee:eeff:feee:ee01", "fe80::50ee:eeff:feee:ee01"},
                    Spelling{"::ffff:192.0.2.1", "::ffff:c000:201"}, Spelling{"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
                    Spelling{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
                    Spelling{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}));

TEST(Ipv6AddressText, RefusesWhatIsNone) {
  for (const char* text : {"",
                           ":",
                           ":::",
                           "1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           "1:2:3:4:5:6:7:8::",
                           "::1:2:3:4:5:6:7:8",
                           ":1::",
                           "1:",
                           "1::2:",
                           ":1:2:3:4:5:6:7",
                           "12345::",
                           "g::",
                           "::1%eth0",
                           "[::1]",
                           "::1 ",
                           " ::1",
                           "::1/64",
                           "0x1::",
                           "-1::",
                           "+1::",
                           "1.2.3.4",
                           "1.2.3.4::",
                           "::1.2.3",
                           "::1.2.3.4.5",
                           "::1.2.3.4:5",
                           "::01.2.3.4",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "1::2:3:4:5:6:7:1.2.3.4"}) {
    EXPECT_FALSE(Ipv6Address::parse(text)) << text;
  }
}

TEST(Ipv6AddressValue, Rfc4291TheLinkLocalAddressOfAMacAddress) {
  const auto mac = MacAddress::parse("34:56:78:9a:bc:de").value();
  EXPECT_EQ(Ipv6Address::link_local(mac).to_string(), "fe80::3656:78ff:fe9a:bcde");
}

TEST(Ipv6AddressValue, Rfc4291SolicitedNodeAndRfc2464Multicast) {
  const auto address = Ipv6Address::parse("4037::01:800:200e:8c6c").value();
  EXPECT_EQ(address.solicited_node().to_string(), "ff02::1:ff0e:8c6c");
  EXPECT_EQ(address.solicited_node().multicast_mac().to_string(), "33:33:ff:0e:8c:6c");
  EXPECT_EQ(Ipv6Address::all_routers().multicast_mac().to_string(), "33:33:00:00:00:02");
}

TEST(Ipv6AddressValue, KnowsItsKind) {
  EXPECT_TRUE(Ipv6Address::parse("febf::1")->is_link_local());
  EXPECT_FALSE(Ipv6Address::parse("fec0::1")->is_link_local());
  EXPECT_TRUE(Ipv6Address::all_nodes().is_multicast());
  EXPECT_TRUE(Ipv6Address{}.is_unspecified());
}

TEST(Ipv4PrefixValue, MaskNetworkAndBroadcast) {
  const auto prefix = Ipv4Prefix::parse("192.168.127.1/24").value();
  EXPECT_EQ(prefix.mask().to_string(), "255.255.255.0");
  EXPECT_EQ(prefix.network().to_string(), "192.168.127.0");
  EXPECT_EQ(prefix.broadcast().to_string(), "192.168.127.255");
  EXPECT_EQ(prefix.to_string(), "192.168.127.1/24");
  EXPECT_TRUE(prefix.contains({192, 168, 127, 255}));
  EXPECT_FALSE(prefix.contains({192, 168, 128, 0}));
}

TEST(Ipv4PrefixValue, TheEndsOfTheRange) {
  const auto all = Ipv4Prefix::parse("0.0.0.0/0").value();
  EXPECT_TRUE(all.contains({203, 0, 113, 1}));
  EXPECT_TRUE(all.mask().is_unspecified());
  const auto one = Ipv4Prefix::parse("10.0.0.1").value();
  EXPECT_EQ(one.length, 32);
  EXPECT_TRUE(one.contains({10, 0, 0, 1}));
  EXPECT_FALSE(one.contains({10, 0, 0, 0}));
}

TEST(PrefixText, RefusesWhatIsNone) {
  for (const char* text : {"", "/", "/24", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/08", "10.0.0.1/+8",
                           "10.0.0.1/8 ", "10.0.0/8", "10.0.0.1/255.0.0.0", "10.0.0.1/8/8", "10.0.0.1/4294967304"}) {
    EXPECT_FALSE(Ipv4Prefix::parse(text)) << text;
  }
  for (const char* text : {"::/129", "::/", "::/064", "/64", "1.2.3.4/24"})
    EXPECT_FALSE(Ipv6Prefix::parse(text)) << text;
}

TEST(Ipv6PrefixValue, EveryLengthKeepsThatManyBits) {
  const auto ones = Ipv6Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").value();
  for (unsigned length = 0; length <= 128; ++length) {
    const Ipv6Prefix prefix{ones, static_cast<std::uint8_t>(length)};
    unsigned bits = 0;
    const Ipv6Address network = prefix.network();
    for (const std::uint8_t octet : network.octets()) bits += static_cast<unsigned>(__builtin_popcount(octet));
    ASSERT_EQ(bits, length);
    ASSERT_TRUE(prefix.contains(ones));
    ASSERT_EQ(prefix.contains(Ipv6Address{}), length == 0);
  }
  EXPECT_TRUE(Ipv6Prefix::parse("fd00:1::1/64")->contains(*Ipv6Address::parse("fd00:1::ffff:1")));
  EXPECT_FALSE(Ipv6Prefix::parse("fd00:1::1/64")->contains(*Ipv6Address::parse("fd00:1:0:1::1")));
  EXPECT_EQ(Ipv6Prefix::parse("fd00:1::1/64")->to_string(), "fd00:1::1/64");
}

IpAddress any_ip(const char* text) { return parse_ip(text).value(); }

TEST(IpAddressValue, KnowsItsFamilyAndWhetherItIsAny) {
  EXPECT_TRUE(is_v4(any_ip("192.0.2.1")));
  EXPECT_FALSE(is_v4(any_ip("2001:db8::1")));
  EXPECT_FALSE(is_v4(any_ip("::ffff:192.0.2.1"))) << "an IPv6 address, whatever it maps";
  for (const char* text : {"0.0.0.0", "::"}) EXPECT_TRUE(is_unspecified(any_ip(text))) << text;
  for (const char* text : {"0.0.0.1", "255.255.255.255", "::1", "::ffff:0.0.0.0"}) {
    EXPECT_FALSE(is_unspecified(any_ip(text))) << text;
  }
}

TEST(IpPrefixValue, ContainsAddressesOfItsOwnFamily) {
  const auto within = [](const char* prefix, const char* address) {
    return contains(parse_ip_prefix(prefix).value(), any_ip(address));
  };
  EXPECT_TRUE(within("192.0.2.77/24", "192.0.2.255")) << "the host bits of a prefix do not count";
  EXPECT_FALSE(within("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(within("2001:db8::5/33", "2001:db8:7fff::"));
  EXPECT_FALSE(within("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(within("192.0.2.1/32", "192.0.2.1"));
  EXPECT_FALSE(within("2001:db8::1", "2001:db8::2"));
  EXPECT_TRUE(within("0.0.0.0/0", "255.255.255.255"));
  EXPECT_FALSE(within("0.0.0.0/0", "::")) << "all of IPv4 has nothing of IPv6";
  EXPECT_FALSE(within("::/0", "0.0.0.0"));
}

TEST(IpAddressText, IsOfEitherFamily) {
  EXPECT_EQ(parse_ip("10.0.0.1"), (IpAddress{Ipv4Address{10, 0, 0, 1}}));
  EXPECT_EQ(parse_ip("::1"), IpAddress{*Ipv6Address::parse("::1")});
  EXPECT_FALSE(parse_ip("localhost"));
  EXPECT_EQ(to_string(*parse_ip("::1")), "::1");
}

TEST(AddressHashes, NeighboursAreSpread) {
  std::unordered_set<std::size_t> low_bits;
  for (std::uint32_t i = 0; i < 256; ++i)
    low_bits.insert(std::hash<Ipv4Address>{}(Ipv4Address{0x0a000000U + i}) & 0xffffU);
  EXPECT_GT(low_bits.size(), 250U);
}

}  // namespace
}  // namespace vnet
