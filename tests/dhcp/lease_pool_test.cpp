// The pool under pressure: exhaustion, reuse, forbidden addresses, huge ranges, and random clients.
#include "dhcp/lease_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using namespace test;
using ::testing::Contains;
using ::testing::ElementsAre;

ServerConfig small(std::string_view first, std::string_view last) {
  ServerConfig config = home();
  config.range_first = ip(first);
  config.range_last = ip(last);
  return config;
}

TEST(DhcpPool, GivesEveryAddressOfTheRangeOnceAndThenRefuses) {
  Bench bench;
  std::set<Ipv4Address> given;
  for (std::uint64_t n = 0; n < 100; ++n) {
    const Ipv4Address address = bench.lease(mac(n));
    EXPECT_TRUE(address >= ip("192.168.1.100") && address <= ip("192.168.1.199")) << address.to_string();
    EXPECT_TRUE(given.insert(address).second) << address.to_string();
  }
  bench.events();
  EXPECT_TRUE(bench.send(discover(mac(1000))).is_silent_for(Refusal::exhausted));
  EXPECT_THAT(bench.events(), ElementsAre("exhausted 0.0.0.0"));
  EXPECT_EQ(bench.server.counters().refused[static_cast<std::size_t>(Refusal::exhausted)], 1U);
  bench.send(release(mac(7), bench.lease(mac(7))));
  EXPECT_FALSE(bench.lease(mac(1000)).is_unspecified());
}

TEST(DhcpPool, NeverGivesNetworkBroadcastGatewayRouterOrExcludedAddresses) {
  ServerConfig config = small("192.168.1.0", "192.168.1.15");
  config.gateway.length = 28;
  config.router = ip("192.168.1.2");
  config.excluded = {ip("192.168.1.3"), ip("192.168.1.14"), ip("10.9.9.9")};
  Bench bench(config);
  std::set<Ipv4Address> given;
  for (std::uint64_t n = 0; n < 40; ++n) {
    const Ipv4Address address = bench.lease(mac(n));
    if (!address.is_unspecified()) given.insert(address);
  }
  std::set<Ipv4Address> expected;
  for (std::uint8_t host = 4; host <= 13; ++host) expected.insert(Ipv4Address{192, 168, 1, host});
  EXPECT_EQ(given, expected);
}

TEST(DhcpPool, ReusesTheAddressThatHasBeenFreeForLongest) {
  Bench bench(small("192.168.1.100", "192.168.1.102"));
  std::map<std::uint64_t, Ipv4Address> held;
  for (std::uint64_t n = 1; n <= 3; ++n) held[n] = bench.lease(mac(n));
  for (const std::uint64_t n : {2U, 3U, 1U}) {
    bench.pass(1s);
    bench.send(release(mac(n), held[n]));
  }
  EXPECT_EQ(bench.lease(mac(10)), held[2]);
  EXPECT_EQ(bench.lease(mac(11)), held[3]);
  EXPECT_EQ(bench.lease(mac(1)), held[1]) << "still remembered";
  EXPECT_TRUE(bench.send(discover(mac(2))).is_silent_for(Refusal::exhausted));
}

TEST(DhcpPool, UnansweredOffersDoNotCostAnybodysMemory) {
  Bench bench(small("192.168.1.100", "192.168.1.103"));
  const Ipv4Address held = bench.lease(mac(1));
  bench.send(release(mac(1), held));
  for (std::uint64_t round = 0; round < 10; ++round) {
    for (std::uint64_t n = 0; n < 3; ++n) {
      const Answer offer = bench.send(discover(mac(100 + round * 3 + n)));
      ASSERT_TRUE(offer.is(MessageType::offer));
      EXPECT_NE(offer.yiaddr(), held);
    }
    bench.pass(31s);
  }
  EXPECT_EQ(bench.lease(mac(1)), held);
}

TEST(DhcpPool, WithoutARangeServesReservedClientsOnly) {
  ServerConfig config = small("0.0.0.0", "0.0.0.0");
  config.reservations = {{mac(1), ip("192.168.1.7"), ""}};
  Bench bench(config);
  EXPECT_EQ(bench.lease(mac(1)), ip("192.168.1.7"));
  EXPECT_TRUE(bench.send(discover(mac(2))).is_silent_for(Refusal::exhausted));
  EXPECT_TRUE(bench.send(discover(mac(2)).option(50, ip("0.0.0.0"))).is_silent_for(Refusal::exhausted));
}

TEST(DhcpPool, HugeRangeIsBoundedByMaxLeases) {
  ServerConfig config = home();
  config.gateway = {ip("10.0.0.1"), 8};
  config.range_first = ip("10.0.0.2");
  config.range_last = ip("10.255.255.254");
  config.max_leases = 1000;
  LeasePool pool(config);
  std::set<Ipv4Address> given;
  for (std::uint64_t n = 0; n < 1000; ++n) {
    const std::string key = std::to_string(n);
    const Client client{key, mac(n)};
    const auto address = pool.choose(client, {});
    ASSERT_TRUE(address);
    pool.bind(client, *address, "", kStart + 1h);
    EXPECT_TRUE(given.insert(*address).second);
  }
  const Client late{"late", mac(5000)};
  EXPECT_EQ(pool.choose(late, ip("10.77.0.1")), std::nullopt) << "a wish does not enlarge the table";
  EXPECT_FALSE(pool.may_have(late, ip("10.77.0.1")));
  pool.release(*given.begin(), kStart);
  EXPECT_EQ(pool.choose(late, {}), *given.begin());
  EXPECT_EQ(pool.size(), 1000U);
}

TEST(DhcpPool, EventsHaveABound) {
  Bench bench;
  const Bytes request = init_reboot(mac(1), ip("10.0.0.7")).bytes();
  Bytes out(600);
  for (std::size_t i = 0; i < Server::kMaxEvents + 5; ++i) {
    ASSERT_TRUE(bench.server.handle(request, {mac(1)}, bench.now, out));
  }
  EXPECT_EQ(bench.server.events().size(), Server::kMaxEvents);
  EXPECT_EQ(bench.server.counters().events_lost, 5U);
}

/// Random clients do random things for hours; after each, no two live leases share an address and none is forbidden.
class RandomClients : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static ServerConfig config() {
    ServerConfig config = small("192.168.1.0", "192.168.1.31");
    config.excluded = {ip("192.168.1.5"), ip("192.168.1.30")};
    config.reservations = {{mac(1), ip("192.168.1.10"), "one"}, {mac(2), ip("192.168.1.200"), "two"}};
    config.lease_time = 5min;
    config.max_leases = 24;
    return config;
  }

  Packet any_message() {
    const MacAddress chaddr = mac(random_.below(40));
    const Ipv4Address wanted{192, 168, 1, static_cast<std::uint8_t>(random_.below(40))};
    Packet packet;
    switch (random_.below(7)) {
      case 0: packet = discover(chaddr); break;
      case 1: packet = discover(chaddr).option(50, wanted); break;
      case 2: packet = selecting(chaddr, random_.chance(0.7) ? last_offer_ : wanted); break;
      case 3: packet = init_reboot(chaddr, wanted); break;
      case 4: packet = renewing(chaddr, wanted); break;
      case 5: packet = release(chaddr, held_by(chaddr)); break;
      default:
        packet = random_.chance(0.3) ? decline(chaddr, held_by(chaddr)) : renewing(chaddr, held_by(chaddr));
        break;
    }
    if (random_.chance(0.2)) packet.option(61, Bytes{0, static_cast<std::uint8_t>(random_.below(10))});
    return packet;
  }

  Ipv4Address held_by(const MacAddress& chaddr) {
    for (const Lease& lease : bench_.server.leases()) {
      if (lease.mac == chaddr) return lease.ip;
    }
    return {};
  }

  void check_leases() {
    std::set<std::string> clients;
    std::optional<Ipv4Address> previous;
    const ServerConfig rules = config();
    for (const Lease& lease : bench_.server.leases()) {
      EXPECT_TRUE(!previous || *previous < lease.ip) << "two leases of " << lease.ip.to_string();
      previous = lease.ip;
      EXPECT_TRUE(clients.insert(lease.client).second) << "a client with two addresses";
      EXPECT_TRUE(is_assignable(rules, lease.ip)) << lease.ip.to_string();
      EXPECT_GT(lease.expires, bench_.now);
      EXPECT_LE(lease.ip, lease.mac == mac(2) ? ip("192.168.1.200") : ip("192.168.1.31"));
      EXPECT_TRUE(lease.ip != ip("192.168.1.10") || lease.mac == mac(1)) << "reserved for another";
    }
  }

  Random random_{GetParam()};
  Bench bench_{config()};
  Ipv4Address last_offer_;
};

TEST_P(RandomClients, NeverShareAnAddressNorGetAForbiddenOne) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  std::map<Ipv4Address, std::string> live;  // the same truth, from the events alone
  for (int step = 0; step < 3000 && !HasFailure(); ++step) {
    const Answer answer = bench_.send(any_message());
    if (answer.is(MessageType::offer)) last_offer_ = answer.yiaddr();
    if (random_.chance(0.3)) bench_.pass(std::chrono::seconds{random_.below(60)});
    if (random_.chance(0.01)) bench_.server.reconfigure(config());
    for (const LeaseEvent& event : bench_.server.events()) {
      switch (event.kind) {
        case LeaseEvent::Kind::granted:
          EXPECT_TRUE(live.emplace(event.lease.ip, event.lease.client).second) << event.lease.ip.to_string();
          break;
        case LeaseEvent::Kind::renewed: EXPECT_EQ(live[event.lease.ip], event.lease.client); break;
        case LeaseEvent::Kind::released:
        case LeaseEvent::Kind::expired:
        case LeaseEvent::Kind::removed:
        case LeaseEvent::Kind::declined: EXPECT_EQ(live.erase(event.lease.ip), 1U); break;
        case LeaseEvent::Kind::refused:
        case LeaseEvent::Kind::exhausted: break;
      }
    }
    bench_.server.clear_events();
    check_leases();
    EXPECT_EQ(live.size(), bench_.server.leases().size()) << "events and leases disagree at step " << step;
    EXPECT_GT(bench_.server.next_deadline(), bench_.now);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomClients, ::testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace vnet::dhcp
