// A new reading of the config file, applied as the difference to what holds; a refused one changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "daemon/config_print.hpp"
#include "tests/daemon/operations_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class ReloadTest : public testing::Test, protected Plant {
 protected:
  /// Reloads the file with an edit.
  Outcome<Reloaded> reload(const std::function<void(Config&)>& edit) {
    Config config = file_now_;
    edit(config);
    auto reloaded = operations.reload(config);
    if (reloaded) file_now_ = config;
    return reloaded;
  }
  void reload_well(const std::function<void(Config&)>& edit) {
    const auto reloaded = reload(edit);
    ASSERT_TRUE(reloaded) << reloaded.error().place << ": " << reloaded.error().text;
    EXPECT_THAT(notices, IsEmpty());
  }
  /// That the reload is refused, at this place, and nothing has changed.
  void expect_refusal(const std::string& place, const std::function<void(Config&)>& edit) {
    const Config before = operations.config();
    const auto files = socket_files();
    const auto refused = reload(edit);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().place, place) << refused.error().text;
    EXPECT_EQ(operations.config(), before);
    EXPECT_EQ(socket_files(), files);
    EXPECT_THAT(events(), IsEmpty());
  }
  [[nodiscard]] std::vector<std::string> socket_files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
      if (entry.is_socket()) files.push_back(entry.path().filename());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  [[nodiscard]] Guest passed(std::string_view name) {
    auto pair = dgram::make_pair(SOCK_DGRAM);
    EXPECT_TRUE(hub.attach(std::move(pair->first), port(name)));
    turn(1ms);
    (void)events();
    return Guest{std::move(pair->second)};
  }
  [[nodiscard]] Network make_network(const std::string& name, const std::string& prefix) const {
    return config(R"({"networks": [{"name": "x", "ipv4": "10.255.0.1/24"}, {"name": ")" + name + R"(", "ipv4": ")" +
                  prefix + R"(", "dns": {"upstream": "none"}}]})")
        .networks[1];
  }

  Config file_now_ = file;
};

TEST_F(ReloadTest, TheSameFileIsNoChangeAndNoEvent) {
  const auto reloaded = reload([](Config&) {});
  ASSERT_TRUE(reloaded);
  EXPECT_THAT(reloaded->changed, IsEmpty());
  EXPECT_THAT(reloaded->restart_needed, IsEmpty());
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ReloadTest, WhatIsDifferentIsNamed) {
  const auto reloaded = reload([](Config& config) {
    config.nics[0].link = Link::down;
    config.seed = 7;
  });
  ASSERT_TRUE(reloaded);
  EXPECT_THAT(reloaded->changed, ElementsAre("/nics/0/link"));
  EXPECT_THAT(reloaded->restart_needed, ElementsAre("/seed"));
  EXPECT_EQ(operations.config().seed, std::nullopt);
}

// NICs.

TEST_F(ReloadTest, NicsComeGoAndChange) {
  reload_well([&](Config& config) {
    config.nics[0].link = Link::down;
    config.nics[0].ip = ip4("10.0.0.51");
    config.nics[1] = make_nic("carol", 3, "office");
  });
  EXPECT_FALSE(nic("alice").config.link_up);
  EXPECT_EQ(nic("alice").config.ip, ip4("10.0.0.51"));
  EXPECT_EQ(port("bob"), l2::kNoPort);
  EXPECT_EQ(nic("carol").config.network, 1U);
  EXPECT_THAT(events(), UnorderedElementsAre("nic.removed bob ", "nic.changed alice ip", "nic.link alice down",
                                             "nic.added carol "));
}

TEST_F(ReloadTest, ANicThatIsUntouchedKeepsItsAttachment) {
  const Guest guest = passed("bob");
  reload_well([&](Config& config) {
    config.nics[0].link = Link::down;
    config.networks[0].mtu = 9000;
    config.networks[1].port_security = true;
  });
  EXPECT_TRUE(nic("bob").is_attached());
  EXPECT_THAT(events(), Not(Contains(HasSubstr("bob"))));
}

TEST_F(ReloadTest, NicsSwapNamesAndAddresses) {
  reload_well([](Config& config) { config.nics[1].ip = ip4("10.0.0.60"); });
  const l2::PortId first = port("alice");
  const l2::PortId second = port("bob");
  const Guest guest = passed("alice");
  reload_well([](Config& config) {
    std::swap(config.nics[0].name, config.nics[1].name);
    std::swap(config.nics[0].ip, config.nics[1].ip);
  });
  EXPECT_EQ(port("bob"), first);
  EXPECT_EQ(port("alice"), second);
  EXPECT_EQ(nic("bob").config.ip, ip4("10.0.0.60"));
  EXPECT_EQ(nic("alice").config.ip, ip4("10.0.0.50"));
  EXPECT_TRUE(nic("bob").is_attached());
}

TEST_F(ReloadTest, ANicTakesTheNameAndAddressOfOneThatGoes) {
  reload_well([](Config& config) {
    config.nics[1].name = "alice";
    config.nics[1].ip = ip4("10.0.0.50");
    config.nics.erase(config.nics.begin());
  });
  EXPECT_EQ(nic("alice").config.mac, mac(2));
  EXPECT_EQ(nic("alice").config.ip, ip4("10.0.0.50"));
}

TEST_F(ReloadTest, ANicMovesToAnotherNetworkWithItsAttachment) {
  const Guest guest = passed("bob");
  reload_well([](Config& config) { config.nics[1].network = "office"; });
  EXPECT_EQ(nic("bob").config.network, 1U);
  EXPECT_TRUE(nic("bob").is_attached());
}

TEST_F(ReloadTest, NicsSwapTheirSockets) {
  reload_well([this](Config& config) {
    config.nics[0].dgram = folder.path("a.sock");
    config.nics[1].dgram = folder.path("b.sock");
  });
  EXPECT_THAT(socket_files(), ElementsAre("a.sock", "b.sock", "lan.sock"));
  reload_well([](Config& config) { std::swap(config.nics[0].dgram, config.nics[1].dgram); });
  const Guest guest{folder.path("guest")};
  const auto frame = network::test::plain(MacAddress::broadcast(), mac(1));
  EXPECT_EQ(guest.send_to(folder.path("b.sock"), as_text(frame)), 0);
  turn();
  EXPECT_EQ(nic("alice").attachment.kind, network::AttachmentKind::own_path);
  reload_well([](Config& config) { config.nics[0].dgram.reset(); });
  EXPECT_THAT(socket_files(), ElementsAre("a.sock", "guest", "lan.sock"));
}

TEST_F(ReloadTest, ANicCanTakeOverTheSocketOfANetwork) {
  reload_well([this](Config& config) {
    config.listen.dgram.clear();
    config.nics[0].dgram = folder.path("lan.sock");
  });
  EXPECT_THAT(socket_files(), ElementsAre("lan.sock"));
}

// Networks.

TEST_F(ReloadTest, NetworksComeGoAndChange) {
  reload_well([this](Config& config) {
    config.networks[0].dhcp.lease = 2h;
    config.networks[1] = make_network("cafe", "10.2.0.1/24");
    config.nics[1].network = "cafe";
    config.listen.dgram.push_back({folder.path("cafe.sock"), "cafe"});
  });
  EXPECT_EQ(fabric.find_network("office"), std::nullopt);
  ASSERT_TRUE(fabric.find_network("cafe"));
  EXPECT_EQ(fabric.network_config(nic("bob").config.network).name, "cafe");
  EXPECT_EQ(fabric.network_config(0).dhcp->lease_time, Duration{2h});
  EXPECT_THAT(socket_files(), ElementsAre("cafe.sock", "lan.sock"));
}

TEST_F(ReloadTest, ANetworkGoesWithItsSocketAndTheNicsThatAppearedOnIt) {
  reload_well([this](Config& config) { config.listen.dgram.push_back({folder.path("office.sock"), "office"}); });
  const Guest guest{folder.path("guest")};
  const auto frame = network::test::plain(MacAddress::broadcast(), mac(9));
  EXPECT_EQ(guest.send_to(folder.path("office.sock"), as_text(frame)), 0);
  turn();
  ASSERT_NE(fabric.find(mac(9)), l2::kNoPort);
  reload_well([](Config& config) {
    config.networks.pop_back();
    config.listen.dgram.pop_back();
  });
  EXPECT_EQ(fabric.find(mac(9)), l2::kNoPort);
  EXPECT_FALSE(folder.has("office.sock"));
  turn();
}

TEST_F(ReloadTest, TheFirstNetworkMayBeRenamedAndNothingOfItNotices) {
  const Guest guest = passed("bob");
  const Guest shared{folder.path("shared")};
  const auto frame = network::test::plain(MacAddress::broadcast(), mac(9));
  ASSERT_EQ(shared.connect(folder.path("lan.sock")), 0);
  ASSERT_EQ(shared.send(as_text(frame)), 0);
  turn();
  (void)events();
  reload_well([](Config& config) {
    config.networks[0].name = "house";
    for (Nic& each : config.nics) each.network = "house";
    for (ListenEntry& entry : config.listen.dgram) entry.network = "house";
  });
  EXPECT_EQ(fabric.find_network("house"), 0U);
  EXPECT_EQ(fabric.find_network("home"), std::nullopt);
  EXPECT_TRUE(nic("bob").is_attached());
  EXPECT_EQ(shared.send(as_text(frame)), 0) << "the socket is the same";
  EXPECT_THAT(events(), ElementsAre("network.changed  house"));
  EXPECT_THAT(resolve("nas.test"), ElementsAre(ip4("10.0.0.9")));
}

TEST_F(ReloadTest, TheFirstNetworkCannotChangePlacesWithAnother) {
  expect_refusal("/networks/0", [](Config& config) { std::swap(config.networks[0], config.networks[1]); });
  expect_refusal("/networks/0", [](Config& config) {
    config.networks.erase(config.networks.begin());
    for (Nic& each : config.nics) {
      each.network = "office";
      each.ip.reset();
    }
    for (ListenEntry& entry : config.listen.dgram) entry.network = "office";
  });
}

TEST_F(ReloadTest, ANetworkMayBeWrittenInAnotherCase) {
  reload_well([](Config& config) {
    config.networks[1].name = "Office";
    config.nics[1].network = "Office";
  });
  EXPECT_EQ(fabric.find_network("office"), 1U);
  EXPECT_EQ(fabric.network_config(1).name, "Office");
  EXPECT_EQ(nic("bob").config.network, 1U);
}

TEST_F(ReloadTest, OldAndNewNetworksTogetherAreNotMoreThanThereMayBe) {
  const auto fill = [this](const std::string& name, std::size_t count) {
    return [this, name, count](Config& config) {
      config.networks.resize(1);
      const Network like = make_network(name, "10.9.0.1/24");
      while (config.networks.size() < count) {
        config.networks.push_back(like);
        config.networks.back().name = name + "-" + std::to_string(config.networks.size());
      }
    };
  };
  constexpr std::size_t kMost = network::Fabric::kMaxNetworks;
  reload_well(fill("old", kMost - 1));
  const auto reloaded = reload(fill("new", 3));
  ASSERT_FALSE(reloaded) << "old and new ones are there together for a moment";
  EXPECT_EQ(reloaded.error().place, "/networks");
  EXPECT_TRUE(fabric.find_network("old-2"));
  reload_well(fill("new", 2));
  EXPECT_FALSE(fabric.find_network("old-2"));
}

// Names.

TEST_F(ReloadTest, RecordsChangeWithoutANewGateway) {
  ASSERT_TRUE(operations.restore_lease(0, [&] {
    dhcp::Lease lease;
    lease.ip = ip4("10.0.0.70");
    lease.mac = mac(2);
    lease.client = "bob";
    lease.state = dhcp::LeaseState::bound;
    lease.expires = loop.now() + 1h;
    return lease;
  }()));
  (void)events();
  reload_well([](Config& config) {
    DnsRecord record;
    record.name = "tv.test";
    record.a = {ip4("10.0.0.8")};
    config.networks[0].dns.records = {record};
    Service service;
    service.name = "files.test";
    service.ipv4 = {ip4("52.52.0.6")};
    config.services = {service};
  });
  EXPECT_THAT(resolve("nas.test"), IsEmpty());
  EXPECT_THAT(resolve("tv.test"), ElementsAre(ip4("10.0.0.8")));
  EXPECT_THAT(resolve("files.test"), ElementsAre(ip4("52.52.0.6")));
  EXPECT_THAT(resolve("files.test", 1), ElementsAre(ip4("52.52.0.6")));
  EXPECT_THAT(events(), IsEmpty());
  reload_well([](Config& config) { config.services.clear(); });
  EXPECT_THAT(resolve("files.test"), IsEmpty());
  EXPECT_NE(fabric.lease_of(port("bob")), nullptr);
}

TEST_F(ReloadTest, ANewGatewayKeepsLeasesAndHasTheRecords) {
  dhcp::Lease lease;
  lease.ip = ip4("10.0.0.70");
  lease.mac = mac(2);
  lease.client = "bob";
  lease.state = dhcp::LeaseState::bound;
  lease.expires = loop.now() + 1h;
  ASSERT_TRUE(operations.restore_lease(0, lease));
  reload_well([](Config& config) { config.networks[0].dhcp.lease = 3h; });
  ASSERT_NE(fabric.lease_of(port("bob")), nullptr);
  EXPECT_THAT(resolve("nas.test"), ElementsAre(ip4("10.0.0.9")));
}

// Run-time changes.

TEST_F(ReloadTest, RunTimeChangesStayWhereTheFileSaysWhatItSaid) {
  ASSERT_TRUE(operations.change_nic(port("alice"), NicChange{.link = Link::down}, "test"));
  ASSERT_TRUE(operations.add_nic(make_nic("carol", 3)));
  const Guest guest = passed("carol");
  reload_well([](Config& config) { config.nics[1].hostname = "robert"; });
  EXPECT_FALSE(nic("alice").config.link_up);
  EXPECT_TRUE(nic("carol").is_attached());
  EXPECT_EQ(nic("bob").config.hostname, "robert");
  const auto reloaded = reload([](Config& config) { config.nics[0].hostname = "queen"; });
  ASSERT_TRUE(reloaded);
  EXPECT_TRUE(nic("alice").config.link_up) << "the file is newer";
  EXPECT_THAT(notices, ElementsAre(HasSubstr("NIC alice")));
}

TEST_F(ReloadTest, AConflictBetweenFileAndRunTimeIsDecidedForTheFile) {
  ASSERT_TRUE(operations.add_nic(make_nic("carol", 3)));
  const auto reloaded = reload([](Config& config) { config.nics.push_back(make_nic("carol", 4)); });
  ASSERT_TRUE(reloaded);
  EXPECT_EQ(nic("carol").config.mac, mac(4));
  EXPECT_EQ(fabric.find(mac(3)), l2::kNoPort);
  EXPECT_THAT(notices, ElementsAre(HasSubstr("NIC carol")));
}

TEST_F(ReloadTest, ANewNicWithTheNameOfOneThatAppearedIsAddedOnceThatIsGone) {
  Guest guest{folder.path("guest")};
  const auto frame = network::test::plain(MacAddress::broadcast(), mac(9));
  ASSERT_EQ(guest.send_to(folder.path("lan.sock"), as_text(frame)), 0);
  turn();
  const std::string its_name = fabric.nic(fabric.find(mac(9))).config.name;
  const auto add = [&](Config& config) { config.nics.push_back(make_nic(its_name, 8)); };
  ASSERT_TRUE(reload(add));
  EXPECT_THAT(notices, Contains(HasSubstr(its_name)));
  ASSERT_TRUE(reload([](Config& config) { config.nics.back().name = config.nics.back().hostname = "eve"; }));
  EXPECT_EQ(nic("eve").config.mac, mac(8));
}

// Sockets, and what is refused.

TEST_F(ReloadTest, SocketsComeGoAndChangeNetworks) {
  reload_well([this](Config& config) {
    config.listen.dgram = {{folder.path("lan.sock"), "office"}, {folder.path("new.sock"), "home"}};
    config.listen.stream = {{folder.path("stream.sock"), "home"}};
  });
  EXPECT_THAT(socket_files(), ElementsAre("lan.sock", "new.sock", "stream.sock"));
  const Guest guest{folder.path("guest")};
  const auto frame = network::test::plain(MacAddress::broadcast(), mac(9));
  EXPECT_EQ(guest.send_to(folder.path("lan.sock"), as_text(frame)), 0);
  turn();
  EXPECT_EQ(fabric.nic(fabric.find(mac(9))).config.network, 1U);
  reload_well([](Config& config) {
    config.listen.dgram.clear();
    config.listen.stream.clear();
  });
  EXPECT_THAT(socket_files(), ElementsAre("guest"));
}

TEST_F(ReloadTest, WhatCannotBeMadeIsRefusedBeforeAnythingChanges) {
  const auto with = [](auto edit) {
    return [edit](Config& config) {
      config.nics[0].link = Link::down;
      config.networks[1].mtu = 9000;
      config.listen.dgram.clear();
      edit(config);
    };
  };
  const std::string nowhere = folder.path("missing/x.sock");
  expect_refusal("/listen/dgram/0", with([&](Config& config) { config.listen.dgram = {{nowhere, "home"}}; }));
  expect_refusal("/listen/stream/0", with([&](Config& config) { config.listen.stream = {{nowhere, "home"}}; }));
  expect_refusal("/nics/1/dgram", with([&](Config& config) { config.nics[1].dgram = nowhere; }));
  expect_refusal("/capture/file", with([&](Config& config) { config.capture = Capture{nowhere, "", 0, 0, 0}; }));
  expect_refusal("/capture/filter", with([&](Config& config) {
                   config.capture = Capture{folder.path("x"), "nonsense &", 0, 0, 0};
                 }));
  const Guest owner{folder.path("taken.sock")};
  expect_refusal("/listen/dgram/0", with([&](Config& config) {
                   config.listen.dgram = {{folder.path("taken.sock"), "home"}};
                 }));
}

// Captures.

TEST_F(ReloadTest, TheCaptureOfTheFileBeginsChangesAndEnds) {
  reload_well([this](Config& config) { config.capture = Capture{folder.path("a.pcapng"), "", 0, 0, 0}; });
  ASSERT_THAT(captures.running(), SizeIs(1));
  EXPECT_EQ(captures.running()[0].request.id, Captures::kConfigured);
  EXPECT_TRUE(operations.changes().empty()) << "it is no change made at run time";
  reload_well([this](Config& config) { config.capture = Capture{folder.path("b.pcapng"), "arp", 0, 0, 0}; });
  ASSERT_THAT(captures.running(), SizeIs(1));
  EXPECT_EQ(captures.running()[0].request.filter, "arp");
  const auto refused = reload([this](Config& config) { config.capture = Capture{folder.path("no/c"), "", 0, 0, 0}; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().place, "/capture/file");
  ASSERT_THAT(captures.running(), SizeIs(1)) << "the old one goes on";
  EXPECT_EQ(captures.running()[0].request.file, folder.path("b.pcapng"));
  reload_well([](Config& config) { config.capture.reset(); });
  EXPECT_THAT(captures.running(), IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
