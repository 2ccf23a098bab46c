// The UPnP device on its port: who may ask, and what becomes of a connection.
#include "network/upnp_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/network/tcp_bench.hpp"
#include "tests/network/upnp_testing.hpp"

namespace vnet::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

UpnpRequest request(std::string method, std::string target, std::string host = "192.168.1.1:5000") {
  return {.method = std::move(method), .target = std::move(target), .fields = {{"host", std::move(host)}}, .body = {}};
}

TEST(UpnpServer, AnswersWhoMeansItByItsAddress) {
  UpnpBench bench;
  const auto status = [&](const UpnpRequest& of) { return bench.device.answer(of, kAlice, bench.now).status; };
  EXPECT_EQ(status(request("GET", "/rootDesc.xml")), 200);
  EXPECT_EQ(status(request("GET", "/rootDesc.xml", "192.168.1.1")), 200);
  for (const char* const host : {"evil.example:5000", "192.168.1.1:80", "192.168.1.1.evil.example", "192.168.1.10"}) {
    EXPECT_EQ(status(request("GET", "/rootDesc.xml", host)), 403) << host;
  }
}

TEST(UpnpServer, HasNothingElse) {
  UpnpBench bench;
  const auto status = [&](const UpnpRequest& of) { return bench.device.answer(of, kAlice, bench.now).status; };
  EXPECT_EQ(status(request("GET", "/")), 404);
  EXPECT_EQ(status(request("GET", "/ctl/IPConn")), 404);
  EXPECT_EQ(status(request("POST", "/rootDesc.xml")), 404);
  EXPECT_EQ(status(request("DELETE", "/rootDesc.xml")), 405);
}

TEST(UpnpServer, NobodySubscribes_DeviceArchitecture_4_1_2) {
  UpnpBench bench;
  EXPECT_EQ(bench.device.answer(request("SUBSCRIBE", "/evt/IPConn"), kAlice, bench.now).status, 501);
  EXPECT_EQ(bench.device.answer(request("UNSUBSCRIBE", "/evt/IPConn"), kAlice, bench.now).status, 501);
  EXPECT_THAT(root_description(upnp_home()), HasSubstr("<eventSubURL></eventSubURL>"));
}

TEST(UpnpServer, FieldAndDocumentMustAgree_DeviceArchitecture_3_2_1) {
  UpnpBench bench;
  const std::string type{info(UpnpService::ip_connection).type};
  const auto answer = [&](const std::string& field, const std::string& body) {
    UpnpRequest post = request("POST", "/ctl/IPConn");
    if (!field.empty()) post.fields.emplace_back("soapaction", field);
    post.body = body;
    return bench.device.answer(post, kAlice, bench.now);
  };
  const std::string body = soap(type, "GetStatusInfo", {});
  EXPECT_EQ(answer(type + "#GetStatusInfo", body).status, 200) << "quotes are often left out";
  EXPECT_EQ(answer('"' + type + "#GetStatusInfo\"", body).status, 200);
  EXPECT_EQ(answer("", body).status, 400);
  EXPECT_EQ(answer("\"GetStatusInfo\"", body).status, 400);
  EXPECT_EQ(answer('"' + type + "#GetStatusInfo\"", "<html/>").status, 400);
  for (const std::string& field : {type + "#GetExternalIPAddress", std::string{"urn:other#GetStatusInfo"}}) {
    const UpnpResponse refused = answer(field, body);
    EXPECT_EQ(refused.status, 500);
    EXPECT_EQ(element_of(refused.body, "errorCode"), "401");
  }
}

// --- Connections

struct UpnpConnection : testing::Test {
  static TcpFlow flow(const IpAddress& guest = kAlice, std::uint16_t port = 40'000) {
    return {Ipv4Address{192, 168, 1, 1}, guest, 5000, port};
  }
  UpnpConnection() : bench({}, flow()), device(upnp_home(), bench.server, table.mappings) {
    bench.server.listen(5000, device);
  }
  void in(std::string_view bytes) {
    bench.in({.seq = next, .ack = acked, .data = std::string{bytes}});
    next += static_cast<std::uint32_t>(bytes.size());
  }
  /// All that has been sent since, acknowledged.
  std::string replies() {
    std::string text;
    while (!bench.out.empty()) {
      const Line line = bench.take();
      text += line.data;
      acked += static_cast<std::uint32_t>(line.data.size());
      if ((line.flags & kFin) != 0) ended = true;
      if ((line.flags & kRst) != 0) reset = true;
      if (bench.out.empty() && !line.data.empty()) bench.in({.seq = next, .ack = acked});
    }
    return text;
  }

  MappingBench table;
  Bench bench;
  UpnpServer device;
  std::uint32_t next = 1;
  std::uint32_t acked = 1;
  bool ended = false;
  bool reset = false;
};

TEST_F(UpnpConnection, IsAnsweredAndEnds) {
  bench.connect();
  in("GET /rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:5000\r\n");
  EXPECT_EQ(replies(), "");
  in("\r\n");
  const std::string text = replies();
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nConnection: close\r\n"));
  EXPECT_THAT(text, HasSubstr(root_description(upnp_home())));
  EXPECT_TRUE(ended);
}

TEST_F(UpnpConnection, AMalformedRequestIsToldSo) {
  bench.connect();
  in("x\r\n\r\n");
  EXPECT_THAT(replies(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(ended);
}

TEST_F(UpnpConnection, IsToldToGoOnWhenItWaitsForThat_Rfc9110_10_1_1) {
  bench.connect();
  in("POST /x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(replies(), "HTTP/1.1 100 Continue\r\n\r\n");
  in("ab");
  EXPECT_THAT(replies(), StartsWith("HTTP/1.1 404 "));
}

TEST_F(UpnpConnection, EndsWithTheGuestsEnd) {
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kFin | kAck});
  replies();
  EXPECT_TRUE(ended);
}

TEST_F(UpnpConnection, StrangersAreCutOff) {
  bench.flow = flow(Ipv4Address{198, 51, 100, 9});
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 1});
  in("GET /rootDesc.xml HTTP/1.1\r\n\r\n");
  EXPECT_EQ(replies(), "");
  EXPECT_TRUE(reset);
}

}  // namespace
}  // namespace vnet::network::test
