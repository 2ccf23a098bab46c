// IPv6: the firewall (RFC 6092), another prefix (RFC 6296), and NAT66.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

const IpAddress kOutside6 = *parse_ip("2001:db8:1::1");

class Rfc6092 : public TranslatorTest {
 protected:
  Rfc6092() { now = Instant{10h}; }
  bool back(const Endpoint& from, const Endpoint& to = kGuest6) { return !in(udp(from, to)).reason; }
};

TEST_F(Rfc6092, WhatTheInsideHasAskedForComesIn) {
  const Bytes packet = udp(kGuest6, kServer6);
  EXPECT_EQ(out(packet).packet, packet);
  const Bytes answer = udp(kServer6, kGuest6);
  EXPECT_EQ(in(answer).packet, answer);
  EXPECT_EQ(in(udp(kStranger6, kGuest6)).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(udp(kServer6, at("[fd00:1::3]:5000"))).reason, DropReason::nat_filtered);
  ASSERT_EQ(mappings().size(), 1U);
  EXPECT_EQ(mappings()[0].inside, kGuest6);
  EXPECT_EQ(mappings()[0].outside, kGuest6);
}

TEST_F(Rfc6092, FilteringIsThatOfTheBehavior) {
  for (const auto filtering :
       {Dependence::endpoint_independent, Dependence::address_dependent, Dependence::address_and_port_dependent}) {
    NatBehavior behavior;
    behavior.filtering = filtering;
    behavior.mapping = Dependence::address_and_port_dependent;  // means nothing here
    use(config_of(behavior));
    ASSERT_TRUE(out(udp(kGuest6, kServer6)));
    EXPECT_TRUE(back(kServer6));
    EXPECT_EQ(back({kServer6.address, 1}), filtering != Dependence::address_and_port_dependent);
    EXPECT_EQ(back(kStranger6), filtering == Dependence::endpoint_independent);
    EXPECT_FALSE(back(kServer6, {kGuest6.address, 1}));
  }
}

TEST_F(Rfc6092, TimersAreThoseOfTheNat) {
  ASSERT_TRUE(out(udp(kGuest6, kServer6)));
  later(300s - 1ns);
  EXPECT_TRUE(back(kServer6));
  later(1ns);
  EXPECT_FALSE(back(kServer6));
  ASSERT_TRUE(out(tcp(kGuest6, kServer6, kSyn)));
  ASSERT_TRUE(in(tcp(kServer6, kGuest6, kSyn | kAck)));
  ASSERT_TRUE(out(tcp(kGuest6, kServer6, kAck)));
  later(7440s - 1ns);
  EXPECT_EQ(subject->size(), 1U);
  later(1ns);
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc6092, EchoesAreTrackedLikeTheRest) {
  EXPECT_EQ(in(echo(kServer6, kGuest6.address)).reason, DropReason::nat_filtered);
  ASSERT_TRUE(out(echo(kGuest6, kServer6.address)));
  EXPECT_TRUE(in(echo_reply(kServer6.address, kGuest6)));
  EXPECT_EQ(in(echo_reply(kStranger6.address, kGuest6)).reason, DropReason::nat_filtered);
}

TEST_F(Rfc6092, ErrorsOfKnownSessionsPass) {
  ASSERT_TRUE(out(udp(kGuest6, kServer6)));
  const IpAddress router = *parse_ip("2001:db8:ff::ff");
  const Bytes error = unreachable(router, kGuest6.address, udp(kGuest6, kServer6));
  EXPECT_EQ(in(error).packet, error);
  EXPECT_TRUE(in(unreachable(router, kGuest6.address, udp(kGuest6, kStranger6))).reason);
  EXPECT_TRUE(out(unreachable(kGuest6.address, kServer6.address, udp(kServer6, kGuest6))));
  EXPECT_TRUE(out(unreachable(kGuest6.address, kStranger6.address, udp(kStranger6, kGuest6))).reason);
}

TEST_F(Rfc6092, OtherProtocolsAreTrackedByAddress) {
  const auto esp = [](const Endpoint& from, const Endpoint& to, std::uint8_t protocol = 50) {
    return ip(from.address, to.address, protocol, Bytes(16));
  };
  EXPECT_EQ(in(esp(kServer6, kGuest6)).reason, DropReason::nat_filtered);
  ASSERT_TRUE(out(esp(kGuest6, kServer6)));
  EXPECT_TRUE(in(esp(kServer6, kGuest6)));
  EXPECT_TRUE(in(esp(kStranger6, kGuest6)).reason);
  EXPECT_TRUE(in(esp(kServer6, kGuest6, 47)).reason);
  EXPECT_TRUE(in(unreachable(kServer6.address, kGuest6.address, esp(kGuest6, kServer6))));
  EXPECT_TRUE(in(unreachable(kServer6.address, kGuest6.address, esp(kGuest6, kStranger6))).reason);
  ASSERT_EQ(mappings().size(), 1U);
  EXPECT_EQ(mappings()[0].protocol, NatProtocol::other);
  EXPECT_EQ(mappings()[0].inside.port, 50);
}

TEST_F(Rfc6092, UnsolicitedSynsAreHeldAsOfIpv4) {
  const Bytes syn = tcp(kServer6, kGuest6, kSyn);
  EXPECT_EQ(in(syn).reason, DropReason::nat_filtered);
  later(6s);
  EXPECT_EQ(told, (std::vector<Bytes>{syn}));
  // Simultaneous open.
  EXPECT_EQ(in(syn).reason, DropReason::nat_filtered);
  ASSERT_TRUE(out(tcp(kGuest6, kServer6, kSyn)));
  EXPECT_TRUE(in(syn));
  later(6s);
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(Rfc6092, APinnedEndpointLetsEverybodyIn) {
  EXPECT_FALSE(subject->pin(NatProtocol::udp, 80, kGuest6, now)) << "ports stay what they are";
  ASSERT_TRUE(subject->pin(NatProtocol::udp, 5000, kGuest6, now));
  EXPECT_TRUE(back(kServer6));
  EXPECT_TRUE(back(kStranger6));
  subject->unpin(NatProtocol::udp, 5000, kGuest6, now);
  EXPECT_FALSE(back(kStranger6));
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc6092, WithoutFirewallItIsRouted) {
  NatBehavior behavior;
  behavior.firewall = false;
  use(config_of(behavior));
  EXPECT_TRUE(in(udp(kServer6, kGuest6)));
  EXPECT_TRUE(in(ip(kServer6.address, kGuest6.address, 50, Bytes(16))));
  EXPECT_TRUE(out(udp(kGuest6, kServer6)));
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc6092, BothFamiliesAreApart) {
  // The same bits, another family.
  ASSERT_TRUE(out(udp(at("[::192.168.127.2]:5000"), at("[::203.0.113.7]:80"))));
  ASSERT_TRUE(out(udp(kGuest, kServer)));
  EXPECT_EQ(subject->size(), 2U);
}

// RFC 6296.

class Rfc6296 : public TranslatorTest {
 protected:
  static PrefixTranslation translation(std::string_view inside, std::string_view outside) {
    return PrefixTranslation::make(Ipv6Prefix::parse(inside).value(), Ipv6Address::parse(outside).value()).value();
  }
  static std::string outward(const PrefixTranslation& translation, std::string_view inside) {
    const auto address = translation.outward(Ipv6Address::parse(inside).value());
    if (!address) return "none";
    EXPECT_EQ(translation.inward(*address).value().to_string(), Ipv6Address::parse(inside)->to_string());
    return address->to_string();
  }
  static TranslatorConfig nptv6(bool firewall) {
    NatBehavior behavior;
    behavior.ipv6 = Ipv6Way::nptv6;
    behavior.firewall = firewall;
    TranslatorConfig config = config_of(behavior);
    config.inside6 = Ipv6Prefix::parse("fd01:203:405::/48");
    config.outside6 = Ipv6Address::parse("2001:db8:1::");
    return config;
  }
  const Endpoint inside = at("[fd01:203:405:1::1234]:5000");
  const Endpoint outside = at("[2001:db8:1:d550::1234]:5000");
};

TEST_F(Rfc6296, TheExampleOfSection36) {
  const auto example = translation("fd01:203:405::/48", "2001:db8:1::");
  EXPECT_EQ(outward(example, "fd01:203:405:1::1234"), "2001:db8:1:d550::1234");
  EXPECT_EQ(outward(example, "fd01:203:405:ffff::1"), "none");
  EXPECT_EQ(outward(example, "fd01:203:406:1::1234"), "none");
}

TEST_F(Rfc6296, LongerPrefixesChangeTheIdentifier) {
  const auto longer = translation("fd00:1::/64", "2001:db8:1:2::");
  // fd00 + 1 - 2001 - db8 - 1 - 2 is cf45, which the first word that can takes up.
  EXPECT_EQ(outward(longer, "fd00:1::2"), "2001:db8:1:2:cf45::2");
  EXPECT_EQ(outward(longer, "fd00:1::ffff:2:3:4"), "2001:db8:1:2:ffff:cf47:3:4");
  EXPECT_EQ(outward(longer, "fd00:1::ffff:ffff:ffff:ffff"), "none");
  EXPECT_EQ(outward(longer, "fd00:1::"), "none");
  EXPECT_EQ(outward(longer, "fd00:2::2"), "none");
  EXPECT_FALSE(PrefixTranslation::make(Ipv6Prefix::parse("fd00::/65").value(), Ipv6Address{}));
}

TEST_F(Rfc6296, ItIsOneToOneAndNeutralForChecksums) {
  Random source{5};
  for (const unsigned length : {32U, 44U, 48U, 52U, 56U, 60U, 64U}) {
    Ipv6Prefix prefix = Ipv6Prefix::parse("fd01:203:405:677::").value();
    prefix.length = static_cast<std::uint8_t>(length);
    const auto swapped = PrefixTranslation::make(prefix, Ipv6Address::parse("2001:db8:1:89a::").value()).value();
    for (int i = 0; i < 2000; ++i) {
      std::array<std::uint8_t, 16> octets = prefix.network().octets();
      for (std::size_t at = (length + 7) / 8; at < 16; ++at) octets[at] = static_cast<std::uint8_t>(source.next());
      const Ipv6Address address{octets};
      const auto translated = swapped.outward(address);
      ASSERT_TRUE(translated);
      EXPECT_TRUE(swapped.is_outside(*translated));
      EXPECT_EQ(wire::slow_checksum(translated->bytes()), wire::slow_checksum(address.bytes()));
      EXPECT_EQ(swapped.inward(*translated), address);
    }
  }
}

TEST_F(Rfc6296, PacketsOfEveryProtocolStayRight) {
  use(nptv6(false));
  EXPECT_EQ(out(udp(inside, kServer6)).packet, udp(outside, kServer6));
  EXPECT_EQ(in(udp(kServer6, outside)).packet, udp(kServer6, inside));
  EXPECT_EQ(out(tcp(inside, kServer6, kAck)).packet, tcp(outside, kServer6, kAck));
  EXPECT_EQ(out(echo(inside, kServer6.address)).packet, echo(outside, kServer6.address));
  EXPECT_EQ(out(ip(inside.address, kServer6.address, 50, Bytes(9))).packet,
            ip(outside.address, kServer6.address, 50, Bytes(9)));
  EXPECT_EQ(in(unreachable(kServer6.address, outside.address, udp(outside, kServer6))).packet,
            unreachable(kServer6.address, inside.address, udp(inside, kServer6)));
  EXPECT_EQ(out(unreachable(inside.address, kServer6.address, udp(kServer6, inside))).packet,
            unreachable(outside.address, kServer6.address, udp(kServer6, outside)));
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc6296, WhatHasNoCounterpartDoesNotPass) {
  use(nptv6(false));
  EXPECT_EQ(out(udp(kGuest6, kServer6)).reason, DropReason::no_route);
  EXPECT_EQ(in(udp(kServer6, inside)).reason, DropReason::nat_unmapped);
}

TEST_F(Rfc6296, WithTheFirewall) {
  use(nptv6(true));
  EXPECT_EQ(in(udp(kServer6, outside)).reason, DropReason::nat_filtered);
  EXPECT_EQ(out(udp(inside, kServer6)).packet, udp(outside, kServer6));
  EXPECT_EQ(in(udp(kServer6, outside)).packet, udp(kServer6, inside));
  EXPECT_EQ(in(udp(kStranger6, outside)).reason, DropReason::nat_filtered);
  EXPECT_EQ(mappings()[0].outside, outside);
}

TEST_F(Rfc6296, Hairpin) {
  use(nptv6(false));
  const Endpoint other = at("[fd01:203:405:1::9]:6000");
  const Endpoint other_outside = out(udp(other, kServer6)).source;
  EXPECT_EQ(hairpin(udp(inside, other_outside)).packet, udp(outside, other));
  TranslatorConfig config = nptv6(false);
  config.behavior.hairpin = false;
  use(config);
  EXPECT_EQ(out(udp(inside, other_outside)).reason, DropReason::no_route);
}

// NAT66: what holds for IPv4 holds here.

class Nat66 : public TranslatorTest {
 protected:
  Nat66() {
    NatBehavior behavior;
    behavior.ipv6 = Ipv6Way::nat66;
    TranslatorConfig config = config_of(behavior);
    config.outside6 = std::get<Ipv6Address>(kOutside6);
    use(config);
  }
};

TEST_F(Nat66, TranslatesAddressesAndPorts) {
  const Endpoint first = map(kGuest6, kServer6);
  const Endpoint second = map({*parse_ip("fd00:1::3"), 5000}, kServer6);
  EXPECT_EQ(first, (Endpoint{kOutside6, 5000}));
  EXPECT_EQ(second.address, kOutside6);
  EXPECT_NE(second.port, 5000);
  EXPECT_EQ(in(udp(kServer6, first)).packet, udp(kServer6, kGuest6));
  EXPECT_EQ(in(udp(kStranger6, first)).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(udp(kServer6, {*parse_ip("2001:db8:1::2"), 5000})).reason, DropReason::nat_unmapped);
  EXPECT_EQ(out(ip(kGuest6.address, kServer6.address, 50, Bytes(9))).reason, DropReason::no_service);
}

TEST_F(Nat66, ErrorsAndEchoes) {
  outside_of(echo({*parse_ip("fd00:1::3"), 5000}, kServer6.address));
  const Endpoint outside = outside_of(echo(kGuest6, kServer6.address));
  EXPECT_EQ(in(echo_reply(kServer6.address, outside)).packet, echo_reply(kServer6.address, kGuest6));
  EXPECT_EQ(in(unreachable(kServer6.address, kOutside6, echo(outside, kServer6.address))).packet,
            unreachable(kServer6.address, kGuest6.address, echo(kGuest6, kServer6.address)));
}

TEST_F(Nat66, PortsOfTheFamiliesAreApart) {
  EXPECT_EQ(map(kGuest6, kServer6).port, 5000);
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  ASSERT_TRUE(subject->pin(NatProtocol::udp, 80, kGuest6, now));
  ASSERT_TRUE(subject->pin(NatProtocol::udp, 80, kGuest, now));
  subject->unpin(NatProtocol::udp, 80, now);
  EXPECT_FALSE(gets_in(kServer, {kOutside, 80}));
  EXPECT_TRUE(gets_in(kServer6, {kOutside6, 80}));
  subject->unpin(NatProtocol::udp, 80, now);
  EXPECT_FALSE(gets_in(kServer6, {kOutside6, 80}));
}

}  // namespace
}  // namespace vnet::nat::test
