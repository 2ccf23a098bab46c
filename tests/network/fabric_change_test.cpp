// NICs are added, changed, moved and removed while the fabric runs: who gets which frames, what is refused, what is
// told. Leases and names meanwhile are in tests/sim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

NicConfig alice_config() { return {"alice", mac(1), 0, true}; }

class FabricChange : public testing::Test {
 protected:
  [[nodiscard]] NicConfig config_of(const Client& client) const { return sim.fabric.nic(client.port).config; }
  void change(const Client& client, const NicConfig& wanted) {
    const auto changed = sim.fabric.change(client.port, wanted, "a test", sim.now);
    ASSERT_TRUE(changed) << changed.error().text;
    sim.flush();
  }
  void move(const Client& client, std::size_t network) {
    NicConfig wanted = config_of(client);
    wanted.network = network;
    change(client, wanted);
  }
  /// The member and the text of what is wrong with the NIC.
  std::string add_problem(const NicConfig& config) {
    const std::size_t before = sim.fabric.nic_count();
    const auto added = sim.fabric.add(config, sim.now);
    EXPECT_EQ(sim.fabric.nic_count(), before + (added ? 1 : 0));
    return added ? "none" : added.error().member + ": " + added.error().text;
  }

  Simulation sim{{lan(), office()}};
};

TEST_F(FabricChange, AnAddedNicIsThereBeforeItIsPluggedInAndStaysAfterwards) {
  const auto port = sim.fabric.add(alice_config(), sim.now);
  ASSERT_TRUE(port);
  EXPECT_EQ(sim.fabric.find("alice"), *port);
  EXPECT_EQ(sim.fabric.find("ALICE"), *port) << "names have no case";
  Client& alice = sim.plug(mac(1));
  EXPECT_EQ(alice.port, *port);
  sim.unplug(alice);
  sim.pass(24h);
  EXPECT_EQ(sim.fabric.find(mac(1)), *port);
  sim.flush();
  EXPECT_EQ(sim.last(EventKind::nic_added), "lan alice 52:cc:cc:cc:00:01: it is configured");
}

TEST_F(FabricChange, ANicThatHasAppearedBecomesTheConfiguredOne) {
  Client& client = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2), 1);
  sim.send(client, plain(mac(9), mac(1)));
  NicConfig wanted = alice_config();
  wanted.network = 1;
  const auto port = sim.fabric.add(wanted, sim.now);
  ASSERT_TRUE(port);
  EXPECT_EQ(*port, client.port);
  const Nic& nic = sim.fabric.nic(*port);
  EXPECT_TRUE(nic.configured);
  EXPECT_TRUE(nic.is_attached());
  EXPECT_EQ(nic.counters.frames_in, 1U);
  EXPECT_EQ(sim.fabric.find("nic-52cccccc0001"), l2::kNoPort);
  sim.send(client, plain(MacAddress::broadcast(), mac(1)));
  EXPECT_EQ(bob.inbox.size(), 1U) << "it is in the other network now";
  EXPECT_EQ(sim.last(EventKind::nic_moved), "lan alice office: it is configured now");
  EXPECT_EQ(sim.last(EventKind::nic_changed),
            "office alice configured, name (was nic-52cccccc0001): it is configured now");
  sim.unplug(client);
  sim.pass(Fabric::kLinger);
  EXPECT_EQ(sim.fabric.find("alice"), *port);
}

TEST_F(FabricChange, WhatIsWrongWithANicIsSaidByMember) {
  ASSERT_EQ(add_problem(alice_config()), "none");
  NicConfig bob{"bob", mac(2), 0, true};
  const auto with = [&](auto set) {
    NicConfig config = bob;
    set(config);
    return add_problem(config);
  };
  for (const char* name : {"", "-bob", "bob-", "b.ob", "b_ob", "bøb"}) {
    EXPECT_THAT(with([&](NicConfig& c) { c.name = name; }), HasSubstr("name: \"")) << name;
  }
  EXPECT_THAT(with([](NicConfig& c) { c.name = std::string(64, 'b'); }), HasSubstr("at most 63"));
  EXPECT_EQ(with([](NicConfig& c) { c.name = "Alice"; }), "name: there is a NIC alice already");
  EXPECT_EQ(with([](NicConfig& c) { c.mac = mac(1); }), "mac: the MAC address 52:cc:cc:cc:00:01 is NIC alice's");
  EXPECT_EQ(with([](NicConfig& c) { c.mac = MacAddress{}; }), "mac: 00:00:00:00:00:00 is not the address of a NIC");
  EXPECT_EQ(with([](NicConfig& c) { c.mac = MacAddress::broadcast(); }),
            "mac: ff:ff:ff:ff:ff:ff is not the address of a NIC");
  EXPECT_EQ(with([](NicConfig& c) { c.mac = lan().mac; }),
            "mac: the MAC address " + lan().mac.to_string() + " is the gateway's of network lan");
  EXPECT_EQ(with([](NicConfig& c) { c.network = 2; }), "network: there is no such network");
  EXPECT_EQ(with([](NicConfig& c) { c.hostname = "b.ob"; }), "hostname: \"b.ob\" is not a host name without a domain");
  EXPECT_EQ(with([](NicConfig& c) { c.mac = office().mac; }), "none") << "no gateway of its network";
}

TEST_F(FabricChange, AnAddressMustSuitTheNetworkAndBeFree) {
  NicConfig alice = alice_config();
  alice.ip = ip4("192.168.127.50");
  ASSERT_EQ(add_problem(alice), "none");
  const auto problem = [&](std::string_view address, std::size_t network = 0) {
    NicConfig bob{"bob", mac(2), network, true};
    bob.ip = ip4(address);
    const auto found = sim.fabric.problem(bob);
    return found ? found->member + ": " + found->text : "none";
  };
  EXPECT_EQ(problem("192.168.127.50"), "ip: 192.168.127.50 is reserved for NIC alice");
  EXPECT_EQ(problem("192.168.127.1"), "ip: 192.168.127.1 is the gateway's of network lan");
  for (const char* foreign : {"192.168.127.0", "192.168.127.255", "192.168.128.2"}) {
    EXPECT_EQ(problem(foreign),
              "ip: " + std::string{foreign} + " is no address of a host in 192.168.127.1/24 of network lan");
  }
  EXPECT_EQ(problem("192.168.127.51"), "none");
  EXPECT_EQ(problem("10.0.0.5", 1), "none") << "a network without DHCP has addresses too";
  EXPECT_THAT(problem("192.168.127.51", 1), HasSubstr("of network office"));
}

TEST_F(FabricChange, AnAddressThatDhcpIsNotToGiveAwayIsRefused) {
  NetworkConfig config = lan();
  config.dhcp->excluded = {ip4("192.168.127.254")};
  config.dhcp->reservations = {{mac(7), ip4("192.168.127.7"), ""}};
  const Fabric fabric{{config}, {}, 1};
  NicConfig alice = alice_config();
  alice.ip = ip4("192.168.127.254");
  EXPECT_EQ(fabric.problem(alice)->text, "192.168.127.254 is never given to a NIC of network lan");
  alice.ip = ip4("192.168.127.7");
  EXPECT_EQ(fabric.problem(alice)->text, "192.168.127.7 is reserved for 52:cc:cc:cc:00:07");
}

TEST_F(FabricChange, ANetworkWithoutIpv4HasNoAddressForANic) {
  NetworkConfig config = office();
  config.ipv4.reset();
  const Fabric fabric{{config}, {}, 1};
  NicConfig alice = alice_config();
  alice.ip = ip4("10.0.0.5");
  EXPECT_EQ(fabric.problem(alice)->text, "network office has no IPv4");
}

TEST_F(FabricChange, AFullTableTakesAConfiguredNicOnlyInPlaceOfOneThatHasLeft) {
  for (std::uint64_t i = 0; i < Fabric::kMaxNics; ++i) ASSERT_NE(sim.plug(mac(i)).port, l2::kNoPort);
  const NicConfig config{"alice", mac(60'000), 0, true};
  EXPECT_EQ(add_problem(config), ": there are 4096 NICs already");
  sim.unplug(sim.clients[5]);
  EXPECT_TRUE(sim.fabric.add(config, sim.now));
  EXPECT_EQ(sim.fabric.find(mac(5)), l2::kNoPort);
  EXPECT_EQ(sim.fabric.nic_count(), Fabric::kMaxNics);
}

TEST_F(FabricChange, ARefusedChangeChangesNothing) {
  ASSERT_EQ(add_problem({"bob", mac(2), 0, true}), "none");
  const Client& alice = sim.plug(mac(1));
  const NicConfig before = config_of(alice);
  NicConfig wanted = before;
  wanted.network = 1;
  wanted.link_up = false;
  wanted.name = "bob";
  const auto refused = sim.fabric.change(alice.port, wanted, "a test", sim.now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().member, "name");
  wanted = before;
  wanted.mac = mac(3);
  const auto other_mac = sim.fabric.change(alice.port, wanted, "a test", sim.now);
  ASSERT_FALSE(other_mac);
  EXPECT_EQ(other_mac.error().member, "mac");
  EXPECT_EQ(config_of(alice), before);
  EXPECT_FALSE(sim.fabric.nic(alice.port).configured);
  EXPECT_TRUE(sim.fabric.nic(alice.port).is_live());
}

TEST_F(FabricChange, ANicMayTradeTheCaseOfItsName) {
  ASSERT_EQ(add_problem(alice_config()), "none");
  const Client& alice = sim.plug(mac(1));
  NicConfig wanted = config_of(alice);
  wanted.name = "Alice";
  change(alice, wanted);
  EXPECT_EQ(sim.fabric.nic(sim.fabric.find("alice")).config.name, "Alice");
}

TEST_F(FabricChange, ARenamedNicIsFoundByItsNewNameOnly) {
  ASSERT_EQ(add_problem(alice_config()), "none");
  const Client& alice = sim.plug(mac(1));
  NicConfig wanted = config_of(alice);
  wanted.name = "carol";
  change(alice, wanted);
  EXPECT_EQ(sim.fabric.find("carol"), alice.port);
  EXPECT_EQ(sim.fabric.find("alice"), l2::kNoPort);
  EXPECT_EQ(sim.last(EventKind::nic_changed), "lan carol name (was alice): a test");
  EXPECT_EQ(add_problem({"alice", mac(2), 0, true}), "none") << "the name is free";
}

TEST_F(FabricChange, ANicThatAppearsGetsAnotherNameThanOneThatSomebodyChose) {
  ASSERT_EQ(add_problem({"nic-52cccccc0002", mac(1), 0, true}), "none");
  const Client& client = sim.plug(mac(2));
  EXPECT_EQ(config_of(client).name, "nic-52cccccc0002-2");
}

TEST_F(FabricChange, LinkNameAndNetworkChangeInOneStep) {
  Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2), 1);
  change(alice, {"alice", mac(1), 1, false});
  EXPECT_EQ(sim.last(EventKind::nic_moved), "lan alice office: a test");
  EXPECT_EQ(sim.last(EventKind::nic_link), "office alice down: a test");
  EXPECT_TRUE(sim.fabric.nic(alice.port).configured);
  sim.send(bob, plain(MacAddress::broadcast(), bob.mac));
  EXPECT_THAT(alice.take(), IsEmpty()) << "no link";
  sim.set_link(alice, true);
  sim.send(bob, plain(MacAddress::broadcast(), bob.mac));
  EXPECT_EQ(alice.take().size(), 1U);
}

TEST_F(FabricChange, AChangeToWhatIsSoAlreadyTellsNothing) {
  ASSERT_EQ(add_problem(alice_config()), "none");
  const Client& alice = sim.plug(mac(1));
  change(alice, config_of(alice));
  EXPECT_EQ(sim.count(EventKind::nic_changed) + sim.count(EventKind::nic_moved) + sim.count(EventKind::nic_link), 0U);
}

TEST_F(FabricChange, AMovedNicIsReachedInItsNewNetworkAndNoMoreInTheOldOne) {
  Client& alice = sim.plug(mac(1));
  Client& bob = sim.plug(mac(2));
  Client& carol = sim.plug(mac(3), 1);
  sim.send(alice, plain(bob.mac, alice.mac));
  move(alice, 1);
  (void)bob.take();
  sim.send(bob, plain(alice.mac, bob.mac));
  sim.send(bob, plain(MacAddress::broadcast(), bob.mac));
  EXPECT_THAT(alice.take(), IsEmpty());
  sim.send(alice, plain(MacAddress::broadcast(), alice.mac));
  EXPECT_EQ(carol.take().size(), 1U);
  EXPECT_THAT(bob.take(), IsEmpty());
  sim.send(carol, plain(alice.mac, carol.mac));
  EXPECT_EQ(alice.take().size(), 1U);
  EXPECT_EQ(sim.fabric.nic(alice.port).counters.frames_in, 2U) << "counters stay";
}

TEST_F(FabricChange, FramesThatWaitForANicWhenItMovesAreDroppedAndCounted) {
  const Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  const Bytes frame = plain(MacAddress::broadcast(), bob.mac);
  const std::vector<ByteView> batch{frame, frame};
  sim.fabric.receive(bob.port, batch, sim.now);
  move(alice, 1);
  EXPECT_THAT(alice.inbox, IsEmpty());
  EXPECT_EQ(sim.counters(alice).drops_out[DropReason::detached], 2U);
  EXPECT_EQ(sim.counters(alice).frames_out, 0U);
}

TEST_F(FabricChange, ARemovedNicIsGoneForTheOthersAndForItsClient) {
  ASSERT_EQ(add_problem(alice_config()), "none");
  Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  const l2::PortId port = alice.port;
  sim.remove(alice);
  const Bytes late = plain(bob.mac, mac(1));
  const std::vector<ByteView> batch{late};
  sim.fabric.receive(port, batch, sim.now);
  sim.flush();
  EXPECT_THAT(bob.inbox, IsEmpty()) << "a client that is still heard";
  EXPECT_EQ(sim.fabric.find("alice"), l2::kNoPort);
  EXPECT_EQ(sim.fabric.find(mac(1)), l2::kNoPort);
  EXPECT_EQ(sim.last(EventKind::nic_removed), "lan alice 52:cc:cc:cc:00:01: test");
  EXPECT_EQ(add_problem(alice_config()), "none") << "it can be added again";
}

TEST_F(FabricChange, EachNicSaysHowManyAddressesAreBehindIt) {
  const Client& alice = sim.plug(mac(1));
  const Client& bob = sim.plug(mac(2));
  for (std::uint64_t i = 10; i < 15; ++i) sim.send(alice, plain(bob.mac, mac(i)));
  EXPECT_EQ(sim.fabric.learned_macs(alice.port), 5U);
  EXPECT_EQ(sim.fabric.learned_macs(bob.port), 0U);
}

TEST_F(FabricChange, AnnouncedEventsGoTheWayOfAllOthers) {
  struct Witness final : FrameObserver {
    void on_frame(l2::PortId, std::size_t, Direction, ByteView, std::optional<DropReason>, Instant) override {}
    void on_event(l2::PortId port, const Event& event) override { seen.emplace_back(port, event.kind); }
    std::vector<std::pair<l2::PortId, EventKind>> seen;
  } witness;
  const Client& alice = sim.plug(mac(1));
  sim.fabric.set_observer(&witness);
  sim.fabric.announce({EventKind::drop_burst, sim.now, "lan", "nic-52cccccc0001", mac(1), "queue-full", "70 in 1 s"});
  sim.fabric.announce({EventKind::config_reloaded, sim.now, {}, {}});
  sim.fabric.set_observer(nullptr);
  sim.flush();
  EXPECT_THAT(witness.seen, testing::ElementsAre(std::pair{alice.port, EventKind::drop_burst}));
  EXPECT_EQ(sim.last(EventKind::drop_burst), "lan nic-52cccccc0001 queue-full: 70 in 1 s");
  EXPECT_EQ(sim.count(EventKind::config_reloaded), 1U);
}

}  // namespace
}  // namespace vnet::network::test
