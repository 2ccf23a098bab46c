// Networks' questions to their own upstream servers, while networks come, change and go.
#include "daemon/name_forwarding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/network_setup.hpp"
#include "tests/daemon/config_testing.hpp"
#include "tests/daemon/dns_upstream_fixture.hpp"
#include "tests/network/frames.hpp"

namespace vnet::daemon {
namespace {

using network::test::mac;
using testing::HasSubstr;

class NameForwardingTest : public testing::Test {
 protected:
  static Config make_config() {
    Config config = loaded(R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24", "dns": {"upstream": "none"}}],
      "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01"}], "listen": {"dgram": [], "stream": []}})");
    return config;
  }
  NameForwardingTest() { fabric_.attach(fabric_.find(mac(1)), network::AttachmentKind::simulated, "a", now_); }

  static Dns asks(const Server& server) {
    Dns dns;
    dns.system_upstream = false;
    dns.upstream = {Endpoint{server.at.address, server.at.port}};
    return dns;
  }
  /// A guest asks the gateway for a name; what is to go out goes out.
  void ask(const std::string& label, const MacAddress& from = mac(1)) {
    network::test::Bytes query = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    query.push_back(static_cast<std::uint8_t>(label.size()));
    query.insert(query.end(), label.begin(), label.end());
    network::test::put(query, network::test::Bytes{4, 't', 'e', 's', 't', 0, 0, 1, 0, 1});
    const l2::PortId port = fabric_.find(from);
    const MacAddress to = fabric_.network_config(fabric_.nic(port).config.network).mac;
    const network::test::Way4 way{from, to, network::test::ip4("10.0.0.7"), network::test::ip4("10.0.0.1")};
    const auto frame = network::test::udp(way, 4000, 53, query);
    const std::vector<ByteView> batch{frame};
    fabric_.receive(port, batch, now_);
    fabric_.end_batch();
    forwarding_.pump();
  }

  Instant now_{std::chrono::seconds{1000}};
  PollLoop loop_;
  const Config config_ = make_config();
  network::Fabric fabric_{network_configs(config_), nic_configs(config_), 1};
  int answered_ = 0;
  NameForwarding forwarding_{
      config_, fabric_, loop_, [this] { return now_; }, [this] { ++answered_; }, [](std::string_view) {}};
};

TEST_F(NameForwardingTest, ANetworkWithoutServersSendsNothing) {
  ask("a");
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(NameForwardingTest, ANetworkThatIsGivenServersAsksThem) {
  const Server server{SOCK_DGRAM};
  forwarding_.set_network(0, asks(server));
  ask("question");
  const Datagram query = receive_from(server);
  EXPECT_THAT(query.text, HasSubstr("question"));
  std::string answer = query.text;
  answer[2] = static_cast<char>(0x81);
  answer[3] = static_cast<char>(0x83);  // NXDOMAIN
  reply(server, query, answer);
  EXPECT_TRUE(loop_.run_until([this] { return answered_ > 0; }));
  EXPECT_FALSE(fabric_.transmit().empty()) << "the guest's answer";
}

TEST_F(NameForwardingTest, OtherServersTakeThePlaceOfTheFirst) {
  const Server first{SOCK_DGRAM};
  const Server second{SOCK_DGRAM};
  forwarding_.set_network(0, asks(first));
  ask("one");
  EXPECT_THAT(receive_from(first).text, HasSubstr("one"));
  fabric_.reconfigure(0, network_config(config_, config_.networks[0]), now_);
  forwarding_.set_network(0, asks(second));
  EXPECT_EQ(loop_.watched(), 0U) << "what the old gateway had asked is forgotten";
  ask("two");
  EXPECT_THAT(receive_from(second).text, HasSubstr("two"));
}

TEST_F(NameForwardingTest, ANetworkThatIsAddedAsksItsOwnAndGoesWithItsQuestions) {
  const Server server{SOCK_DGRAM};
  Network cafe = config_.networks[0];
  cafe.name = "cafe";
  cafe.mac = MacAddress::from_u64(0x52eeeeeeee09U);
  const std::size_t slot = fabric_.add_network(network_config(config_, cafe), now_);
  forwarding_.set_network(slot, asks(server));
  ASSERT_TRUE(fabric_.add({"bob", mac(2), slot, true}, now_));
  fabric_.attach(fabric_.find(mac(2)), network::AttachmentKind::simulated, "b", now_);
  ask("coffee", mac(2));
  const Datagram query = receive_from(server);
  EXPECT_THAT(query.text, HasSubstr("coffee"));
  EXPECT_EQ(loop_.watched(), 1U);
  fabric_.remove(fabric_.find(mac(2)), "test", now_);
  forwarding_.remove_network(slot);
  ASSERT_TRUE(fabric_.remove_network(slot, now_));
  EXPECT_EQ(loop_.watched(), 0U);
  reply(server, query, query.text);
  EXPECT_FALSE(loop_.turn(10)) << "nobody listens any more";
  forwarding_.pump();
  EXPECT_EQ(answered_, 0);
}

}  // namespace
}  // namespace vnet::daemon
