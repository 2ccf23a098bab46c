// Everything that can be asked for at run time: done whole or refused with nothing changed, and saved.
#include "daemon/operations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/daemon/operations_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = Refusal::Kind;

class OperationsTest : public testing::Test, protected Plant {
 protected:
  /// Plugs a client in at the shared path, which becomes a NIC.
  Guest appear(std::uint64_t number) {
    Guest guest{folder.path("client-" + std::to_string(number))};
    const auto frame = network::test::plain(MacAddress::broadcast(), mac(number));
    EXPECT_EQ(guest.send_to(folder.path("lan.sock"), as_text(frame)), 0);
    turn();
    EXPECT_NE(fabric.find(mac(number)), l2::kNoPort);
    (void)events();
    return guest;
  }
  /// That a refusal has left everything as it was, here and on the disk.
  void expect_unchanged() {
    EXPECT_EQ(operations.config(), file);
    EXPECT_EQ(after_restart(), file);
    EXPECT_THAT(events(), IsEmpty());
  }
  void expect_saved() { EXPECT_EQ(difference(operations.config(), after_restart()), RuntimeChanges{}); }
};

template <typename T>
Refusal refusal(const Outcome<T>& outcome) {
  EXPECT_FALSE(outcome) << "it was done";
  return outcome ? Refusal{} : outcome.error();
}

// NICs.

TEST_F(OperationsTest, ANicIsAddedWithItsSocket) {
  Nic nic = make_nic("carol", 3, "office");
  nic.ip = ip4("10.1.0.7");
  nic.dgram = folder.path("carol.sock");
  const auto port = operations.add_nic(nic);
  ASSERT_TRUE(port) << port.error().text;
  EXPECT_TRUE(fabric.nic(*port).configured);
  EXPECT_EQ(fabric.nic(*port).config.network, 1U);
  EXPECT_TRUE(folder.has("carol.sock"));
  EXPECT_THAT(operations.config().nics, Contains(nic));
  EXPECT_THAT(events(), ElementsAre("nic.added carol "));
  expect_saved();
}

TEST_F(OperationsTest, ANicThatCannotBeIsRefusedWithItsMember) {
  const auto refused = [&](Nic nic) { return refusal(operations.add_nic(nic)); };
  EXPECT_EQ(refused(make_nic("alice", 3)).place, "/name");
  EXPECT_EQ(refused(make_nic("alice", 3)).kind, Kind::conflict);
  EXPECT_EQ(refused(make_nic("ALICE", 3)).place, "/name");
  EXPECT_EQ(refused(make_nic("carol", 1)).place, "/mac");
  const Refusal nowhere = refused(make_nic("carol", 3, "hone"));
  EXPECT_EQ(nowhere.place, "/network");
  EXPECT_THAT(nowhere.text, HasSubstr("did you mean \"home\"?"));
  Nic nic = make_nic("carol", 3);
  nic.ip = ip4("10.9.0.1");
  EXPECT_EQ(refused(nic).place, "/ip");
  nic.ip = ip4("10.0.0.1");
  EXPECT_THAT(refused(nic).text, HasSubstr("gateway"));
  nic.ip = ip4("10.0.0.50");
  EXPECT_THAT(refused(nic).text, HasSubstr("alice"));
  nic.ip.reset();
  nic.dgram = folder.path("missing/carol.sock");
  EXPECT_EQ(refused(nic).place, "/dgram");
  EXPECT_EQ(refused(nic).kind, Kind::conflict);
  EXPECT_EQ(fabric.nic_count(), 2U);
  (void)events();  // a NIC that is made and taken back is told
  expect_unchanged();
}

TEST_F(OperationsTest, ANicThatAppearedIsLeftAloneWhenItsSocketCannotBeMade) {
  const Guest guest = appear(5);
  Nic nic = make_nic("eve", 5);
  nic.dgram = folder.path("missing/eve.sock");
  EXPECT_EQ(refusal(operations.add_nic(nic)).place, "/dgram");
  const l2::PortId port = fabric.find(mac(5));
  ASSERT_NE(port, l2::kNoPort);
  EXPECT_TRUE(fabric.nic(port).is_attached());
  EXPECT_FALSE(fabric.nic(port).configured);
  turn();
  expect_unchanged();
}

TEST_F(OperationsTest, ANicThatAppearedKeepsItsAttachmentWhenItIsAdded) {
  const Guest guest = appear(5);
  const auto port = operations.add_nic(make_nic("eve", 5));
  ASSERT_TRUE(port);
  EXPECT_TRUE(fabric.nic(*port).is_attached());
  EXPECT_EQ(fabric.nic(*port).config.name, "eve");
  expect_saved();
}

TEST_F(OperationsTest, ANicIsChangedInAllRespectsAtOnce) {
  const l2::PortId alice = port("alice");
  NicChange change;
  change.name = "alicia";
  change.network = "office";
  change.link = Link::down;
  change.ip = ip4("10.1.0.9");
  change.hostname = "queen";
  ASSERT_TRUE(operations.change_nic(alice, change, "test"));
  const network::NicConfig& now = fabric.nic(alice).config;
  EXPECT_EQ(now.name, "alicia");
  EXPECT_EQ(now.network, 1U);
  EXPECT_FALSE(now.link_up);
  EXPECT_EQ(now.ip, ip4("10.1.0.9"));
  EXPECT_EQ(now.hostname, "queen");
  EXPECT_EQ(operations.config().nics[0].name, "alicia");
  EXPECT_EQ(operations.config().nics[0].link, Link::down);
  expect_saved();
}

TEST_F(OperationsTest, WhatIsNotMentionedStays) {
  NicChange change;
  change.link = Link::down;
  ASSERT_TRUE(operations.change_nic(port("alice"), change, "test"));
  Nic expected = file.nics[0];
  expected.link = Link::down;
  EXPECT_EQ(operations.config().nics[0], expected);
  EXPECT_THAT(events(), ElementsAre("nic.link alice down"));
  ASSERT_TRUE(operations.change_nic(port("alice"), NicChange{.link = Link::up}, "test"));
  EXPECT_EQ(operations.config(), file);
  EXPECT_TRUE(operations.changes().empty());
  EXPECT_EQ(after_restart(), file);
}

TEST_F(OperationsTest, TheHostNameFollowsTheNameUnlessItIsAnother) {
  ASSERT_TRUE(operations.change_nic(port("bob"), NicChange{.name = "bert"}, "test"));
  EXPECT_EQ(nic("bert").config.hostname, "bert");
  ASSERT_TRUE(operations.change_nic(port("bert"), NicChange{.hostname = "boss"}, "test"));
  ASSERT_TRUE(operations.change_nic(port("bert"), NicChange{.name = "bob"}, "test"));
  EXPECT_EQ(nic("bob").config.hostname, "boss");
  expect_saved();
}

TEST_F(OperationsTest, AReservationOfTheOldNetworkDoesNotFollow) {
  ASSERT_TRUE(operations.change_nic(port("alice"), NicChange{.network = "office"}, "test"));
  EXPECT_EQ(nic("alice").config.ip, std::nullopt);
  expect_saved();
}

TEST_F(OperationsTest, AReservationCanEnd) {
  NicChange change;
  change.ip.emplace();
  ASSERT_TRUE(operations.change_nic(port("alice"), change, "test"));
  EXPECT_EQ(nic("alice").config.ip, std::nullopt);
  expect_saved();
}

TEST_F(OperationsTest, AChangeThatCannotBeLeavesEverything) {
  const auto refused = [&](const NicChange& change) { return refusal(operations.change_nic(port("bob"), change, "")); };
  EXPECT_EQ(refused({.name = "alice", .link = Link::down}).place, "/name");
  EXPECT_EQ(refused({.network = "nowhere", .link = Link::down}).place, "/network");
  EXPECT_EQ(refused({.link = Link::down, .ip = ip4("10.0.0.50")}).place, "/ip");
  EXPECT_EQ(refused({.network = "office", .link = Link::down, .ip = ip4("10.0.0.7")}).place, "/ip");
  EXPECT_EQ(refused({.link = Link::down, .hostname = "not a label"}).place, "/hostname");
  EXPECT_TRUE(nic("bob").config.link_up);
  expect_unchanged();
}

TEST_F(OperationsTest, ANetworkIsFoundInWhateverCaseAndSavedAsItIsCalled) {
  ASSERT_TRUE(operations.change_nic(port("bob"), NicChange{.network = "OFFICE"}, "test"));
  EXPECT_EQ(operations.config().nics[1].network, "office");
  ASSERT_TRUE(operations.add_nic(make_nic("carol", 3, "Home")));
  EXPECT_EQ(operations.config().nics[2].network, "home");
  expect_saved();
}

TEST_F(OperationsTest, ANicThatAppearedIsConfiguredOnceItIsChanged) {
  const Guest guest = appear(5);
  ASSERT_TRUE(operations.change_nic(fabric.find(mac(5)), NicChange{.name = "eve"}, "test"));
  EXPECT_TRUE(nic("eve").configured);
  EXPECT_TRUE(nic("eve").is_attached());
  ASSERT_THAT(operations.config().nics, SizeIs(3));
  EXPECT_EQ(operations.config().nics[2].name, "eve");
  expect_saved();
}

TEST_F(OperationsTest, ANicIsRemovedWithItsSocketAndStaysRemoved) {
  Nic nic = make_nic("carol", 3);
  nic.dgram = folder.path("carol.sock");
  ASSERT_TRUE(operations.add_nic(nic));
  operations.remove_nic(port("carol"), "test");
  EXPECT_FALSE(folder.has("carol.sock"));
  EXPECT_EQ(after_restart(), file) << "or it would be back after a restart";
  operations.remove_nic(port("alice"), "test");
  EXPECT_EQ(port("alice"), l2::kNoPort);
  EXPECT_THAT(after_restart().nics, SizeIs(1));
  expect_saved();
}

TEST_F(OperationsTest, ANicOnANetworkWithoutIpv4LosesItsReservation) {
  Plant plant{R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24"}, {"name": "six", "ipv6": "2052::1/64"}],
    "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"}], "listen": {"dgram": [], "stream": []}})"};
  ASSERT_TRUE(plant.operations.change_nic(plant.port("alice"), NicChange{.network = "six"}, "test"));
  EXPECT_EQ(plant.nic("alice").config.ip, std::nullopt);
  EXPECT_EQ(refusal(plant.operations.change_nic(plant.port("alice"), NicChange{.ip = ip4("10.0.0.50")}, "")).place,
            "/ip");
}

// Attachments.

TEST_F(OperationsTest, ADescriptorIsAttachedAndDetached) {
  auto pair = dgram::make_pair(SOCK_DGRAM);
  ASSERT_TRUE(pair);
  ASSERT_TRUE(operations.attach(port("alice"), std::move(pair->first)));
  EXPECT_TRUE(nic("alice").is_attached());
  ASSERT_TRUE(operations.detach(port("alice"), "test"));
  EXPECT_FALSE(nic("alice").is_attached());
  const Refusal twice = refusal(operations.detach(port("alice"), "test"));
  EXPECT_EQ(twice.kind, Kind::conflict);
  EXPECT_THAT(twice.text, HasSubstr("alice"));
  EXPECT_EQ(refusal(operations.attach(port("alice"), dgram::Fd{::dup(0)})).kind, Kind::invalid);
}

// Leases.

dhcp::Lease make_lease(std::uint64_t number, std::string_view address, Instant expires) {
  dhcp::Lease lease;
  lease.ip = ip4(address);
  lease.mac = mac(number);
  lease.client = "client-" + std::to_string(number);
  lease.state = dhcp::LeaseState::bound;
  lease.expires = expires;
  return lease;
}

TEST_F(OperationsTest, ALeaseIsRestoredAndEnded) {
  const Instant end = loop.now() + 1h;
  ASSERT_TRUE(operations.restore_lease(0, make_lease(2, "10.0.0.60", end)));
  ASSERT_NE(fabric.lease_of(port("bob")), nullptr);
  EXPECT_EQ(fabric.lease_of(port("bob"))->ip, ip4("10.0.0.60"));
  EXPECT_FALSE(operations.restore_lease(0, make_lease(3, "10.0.0.60", end))) << "it is bob's";
  EXPECT_FALSE(operations.restore_lease(0, make_lease(3, "10.9.0.60", end))) << "it is not of this network";
  ASSERT_TRUE(operations.end_lease(0, ip4("10.0.0.60")));
  EXPECT_EQ(fabric.lease_of(port("bob")), nullptr);
  EXPECT_EQ(refusal(operations.end_lease(0, ip4("10.0.0.60"))).kind, Kind::unknown);
}

TEST_F(OperationsTest, ANetworkWithoutDhcpHasNoLeases) {
  Plant plant{R"({"networks": [{"name": "six", "ipv6": "2052::1/64"}], "listen": {"dgram": [], "stream": []}})"};
  EXPECT_FALSE(plant.operations.restore_lease(0, make_lease(2, "10.0.0.60", plant.loop.now() + 1h)));
  EXPECT_EQ(refusal(plant.operations.end_lease(0, ip4("10.0.0.60"))).kind, Kind::unknown);
}

TEST_F(OperationsTest, ARestoredLeaseIsInTheJournal) {
  leases = std::move(LeaseStore::open(folder.path("state"), moment()).value());
  ASSERT_TRUE(operations.restore_lease(0, make_lease(2, "10.0.0.60", loop.now() + 1h)));
  EXPECT_EQ(leases->size(), 1U);
  EXPECT_FALSE(leases->has_work());
}

// Names.

TEST_F(OperationsTest, ANameIsPutReplacedAndRemoved) {
  ASSERT_TRUE(operations.put_record(0, make_record("a.test", "10.0.0.2")));
  EXPECT_THAT(resolve("a.test"), ElementsAre(ip4("10.0.0.2")));
  ASSERT_TRUE(operations.put_record(0, make_record("a.test", "10.0.0.3")));
  EXPECT_THAT(resolve("a.test"), ElementsAre(ip4("10.0.0.3")));
  EXPECT_THAT(operations.config().networks[0].dns.records, SizeIs(2));
  EXPECT_THAT(resolve("a.test", 1), IsEmpty()) << "each network has its own";
  expect_saved();
  EXPECT_TRUE(operations.remove_record(0, "A.TEST."));
  EXPECT_FALSE(operations.remove_record(0, "a.test"));
  EXPECT_FALSE(operations.remove_record(0, "a..test"));
  EXPECT_EQ(after_restart(), file);
  EXPECT_TRUE(operations.remove_record(0, "nas.test")) << "one of the file";
  EXPECT_THAT(after_restart().networks[0].dns.records, IsEmpty());
}

TEST_F(OperationsTest, ANameInAnotherSpellingIsTheSameName) {
  ASSERT_TRUE(operations.put_record(0, make_record("NAS.test.", "10.0.0.7")));
  ASSERT_THAT(operations.config().networks[0].dns.records, SizeIs(1));
  EXPECT_EQ(operations.config().networks[0].dns.records[0].name, "nas.test");
  EXPECT_THAT(resolve("nas.test"), ElementsAre(ip4("10.0.0.7")));
  expect_saved();
}

TEST_F(OperationsTest, ARecordThatContradictsItselfIsRefusedAtItsPlace) {
  DnsRecord empty;
  empty.name = "a.test";
  EXPECT_EQ(refusal(operations.put_record(0, empty)).place, "");
  DnsRecord both = make_record("a.test", "10.0.0.2");
  both.cname = "b.test";
  EXPECT_THAT(refusal(operations.put_record(0, both)).text, HasSubstr("RFC 1034"));
  expect_unchanged();
}

TEST_F(OperationsTest, ANameThatNoFileCouldHaveIsRefused) {
  for (const char* const name : {"a b.test", "a\\000b.test", "", ".", "\xc3\xa4.test", "a.*.test"}) {
    EXPECT_FALSE(operations.put_record(0, make_record(name, "10.0.0.2"))) << name;
  }
  expect_unchanged();
}

// gvproxy's zones.

TEST_F(OperationsTest, AZoneIsNamesOfTheFirstNetwork) {
  ASSERT_TRUE(operations.add_zone({"internal.", {{"gateway", "10.0.0.1"}, {"host", "10.0.0.254"}}, "10.0.0.9"}));
  EXPECT_THAT(resolve("host.internal"), ElementsAre(ip4("10.0.0.254")));
  EXPECT_THAT(resolve("*.internal"), ElementsAre(ip4("10.0.0.9")));
  ASSERT_TRUE(operations.add_zone({"internal.", {{"host", "10.0.0.253"}}, ""}));
  EXPECT_THAT(resolve("host.internal"), ElementsAre(ip4("10.0.0.253")));
  EXPECT_THAT(resolve("*.internal"), IsEmpty()) << "the new zone has no default";
  ASSERT_THAT(operations.zones(), SizeIs(1));
  EXPECT_THAT(operations.zones()[0].records, SizeIs(2));
  expect_saved();
  std::vector<std::string> messages;
  EXPECT_EQ(store->load(messages).zones, operations.zones());
  EXPECT_THAT(messages, IsEmpty());
}

TEST_F(OperationsTest, AZoneWithOneWrongRecordAddsNone) {
  EXPECT_EQ(refusal(operations.add_zone({"z", {{"good", "10.0.0.2"}, {"bad", "10.0.0"}}, ""})).place, "/Records");
  EXPECT_EQ(refusal(operations.add_zone({"z", {{"good", "10.0.0.2"}, {"b d", "10.0.0.3"}}, ""})).place, "/Records");
  EXPECT_EQ(refusal(operations.add_zone({"z", {{"good", "10.0.0.2"}}, "fe80::1"})).place, "/DefaultIP");
  EXPECT_THAT(resolve("good.z"), IsEmpty());
  EXPECT_THAT(operations.zones(), IsEmpty());
  expect_unchanged();
}

// Captures.

TEST_F(OperationsTest, ACaptureBeginsEndsAndIsRemembered) {
  CaptureRequest request;
  request.file = folder.path("a.pcapng");
  request.filter = "arp";
  const auto id = operations.start_capture(request);
  ASSERT_TRUE(id) << id.error().text;
  EXPECT_TRUE(folder.has("a.pcapng"));
  request.id = *id;
  std::vector<std::string> messages;
  EXPECT_THAT(store->load(messages).captures, ElementsAre(request));
  EXPECT_EQ(refusal(operations.start_capture(request)).kind, Kind::conflict);
  EXPECT_TRUE(operations.stop_capture(*id));
  EXPECT_FALSE(operations.stop_capture(*id));
  EXPECT_TRUE(store->load(messages).captures.empty());
}

TEST_F(OperationsTest, ACaptureThatCannotBeIsRefused) {
  CaptureRequest request;
  request.file = folder.path("missing/a.pcapng");
  EXPECT_EQ(refusal(operations.start_capture(request)).place, "/file");
  request.filter = "nonsense &";
  const Refusal filter = refusal(operations.start_capture(request));
  EXPECT_EQ(filter.place, "/filter");
  EXPECT_EQ(filter.kind, Kind::invalid);
  expect_unchanged();
}

TEST_F(OperationsTest, CapturesGoOnAfterARestartBesideWhatTheyWrote) {
  folder.write("a.pcapng", "what was there");
  RuntimeChanges left;
  left.captures = {{"7", folder.path("a.pcapng"), {}, "", 0, 0, 0}, {"8", folder.path("missing/b"), {}, "", 0, 0, 0}};
  operations.resume(left);
  EXPECT_EQ(folder.read("a.1.pcapng"), "what was there");
  ASSERT_THAT(captures.running(), SizeIs(1));
  EXPECT_EQ(captures.running()[0].request.id, "7");
  EXPECT_THAT(notices, Contains(HasSubstr("missing/b")));
  CaptureRequest next;
  next.file = folder.path("c.pcapng");
  EXPECT_EQ(operations.start_capture(next).value(), "8");
}

// Without a state folder, and with one that fails.

TEST_F(OperationsTest, WithoutAStateFolderNothingIsSavedAndAllElseIsTheSame) {
  store.reset();
  ASSERT_TRUE(operations.put_record(0, make_record("a.test", "10.0.0.2")));
  EXPECT_THAT(resolve("a.test"), SizeIs(1));
  EXPECT_THAT(notices, IsEmpty());
}

TEST_F(OperationsTest, WhatCannotBeSavedIsToldAndHoldsNevertheless) {
  store = std::make_unique<RuntimeStore>(folder.path("missing"));
  ASSERT_TRUE(operations.put_record(0, make_record("a.test", "10.0.0.2")));
  EXPECT_THAT(notices, Contains(HasSubstr("missing/runtime.jsonl")));
}

}  // namespace
}  // namespace vnet::daemon
