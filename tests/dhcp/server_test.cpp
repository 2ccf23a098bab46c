// The server's conversation, row by row of RFC 2131, as timetables on virtual time.
#include "dhcp/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Ipv4Address kGateway{192, 168, 1, 1};

// --- DISCOVER and SELECTING

TEST(Rfc2131, DiscoverIsAnsweredWithAnOffer) {
  Bench bench;
  const Answer offer = bench.send(discover());
  ASSERT_TRUE(offer.is(MessageType::offer));
  const Header& header = offer.message->header();
  EXPECT_EQ(header.op, Header::kBootReply);
  EXPECT_EQ(header.xid, 0x3903f326U);
  EXPECT_EQ(header.mac(), mac(1));
  EXPECT_TRUE(header.ciaddr.is_unspecified());
  EXPECT_TRUE(header.siaddr.is_unspecified());
  EXPECT_GE(header.yiaddr, ip("192.168.1.100"));
  EXPECT_LE(header.yiaddr, ip("192.168.1.199"));
  EXPECT_EQ(offer.option(53), (Bytes{2}));
  EXPECT_EQ(offer.option(54), (Bytes{192, 168, 1, 1}));
  EXPECT_EQ(offer.number(51), 3600U);
  EXPECT_EQ(offer.number(58), 1800U) << "T1 is half the lease";
  EXPECT_EQ(offer.number(59), 3150U) << "T2 is 0.875 of the lease";
  EXPECT_GE(offer.reply->size, MessageWriter::kMinSize);
  EXPECT_THAT(bench.server.leases(), IsEmpty()) << "an offer is not a lease";
  EXPECT_THAT(bench.events(), IsEmpty());
}

TEST(Rfc2131, SelectingIsAcknowledged) {
  Bench bench;
  const Ipv4Address offered = bench.send(discover()).yiaddr();
  const Answer ack = bench.send(selecting(mac(1), offered).option(12, "Alice"));
  ASSERT_TRUE(ack.is(MessageType::ack));
  EXPECT_EQ(ack.yiaddr(), offered);
  EXPECT_EQ(ack.number(51), 3600U);
  EXPECT_EQ(ack.option(54), (Bytes{192, 168, 1, 1}));
  const Lease* lease = bench.server.lease(offered);
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(lease->mac, mac(1));
  EXPECT_EQ(lease->hostname, "alice");
  EXPECT_EQ(lease->expires, kStart + 1h);
  EXPECT_THAT(bench.events(), ElementsAre("granted " + offered.to_string()));
  EXPECT_EQ(bench.server.next_deadline(), kStart + 1h);
}

TEST(Rfc2131, SelectingAnotherServerWithdrawsOurOfferInSilence) {
  Bench bench;
  const Ipv4Address offered = bench.send(discover()).yiaddr();
  const Answer answer = bench.send(selecting(mac(1), ip("192.168.1.50"), ip("192.168.1.2")));
  EXPECT_TRUE(answer.is_silent_for(Refusal::other_server));
  EXPECT_EQ(bench.server.next_deadline(), kNever) << "the offer is gone";
  EXPECT_EQ(bench.send(discover(mac(2)).option(50, offered)).yiaddr(), offered) << "and its address free";
}

TEST(Rfc2131, SelectingAnAddressThatWasNotOfferedIsRefused) {
  Bench bench;
  bench.send(discover());
  EXPECT_TRUE(bench.send(selecting(mac(1), ip("192.168.1.1"))).is(MessageType::nak));
  EXPECT_TRUE(bench.send(selecting(mac(1), ip("192.168.1.150"))).is(MessageType::nak));
}

TEST(Rfc2131, SelectingWithoutAnAddressIsNoRequest) {
  Bench bench;
  EXPECT_TRUE(bench.send(message(MessageType::request).option(54, kGateway)).is_silent_for(Refusal::bad_field));
  EXPECT_TRUE(bench.send(message(MessageType::request)).is_silent_for(Refusal::bad_field));
}

TEST(Rfc2131, OfferWaits30SecondsAndIsThenForgotten) {
  Bench bench;
  const Ipv4Address offered = bench.send(discover()).yiaddr();
  EXPECT_EQ(bench.server.next_deadline(), kStart + 30s);
  EXPECT_NE(bench.send(discover(mac(2)).option(50, offered)).yiaddr(), offered) << "kept for its client";
  bench.pass(30s);
  EXPECT_EQ(bench.send(discover(mac(3)).option(50, offered)).yiaddr(), offered);
  EXPECT_THAT(bench.events(), IsEmpty());
}

TEST(Rfc2131, LateSelectingIsAcknowledgedWhileTheAddressIsFree) {
  Bench bench;
  const Ipv4Address offered = bench.send(discover()).yiaddr();
  bench.pass(60s);
  EXPECT_TRUE(bench.send(selecting(mac(1), offered)).is(MessageType::ack));
  EXPECT_TRUE(bench.send(selecting(mac(2), offered)).is(MessageType::nak)) << "now it is not";
}

TEST(Rfc2131, DiscoverOfABoundClientOffersItsAddressAndKeepsItsLease) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.pass(10min);
  EXPECT_EQ(bench.send(discover().option(50, ip("192.168.1.150"))).yiaddr(), held);
  EXPECT_NE(bench.server.lease(held), nullptr);
  bench.pass(1min);
  EXPECT_NE(bench.server.lease(held), nullptr) << "the offer's end does not end the lease";
}

TEST(Rfc2131, RequestedAddressIsHonouredWhereItIsFree) {
  Bench bench;
  EXPECT_EQ(bench.send(discover(mac(1)).option(50, ip("192.168.1.150"))).yiaddr(), ip("192.168.1.150"));
  EXPECT_NE(bench.send(discover(mac(2)).option(50, ip("192.168.1.150"))).yiaddr(), ip("192.168.1.150"));
  for (const char* impossible : {"192.168.1.1", "192.168.1.0", "192.168.1.255", "192.168.1.50", "8.8.8.8", "0.0.0.0"}) {
    const Ipv4Address given = bench.send(discover(mac(3)).option(50, ip(impossible))).yiaddr();
    EXPECT_GE(given, ip("192.168.1.100")) << impossible;
    EXPECT_LE(given, ip("192.168.1.199")) << impossible;
  }
}

// --- INIT-REBOOT

TEST(Rfc2131, InitRebootOfAKnownClientIsAcknowledged) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.pass(30min);
  const Answer ack = bench.send(init_reboot(mac(1), held));
  ASSERT_TRUE(ack.is(MessageType::ack));
  EXPECT_EQ(ack.yiaddr(), held);
  EXPECT_EQ(bench.server.lease(held)->expires, bench.now + 1h);
}

TEST(Rfc2131, SilentToUnknownInitReboot) {
  Bench bench;
  EXPECT_TRUE(bench.send(init_reboot(mac(1), ip("192.168.1.150"))).is_silent_for(Refusal::unknown_client));
  const Ipv4Address held = bench.lease(mac(2));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), held)).is_silent_for(Refusal::unknown_client));
}

TEST(Rfc2131, InitRebootOnTheWrongNetworkIsRefusedEvenIfUnknown) {
  Bench bench;
  const Answer nak = bench.send(init_reboot(mac(1), ip("10.0.0.7")));
  ASSERT_TRUE(nak.is(MessageType::nak));
  EXPECT_TRUE(nak.yiaddr().is_unspecified());
  EXPECT_EQ(nak.option(51), std::nullopt);
  EXPECT_EQ(nak.option(1), std::nullopt);
  EXPECT_EQ(nak.option(54), (Bytes{192, 168, 1, 1}));
  EXPECT_THAT(bench.events(), ElementsAre("refused 10.0.0.7"));
}

TEST(Rfc2131, InitRebootOfAKnownClientWithAnotherAddressIsRefused) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  const Ipv4Address other = bench.lease(mac(2));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), other)).is(MessageType::nak));
  EXPECT_EQ(bench.lease(mac(1)), held) << "and then it gets its own again";
}

TEST(Rfc2131, InitRebootAfterExpiryGetsTheAddressBackUnlessItWasGivenAway) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.pass(2h);
  ASSERT_EQ(bench.server.lease(held), nullptr);
  EXPECT_TRUE(bench.send(init_reboot(mac(1), held)).is(MessageType::ack));
  bench.pass(2h);
  EXPECT_EQ(bench.send(discover(mac(2)).option(50, held)).yiaddr(), held);
  bench.send(selecting(mac(2), held));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), held)).is_silent_for(Refusal::unknown_client));
}

// --- RENEWING and REBINDING

TEST(Rfc2131, RenewalExtendsTheLease) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.events();
  for (int i = 0; i < 48; ++i) {
    bench.pass(30min);
    const Answer ack = bench.send(renewing(mac(1), held));
    ASSERT_TRUE(ack.is(MessageType::ack)) << i;
    EXPECT_EQ(ack.message->header().ciaddr, held);
    EXPECT_EQ(ack.reply->destination, held);
    EXPECT_EQ(bench.server.next_deadline(), bench.now + 1h);
    EXPECT_THAT(bench.events(), ElementsAre("renewed " + held.to_string()));
  }
}

TEST(Rfc2131, LeaseEndsWhenItIsNotRenewed) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.events();
  bench.pass(1h - 1ns);
  EXPECT_NE(bench.server.lease(held), nullptr);
  EXPECT_THAT(bench.events(), IsEmpty());
  bench.pass(1ns);
  EXPECT_EQ(bench.server.lease(held), nullptr);
  EXPECT_THAT(bench.events(), ElementsAre("expired " + held.to_string()));
  EXPECT_EQ(bench.server.next_deadline(), kNever);
}

TEST(Rfc2131, RenewalOfAnotherClientsAddressIsRefused) {
  Bench bench;
  bench.lease(mac(1));
  const Ipv4Address other = bench.lease(mac(2));
  EXPECT_TRUE(bench.send(renewing(mac(1), other)).is(MessageType::nak));
  EXPECT_TRUE(bench.send(renewing(mac(3), other)).is(MessageType::nak));
  EXPECT_EQ(bench.server.lease(other)->mac, mac(2));
}

TEST(Rfc2131, RenewalOnTheWrongNetworkIsRefusedByBroadcast) {
  Bench bench;
  const Answer nak = bench.send(renewing(mac(1), ip("10.0.0.7")));
  ASSERT_TRUE(nak.is(MessageType::nak));
  EXPECT_TRUE(nak.reply->destination.is_broadcast());
  EXPECT_TRUE(nak.message->header().ciaddr.is_unspecified());
}

TEST(DhcpServer, ClientKeepsItsAddressWhenTheServerHasLostItsMemory) {
  Bench bench;
  EXPECT_TRUE(bench.send(renewing(mac(1), ip("192.168.1.150"))).is(MessageType::ack));
  EXPECT_THAT(bench.events(), ElementsAre("granted 192.168.1.150"));
  EXPECT_TRUE(bench.send(renewing(mac(2), ip("192.168.1.20"))).is(MessageType::nak)) << "outside the range";
}

// --- DECLINE, RELEASE, INFORM

TEST(Rfc2131, DeclinedAddressRests10Minutes) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.events();
  const Answer answer = bench.send(decline(mac(1), held));
  EXPECT_FALSE(answer.reply);
  EXPECT_FALSE(answer.refusal);
  EXPECT_THAT(bench.events(), ElementsAre("declined " + held.to_string()));
  EXPECT_EQ(bench.server.lease(held), nullptr);
  EXPECT_NE(bench.lease(mac(1)), held);
  bench.pass(10min - 1s);
  EXPECT_NE(bench.send(discover(mac(2)).option(50, held)).yiaddr(), held);
  bench.pass(1s);
  EXPECT_EQ(bench.send(discover(mac(3)).option(50, held)).yiaddr(), held);
}

TEST(Rfc2131, OnlyTheHolderDeclinesAndReleases) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  EXPECT_TRUE(bench.send(decline(mac(2), held)).is_silent_for(Refusal::not_holder));
  EXPECT_TRUE(bench.send(decline(mac(1), ip("192.168.1.1"))).is_silent_for(Refusal::not_holder));
  EXPECT_TRUE(bench.send(decline(mac(1), held, ip("192.168.1.2"))).is_silent_for(Refusal::other_server));
  EXPECT_TRUE(bench.send(message(MessageType::decline)).is_silent_for(Refusal::bad_field));
  EXPECT_TRUE(bench.send(release(mac(2), held)).is_silent_for(Refusal::not_holder));
  EXPECT_TRUE(bench.send(release(mac(1), ip("192.168.1.3"))).is_silent_for(Refusal::not_holder));
  EXPECT_TRUE(bench.send(release(mac(1), held, ip("192.168.1.2"))).is_silent_for(Refusal::other_server));
  EXPECT_TRUE(bench.send(release(mac(1), {})).is_silent_for(Refusal::bad_field));
  EXPECT_NE(bench.server.lease(held), nullptr);
}

TEST(Rfc2131, ReleasedAddressIsRememberedForItsClient) {
  Bench bench;
  const Ipv4Address held = bench.send(discover().option(50, ip("192.168.1.150"))).yiaddr();
  bench.send(selecting(mac(1), held));
  bench.events();
  const Answer answer = bench.send(release(mac(1), held));
  EXPECT_FALSE(answer.reply);
  EXPECT_FALSE(answer.refusal);
  EXPECT_THAT(bench.events(), ElementsAre("released 192.168.1.150"));
  EXPECT_THAT(bench.server.leases(), IsEmpty());
  EXPECT_TRUE(bench.send(release(mac(1), held)).is_silent_for(Refusal::not_holder)) << "it has none any more";
  EXPECT_EQ(bench.lease(mac(1)), held);
}

TEST(Rfc2131, InformIsAcknowledgedWithoutAddressAndLease) {
  Bench bench;
  Packet inform = message(MessageType::inform);
  inform.ciaddr = ip("192.168.1.77");
  const Answer ack = bench.send(inform);
  ASSERT_TRUE(ack.is(MessageType::ack));
  EXPECT_TRUE(ack.yiaddr().is_unspecified());
  EXPECT_EQ(ack.message->header().ciaddr, inform.ciaddr);
  EXPECT_EQ(ack.option(51), std::nullopt);
  EXPECT_EQ(ack.option(58), std::nullopt);
  EXPECT_EQ(ack.option(54), (Bytes{192, 168, 1, 1}));
  EXPECT_EQ(ack.option(6), (Bytes{192, 168, 1, 1}));
  EXPECT_EQ(ack.reply->destination, inform.ciaddr);
  EXPECT_THAT(bench.server.leases(), IsEmpty());
  inform.ciaddr = ip("10.0.0.7");
  EXPECT_TRUE(bench.send(inform).is_silent_for(Refusal::bad_field));
}

}  // namespace
}  // namespace vnet::dhcp
