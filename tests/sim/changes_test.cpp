// Leases, reservations and names while NICs and networks change around them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dhcp_guest.hpp"

namespace vnet::sim {
namespace {

using network::EventKind;
using network::NetworkConfig;
using network::NicConfig;
using network::test::ip4;
using network::test::ip6;
using network::test::lan;
using network::test::mac;
using network::test::Way6;
using testing::ElementsAre;
using testing::IsEmpty;

/// Like lan(), apart from it in names and addresses.
NetworkConfig other() {
  NetworkConfig config = lan("other");
  config.mac = MacAddress::from_u64(0x52eeeeeeee02U);
  config.ipv4 = Ipv4Prefix::parse("10.0.0.1/24");
  config.ipv6 = Ipv6Prefix::parse("fd00:2::1/64");
  config.dhcp->gateway = *config.ipv4;
  config.dhcp->router = config.ipv4->address;
  config.dhcp->range_first = ip4("10.0.0.100");
  config.dhcp->range_last = ip4("10.0.0.199");
  return config;
}

class Changes : public testing::Test {
 protected:
  static NicConfig alice_at(std::string_view address, std::string hostname = {}) {
    return {"alice", mac(1), 0, true, ip4(address), std::move(hostname)};
  }
  void add(const NicConfig& config) {
    const auto added = sim.fabric.add(config, sim.now);
    ASSERT_TRUE(added) << added.error().text;
  }
  void change(const Client& client, const std::function<void(NicConfig&)>& edit) {
    NicConfig wanted = sim.fabric.nic(client.port).config;
    edit(wanted);
    const auto changed = sim.fabric.change(client.port, wanted, "a test", sim.now);
    ASSERT_TRUE(changed) << changed.error().text;
    sim.flush();
  }
  void move(const Client& client, std::size_t network) {
    change(client, [network](NicConfig& config) { config.network = network; });
  }
  /// The addresses that `<host>.vnet` resolves to in a network.
  std::vector<std::string> resolve(const std::string& host, std::size_t network = 0) {
    std::vector<std::string> found;
    const dns::LocalData& local = sim.fabric.gateway(network).dns().local();
    const auto name = dns::Name::parse(host + ".vnet").value();
    for (const auto type : {dns::Type::a, dns::Type::aaaa}) {
      const auto known = local.lookup(name, type);
      if (!known) continue;
      auto records = known->answer.records();
      while (const auto record = records.next()) {
        if (record->section != dns::Section::answer) continue;
        const std::uint8_t* const bytes = record->rdata.data();
        found.push_back(type == dns::Type::a ? Ipv4Address::load(bytes).to_string()
                                             : Ipv6Address::load(bytes).to_string());
      }
    }
    return found;
  }
  DhcpGuest& guest(Client& client, std::string hostname = {}) {
    DhcpGuest& made = guests.emplace_back(sim, client);
    made.hostname = std::move(hostname);
    made.start();
    return made;
  }
  [[nodiscard]] std::vector<dhcp::Lease> leases(std::size_t network = 0) const {
    return sim.fabric.gateway(network).addresses()->server().leases();
  }

  Simulation sim{{lan(), other()}};
  std::deque<DhcpGuest> guests;
};

TEST_F(Changes, AnAddedNicGetsItsReservedAddressAndResolvesAtOnce) {
  add(alice_at("192.168.127.50", "box"));
  EXPECT_THAT(resolve("alice"), ElementsAre("192.168.127.50"));
  EXPECT_THAT(resolve("box"), ElementsAre("192.168.127.50"));
  EXPECT_EQ(sim.fabric.lease_of(sim.fabric.find("alice")), nullptr);
  Client& client = sim.plug(mac(1));
  EXPECT_EQ(guest(client).address, ip4("192.168.127.50"));
  ASSERT_NE(sim.fabric.lease_of(client.port), nullptr);
  EXPECT_EQ(sim.fabric.lease_of(client.port)->ip, ip4("192.168.127.50"));
}

TEST_F(Changes, ANewAddressComesWithTheNextRenewalAndTheOldOneResolvesUntilThen) {
  add(alice_at("192.168.127.50"));
  Client& client = sim.plug(mac(1));
  const DhcpGuest& alice = guest(client);
  change(client, [](NicConfig& config) { config.ip = ip4("192.168.127.60"); });
  EXPECT_EQ(sim.last(EventKind::nic_changed), "lan alice ip: a test");
  EXPECT_THAT(resolve("alice"), ElementsAre("192.168.127.50"));
  sim.pass(30min);
  EXPECT_EQ(alice.address, ip4("192.168.127.60"));
  EXPECT_EQ(alice.naks, 1);
  EXPECT_THAT(resolve("alice"), ElementsAre("192.168.127.60"));
}

TEST_F(Changes, AnAddressGivenUpIsForAnybodyAgain) {
  add(alice_at("192.168.127.100"));
  Client& client = sim.plug(mac(1));
  change(client, [](NicConfig& config) { config.ip.reset(); });
  EXPECT_THAT(resolve("alice"), IsEmpty());
  add({"bob", mac(2), 0, true, ip4("192.168.127.100")});
  EXPECT_THAT(resolve("bob"), ElementsAre("192.168.127.100"));
}

TEST_F(Changes, AMovedNicLeavesItsNamesAndFindsItsLeaseWhenItComesBack) {
  Client& client = sim.plug(mac(1));
  add({"alice", mac(1), 0, true});
  DhcpGuest& alice = guest(client, "box");
  const Ipv4Address address = alice.address;
  EXPECT_THAT(resolve("box"), ElementsAre(address.to_string()));
  alice.stop();
  move(client, 1);
  EXPECT_THAT(resolve("alice"), IsEmpty());
  EXPECT_THAT(resolve("box"), IsEmpty());
  EXPECT_EQ(leases().size(), 1U) << "the lease runs on";
  alice.start();
  EXPECT_TRUE(other().ipv4->contains(alice.address));
  EXPECT_THAT(resolve("alice", 1), ElementsAre(alice.address.to_string()));
  sim.fabric.reconfigure(0, lan(), sim.now);
  EXPECT_THAT(resolve("box"), IsEmpty()) << "nor does a new configuration bring its names back";
  alice.stop();
  move(client, 0);
  EXPECT_THAT(resolve("alice"), ElementsAre(address.to_string())) << "at once, by the lease that it has here";
  EXPECT_THAT(resolve("box"), ElementsAre(address.to_string()));
  EXPECT_THAT(resolve("alice", 1), IsEmpty());
  alice.start();
  EXPECT_EQ(alice.address, address);
}

TEST_F(Changes, TheReservationGoesWithTheNic) {
  add(alice_at("192.168.127.50"));
  const Client& client = sim.plug(mac(1));
  change(client, [](NicConfig& config) {
    config.network = 1;
    config.ip = ip4("10.0.0.50");
  });
  EXPECT_THAT(resolve("alice", 1), ElementsAre("10.0.0.50"));
  add({"bob", mac(2), 0, true, ip4("192.168.127.50")});
  EXPECT_THAT(resolve("bob"), ElementsAre("192.168.127.50"));
}

TEST_F(Changes, ARemovedNicLeavesTheHostNameOfItsLease) {
  Client& client = sim.plug(mac(1));
  DhcpGuest& alice = guest(client, "alice");
  add({"alice", mac(1), 0, true});
  const std::string address = alice.address.to_string();
  alice.stop();
  sim.remove(client);
  EXPECT_THAT(resolve("alice"), ElementsAre(address)) << "as the name that the guest has given itself";
  EXPECT_EQ(leases().size(), 1U);
  sim.pass(1h);
  EXPECT_THAT(resolve("alice"), IsEmpty());
  EXPECT_EQ(sim.last(EventKind::dhcp_expired), "lan  " + address + " 52:cc:cc:cc:00:01: not renewed in time");
}

TEST_F(Changes, ARenamedNicKeepsTheHostNameThatWasHiddenByItsName) {
  add({"alice", mac(1), 0, true});
  Client& client = sim.plug(mac(1));
  const std::string address = guest(client, "alice").address.to_string();
  change(client, [](NicConfig& config) { config.name = "carol"; });
  EXPECT_THAT(resolve("carol"), ElementsAre(address));
  EXPECT_THAT(resolve("alice"), ElementsAre(address));
}

TEST_F(Changes, Ipv6NamesGoWhenTheNicHasBeenGoneForLong) {
  add({"alice", mac(1), 0, true});
  Client& client = sim.plug(mac(1));
  const Ipv6Address address = ip6("fd00:1::a11c:e");
  const Ipv6Address all = Ipv6Address::all_nodes();
  const auto shows = [&] {
    sim.send(client, network::test::neighbor_advertisement({mac(1), all.multicast_mac(), address, all}, address));
  };
  shows();
  EXPECT_THAT(resolve("alice"), ElementsAre("fd00:1::a11c:e"));
  sim.unplug(client);
  sim.pass(network::Fabric::kLinger - 1s);
  EXPECT_THAT(resolve("alice"), ElementsAre("fd00:1::a11c:e"));
  sim.pass(1s);
  EXPECT_THAT(resolve("alice"), IsEmpty());
  sim.plug_again(client);
  shows();
  sim.pass(1h);
  EXPECT_THAT(resolve("alice"), ElementsAre("fd00:1::a11c:e")) << "it is here";
}

TEST_F(Changes, ANewConfigurationKeepsTheLeasesThatFitAndTellsOfTheRest) {
  NetworkConfig narrow = lan();
  narrow.dhcp->range_first = narrow.dhcp->range_last = ip4("192.168.127.100");
  sim.fabric.reconfigure(0, narrow, sim.now);
  Client& client = sim.plug(mac(1));
  DhcpGuest& alice = guest(client, "box");
  sim.pass(10min);
  NetworkConfig wide = lan("home");
  wide.dhcp->lease_time = 2h;
  sim.fabric.reconfigure(0, wide, sim.now);
  EXPECT_THAT(resolve("box"), ElementsAre("192.168.127.100"));
  EXPECT_EQ(sim.fabric.lease_of(client.port)->ip, ip4("192.168.127.100"));
  sim.pass(2h);
  EXPECT_EQ(alice.address, ip4("192.168.127.100"));
  EXPECT_EQ(alice.naks, 0);
  sim.lease_changes.clear();
  NetworkConfig apart = lan("home");
  apart.dhcp->range_first = ip4("192.168.127.110");
  sim.fabric.reconfigure(0, apart, sim.now);
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_THAT(resolve("box"), IsEmpty());
  sim.flush();
  EXPECT_EQ(sim.last(EventKind::dhcp_released),
            "home nic-52cccccc0001 192.168.127.100: the network's new configuration has no place for it");
  ASSERT_EQ(sim.lease_changes.size(), 1U) << "the journal forgets it";
  EXPECT_EQ(sim.lease_changes[0].kind, dhcp::LeaseEvent::Kind::removed);
}

TEST_F(Changes, ChangesThatWaitForTheJournalSurviveANewConfiguration) {
  add(alice_at("192.168.127.50"));
  network::AddressService& addresses = *sim.fabric.gateway(0).addresses();
  dhcp::Lease lease{ip4("192.168.127.120"), mac(2), "two", "web", dhcp::LeaseState::bound, sim.now + 1h};
  ASSERT_TRUE(addresses.restore(lease, sim.now));
  ASSERT_TRUE(addresses.remove(lease.ip, sim.now));
  sim.fabric.reconfigure(0, lan(), sim.now);
  const auto changes = sim.fabric.gateway(0).addresses()->take_changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].lease.ip, lease.ip);
}

TEST_F(Changes, WithoutDhcpEveryLeaseEnds) {
  Client& client = sim.plug(mac(1));
  guest(client, "box").stop();
  NetworkConfig wanted = lan();
  wanted.dhcp.reset();
  sim.fabric.reconfigure(0, wanted, sim.now);
  sim.flush();
  EXPECT_EQ(sim.count(EventKind::dhcp_released), 1U);
  EXPECT_EQ(sim.fabric.lease_of(client.port), nullptr);
  EXPECT_THAT(resolve("box"), IsEmpty());
}

TEST_F(Changes, ARemovedLeaseIsToldAndForgotten) {
  Client& client = sim.plug(mac(1));
  DhcpGuest& alice = guest(client, "box");
  const Ipv4Address address = alice.address;
  network::AddressService& addresses = *sim.fabric.gateway(0).addresses();
  EXPECT_TRUE(addresses.remove(address, sim.now, "vnet lease rm"));
  EXPECT_FALSE(addresses.remove(address, sim.now));
  sim.flush();
  EXPECT_THAT(resolve("box"), IsEmpty());
  EXPECT_THAT(resolve("nic-52cccccc0001"), IsEmpty());
  EXPECT_EQ(sim.last(EventKind::dhcp_released), "lan nic-52cccccc0001 " + address.to_string() + ": vnet lease rm");
  EXPECT_EQ(sim.lease_changes.back().kind, dhcp::LeaseEvent::Kind::removed);
  sim.pass(30min);
  EXPECT_EQ(alice.address, address) << "the guest renews as one that is not known";
}

TEST_F(Changes, AnAddressThatIsLeasedIsItsClientsUntilTheLeaseEndsWhoeverItIsReservedFor) {
  NetworkConfig wanted = lan();
  wanted.port_security = true;
  sim.fabric.reconfigure(0, wanted, sim.now);
  Client& bob = sim.plug(mac(2));
  const Ipv4Address address = guest(bob).address;
  add({"alice", mac(1), 0, true, address});
  Client& client = sim.plug(mac(1));
  const auto may_send = [&](Client& from) {
    const std::uint64_t before = sim.counters(from).drops_in.total();
    sim.send(from, network::test::udp(
                       network::test::Way4{from.mac, MacAddress::broadcast(), address, Ipv4Address::broadcast()}, 1, 2,
                       network::test::Bytes{1}));
    return sim.counters(from).drops_in.total() == before;
  };
  EXPECT_TRUE(may_send(bob));
  EXPECT_FALSE(may_send(client));
  sim.pass(1h);
  EXPECT_FALSE(may_send(bob));
  EXPECT_TRUE(may_send(client));
}

TEST_F(Changes, AClientThatChangesItsMacAddressTakesItsNameAlong) {
  const auto ask = [&](std::uint64_t n) {
    const network::test::Way4 way{mac(n), MacAddress::broadcast(), {}, Ipv4Address::broadcast()};
    const Client& client = sim.plug(mac(n));
    auto packet = dhcp::test::selecting(mac(n), ip4("192.168.127.120"), ip4("192.168.127.1"));
    packet.option(61, "one and the same").option(12, "box");
    sim.send(client, network::test::udp(way, 68, 67, packet.bytes()));
  };
  for (std::uint64_t n = 1; n <= 5; ++n) ask(n);
  EXPECT_EQ(leases().size(), 1U);
  EXPECT_THAT(resolve("box"), ElementsAre("192.168.127.120"));
  EXPECT_THAT(resolve("nic-52cccccc0005"), ElementsAre("192.168.127.120"));
  EXPECT_THAT(resolve("nic-52cccccc0001"), IsEmpty());
  EXPECT_EQ(sim.fabric.lease_of(sim.fabric.find(mac(1))), nullptr);
  EXPECT_NE(sim.fabric.lease_of(sim.fabric.find(mac(5))), nullptr);
}

}  // namespace
}  // namespace vnet::sim
