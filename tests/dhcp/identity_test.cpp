// Who a client is, which address it gets, and that it keeps it: identifiers, reservations, restarts, changed rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ServerConfig with_reservation(Ipv4Address address = Ipv4Address{192, 168, 1, 20}) {
  ServerConfig config = home();
  config.reservations = {{mac(1), address, "alice"}};
  return config;
}

TEST(Rfc2131, ClientIdentifierBeatsChaddr) {
  Bench bench;
  const Ipv4Address first = bench.lease(mac(1), Bytes{0xff, 1, 2, 3});
  EXPECT_EQ(bench.lease(mac(2), Bytes{0xff, 1, 2, 3}), first) << "the same client on another NIC";
  EXPECT_NE(bench.lease(mac(1), Bytes{0xff, 1, 2, 4}), first) << "another client on the same NIC";
  EXPECT_EQ(bench.server.lease(first)->mac, mac(2));
}

TEST(Rfc2132, UsualClientIdentifierIsTheSameClientAsNone) {
  Bench bench;
  const Ipv4Address without = bench.lease(mac(1));
  EXPECT_EQ(bench.lease(mac(1), Bytes{1, 0x52, 0xcc, 0xcc, 0xcc, 0, 1}), without);
  EXPECT_EQ(bench.server.leases().size(), 1U);
}

TEST(Rfc6842, ClientIdentifierIsEchoedInEveryReply) {
  Bench bench;
  const Bytes id = {0xff, 0xde, 0xad, 0, 2};
  const Answer offer = bench.send(discover().option(61, id));
  EXPECT_EQ(offer.option(61), id);
  EXPECT_EQ(bench.send(selecting(mac(1), offer.yiaddr()).option(61, id)).option(61), id);
  EXPECT_EQ(bench.send(init_reboot(mac(1), ip("10.0.0.1")).option(61, id)).option(61), id) << "NAK";
  EXPECT_EQ(bench.send(discover(mac(2))).option(61), std::nullopt) << "not invented";
  const Bytes longest(255, 7);
  EXPECT_EQ(bench.send(discover(mac(3)).option(61, longest)).option(61), longest);
  EXPECT_TRUE(bench.send(discover(mac(4)).option(61, Bytes{})).is(MessageType::offer)) << "empty is none";
}

TEST(DhcpAssigned, DhcpGivesWhatWasAssignedUnderWhateverIdentifier) {
  Bench bench;
  const Ipv4Address given = bench.server.assign(mac(1), "alice", bench.now).value();
  EXPECT_EQ(bench.server.assign(mac(1), "alice", bench.now), given) << "again";
  EXPECT_EQ(bench.server.leases().size(), 1U);
  const Bytes id = {0xff, 0xde, 0xad, 0, 2};
  EXPECT_EQ(bench.send(discover().option(61, id)).yiaddr(), given);
  EXPECT_NE(bench.server.lease(given), nullptr) << "an offer alone does not end it";
  EXPECT_EQ(bench.lease(mac(1), id), given);
  EXPECT_EQ(bench.server.leases().size(), 1U);
  EXPECT_NE(bench.lease(mac(2)), given);
}

TEST(DhcpAssigned, WhatDhcpHasGivenIsAssigned) {
  Bench bench;
  const Ipv4Address leased = bench.lease(mac(1));
  bench.now += 2h;  // it has run out, and is remembered
  EXPECT_EQ(bench.server.assign(mac(1), "", bench.now), leased);
  const Ipv4Address other = bench.lease(mac(2));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), other)).is(MessageType::nak));
}

TEST(DhcpAssigned, ALeaseIsRenewedInItsSecondHalfAndKeptFromOthers) {
  Bench bench;
  const Ipv4Address given = bench.server.assign(mac(1), "", bench.now).value();
  const Instant first = bench.server.lease(given)->expires;
  EXPECT_EQ(bench.server.assign(mac(1), "", bench.now + 29min), given);
  EXPECT_EQ(bench.server.lease(given)->expires, first);
  EXPECT_EQ(bench.server.assign(mac(1), "", bench.now + 30min), given);
  EXPECT_EQ(bench.server.lease(given)->expires, first + 30min);
  Bytes forged = {0xfe};
  for (const char c : std::string{"assigned:"}) forged.push_back(static_cast<std::uint8_t>(c));
  const MacAddress owner = mac(1);
  for (const std::uint8_t octet : owner.octets()) forged.push_back(octet);
  EXPECT_FALSE(bench.send(discover(mac(2)).option(61, forged)).is(MessageType::offer)) << "another's key";
  EXPECT_EQ(bench.server.lease(given)->mac, mac(1));
}

TEST(DhcpLeases, SameClientsGetTheSameAddressesOnEveryRun) {
  Bench one;
  Bench two;
  std::set<Ipv4Address> given;
  for (std::uint64_t n = 1; n <= 20; ++n) {
    const Ipv4Address address = one.lease(mac(n));
    EXPECT_EQ(two.lease(mac(n)), address);
    EXPECT_TRUE(given.insert(address).second);
  }
  Bench reversed;
  int same = 0;
  for (std::uint64_t n = 20; n >= 1; --n) {
    if (reversed.lease(mac(n)) == one.lease(mac(n))) ++same;
  }
  EXPECT_GE(same, 15) << "and mostly in any order of arrival";
}

TEST(DhcpLeases, ExpiredAddressIsPreferredForItsClient) {
  Bench bench;
  const Ipv4Address held = bench.send(discover().option(50, ip("192.168.1.150"))).yiaddr();
  bench.send(selecting(mac(1), held));
  bench.pass(24h);
  for (std::uint64_t n = 2; n < 50; ++n) EXPECT_NE(bench.lease(mac(n)), held) << n;
  EXPECT_EQ(bench.lease(mac(1)), held);
}

TEST(DhcpReservations, ReservedAddressGoesToItsNicAndToNobodyElse) {
  for (const char* address : {"192.168.1.20", "192.168.1.150"}) {  // outside and inside the range
    Bench bench(with_reservation(ip(address)));
    EXPECT_NE(bench.send(discover(mac(2)).option(50, ip(address))).yiaddr(), ip(address));
    EXPECT_TRUE(bench.send(renewing(mac(3), ip(address))).is(MessageType::nak));
    EXPECT_EQ(bench.lease(mac(1)), ip(address));
    EXPECT_EQ(bench.server.lease(ip(address))->hostname, "alice");
  }
}

TEST(DhcpReservations, HoldForTheNicWhateverItsIdentifier) {
  Bench bench(with_reservation());
  EXPECT_EQ(bench.lease(mac(1)), ip("192.168.1.20")) << "the boot loader";
  bench.events();
  EXPECT_EQ(bench.lease(mac(1), Bytes{0xff, 1, 2, 3}), ip("192.168.1.20")) << "the system";
  EXPECT_THAT(bench.events(), ElementsAre("released 192.168.1.20", "granted 192.168.1.20"));
  EXPECT_EQ(bench.server.leases().size(), 1U);
}

TEST(DhcpReservations, AreRecordsForInitReboot) {
  Bench bench(with_reservation());
  EXPECT_TRUE(bench.send(init_reboot(mac(1), ip("192.168.1.150"))).is(MessageType::nak));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), ip("192.168.1.20"))).is(MessageType::ack));
}

TEST(DhcpReservations, HostnameOfTheReservationIsOffered) {
  Bench bench(with_reservation());
  EXPECT_EQ(bench.send(discover(mac(1)).option(55, Bytes{12}).option(12, "bob")).option(12),
            (Bytes{'a', 'l', 'i', 'c', 'e'}));
  EXPECT_EQ(bench.send(discover(mac(2)).option(55, Bytes{12}).option(12, "bob")).option(12), std::nullopt);
}

TEST(DhcpReservations, AddedAtRunTimeMoveTheClientAtItsNextRenewal) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.events();
  EXPECT_EQ(bench.server.add_reservation({mac(1), ip("192.168.1.20"), ""}), std::nullopt);
  EXPECT_TRUE(bench.send(renewing(mac(1), held)).is(MessageType::nak));
  EXPECT_THAT(bench.events(), ElementsAre("released " + held.to_string(), "refused " + held.to_string()));
  EXPECT_EQ(bench.lease(mac(1)), ip("192.168.1.20"));
  EXPECT_NE(bench.server.add_reservation({mac(1), ip("192.168.1.21"), ""}), std::nullopt) << "one for each NIC";
  EXPECT_NE(bench.server.add_reservation({mac(2), ip("192.168.1.20"), ""}), std::nullopt) << "one for each address";
  EXPECT_NE(bench.server.add_reservation({mac(2), ip("192.168.1.1"), ""}), std::nullopt);
}

TEST(DhcpReservations, OfAnotherClientsAddressWaitForTheEndOfItsLease) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  ASSERT_EQ(bench.server.add_reservation({mac(2), held, ""}), std::nullopt);
  const Ipv4Address meanwhile = bench.lease(mac(2));
  EXPECT_NE(meanwhile, held) << "two clients must not have one address";
  EXPECT_TRUE(bench.send(renewing(mac(2), meanwhile)).is(MessageType::ack));
  EXPECT_TRUE(bench.send(renewing(mac(1), held)).is(MessageType::nak));
  EXPECT_TRUE(bench.send(renewing(mac(2), meanwhile)).is(MessageType::nak)) << "now its own is free";
  EXPECT_EQ(bench.lease(mac(2)), held);
}

TEST(DhcpReservations, RemovedOnesReturnTheirAddressToTheRange) {
  ServerConfig config = with_reservation(ip("192.168.1.150"));
  config.range_first = config.range_last = ip("192.168.1.150");
  Bench bench(config);
  EXPECT_TRUE(bench.send(discover(mac(2))).is_silent_for(Refusal::exhausted));
  EXPECT_TRUE(bench.server.remove_reservation(mac(1)));
  EXPECT_FALSE(bench.server.remove_reservation(mac(1)));
  EXPECT_EQ(bench.lease(mac(2)), ip("192.168.1.150"));
}

TEST(DhcpReservations, RemovedOneOutsideTheRangeIsNotRenewed) {
  Bench bench(with_reservation());
  ASSERT_EQ(bench.lease(mac(1)), ip("192.168.1.20"));
  EXPECT_TRUE(bench.server.remove_reservation(mac(1)));
  EXPECT_NE(bench.server.lease(ip("192.168.1.20")), nullptr) << "runs on";
  EXPECT_TRUE(bench.send(renewing(mac(1), ip("192.168.1.20"))).is(MessageType::nak));
  EXPECT_GE(bench.lease(mac(1)), ip("192.168.1.100"));
}

TEST(DhcpLeases, SurviveARestart) {
  Bench before(with_reservation());
  const Ipv4Address reserved = before.lease(mac(1));
  const Ipv4Address running = before.lease(mac(2), Bytes{0xff, 9});
  const Ipv4Address ended = before.lease(mac(3));
  std::vector<Lease> saved = before.server.leases();
  ASSERT_EQ(saved.size(), 3U);

  Bench after(with_reservation());
  after.now = kStart + 30min;
  for (Lease& lease : saved) {
    if (lease.ip == ended) lease.expires = kStart + 10min;
    EXPECT_TRUE(after.server.restore(lease, after.now));
    EXPECT_FALSE(after.server.restore(lease, after.now)) << "twice";
  }
  EXPECT_THAT(after.events(), IsEmpty());
  EXPECT_EQ(after.server.leases().size(), 2U);
  EXPECT_EQ(after.server.next_deadline(), kStart + 1h);
  EXPECT_TRUE(after.send(renewing(mac(1), reserved)).is(MessageType::ack));
  EXPECT_TRUE(after.send(init_reboot(mac(2), running).option(61, Bytes{0xff, 9})).is(MessageType::ack));
  EXPECT_TRUE(after.send(init_reboot(mac(3), ended)).is(MessageType::ack)) << "remembered beyond its end";
}

TEST(DhcpLeases, RestoreRefusesWhatDoesNotFit) {
  Bench bench(with_reservation());
  const auto restore = [&](const char* address, std::string client) {
    return bench.server.restore({ip(address), mac(7), std::move(client), "", LeaseState::bound, bench.now + 1h},
                                bench.now);
  };
  EXPECT_FALSE(restore("192.168.1.1", "k")) << "gateway";
  EXPECT_FALSE(restore("10.0.0.1", "k")) << "another network";
  EXPECT_FALSE(restore("192.168.1.20", "k")) << "reserved for another";
  EXPECT_FALSE(restore("192.168.1.150", "")) << "no client";
  EXPECT_TRUE(restore("192.168.1.150", "k"));
  EXPECT_FALSE(restore("192.168.1.150", "l")) << "taken";
  EXPECT_FALSE(restore("192.168.1.151", "k")) << "one address for each client";
}

TEST(DhcpLeases, RemovedLeaseIsForgotten) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.events();
  EXPECT_TRUE(bench.server.remove(held));
  EXPECT_FALSE(bench.server.remove(held));
  EXPECT_FALSE(bench.server.remove(ip("192.168.1.198")));
  EXPECT_THAT(bench.events(), ElementsAre("removed " + held.to_string()));
  EXPECT_TRUE(bench.send(init_reboot(mac(1), held)).is_silent_for(Refusal::unknown_client));
}

TEST(DhcpLeases, ARememberedClientIsForgottenToo) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  bench.pass(2h);
  bench.events();
  EXPECT_TRUE(bench.server.remove(held));
  ASSERT_EQ(bench.server.events().size(), 1U);
  EXPECT_EQ(bench.server.events()[0].kind, LeaseEvent::Kind::removed);
  EXPECT_EQ(bench.server.events()[0].lease.state, LeaseState::free) << "it was no lease any more";
}

TEST(DhcpLeases, AreListedPageByPageInTheOrderOfTheirAddresses) {
  Bench bench;
  for (std::uint64_t i = 1; i <= 25; ++i) (void)bench.lease(mac(i));
  (void)bench.send(discover(mac(26)));
  EXPECT_EQ(bench.server.lease_count(), 25U) << "an offer is not a lease";
  std::vector<Ipv4Address> listed;
  Ipv4Address last;
  for (;;) {
    const auto page = bench.server.leases_after(last, 10);
    for (const Lease& lease : page) listed.push_back(lease.ip);
    if (page.size() < 10) break;
    last = page.back().ip;
  }
  EXPECT_EQ(listed.size(), 25U);
  EXPECT_TRUE(std::ranges::is_sorted(listed));
  EXPECT_THAT(bench.server.leases_after(listed.back(), 10), IsEmpty());
  bench.send(release(mac(1), bench.lease(mac(1))));
  EXPECT_EQ(bench.server.lease_count(), 24U);
  bench.server.reconfigure(home());
  EXPECT_EQ(bench.server.lease_count(), 24U);
  bench.pass(2h);
  EXPECT_EQ(bench.server.lease_count(), 0U);
}

TEST(DhcpLeases, SayWhetherANewConfigurationHasPlaceForThem) {
  Bench bench;
  const Ipv4Address low = bench.send(discover(mac(1)).option(50, ip("192.168.1.110"))).yiaddr();
  bench.send(selecting(mac(1), low));
  EXPECT_TRUE(bench.server.may_keep(*bench.server.lease(low)));
  EXPECT_EQ(bench.server.add_reservation({mac(1), ip("192.168.1.20"), ""}), std::nullopt);
  EXPECT_TRUE(bench.server.may_keep(*bench.server.lease(low))) << "a reservation elsewhere waits for the renewal";
  EXPECT_EQ(bench.server.reservation(ip("192.168.1.20"))->mac, mac(1));
  EXPECT_EQ(bench.server.reservation(low), nullptr);
  ServerConfig config = home();
  config.range_first = ip("192.168.1.150");
  bench.server.reconfigure(config);
  EXPECT_FALSE(bench.server.may_keep(*bench.server.lease(low)));
  config.reservations = {{mac(1), low, ""}};
  bench.server.reconfigure(config);
  EXPECT_TRUE(bench.server.may_keep(*bench.server.lease(low)));
  config.reservations = {{mac(2), low, ""}};
  bench.server.reconfigure(config);
  EXPECT_FALSE(bench.server.may_keep(*bench.server.lease(low)));
}

TEST(DhcpLeases, GoOnUnderNewRulesAndAreRefusedWhereTheseForbidThem) {
  Bench bench;
  const Ipv4Address low = bench.send(discover(mac(1)).option(50, ip("192.168.1.110"))).yiaddr();
  bench.send(selecting(mac(1), low));
  const Ipv4Address high = bench.send(discover(mac(2)).option(50, ip("192.168.1.190"))).yiaddr();
  bench.send(selecting(mac(2), high));
  ServerConfig config = home();
  config.range_first = ip("192.168.1.150");
  config.lease_time = 2h;
  bench.server.reconfigure(config);
  EXPECT_EQ(bench.server.leases().size(), 2U);
  EXPECT_EQ(bench.send(renewing(mac(2), high)).number(51), 7200U);
  EXPECT_TRUE(bench.send(renewing(mac(1), low)).is(MessageType::nak));
  EXPECT_GE(bench.lease(mac(1)), ip("192.168.1.150"));
  EXPECT_EQ(bench.server.leases().size(), 2U);
}

TEST(DhcpLeases, ReconfigurationKeepsDeadlinesAndMemories) {
  Bench bench;
  const Ipv4Address ended = bench.lease(mac(1));
  bench.pass(2h);
  const Ipv4Address running = bench.lease(mac(2));
  const Ipv4Address resting = bench.lease(mac(3));
  bench.send(decline(mac(3), resting));
  bench.events();
  bench.server.reconfigure(home());
  EXPECT_EQ(bench.server.next_deadline(), bench.now + 10min);
  EXPECT_NE(bench.send(discover(mac(4)).option(50, resting)).yiaddr(), resting);
  EXPECT_EQ(bench.lease(mac(1)), ended);
  bench.events();
  bench.pass(1h);
  EXPECT_THAT(bench.events(),
              ::testing::UnorderedElementsAre("expired " + running.to_string(), "expired " + ended.to_string()));
}

TEST(DhcpLeases, HostnameIsRecordedKeptAndReplaced) {
  Bench bench;
  const Ipv4Address held = bench.send(discover().option(12, "one")).yiaddr();
  bench.send(selecting(mac(1), held).option(12, "one"));
  EXPECT_EQ(bench.server.lease(held)->hostname, "one");
  bench.send(renewing(mac(1), held));
  EXPECT_EQ(bench.server.lease(held)->hostname, "one") << "not repeated in a renewal";
  bench.send(renewing(mac(1), held).option(12, "two.example"));
  EXPECT_EQ(bench.server.lease(held)->hostname, "two");
  bench.send(renewing(mac(1), held).option(12, "-evil\n"));
  EXPECT_EQ(bench.server.lease(held)->hostname, "");
}

}  // namespace
}  // namespace vnet::dhcp
