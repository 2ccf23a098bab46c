// What people ask of a NAT: pinned mappings, one-to-one, no translation at all, and another configuration.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Pins : public TranslatorTest {
 protected:
  bool pin(std::uint16_t port, const Endpoint& inside) { return subject->pin(NatProtocol::udp, port, inside, now); }
  bool is_free(std::uint16_t port, const Endpoint& inside) const {
    return subject->is_free(NatProtocol::udp, port, inside, now);
  }
  void unpin(std::uint16_t port) { subject->unpin(NatProtocol::udp, port, now); }
  Endpoint inside_of(const Endpoint& from, std::uint16_t port) { return in(udp(from, {kOutside, port})).destination; }

  const Endpoint web = at("192.168.127.2:80");
};

TEST_F(Pins, EverybodyIsLetInForAsLongAsItIs) {
  ASSERT_TRUE(pin(8080, web));
  later(24h);
  EXPECT_EQ(inside_of(kServer, 8080), web);
  EXPECT_EQ(inside_of(kStranger, 8080), web);
  EXPECT_EQ(subject->sessions(), 0U);
  ASSERT_EQ(mappings().size(), 1U);
  EXPECT_TRUE(mappings()[0].pinned);
  EXPECT_EQ(mappings()[0].expires, kNever);
  EXPECT_EQ(mappings()[0].bytes_in, 66U);
  unpin(8080);
  EXPECT_EQ(subject->size(), 0U);
  EXPECT_FALSE(gets_in(kServer, {kOutside, 8080}));
}

TEST_F(Pins, AnswersComeFromThePinnedPortWhateverTheMapping) {
  for (const NatPreset preset : {NatPreset::easy, NatPreset::hardaf, NatPreset::hard}) {
    use(preset);
    ASSERT_TRUE(pin(8080, web));
    EXPECT_EQ(inside_of(kStranger, 8080), web);
    EXPECT_EQ(map(web, kStranger).port, 8080);
    EXPECT_EQ(map(web, kServer).port, 8080);
    EXPECT_EQ(subject->size(), 1U);
    EXPECT_NE(map(kGuest, kServer).port, 8080);
  }
}

TEST_F(Pins, APortIsOneEndpointsAtATime) {
  EXPECT_TRUE(is_free(8080, web));
  ASSERT_TRUE(pin(8080, web));
  EXPECT_TRUE(is_free(8080, web));
  EXPECT_TRUE(pin(8080, web));  // again, by the same
  EXPECT_FALSE(is_free(8080, kOther));
  EXPECT_FALSE(pin(8080, kOther));
  EXPECT_TRUE(subject->pin(NatProtocol::tcp, 8080, kOther, now));
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  EXPECT_FALSE(pin(5000, kOther));
  EXPECT_TRUE(pin(5000, kGuest));
  EXPECT_FALSE(pin(0, kGuest));
  EXPECT_EQ(subject->size(), 3U);
}

TEST_F(Pins, NoGuestGetsAPinnedPort) {
  ASSERT_TRUE(pin(5000, web));
  EXPECT_NE(map(kGuest, kServer).port, 5000);
}

TEST_F(Pins, ADynamicMappingBecomesPinnedAndBack) {
  for (const NatPreset preset : {NatPreset::easy, NatPreset::hard}) {
    use(preset);
    const std::uint16_t port = map(kGuest, kServer).port;
    ASSERT_TRUE(pin(port, kGuest));
    EXPECT_EQ(subject->size(), 1U);
    EXPECT_EQ(inside_of(kStranger, port), kGuest);
    EXPECT_EQ(map(kGuest, kServer).port, port);
    unpin(port);
    EXPECT_EQ(subject->size(), 1U);
    EXPECT_FALSE(gets_in(kStranger, {kOutside, port}));
    EXPECT_TRUE(gets_in(kServer, {kOutside, port}));
    EXPECT_EQ(map(kGuest, kServer).port, port);
    later(300s);
    EXPECT_EQ(subject->size(), 0U);
  }
}

TEST_F(Pins, WhatIsThereStaysWhenAnotherPortIsPinned) {
  for (const NatPreset preset : {NatPreset::easy, NatPreset::hard}) {
    use(preset);
    const std::uint16_t port = map(kGuest, kServer).port;
    ASSERT_TRUE(pin(8080, kGuest));
    EXPECT_EQ(map(kGuest, kServer).port, port);
    EXPECT_TRUE(gets_in(kServer, {kOutside, port}));
    EXPECT_EQ(inside_of(kStranger, 8080), kGuest);
  }
}

TEST_F(Pins, AnEndpointWithSeveralAnswersFromTheOneThatWasAsked) {
  ASSERT_TRUE(pin(8080, web));
  ASSERT_TRUE(pin(8081, web));
  EXPECT_EQ(map(web, kServer).port, 8080);
  for (std::uint16_t port = 8082; port < 8080 + Translator::kMaxPinsPerEndpoint; ++port) EXPECT_TRUE(pin(port, web));
  EXPECT_FALSE(pin(8090, web));
  EXPECT_FALSE(is_free(8090, web));
  unpin(8080);
  EXPECT_EQ(map(web, kServer).port, 8080) << "a session goes on";
  EXPECT_EQ(map(web, kStranger).port, 8080);
  later(300s);
  EXPECT_EQ(map(web, kServer).port, 8081);
  EXPECT_EQ(inside_of(kStranger, 8085), web);
}

TEST_F(Pins, APortRestsForOthersOnlyAndNotWhenItIsTakenBackAtOnce) {
  ASSERT_TRUE(pin(8080, web));
  unpin(8080);
  EXPECT_FALSE(is_free(8080, kOther));
  EXPECT_TRUE(pin(8080, web));
  unpin(8080);
  later(120s);
  EXPECT_TRUE(pin(8080, kOther));
  EXPECT_EQ(map(kOther, kServer).port, 8080);
  subject->unpin(NatProtocol::udp, 8080, kOther, now, true);
  EXPECT_EQ(subject->sessions(), 0U);
  EXPECT_TRUE(pin(8080, web));
  // Not another's.
  subject->unpin(NatProtocol::udp, 8080, kOther, now);
  EXPECT_EQ(inside_of(kStranger, 8080), web);
}

TEST_F(Pins, WhatRestedTooLongIsFreeEvenIfNobodyLooked) {
  ASSERT_TRUE(pin(8080, web));
  unpin(8080);
  now += 120s;
  EXPECT_TRUE(is_free(8080, kOther));
}

TEST_F(Pins, ClearForgetsAll) {
  ASSERT_TRUE(pin(8080, web));
  map(kGuest, kServer);
  EXPECT_TRUE(in(tcp(kServer, {kOutside, 9}, kSyn)).reason);
  subject->clear();
  EXPECT_EQ(subject->size(), 0U);
  EXPECT_EQ(subject->sessions(), 0U);
  EXPECT_EQ(subject->next_deadline(), kNever);
  EXPECT_FALSE(gets_in(kServer, {kOutside, 8080}));
  EXPECT_EQ(map(kOther, kServer).port, 5000);
  EXPECT_TRUE(pin(8080, kOther));
}

// One to one.

class OneToOne : public Pins {
 protected:
  OneToOne() { use(NatPreset::one2one); }
};

TEST_F(OneToOne, AllPortsAndProtocolsOfOneHost) {
  EXPECT_EQ(out(udp(kGuest, kServer)).packet, udp({kOutside, 5000}, kServer));
  EXPECT_EQ(in(udp(kStranger, {kOutside, 9})).packet, udp(kStranger, {kGuest.address, 9}));
  EXPECT_EQ(out(echo(kGuest, kServer.address)).packet, echo({kOutside, 5000}, kServer.address));
  EXPECT_EQ(out(ip(kGuest.address, kServer.address, 47, Bytes(8))).packet, ip(kOutside, kServer.address, 47, Bytes(8)));
  EXPECT_EQ(in(ip(kServer.address, kOutside, 47, Bytes(8))).packet, ip(kServer.address, kGuest.address, 47, Bytes(8)));
  EXPECT_EQ(in(unreachable(kRouter, kOutside, udp({kOutside, 5000}, kServer))).packet,
            unreachable(kRouter, kGuest.address, udp(kGuest, kServer)));
  EXPECT_EQ(out(unreachable(kGuest.address, kServer.address, udp(kServer, kGuest))).packet,
            unreachable(kOutside, kServer.address, udp(kServer, {kOutside, 5000})));
  EXPECT_EQ(subject->size(), 0U) << "without any state";
}

TEST_F(OneToOne, IsForTheFirstHostOfItsNetworkOrTheOneConfigured) {
  EXPECT_EQ(in(udp(kStranger, {kOutside, 9})).reason, DropReason::nat_unmapped);
  EXPECT_EQ(out(udp(at("10.0.0.1:1"), kServer)).reason, DropReason::nat_exhausted);
  EXPECT_TRUE(out(udp(kGuest, kServer)));
  EXPECT_EQ(out(udp(kOther, kServer)).reason, DropReason::nat_exhausted);
  EXPECT_EQ(subject->counters().exhausted, 2U);
  TranslatorConfig config = config_of(NatPreset::one2one);
  config.one_to_one_host = std::get<Ipv4Address>(kOther.address);
  use(config);
  EXPECT_EQ(out(udp(kGuest, kServer)).reason, DropReason::nat_exhausted);
  EXPECT_EQ(in(udp(kStranger, {kOutside, 9})).destination, (Endpoint{kOther.address, 9}));
  subject->reconfigure(config_of(NatPreset::one2one), now);
  EXPECT_TRUE(out(udp(kGuest, kServer)));
  EXPECT_EQ(in(udp(kStranger, {kOutside, 9})).destination, (Endpoint{kGuest.address, 9}));
}

TEST_F(OneToOne, WithAStricterFilter) {
  NatBehavior behavior = behavior_of(NatPreset::one2one);
  behavior.filtering = Dependence::address_dependent;
  use(config_of(behavior));
  EXPECT_EQ(out(udp(kGuest, kServer)).packet, udp({kOutside, 5000}, kServer));
  EXPECT_EQ(in(udp(kServerElsewhere, {kOutside, 5000})).destination, kGuest);
  EXPECT_EQ(in(udp(kStranger, {kOutside, 5000})).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(udp(kServer, {kOutside, 9})).reason, DropReason::nat_filtered);
  EXPECT_TRUE(out(ip(kGuest.address, kServer.address, 47, Bytes(8))));
  EXPECT_TRUE(in(ip(kServer.address, kOutside, 47, Bytes(8))));
  EXPECT_EQ(in(ip(kStranger.address, kOutside, 47, Bytes(8))).reason, DropReason::nat_filtered);
}

TEST_F(OneToOne, PinsAreForThatHostAndKeepTheirPort) {
  ASSERT_TRUE(out(udp(kGuest, kServer)));
  EXPECT_FALSE(pin(80, kOther));
  EXPECT_FALSE(pin(81, web));
  EXPECT_TRUE(pin(80, web));
  EXPECT_EQ(mappings().at(0).outside, (Endpoint{kOutside, 80}));
  unpin(80);
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Pins, WithoutTranslationPacketsAreNotTouched) {
  use(NatPreset::none);
  EXPECT_EQ(out(udp(kGuest, kServer)).packet, udp(kGuest, kServer));
  EXPECT_EQ(in(udp(kStranger, kGuest)).packet, udp(kStranger, kGuest));
  TranslatorConfig config = config_of(NatPreset::easy);
  config.outside4.reset();
  use(config);
  EXPECT_EQ(out(udp(kGuest, kServer)).packet, udp(kGuest, kServer));
  EXPECT_TRUE(is_free(5000, kGuest));
  EXPECT_FALSE(is_free(5001, kGuest));
}

// Another configuration.

class Reconfigure : public Pins {
 protected:
  Reconfigure() {
    EXPECT_TRUE(pin(8080, web));
    EXPECT_EQ(map(kGuest, kServer).port, 5000);
    EXPECT_TRUE(out(udp(kGuest6, kServer6)));
  }
  void change(const TranslatorConfig& config) { subject->reconfigure(config, now); }
  void expect(std::size_t size, bool pinned) {
    EXPECT_EQ(subject->size(), size);
    EXPECT_EQ(in(udp(kStranger, {kOutside, 8080})).reason.has_value(), !pinned);
  }
};

TEST_F(Reconfigure, FilteringTimesPortsAndHairpinChangeUnderWhatIsThere) {
  NatBehavior behavior;
  behavior.filtering = Dependence::endpoint_independent;
  behavior.ports = PortChoice::random;
  behavior.hairpin = false;
  behavior.udp_timeout = 400s;
  change(config_of(behavior));
  expect(3, true);
  EXPECT_TRUE(gets_in(kStranger, {kOutside, 5000}));
  EXPECT_EQ(map(kGuest, kServer).port, 5000);
  later(399s);
  EXPECT_TRUE(gets_in(kStranger, {kOutside, 5000}));
  behavior.udp_timeout = 100s;
  behavior.filtering = Dependence::address_dependent;
  change(config_of(behavior));
  EXPECT_FALSE(gets_in(kStranger, {kOutside, 5000}));
  later(1s);
  expect(1, true);
}

TEST_F(Reconfigure, AnotherMappingForgetsAllThatIsNotPinned) {
  change(config_of(NatPreset::hard));
  expect(2, true);  // the pinned one, and that of IPv6, which knows no mapping
  EXPECT_FALSE(gets_in(kServer, {kOutside, 5000}));
  EXPECT_TRUE(in(udp(kServer6, kGuest6)));
  for (const MappingView& view : mappings()) EXPECT_EQ(view.bytes_in != 0, view.pinned || view.inside == kGuest6);
  // The port of the one that is forgotten rests.
  EXPECT_FALSE(is_free(5000, kOther));
}

TEST_F(Reconfigure, AnotherOutsideAddressForgetsThemToo) {
  TranslatorConfig config = config_of(NatPreset::easy);
  config.outside4 = Ipv4Address{198, 51, 100, 2};
  change(config);
  EXPECT_EQ(subject->size(), 1U);
  EXPECT_TRUE(in(udp(kServer6, kGuest6)));
  EXPECT_EQ(map(kOther, kServer), at("198.51.100.2:5000"));  // another's port 5000
}

TEST_F(Reconfigure, ToOneToOnePinsStayThatFit) {
  ASSERT_TRUE(pin(80, web));
  ASSERT_TRUE(pin(81, {kOther.address, 81}));
  TranslatorConfig config = config_of(NatPreset::one2one);
  config.one_to_one_host = std::get<Ipv4Address>(web.address);
  change(config);
  EXPECT_EQ(subject->size(), 2U);
  EXPECT_EQ(inside_of(kStranger, 80), web);
  EXPECT_EQ(inside_of(kStranger, 81), (Endpoint{web.address, 81}));
  change(config_of(NatPreset::easy));
  EXPECT_EQ(inside_of(kStranger, 80), web);
  EXPECT_FALSE(gets_in(kStranger, {kOutside, 81}));
}

TEST_F(Reconfigure, AnotherWayOfIpv6LeavesIpv4Alone) {
  NatBehavior behavior;
  behavior.ipv6 = Ipv6Way::nat66;
  TranslatorConfig config = config_of(behavior);
  config.outside6 = Ipv6Address::parse("2001:db8:1::1");
  change(config);
  expect(2, true);
  EXPECT_TRUE(gets_in(kServer, {kOutside, 5000}));
  EXPECT_EQ(map(kGuest6, kServer6).address, *parse_ip("2001:db8:1::1"));
  change(config_of(NatPreset::easy));
  expect(2, true);
}

class Inside : public TranslatorTest {
 protected:
  std::optional<Endpoint> inside_of(const Endpoint& outside, const Endpoint& remote) const {
    return subject->inside_of(NatProtocol::udp, outside, remote);
  }
};

TEST_F(Inside, IsWhoeverHasTheSession) {
  for (const NatPreset preset : {NatPreset::easy, NatPreset::hard, NatPreset::fullcone}) {
    use(preset);
    const Endpoint outside = map(kGuest, kServer);
    EXPECT_EQ(inside_of(outside, kServer), kGuest);
    EXPECT_EQ(inside_of(outside, kStranger), std::nullopt) << "let in or not, it is no session";
    EXPECT_EQ(inside_of({kOther.address, outside.port}, kServer), std::nullopt);
    EXPECT_EQ(subject->inside_of(NatProtocol::tcp, outside, kServer), std::nullopt);
  }
}

TEST_F(Inside, WithoutPortsItIsTheAddress) {
  EXPECT_EQ(map(kGuest6, kServer6), kGuest6);
  EXPECT_EQ(inside_of(kGuest6, kServer6), kGuest6);
  EXPECT_EQ(inside_of(kGuest6, kStranger6), std::nullopt);
  use(NatPreset::none);
  EXPECT_EQ(inside_of(kGuest, kServer), kGuest);
  use(NatPreset::one2one);
  EXPECT_EQ(inside_of({kOutside, 5000}, kServer), std::nullopt) << "it is nobody's yet";
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_EQ(inside_of(outside, kServer), kGuest);
}

TEST_F(Reconfigure, TheSameAgainChangesNothing) {
  change(config_of(NatPreset::easy));
  expect(3, true);
  EXPECT_TRUE(in(udp(kServer6, kGuest6)));
}

}  // namespace
}  // namespace vnet::nat::test
