// What the routers translate, as the API and /metrics show it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

namespace wire = network::test;
using testing::HasSubstr;

constexpr std::string_view kNats = R"({
  "networks": [
    {"name": "home", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.1"}, "dns": {"upstream": "none"}},
    {"name": "office", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.2"}, "nat": "hard", "dns": {"upstream": "none"}},
    {"name": "mobile", "ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.3"}, "nat": "cgnat", "dns": {"upstream": "none"}}],
  "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "network": "home"},
           {"name": "bob", "mac": "52:cc:cc:cc:00:02", "network": "office"},
           {"name": "carol", "mac": "52:cc:cc:cc:00:03", "network": "mobile"}],
  "listen": {"dgram": [], "stream": []}})";

class MappingsTest : public testing::Test, protected ApiPlant {
 protected:
  MappingsTest() : ApiPlant(kNats) {
    for (const char* const name : {"alice", "bob", "carol"}) {
      auto pair = dgram::make_pair(SOCK_DGRAM);
      EXPECT_TRUE(operations.attach(port(name), std::move(pair->first)));
      guests_.push_back(std::move(pair->second));
    }
  }
  void udp(std::string_view guest, std::uint16_t from, std::string_view to, std::uint16_t to_port) {
    const wire::Way4 way{nic(guest).config.mac, fabric.network_config(nic(guest).config.network).mac, ip4("10.0.0.5"),
                         ip4(to)};
    const wire::Bytes who = wire::arp({ArpPacket::kRequest, way.from, way.source, {}, ip4("10.0.0.1")});
    const wire::Bytes frame = wire::udp(way, from, to_port, wire::text_bytes("hello"));
    const std::vector<ByteView> frames = {who, frame};
    fabric.receive(port(guest), frames, loop.now());
    hub.end_batch();
  }
  Json mappings(std::string_view query = {}) { return call("GET", "/v1/nat/mappings" + std::string{query}).json(); }

 private:
  std::vector<dgram::Fd> guests_;
};

TEST_F(MappingsTest, WhoIsOutsideByWhatIsShown) {
  EXPECT_EQ(mappings(), Json::parse(R"({"total": 0, "mappings": []})"));
  udp("alice", 5000, "2.1.1.2", 53);
  const Json found = mappings();
  EXPECT_EQ(found.at("total"), 1);
  const Json& one = found.at("mappings").at(0);
  EXPECT_EQ(one.at("network"), "home");
  EXPECT_EQ(one.at("router"), "home");
  EXPECT_EQ(one.at("proto"), "udp");
  EXPECT_EQ(one.at("inside"), "10.0.0.5:5000");
  EXPECT_EQ(one.at("outside"), "2.1.1.1:5000");
  EXPECT_EQ(one.at("nic"), "alice");
  EXPECT_FALSE(one.contains("toward")) << "it is for all destinations";
  EXPECT_EQ(one.at("pinned"), false);
  EXPECT_GE(one.at("expires_s"), 299);
  EXPECT_GE(one.at("bytes_out"), 33);
  EXPECT_EQ(one.at("bytes_in"), 0);
  EXPECT_EQ(one.at("sessions"), 1);
}

TEST_F(MappingsTest, AHardNatsMappingsAreForOneDestinationEach) {
  udp("bob", 5000, "2.1.1.1", 53);
  udp("bob", 5000, "2.1.1.1", 54);
  const Json found = mappings("?network=office");
  EXPECT_EQ(found.at("total"), 2);
  EXPECT_THAT(found.at("mappings").dump(), HasSubstr("\"toward\":\"2.1.1.1:53\""));
  EXPECT_THAT(found.at("mappings").dump(), HasSubstr("\"toward\":\"2.1.1.1:54\""));
  EXPECT_EQ(mappings("?network=home").at("total"), 0);
}

TEST_F(MappingsTest, ACarriersAreThereToo) {
  udp("carol", 5000, "2.1.1.1", 53);
  const Json found = mappings();
  EXPECT_EQ(found.at("total"), 2);
  EXPECT_EQ(found.at("mappings").at(0).at("router"), "home");
  EXPECT_EQ(found.at("mappings").at(0).at("outside"), "100.64.0.2:5000");
  EXPECT_EQ(found.at("mappings").at(1).at("router"), "carrier");
  EXPECT_EQ(found.at("mappings").at(1).at("inside"), "100.64.0.2:5000");
  EXPECT_EQ(found.at("mappings").at(1).at("outside"), "2.1.1.3:5000");
  EXPECT_FALSE(found.at("mappings").at(1).contains("nic"));
}

TEST_F(MappingsTest, AnAnswerIsCutAndSaysSo) {
  for (std::uint16_t from = 1000; from < 1500; ++from) udp("alice", from, "2.1.1.2", 53);
  const Answer all = call("GET", "/v1/nat/mappings");
  const Json listed = all.json().at("mappings");
  EXPECT_EQ(listed.size(), 500U);
  EXPECT_LT(all.largest_piece, 32U * 1024);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(listed.at(i).at("outside"), "2.1.1.1:" + std::to_string(1000 + i)) << "in order";
  }
  const Json cut = mappings("?limit=10");
  EXPECT_EQ(cut.at("total"), 500);
  EXPECT_EQ(cut.at("mappings").size(), 10U);
  for (const char* const wrong : {"0", "100001", "x", "", "-1"}) {
    EXPECT_EQ(call("GET", "/v1/nat/mappings?limit=" + std::string{wrong}).status, 400) << wrong;
  }
  EXPECT_EQ(call("GET", "/v1/nat/mappings?network=hone").status, 404);
}

TEST_F(MappingsTest, ARebootedRouterHasNone) {
  udp("alice", 5000, "2.1.1.2", 53);
  EXPECT_EQ(call("POST", "/v1/networks/home/reboot").status, 204);
  EXPECT_EQ(mappings().at("total"), 0);
}

TEST_F(MappingsTest, MetricsCountThem) {
  udp("alice", 5000, "2.1.1.2", 53);
  udp("carol", 5000, "2.1.1.2", 53);
  const std::string all = call("GET", "/metrics").body;
  EXPECT_THAT(all, HasSubstr("vnet_nat_mappings{network=\"home\",router=\"home\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_mappings{network=\"mobile\",router=\"carrier\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_mappings_created_total{network=\"home\",router=\"home\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_mappings_expired_total{network=\"home\",router=\"home\"} 0\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_unmapped_packets_total{network=\"office\",router=\"home\"} 2\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_filtered_packets_total{network=\"office\",router=\"home\"} 0\n"));
  EXPECT_THAT(all, HasSubstr("vnet_nat_exhausted_packets_total{network=\"office\",router=\"home\"} 0\n"));
  EXPECT_THAT(all, HasSubstr("vnet_router_dropped_packets_total{network=\"office\",router=\"home\","
                             "reason=\"nat-unmapped\"} 2\n"));
}

}  // namespace
}  // namespace vnet::daemon
