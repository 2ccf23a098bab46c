// Leases over days and among many: what a DHCP client sees of a switch that runs for a long time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dhcp_guest.hpp"

namespace vnet::sim {
namespace {

using network::EventKind;
using network::NetworkConfig;
using network::test::ip4;
using network::test::kStart;
using network::test::lan;
using network::test::mac;

NetworkConfig network_with(std::string_view prefix, std::string_view first, std::string_view last) {
  NetworkConfig config = lan();
  config.ipv4 = Ipv4Prefix::parse(prefix);
  config.ipv6.reset();
  config.dhcp->gateway = *config.ipv4;
  config.dhcp->router = config.ipv4->address;
  config.dhcp->range_first = ip4(first);
  config.dhcp->range_last = ip4(last);
  return config;
}

TEST(Leases, Rfc2131ALeaseOfAnHourIsRenewedForTenDays) {
  Simulation sim;
  DhcpGuest guest{sim, sim.plug(mac(1))};
  guest.start();
  const Ipv4Address address = guest.address;
  ASSERT_FALSE(address.is_unspecified());
  sim.run_until(kStart + 240h);
  EXPECT_EQ(guest.address, address);
  EXPECT_EQ(guest.address_changes, 1);
  EXPECT_EQ(guest.acks, 1 + 480) << "one, and one for every half hour";
  EXPECT_EQ(guest.naks, 0);
  EXPECT_EQ(sim.count(EventKind::dhcp_granted), 1U);
  EXPECT_EQ(sim.count(EventKind::dhcp_expired), 0U);
}

TEST(Leases, AGuestWhoseLinkIsDownForADayGetsItsOldAddressBack) {
  Simulation sim;
  Client& client = sim.plug(mac(1));
  DhcpGuest guest{sim, client};
  guest.start();
  const Ipv4Address address = guest.address;
  sim.pass(10min);
  sim.set_link(client, false);
  sim.pass(24h);
  EXPECT_EQ(sim.count(EventKind::dhcp_expired), 1U);
  EXPECT_TRUE(guest.address.is_unspecified());
  sim.set_link(client, true);
  sim.pass(DhcpGuest::kRepeat);
  EXPECT_EQ(guest.address, address);
}

TEST(Leases, WhenAddressesRunOutTheRestWaitAndGetThemAsTheyComeFree) {
  Simulation sim{{network_with("192.168.1.1/24", "192.168.1.100", "192.168.1.109")}};
  std::deque<DhcpGuest> guests;
  for (std::uint64_t i = 0; i < 15; ++i) guests.emplace_back(sim, sim.plug(mac(1 + i))).start();
  const auto bound = [&] {
    std::set<Ipv4Address> addresses;
    for (const DhcpGuest& guest : guests) addresses.insert(guest.address);
    addresses.erase(Ipv4Address{});
    return addresses.size();
  };
  EXPECT_EQ(bound(), 10U);
  sim.pass(1min);
  EXPECT_EQ(bound(), 10U);
  guests[0].release();
  sim.pass(DhcpGuest::kRepeat);
  EXPECT_EQ(bound(), 10U) << "one of those who wait has it";
  for (int i = 1; i < 5; ++i) guests[static_cast<std::size_t>(i)].stop();
  sim.pass(1h + 2 * DhcpGuest::kRepeat);
  EXPECT_EQ(bound(), 10U) << "silent ones lose theirs when the lease ends";
  for (std::size_t i = 5; i < 15; ++i) EXPECT_FALSE(guests[i].address.is_unspecified()) << i;
}

TEST(Leases, AThousandNicsGetALeaseAndPingTheGateway) {
  Simulation sim{{network_with("10.0.0.1/16", "10.0.1.0", "10.0.9.255")}};
  constexpr std::uint64_t kNics = 1000;
  std::deque<DhcpGuest> guests;
  int answers = 0;
  for (std::uint64_t i = 0; i < kNics; ++i) {
    Client& client = sim.plug(mac(1 + i));
    DhcpGuest& guest = guests.emplace_back(sim, client);
    guest.other = [&](ByteView frame) {
      const auto packet = Ipv4Packet::parse(frame.subspan(14));
      if (packet && packet->protocol() == 1 && packet->payload()[0] == 0) ++answers;
    };
    guest.start();
  }
  std::set<Ipv4Address> addresses;
  for (DhcpGuest& guest : guests) {
    addresses.insert(guest.address);
    guest.send_frame(network::test::ping({guest.client().mac, lan().mac, guest.address, ip4("10.0.0.1")}));
  }
  EXPECT_EQ(addresses.size(), kNics);
  EXPECT_FALSE(addresses.contains(Ipv4Address{}));
  EXPECT_EQ(answers, static_cast<int>(kNics));
}

}  // namespace
}  // namespace vnet::sim
