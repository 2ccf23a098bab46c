// Port security: a NIC may use its own MAC address and its own IP addresses, and nobody else's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway_testing.hpp"
#include "tests/dhcp/client.hpp"

namespace vnet::network::test {
namespace {

class PortSecurity : public GatewayTest {
 protected:
  static NetworkConfig secured() {
    NetworkConfig config = lan();
    config.port_security = true;
    config.dhcp->reservations = {{mac(1), ip4("192.168.127.50"), ""}, {mac(2), ip4("192.168.127.60"), ""}};
    config.dns_ipv6 = ip6("fd00:1::53");
    return config;
  }
  PortSecurity() : GatewayTest(secured()) {}

  /// Whether alice may send the frame.
  bool may_send(const Bytes& frame) { return may_send(alice, frame); }
  bool may_send(const Client& client, const Bytes& frame) {
    const std::uint64_t before = sim.counters(client).drops_in[DropReason::source_foreign];
    sim.send(client, frame);
    return sim.counters(client).drops_in[DropReason::source_foreign] == before;
  }
  [[nodiscard]] Bytes udp_from(std::string_view source) const {
    return udp(Way4{alice.mac, bob.mac, ip4(source), ip4("192.168.127.60")}, 1, 2, text_bytes("x"));
  }
  [[nodiscard]] Bytes udp_from6(std::string_view source) const {
    return udp(Way6{alice.mac, bob.mac, ip6(source), ip6("fd00:1::b0b")}, 1, 2, text_bytes("x"));
  }
  [[nodiscard]] Bytes advertise(const Client& client, const Ipv6Address& target) const {
    const Ipv6Address all = Ipv6Address::all_nodes();
    return neighbor_advertisement({client.mac, all.multicast_mac(), Ipv6Address::link_local(client.mac), all}, target);
  }

  Client& bob = sim.plug(mac(2));
  const Ipv4Address kReserved = ip4("192.168.127.50");
};

TEST_F(PortSecurity, OnlyItsOwnMacAddress) {
  EXPECT_TRUE(may_send(plain(bob.mac, alice.mac)));
  EXPECT_FALSE(may_send(plain(bob.mac, mac(50))));
  EXPECT_FALSE(may_send(plain(bob.mac, bob.mac)));
  EXPECT_TRUE(may_send(bob, plain(alice.mac, bob.mac))) << "bob is where he was";
}

TEST_F(PortSecurity, OnlyItsOwnIpv4Address) {
  EXPECT_TRUE(may_send(udp_from("192.168.127.50")));
  EXPECT_TRUE(may_send(udp_from("0.0.0.0"))) << "while it asks for an address";
  for (const char* foreign : {"192.168.127.60", "192.168.127.1", "192.168.127.77", "203.0.113.1", "255.255.255.255"}) {
    EXPECT_FALSE(may_send(udp_from(foreign))) << foreign;
  }
}

TEST_F(PortSecurity, ALeaseIsAnAddressOfItsOwn) {
  Client& carol = sim.plug(mac(3));
  const Way4 from_nowhere{carol.mac, MacAddress::broadcast(), {}, Ipv4Address::broadcast()};
  const auto offers = ask(carol, udp(from_nowhere, 68, 67, dhcp::test::discover(carol.mac).bytes()));
  ASSERT_EQ(offers.size(), 1U);
  const Ipv4Address leased = dhcp::Message::parse(Answer4{offers[0]}.udp().payload())->header().yiaddr;
  const Bytes frame = udp(Way4{carol.mac, bob.mac, leased, ip4("192.168.127.60")}, 1, 2, {});
  EXPECT_FALSE(may_send(carol, frame)) << "not on the strength of an offer";
  sim.send(carol, udp(from_nowhere, 68, 67, dhcp::test::selecting(carol.mac, leased, kGateway4).bytes()));
  EXPECT_TRUE(may_send(carol, frame));
  sim.pass(1h + 1s);
  EXPECT_FALSE(may_send(carol, frame)) << "the lease has expired";
}

TEST_F(PortSecurity, NobodySpeaksDhcpForAnother) {
  sim.send(alice, udp(Way4{alice.mac, MacAddress::broadcast(), {}, Ipv4Address::broadcast()}, 68, 67,
                      dhcp::test::discover(mac(77)).bytes()));
  EXPECT_TRUE(answers(alice).empty());
  EXPECT_EQ(bob.take().size(), 1U) << "the broadcast itself, no offer";
}

TEST_F(PortSecurity, ArpIsHeldToTheSameRule) {
  EXPECT_TRUE(may_send(arp({1, alice.mac, kReserved, {}, kGateway4})));
  EXPECT_TRUE(may_send(arp({1, alice.mac, {}, {}, kReserved}))) << "a probe";
  EXPECT_FALSE(may_send(arp({1, alice.mac, ip4("192.168.127.60"), {}, kGateway4})));
  EXPECT_FALSE(may_send(arp({2, alice.mac, kGateway4, bob.mac, ip4("192.168.127.60")}, bob.mac)))
      << "posing as the gateway";
  Bytes forged = arp({2, alice.mac, kReserved, bob.mac, ip4("192.168.127.60")});
  std::ranges::copy(bob.mac.octets(), forged.begin() + 14 + 8);
  EXPECT_FALSE(may_send(forged)) << "another's MAC address inside of the packet";
}

TEST_F(PortSecurity, AVlanTagHidesNothing) {
  EXPECT_TRUE(may_send(tagged(udp_from("192.168.127.50"))));
  EXPECT_FALSE(may_send(tagged(udp_from("192.168.127.60"))));
  EXPECT_FALSE(may_send(tagged(tagged(udp_from("192.168.127.60")), 5, ethertype::kQinQ)));
  EXPECT_FALSE(may_send(tagged(arp({2, alice.mac, kGateway4, {}, kGateway4}))));
}

TEST_F(PortSecurity, Rfc6620AnIpv6AddressBelongsToWhoeverCameFirst) {
  EXPECT_TRUE(may_send(dad(alice.mac, ip6("fd00:1::5"))));
  EXPECT_TRUE(may_send(udp_from6("fd00:1::5")));
  EXPECT_FALSE(may_send(bob, udp(Way6{bob.mac, alice.mac, ip6("fd00:1::5"), ip6("fd00:1::6")}, 1, 2, {})));
  EXPECT_FALSE(may_send(bob, advertise(bob, ip6("fd00:1::5"))));
  EXPECT_FALSE(may_send(bob, dad(bob.mac, ip6("fd00:1::5"))));
  EXPECT_TRUE(may_send(advertise(alice, ip6("fd00:1::5"))));
}

TEST_F(PortSecurity, Rfc6620AnAddressIsFreeWhenItsNicIsDetached) {
  EXPECT_TRUE(may_send(dad(alice.mac, ip6("fd00:1::5"))));
  sim.unplug(alice);
  EXPECT_TRUE(may_send(bob, dad(bob.mac, ip6("fd00:1::5"))));
}

TEST_F(PortSecurity, LinkLocalAddressesAreItsOwnBusinessAndForeignPrefixesAreNot) {
  EXPECT_TRUE(may_send(udp_from6("fe80::1234")));
  EXPECT_FALSE(may_send(udp_from6("2001:db8::1")));
  EXPECT_FALSE(may_send(udp_from6("ff02::1")));
}

TEST_F(PortSecurity, NobodyPosesAsTheGateway) {
  for (const Ipv6Address& own : {kGateway6, kGatewayLink, ip6("fd00:1::53")}) {
    SCOPED_TRACE(own.to_string());
    EXPECT_FALSE(may_send(advertise(alice, own)));
    EXPECT_FALSE(may_send(udp(Way6{alice.mac, bob.mac, own, ip6("fd00:1::b0b")}, 1, 2, {})));
  }
}

TEST_F(PortSecurity, ANicHasNoMoreThan16Ipv6Addresses) {
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(may_send(udp_from6("fd00:1::a:" + std::to_string(i))));
  EXPECT_FALSE(may_send(udp_from6("fd00:1::b:1")));
  EXPECT_TRUE(may_send(udp_from6("fd00:1::a:3"))) << "those that it has go on";
}

TEST_F(PortSecurity, APacketThatCannotBeReadIsForeign) {
  Bytes cut = udp_from("192.168.127.50");
  cut.resize(14 + 19);
  EXPECT_FALSE(may_send(cut));
  Bytes cut6 = udp_from6("fe80::1");
  cut6.resize(14 + 39);
  EXPECT_FALSE(may_send(cut6));
}

TEST_F(PortSecurity, OtherEthertypesPass) { EXPECT_TRUE(may_send(plain(bob.mac, alice.mac, 46, 0x88cc))); }

}  // namespace
}  // namespace vnet::network::test
