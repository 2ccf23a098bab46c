// Who may reach what: the rules, what no rule opens, the host alias, and IPv4 inside IPv6.
#include "nat/egress_policy.hpp"

#include <gtest/gtest.h>

#include <set>

#include "egress_testing.hpp"

namespace vnet::nat {
namespace {

using namespace test;
using enum EgressVerdict;

constexpr auto kTcp = EgressProtocol::tcp;
constexpr auto kUdp = EgressProtocol::udp;
constexpr auto kIcmp = EgressProtocol::icmp;

TEST(EgressPolicy, WithoutRulesEverythingPublicIsAllowed) {
  const EgressPolicy open = policy({}, {});
  for (const char* text : {"1.1.1.1", "10.1.2.3", "192.168.1.1", "100.64.0.1", "223.255.255.255", "2606:4700::1111",
                           "fd00::1", "64:ff9b::1.1.1.1"}) {
    EXPECT_EQ(tcp(open, text), allowed) << text;
  }
}

TEST(EgressPolicy, DefaultRulesDenyIpv4LinkLocal) {
  const EgressPolicy standard{EgressRules{}, {}, {}};
  EXPECT_EQ(tcp(standard, "169.254.169.254", 80), denied);
  EXPECT_EQ(tcp(standard, "64:ff9b::169.254.169.254", 80), denied);
  EXPECT_EQ(tcp(standard, "169.253.0.1"), allowed);
  EXPECT_EQ(tcp(policy({"169.254.169.123/32"}, {"169.254.0.0/16"}), "169.254.169.123"), allowed);
  EXPECT_EQ(tcp(policy({}, {}), "169.254.169.254"), allowed) << "an empty deny list is the operator's word";
}

TEST(EgressPolicy, SwitchedOffReachesNothing) {
  const EgressPolicy off{{false, rules({"0.0.0.0/0"}), {}}, {}, ip("10.0.0.254")};
  EXPECT_EQ(tcp(off, "1.1.1.1"), disabled);
  EXPECT_EQ(tcp(off, "10.0.0.254"), disabled);
}

TEST(EgressPolicy, WithoutAllowRulesWhatIsNotDeniedIsAllowed) {
  const EgressPolicy some = policy({}, {"10.0.0.0/8", "fd00::/8"});
  EXPECT_EQ(tcp(some, "10.255.0.1"), denied);
  EXPECT_EQ(tcp(some, "11.0.0.1"), allowed);
  EXPECT_EQ(tcp(some, "fd12::1"), denied);
  EXPECT_EQ(tcp(some, "fc12::1"), allowed);
}

TEST(EgressPolicy, WithAllowRulesTheRestIsUnlistedInBothFamilies) {
  const EgressPolicy some = policy({"10.0.0.0/8"}, {});
  EXPECT_EQ(tcp(some, "10.1.1.1"), allowed);
  EXPECT_EQ(tcp(some, "11.1.1.1"), unlisted);
  EXPECT_EQ(tcp(some, "2606::1"), unlisted);
}

TEST(EgressPolicy, TheLongestPrefixDecides) {
  const EgressPolicy nested = policy({"0.0.0.0/0", "10.1.0.0/16", "10.1.2.3/32"}, {"10.0.0.0/8", "10.1.2.0/24"});
  EXPECT_EQ(tcp(nested, "9.9.9.9"), allowed);
  EXPECT_EQ(tcp(nested, "10.2.0.1"), denied);
  EXPECT_EQ(tcp(nested, "10.1.3.1"), allowed);
  EXPECT_EQ(tcp(nested, "10.1.2.1"), denied);
  EXPECT_EQ(tcp(nested, "10.1.2.3"), allowed);
  const EgressPolicy six = policy({"2000::/3", "2052::/64"}, {"2052::/16", "2052::1/128"});
  EXPECT_EQ(tcp(six, "2606::1"), allowed);
  EXPECT_EQ(tcp(six, "2052:1::1"), denied);
  EXPECT_EQ(tcp(six, "2052::2"), allowed);
  EXPECT_EQ(tcp(six, "2052::1"), denied);
  EXPECT_EQ(tcp(six, "fd00::1"), unlisted);
}

TEST(EgressPolicy, DenyWinsATie) {
  EXPECT_EQ(tcp(policy({"10.0.0.0/8"}, {"10.0.0.0/8"}), "10.0.0.1"), denied);
  EXPECT_EQ(tcp(policy({"0.0.0.0/0"}, {"0.0.0.0/0"}), "10.0.0.1"), denied);
  EXPECT_EQ(tcp(policy({"10.9.9.9/8"}, {"10.1.1.1/8"}), "10.0.0.1"), denied) << "bits behind the length";
}

TEST(EgressPolicy, RulesOfAnotherProtocolOrPortAreNotThere) {
  const EgressPolicy web{
      {true, {rule("0.0.0.0/0", kTcp, "80,443,8000-8100"), rule("0.0.0.0/0", kIcmp)}, {rule("10.0.0.0/8", kUdp)}},
      {},
      {}};
  const auto judge = [&web](EgressProtocol protocol, std::string_view to, unsigned port) {
    return web.judge(protocol, ip(to), static_cast<std::uint16_t>(port));
  };
  for (const unsigned port : {80U, 443U, 8000U, 8050U, 8100U}) EXPECT_EQ(judge(kTcp, "1.1.1.1", port), allowed) << port;
  for (const unsigned port : {1U, 79U, 81U, 442U, 444U, 7999U, 8101U, 65535U}) {
    EXPECT_EQ(judge(kTcp, "1.1.1.1", port), unlisted) << port;
  }
  EXPECT_EQ(judge(kUdp, "1.1.1.1", 443), unlisted);
  EXPECT_EQ(judge(kIcmp, "1.1.1.1", 0), allowed);
  EXPECT_EQ(judge(kTcp, "10.0.0.1", 443), allowed) << "the longer prefix is about UDP";
  EXPECT_EQ(judge(kUdp, "10.0.0.1", 443), denied);
}

TEST(EgressPolicy, ARuleWithPortsAloneIsAboutTcpAndUdp) {
  const EgressPolicy mail{{true, {}, {rule("0.0.0.0/0", {}, "25")}}, {}, {}};
  EXPECT_EQ(mail.judge(kTcp, ip("1.1.1.1"), 25), denied);
  EXPECT_EQ(mail.judge(kUdp, ip("1.1.1.1"), 25), denied);
  EXPECT_EQ(mail.judge(kIcmp, ip("1.1.1.1"), 25), allowed);
  EXPECT_EQ(mail.judge(kTcp, ip("1.1.1.1"), 26), allowed);
}

TEST(EgressPolicy, NoRuleOpensWhatIsBuiltIn) {
  const EgressPolicy all = policy({"0.0.0.0/0", "::/0", "127.0.0.1/32", "::1/128", "fe80::1/128", "224.0.0.1/32"}, {});
  struct Row {
    const char* first;
    const char* last;
    EgressVerdict verdict;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"0.0.0.0", "0.255.255.255", unspecified},
           {"127.0.0.0", "127.255.255.255", loopback},
           {"224.0.0.0", "239.255.255.255", multicast},
           {"240.0.0.0", "255.255.255.255", reserved},
           {"::", "::", unspecified},
           {"::1", "::1", loopback},
           {"::2", "::255.255.255.255", ipv4_in_ipv6},
           {"::ffff:0:0", "::ffff:255.255.255.255", ipv4_in_ipv6},
           {"::ffff:0:0:0", "::ffff:0:255.255.255.255", ipv4_in_ipv6},
           {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", link_local},
           {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", multicast},
       }) {
    for (const EgressProtocol protocol : {kTcp, kUdp, kIcmp}) {
      EXPECT_EQ(all.judge(protocol, ip(row.first), 80), row.verdict) << row.first;
      EXPECT_EQ(all.judge(protocol, ip(row.last), 80), row.verdict) << row.last;
    }
  }
  for (const char* beside : {"1.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255", "::1:0:0", "::fffe:0:0",
                             "::1:0:0:0", "::fffe:ffff:ffff:ffff", "fe7f::1", "fec0::1", "feff::1"}) {
    EXPECT_EQ(tcp(all, beside), allowed) << beside;
  }
}

TEST(EgressPolicy, PrefixesOfOwnNetworksAreNoEgress) {
  const std::vector<IpPrefix> inside{prefix("192.168.127.1/24"), prefix("fd5a::1/64")};
  const EgressPolicy home{{true, rules({"0.0.0.0/0", "::/0", "192.168.127.9/32"}), {}}, inside, {}};
  EXPECT_EQ(tcp(home, "192.168.127.9"), EgressVerdict::inside);
  EXPECT_EQ(tcp(home, "192.168.128.9"), allowed);
  EXPECT_EQ(tcp(home, "fd5a::77"), EgressVerdict::inside);
  EXPECT_EQ(tcp(home, "fd5a:0:0:1::77"), allowed);
  EXPECT_EQ(tcp(home, "64:ff9b::192.168.127.9"), EgressVerdict::inside);
}

TEST(HostAlias, IsReachedWhateverTheOtherRulesSay) {
  const std::vector<IpPrefix> inside{prefix("192.168.127.1/24")};
  for (const auto& allow : {rules({}), rules({"8.8.8.8/32"})}) {
    const EgressPolicy home{{true, allow, rules({"192.168.0.0/16", "0.0.0.0/0"})}, inside, ip("192.168.127.254")};
    EXPECT_EQ(tcp(home, "192.168.127.254"), allowed);
    EXPECT_EQ(tcp(home, "192.168.127.253"), EgressVerdict::inside);
    EXPECT_EQ(tcp(home, "127.0.0.1"), loopback);
    EXPECT_NE(tcp(home, "64:ff9b::192.168.127.254"), allowed);
  }
}

TEST(HostAlias, IsNoAllowRuleForOthers) {
  const EgressPolicy home{{true, {}, {}}, {}, ip("192.168.127.254")};
  EXPECT_EQ(tcp(home, "8.8.8.8"), allowed);
}

TEST(HostAlias, ADenyRuleThatNamesItClosesPorts) {
  const EgressPolicy home{{true, {}, {rule("192.168.127.254", kTcp, "22")}}, {}, ip("192.168.127.254")};
  EXPECT_EQ(tcp(home, "192.168.127.254", 22), denied);
  EXPECT_EQ(tcp(home, "192.168.127.254", 80), allowed);
}

TEST(HostAlias, IsTheLoopbackOfItsFamily) {
  const EgressPolicy four{EgressRules{}, {}, ip("10.0.0.254")};
  EXPECT_EQ(four.host_target(ip("10.0.0.254")), ip("127.0.0.1"));
  EXPECT_EQ(four.guest_source(ip("127.0.0.1")), ip("10.0.0.254"));
  EXPECT_EQ(four.guest_source(ip("127.0.0.2")), std::nullopt);
  EXPECT_EQ(four.guest_source(ip("::1")), std::nullopt);
  const EgressPolicy six{EgressRules{}, {}, ip("fd00::fe")};
  EXPECT_EQ(six.host_target(ip("fd00::fe")), ip("::1"));
  EXPECT_EQ(six.guest_source(ip("::1")), ip("fd00::fe"));
  EXPECT_EQ(six.guest_source(ip("127.0.0.1")), std::nullopt);
}

TEST(HostAlias, OtherAddressesStayAsTheyAre) {
  const std::vector<IpPrefix> inside{prefix("10.0.0.1/24")};
  const EgressPolicy home{EgressRules{}, inside, ip("10.0.0.254")};
  for (const char* text : {"1.1.1.1", "10.0.1.1", "2606::1"}) {
    EXPECT_EQ(home.host_target(ip(text)), ip(text));
    EXPECT_EQ(home.guest_source(ip(text)), ip(text));
  }
  for (const char* text : {"0.0.0.0", "127.0.0.2", "224.0.0.1", "255.255.255.255", "10.0.0.9", "::", "::ffff:1.1.1.1",
                           "fe80::1", "ff02::1"}) {
    EXPECT_EQ(home.host_target(ip(text)), std::nullopt) << text;
    EXPECT_EQ(home.guest_source(ip(text)), std::nullopt) << text;
  }
  EXPECT_EQ(home.guest_source(ip("10.0.0.254")), std::nullopt) << "nobody outside has the alias";
}

TEST(EmbeddedIpv4, IsJudgedByTheRulesOfIpv4Too) {
  const EgressPolicy some = policy({}, {"10.0.0.0/8"});
  struct Row {
    const char* form;
    EgressVerdict verdict;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"64:ff9b::10.1.1.1", denied},
           {"64:ff9b::127.0.0.1", loopback},
           {"64:ff9b::0.0.0.0", unspecified},
           {"64:ff9b::255.255.255.255", reserved},
           {"64:ff9b::8.8.8.8", allowed},
           {"2002:a01:101::1", denied},         // 10.1.1.1
           {"2002:7f00:1::1", loopback},        // 127.0.0.1
           {"2002:808:808::a01:101", allowed},  // 8.8.8.8
           {"2002:e000:1::1", multicast},
           // Teredo: the server in bits 32 to 63, the client's address inverted in the last 32.
           {"2001:0:a01:101:0:0:f7f7:f7f7", denied},    // server 10.1.1.1, client 8.8.8.8
           {"2001:0:808:808:0:0:f5fe:fefe", denied},    // client 10.1.1.1
           {"2001:0:808:808:0:0:80ff:fffe", loopback},  // client 127.0.0.1
           {"2001:0:808:808:0:0:f7f7:f7f7", allowed},   // both 8.8.8.8
           {"2001:1:a01:101:0:0:f5fe:fefe", allowed},   // not 2001::/32
           {"64:ff9b:0:0:0:1:10.1.1.1", allowed},       // not 64:ff9b::/96
       }) {
    EXPECT_EQ(tcp(some, row.form), row.verdict) << row.form;
  }
}

TEST(EmbeddedIpv4, Rfc8215IsReadForEveryPrefixLengthOfRfc6052) {
  const EgressPolicy some = policy({}, {"10.1.1.0/24"});
  struct Row {
    const char* form;
    EgressVerdict verdict;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"64:ff9b:1:a01:1:100::", denied},        // /48
           {"64:ff9b:1:a01:1:100:808:808", denied},  // /48, whatever stands in the suffix
           {"64:ff9b:1:a:1:101::", denied},          // /56
           {"64:ff9b:1:0:a:101:100::", denied},      // /64
           {"64:ff9b:1::10.1.1.1", denied},          // /96
           {"64:ff9b:1:7f00:0:100::", loopback},     // /48
           {"64:ff9b:1:7f:0:1::", loopback},         // /56
           {"64:ff9b:1:0:7f:0:100::", loopback},     // /64
           {"64:ff9b:1::127.0.0.1", loopback},       // /96
           {"64:ff9b:1::", unspecified},             // no address at all
           {"64:ff9b:1:808:8:800::", allowed},       // /48: 8.8.8.8
           {"64:ff9b:1::8.8.8.8", allowed},          // /96
           {"64:ff9b:2::10.1.1.1", allowed},         // another prefix
       }) {
    EXPECT_EQ(tcp(some, row.form), row.verdict) << row.form;
  }
}

TEST(EmbeddedIpv4, NeedsAnAllowRuleForBothWhereThereAreAllowRules) {
  EXPECT_EQ(tcp(policy({"8.8.8.8/32"}, {}), "64:ff9b::8.8.8.8"), unlisted);
  EXPECT_EQ(tcp(policy({"64:ff9b::/96"}, {}), "64:ff9b::8.8.8.8"), unlisted);
  EXPECT_EQ(tcp(policy({"64:ff9b::/96", "8.8.8.8/32"}, {}), "64:ff9b::8.8.8.8"), allowed);
  EXPECT_EQ(tcp(policy({"64:ff9b:1::/48", "8.8.8.8/32"}, {}), "64:ff9b:1::8.8.8.8"), allowed);
}

TEST(EgressVerdict, HasANameAndAMeaningOfItsOwn) {
  std::set<std::string_view> names;
  for (const EgressVerdictInfo& info : kEgressVerdicts) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.meaning.empty());
  }
  EXPECT_EQ(to_string(ipv4_in_ipv6), "ipv4-in-ipv6");
  EXPECT_EQ(to_string(allowed), "allowed");
}

TEST(EgressVerdict, Rfc1122NoErrorIsSentAboutWhatWentToAGroup) {
  EXPECT_TRUE(is_answered(denied));
  EXPECT_TRUE(is_answered(unlisted));
  EXPECT_TRUE(is_answered(disabled));
  EXPECT_FALSE(is_answered(multicast));
  EXPECT_FALSE(is_answered(reserved));
  EXPECT_FALSE(is_answered(allowed));
}

TEST(BuiltInVerdict, OfAPrefixIsThatOfAllItsAddresses) {
  const auto of = [](std::string_view text) { return built_in_verdict(prefix(text)); };
  EXPECT_EQ(of("127.0.0.0/8"), loopback);
  EXPECT_EQ(of("127.1.2.3/16"), loopback);
  EXPECT_EQ(of("126.0.0.0/7"), allowed);
  EXPECT_EQ(of("0.0.0.0/0"), allowed);
  EXPECT_EQ(of("::/0"), allowed);
  EXPECT_EQ(of("::1/128"), loopback);
  EXPECT_EQ(of("fe80::/10"), link_local);
  EXPECT_EQ(of("fe80::/9"), allowed);
  EXPECT_EQ(of("ff02::1/128"), multicast);
  EXPECT_EQ(of("::ffff:0:0/96"), ipv4_in_ipv6);
  EXPECT_EQ(of("10.0.0.0/8"), allowed);
}

}  // namespace
}  // namespace vnet::nat
