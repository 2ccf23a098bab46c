// Egress as the API shows and changes it: flows, rules at run time, limits, counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/api_testing.hpp"
#include "tests/nat/fake_host.hpp"

namespace vnet::daemon {
namespace {

namespace wire = network::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using wire::Bytes;

/// Outlives the fabric, which has its sockets.
struct WithHost {
  nat::test::FakeHost host;
};

class FlowsTest : public testing::Test, protected WithHost, protected ApiPlant {
 protected:
  FlowsTest() {
    host.plan.delay = Duration::zero();
    fabric.open_egress(host);
    for (const std::string_view name : {"alice", "bob"}) {
      auto pair = dgram::make_pair(SOCK_DGRAM);
      EXPECT_TRUE(operations.attach(port(name), std::move(pair->first)));
      guests_.push_back(std::move(pair->second));
    }
    (void)events();
  }

  /// From `guest` to the way out, and all that follows at once.
  void send(std::string_view guest, const Bytes& frame) {
    const std::vector<ByteView> frames = {frame};
    host.now = loop.now();
    fabric.receive(port(guest), frames, loop.now());
    hub.end_batch();
    host_turn();
  }
  void host_turn() {
    host.now = loop.now();
    host.expire(loop.now());
    for (const auto& [id, happened] : host.take_events()) fabric.on_host(id, happened, loop.now());
    fabric.end_host_events(loop.now());
    hub.end_batch();
  }
  /// The guest's SYN.
  void connect(std::string_view guest, std::uint16_t from = 40'000) {
    send_tcp(guest, from, {.sequence = 1000, .flags = TcpSegment::kSyn});
  }
  void send_tcp(std::string_view guest, std::uint16_t from, const TcpHeader& header) {
    Bytes segment;
    wire::put16(segment, from);
    wire::put16(segment, 443);
    wire::put32(segment, header.sequence);
    wire::put32(segment, header.acknowledgment);
    wire::put8(segment, 0x50);
    wire::put8(segment, header.flags);
    wire::put16(segment, 65'535);
    wire::put32(segment, 0);
    const wire::Way4 way = way_of(guest);
    send(guest, wire::ipv4(way, ip_protocol::kTcp, wire::with_checksum(way, ip_protocol::kTcp, segment, 16)));
  }
  void udp(std::string_view guest, std::uint16_t from, std::string_view data) {
    send(guest, wire::udp(way_of(guest), from, 123, wire::text_bytes(data)));
  }
  [[nodiscard]] wire::Way4 way_of(std::string_view guest) const {
    return {nic(guest).config.mac, fabric.network_config(0).mac, guest == "alice" ? ip4("10.0.0.50") : ip4("10.0.0.51"),
            ip4("203.0.113.7")};
  }
  Json flows(std::string_view query = {}) { return call("GET", "/v1/flows" + std::string{query}).json(); }
  Json egress() { return call("GET", "/v1/networks/home").json().at("egress"); }

 private:
  std::vector<dgram::Fd> guests_;
};

TEST_F(FlowsTest, AConnectionIsShownFromItsFirstSegmentOn) {
  EXPECT_EQ(flows(), Json::array());
  host.plan.delay.reset();
  connect("alice");
  Json shown = flows().at(0);
  EXPECT_EQ(shown.at("state"), "connecting");
  EXPECT_EQ(shown.at("network"), "home");
  EXPECT_EQ(shown.at("nic"), "alice");
  EXPECT_EQ(shown.at("mac"), "52:cc:cc:cc:00:01");
  EXPECT_EQ(shown.at("proto"), "tcp");
  EXPECT_EQ(shown.at("guest"), "10.0.0.50:40000");
  EXPECT_EQ(shown.at("remote"), "203.0.113.7:443");
  EXPECT_EQ(shown.at("bytes_from_guest"), 0);
  host.tcp.at(0)->make();
  host_turn();
  EXPECT_EQ(flows().at(0).at("state"), "syn-received");
}

TEST_F(FlowsTest, UdpAndEchoAreFlowsToo) {
  udp("alice", 5000, "hello");
  send("bob", wire::ping(way_of("bob")));
  const Json shown = flows();
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_EQ(shown[0].at("proto"), "udp");
  EXPECT_EQ(shown[0].at("guest"), "10.0.0.50:5000");
  EXPECT_EQ(shown[0].at("remote"), "203.0.113.7:123");
  EXPECT_EQ(shown[0].at("bytes_from_guest"), 5);
  EXPECT_FALSE(shown[0].contains("state"));
  EXPECT_EQ(shown[1].at("proto"), "icmp");
  EXPECT_EQ(shown[1].at("guest"), "10.0.0.51:258") << "the identifier";
  EXPECT_EQ(shown[1].at("remote"), "203.0.113.7");
  EXPECT_LT(shown[0].at("id"), shown[1].at("id"));
  EXPECT_EQ(fabric.egress(0)->datagrams().size(nat::DatagramKind::echo), 1U);
}

TEST_F(FlowsTest, AreAskedForByNetworkAndByNic) {
  udp("alice", 5000, "hello");
  udp("bob", 5000, "hello");
  EXPECT_EQ(flows("?network=home").size(), 2U);
  EXPECT_EQ(flows("?network=office").size(), 0U);
  EXPECT_EQ(flows("?nic=bob").at(0).at("nic"), "bob");
  EXPECT_EQ(flows("?nic=52:cc:cc:cc:00:02&network=home").size(), 1U);
  EXPECT_EQ(call("GET", "/v1/flows?nic=bop").status, 404);
  EXPECT_EQ(call("GET", "/v1/flows?network=hone").status, 404);
  EXPECT_EQ(call("GET", "/v1/flows?nick=bob").status, 400);
}

TEST_F(FlowsTest, ManyAreSentInPieces) {
  for (std::uint16_t i = 0; i < 500; ++i) udp("alice", static_cast<std::uint16_t>(5000 + i), "x");
  const Answer all = call("GET", "/v1/flows");
  EXPECT_EQ(all.json().size(), 500U);
  EXPECT_LT(all.largest_piece, 20'000U);
  // Those that end while the list is sent are not in what follows.
  http::Response begun = respond("GET", "/v1/flows");
  std::string text;
  ASSERT_EQ(begun.stream->produce(text), http::Body::More::yes);
  EXPECT_EQ(call("PATCH", "/v1/networks/home", R"({"egress": {"enabled": false}})").status, 200);
  text += drain(*begun.stream);
  EXPECT_LT(Json::parse(text).size(), 500U);
  EXPECT_EQ(flows(), Json::array());
}

TEST_F(FlowsTest, NetworksShowTheirRulesAndWhatBecameOfThem) {
  udp("alice", 5000, "hello");
  connect("alice");
  const Json shown = egress();
  EXPECT_EQ(shown.at("enabled"), true);
  EXPECT_EQ(shown.at("allow"), Json::array());
  EXPECT_EQ(shown.at("deny"), Json::array({"169.254.0.0/16"}));
  EXPECT_EQ(shown.at("verdicts"), Json::parse(R"({"allowed": 2})"));
  EXPECT_EQ(shown.at("flows").at("tcp"), Json::parse(R"({"used": 1, "limit": 16384})"));
  EXPECT_EQ(shown.at("flows").at("datagram").at("used"), 1);
  const Json limits = call("GET", "/v1/status").json().at("limits");
  EXPECT_EQ(limits.at("egress_flows").at("used"), 2);
  EXPECT_GT(limits.at("egress_flows").at("limit"), 16'384);
  EXPECT_TRUE(limits.contains("egress_sockets"));
}

TEST_F(FlowsTest, SwitchedOffTheyEnd) {
  connect("alice");
  udp("bob", 5000, "hello");
  const std::uint64_t sent = nic("alice").counters.frames_out;
  const Answer changed = call("PATCH", "/v1/networks/home", R"({"egress": {"enabled": false}, "cause": "night"})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.json().at("egress").at("enabled"), false);
  EXPECT_EQ(changed.json().at("egress").at("deny"), Json::array({"169.254.0.0/16"})) << "this was not said";
  EXPECT_EQ(flows(), Json::array());
  EXPECT_EQ(host.open_sockets(), 0U);
  EXPECT_TRUE(host.tcp.at(0)->was_reset());
  EXPECT_EQ(nic("alice").counters.frames_out, sent + 1) << "the guest sees a reset";
  connect("alice", 41'000);
  EXPECT_EQ(egress().at("verdicts").at("disabled"), 1);
  EXPECT_THAT(events(), ElementsAre("network.changed  "));
  EXPECT_EQ(call("PATCH", "/v1/networks/home", R"({"egress": {"enabled": true}})").status, 200);
  connect("alice", 42'000);
  EXPECT_EQ(flows().size(), 1U);
}

TEST_F(FlowsTest, NewRulesEndThoseThatTheyDoNotAllow) {
  connect("alice");
  udp("alice", 5000, "hello");
  const char* const rules = R"({"egress": {"deny": [{"to": "203.0.113.0/24", "proto": "tcp", "ports": "443"}]}})";
  ASSERT_EQ(call("PATCH", "/v1/networks/home", rules).status, 200);
  ASSERT_EQ(flows().size(), 1U);
  EXPECT_EQ(flows().at(0).at("proto"), "udp");
}

TEST_F(FlowsTest, RulesOutlastARestartAndGiveWayToTheFile) {
  ASSERT_EQ(call("PATCH", "/v1/networks/home", R"({"egress": {"allow": ["10.9.0.0/16"]}})").status, 200);
  EXPECT_EQ(after_restart(), operations.config());
  EXPECT_EQ(after_restart().networks[0].egress.allow.size(), 1U);
  Config edited = file;
  edited.networks[0].egress.enabled = false;
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_THAT(notices,
              ElementsAre("egress of network home: changed at run time, and in the file since: the file holds"));
  EXPECT_EQ(operations.config(), edited);
  ASSERT_TRUE(operations.reload(file));
  EXPECT_EQ(operations.config(), file);
  EXPECT_TRUE(operations.changes().empty());
}

TEST_F(FlowsTest, AReloadOfRulesEndsFlowsAndLeavesGatewaysAlone) {
  connect("alice");
  Config edited = file;
  edited.networks[0].egress.enabled = false;
  edited.networks[1].mtu = 1400;
  ASSERT_TRUE(operations.reload(edited));
  EXPECT_EQ(flows(), Json::array());
  EXPECT_TRUE(host.tcp.at(0)->was_reset());
}

TEST_F(FlowsTest, AMistakeInTheRulesIsPointedAt) {
  const Answer loopback = call("PATCH", "/v1/networks/home", R"({"egress": {"allow": ["10.0.0.0/8", "127.0.0.0/8"]}})");
  EXPECT_EQ(loopback.status, 400);
  EXPECT_EQ(loopback.pointer(), "/egress/allow/1");
  EXPECT_THAT(loopback.detail(), HasSubstr("host_alias"));
  EXPECT_EQ(call("PATCH", "/v1/networks/home", R"({"egress": {"deny": ["10.0.0.0/33"]}})").pointer(), "/egress/deny/0");
  EXPECT_EQ(call("PATCH", "/v1/networks/home", R"({"egress": {"enable": true}})").pointer(), "/egress/enable");
  EXPECT_EQ(operations.config(), file);
}

TEST_F(FlowsTest, AreCountedForPrometheus) {
  connect("alice");
  udp("alice", 5000, "hello");
  host.udp_error = nat::HostError::no_resources;
  udp("alice", 5001, "hello");
  const std::string all = call("GET", "/metrics").body;
  for (const char* const line : {
           "vnet_egress_flows{network=\"home\",proto=\"tcp\"} 1\n",
           "vnet_egress_flows{network=\"home\",proto=\"udp\"} 1\n",
           "vnet_egress_flows{network=\"home\",proto=\"icmp\"} 0\n",
           "vnet_egress_verdicts_total{network=\"home\",verdict=\"allowed\"} 3\n",
           "vnet_egress_tcp_opened_total{network=\"home\"} 1\n",
           "vnet_egress_tcp_retransmitted_segments_total{network=\"home\"} 0\n",
           "vnet_egress_datagram_flows_opened_total{network=\"home\"} 1\n",
           "vnet_egress_datagram_flows_limited_total{network=\"home\"} 1\n",
           "vnet_egress_datagrams_total{network=\"home\",direction=\"in\"} 1\n",
           "vnet_egress_tcp_opened_total{network=\"office\"} 0\n",
       }) {
    EXPECT_THAT(all, HasSubstr(line));
  }
  EXPECT_THAT(all, Not(HasSubstr("verdict=\"denied\""))) << "what did not occur has no sample";
}

// Snapshots.

TEST_F(FlowsTest, ARestoredGuestHasNoFlowsAndIsAskedAboutThoseItHad) {
  connect("alice");
  connect("bob");
  udp("alice", 50'000, "x");
  const std::string snapshot = call("POST", "/v1/snapshot", R"({"nics": ["alice"]})").body;
  const Json listed = Json::parse(snapshot).at("nics")[0].at("connections");
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].at("guest"), "10.0.0.50:40000");
  EXPECT_EQ(listed[0].at("remote"), "203.0.113.7:443");
  EXPECT_EQ(listed[0].at("acknowledgment"), 1001);
  ASSERT_EQ(call("POST", "/v1/restore", snapshot).status, 200);
  EXPECT_TRUE(host.tcp[0]->was_reset());
  ASSERT_EQ(flows().size(), 1U);
  EXPECT_EQ(flows()[0].at("nic"), "bob");
  ASSERT_NE(nic("alice").stale, nullptr);
  EXPECT_EQ(nic("alice").stale->size(), 1U);
  EXPECT_EQ(nic("bob").stale, nullptr);
}

TEST_F(FlowsTest, NobodyIsAskedAboutTheConnectionsOfAnotherGuest) {
  connect("bob");
  Json snapshot = call("POST", "/v1/snapshot", R"({"nics": ["alice"]})").json();
  EXPECT_FALSE(snapshot.at("nics")[0].contains("connections"));
  snapshot["nics"][0]["connections"] = Json::parse(
      R"([{"guest": "10.0.0.51:40000", "remote": "203.0.113.7:443", "sequence": 1, "acknowledgment": 1001}])");
  (void)call("PATCH", "/v1/nics/bob", R"({"ip": "10.0.0.51"})");
  ASSERT_EQ(call("POST", "/v1/restore", snapshot.dump()).status, 200);
  EXPECT_FALSE(host.tcp[0]->was_reset());
  EXPECT_EQ(nic("alice").stale, nullptr);
  EXPECT_EQ(nic("bob").stale, nullptr);
}

TEST_F(FlowsTest, ASnapshotListsNoMoreConnectionsThanItsRestorationTakes) {
  constexpr std::uint16_t kBatch = 600;
  constexpr std::uint16_t kBatches = 7;
  for (std::uint16_t batch = 0; batch < kBatches; ++batch) {
    const auto first = static_cast<std::uint16_t>(10'000 + batch * kBatch);
    for (std::uint16_t i = 0; i < kBatch; ++i) connect("alice", static_cast<std::uint16_t>(first + i));
    std::vector<network::GuestConnection> made;
    fabric.each_connection([&](const MacAddress&, const network::GuestConnection& connection) {
      if (connection.guest.port >= first) made.push_back(connection);
    });
    // Those that are made do not count as half open.
    for (const auto& each : made) send_tcp("alice", each.guest.port, {1001, each.sequence + 1, TcpSegment::kAck});
  }
  for (std::uint16_t i = 0; i < 3; ++i) connect("bob", static_cast<std::uint16_t>(20'000 + i));
  const auto listed = [&](const std::string& nics) {
    const Answer answer = call("POST", "/v1/snapshot", R"({"nics": [)" + nics + "]}");
    EXPECT_LT(answer.body.size(), http::RequestLimits{}.max_body);
    const Json snapshot = answer.json();
    std::vector<std::size_t> counts;
    for (const Json& nic : snapshot.at("nics")) counts.push_back(nic.at("connections").size());
    return counts;
  };
  EXPECT_THAT(listed(R"("alice")"), ElementsAre(4096));
  EXPECT_THAT(listed(R"("alice", "bob")"), ElementsAre(2048, 3));
  EXPECT_THAT(listed(R"("bob", "alice")"), ElementsAre(3, 4093));
}

}  // namespace
}  // namespace vnet::daemon
