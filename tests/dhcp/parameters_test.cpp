// Which options a reply carries: the client's list, its message size, its lease time, and what the configuration adds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using namespace test;
using ::testing::ElementsAre;

ServerConfig full() {
  ServerConfig config = home();
  config.dns_servers = {ip("4.11.4.11"), ip("1.1.1.1")};
  config.search = {"vnet", "corp.example"};
  config.routes = {{*Ipv4Prefix::parse("10.0.0.0/8"), ip("192.168.1.9")}};
  return config;
}

/// The codes of the options field in order, END not included.
Bytes codes(const Answer& answer) {
  Bytes found;
  std::size_t at = Message::kMinSize;
  while (at < answer.bytes.size() && answer.bytes[at] != 255) {
    if (answer.bytes[at] != 0) found.push_back(answer.bytes[at]);
    at += answer.bytes[at] == 0 ? 1 : std::size_t{2} + answer.bytes[at + 1];
  }
  return found;
}

TEST(Rfc2132, EveryParameterHasItsValue) {
  Bench bench(full());
  const Answer offer = bench.send(discover());
  EXPECT_EQ(offer.option(1), (Bytes{255, 255, 255, 0}));
  EXPECT_EQ(offer.option(3), (Bytes{192, 168, 1, 1}));
  EXPECT_EQ(offer.option(6), (Bytes{4, 11, 4, 11, 1, 1, 1, 1}));
  EXPECT_EQ(offer.option(15), (Bytes{'v', 'n', 'e', 't'}));
  EXPECT_EQ(offer.option(26), (Bytes{0x05, 0xdc}));
  EXPECT_EQ(offer.option(28), (Bytes{192, 168, 1, 255}));
  EXPECT_EQ(offer.option(119),
            (Bytes{4, 'v', 'n', 'e', 't', 0, 4, 'c', 'o', 'r', 'p', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0}));
  EXPECT_EQ(offer.option(121), (Bytes{8, 10, 192, 168, 1, 9, 0, 192, 168, 1, 1}));
}

TEST(Rfc2131, ParameterRequestListChoosesAndOrders) {
  Bench bench(full());
  const Answer offer = bench.send(discover().option(55, Bytes{15, 6, 1, 6, 3, 44, 51}));
  EXPECT_THAT(codes(offer), ElementsAre(53, 54, 51, 58, 59, 1, 15, 6, 3))
      << "the mask before the router (RFC 2132, 3.3)";
}

TEST(Rfc3442, ClientThatTakesRoutesGetsNoRouterOption) {
  Bench bench(full());
  const Answer both = bench.send(discover(mac(1)).option(55, Bytes{121, 3}));
  EXPECT_THAT(codes(both), ElementsAre(53, 54, 51, 58, 59, 1, 121));
  const Answer router_only = bench.send(discover(mac(2)).option(55, Bytes{3}));
  EXPECT_THAT(codes(router_only), ElementsAre(53, 54, 51, 58, 59, 1, 3));
  Bench without_routes;
  EXPECT_THAT(codes(without_routes.send(discover().option(55, Bytes{121, 3}))), ElementsAre(53, 54, 51, 58, 59, 1, 3));
}

TEST(Rfc3442, ConfiguredDefaultRouteIsNotDoubled) {
  ServerConfig config = home();
  config.routes = {{*Ipv4Prefix::parse("0.0.0.0/0"), ip("192.168.1.9")}};
  Bench bench(config);
  EXPECT_EQ(bench.send(discover()).option(121), (Bytes{0, 192, 168, 1, 9}));
}

TEST(DhcpParameters, NetworkWithoutRouterAndDnsSendsNeither) {
  ServerConfig config;
  config.gateway = {ip("10.1.2.1"), 29};
  config.range_first = ip("10.1.2.2");
  config.range_last = ip("10.1.2.6");
  Bench bench(config);
  EXPECT_THAT(codes(bench.send(discover())), ElementsAre(53, 54, 51, 58, 59, 1, 28));
}

TEST(DhcpParameters, RawOptionsAreAddedReplaceAndSuppress) {
  ServerConfig config = home();
  config.options = {{42, {192, 168, 1, 1}}, {6, {9, 9, 9, 9}}, {15, {}}};
  Bench bench(config);
  const Answer offer = bench.send(discover().option(55, Bytes{6, 15}));
  EXPECT_EQ(offer.option(6), (Bytes{9, 9, 9, 9}));
  EXPECT_EQ(offer.option(15), std::nullopt);
  EXPECT_EQ(offer.option(42), (Bytes{192, 168, 1, 1})) << "sent although the client does not name it";
}

TEST(Rfc2132, MaximumMessageSizeIsRespected) {
  ServerConfig config = home();
  for (std::uint8_t code = 224; code < 254; ++code) config.options[code] = Bytes(60, code);
  Bench bench(config);
  const auto size = [&](std::optional<Bytes> maximum, std::uint64_t n) {
    Packet packet = discover(mac(n));
    if (maximum) packet.option(57, *maximum);
    const Answer answer = bench.send(packet);
    EXPECT_EQ(answer.option(1), (Bytes{255, 255, 255, 0})) << "what matters comes first";
    return answer.reply->size + 28;
  };
  EXPECT_LE(size({}, 1), 576U) << "what every client takes";
  EXPECT_LE(size(Bytes{0, 100}, 2), 576U) << "less is not a legal size";
  EXPECT_GT(size(Bytes{0, 100}, 3), 500U);
  EXPECT_LE(size(Bytes{0x03, 0xe8}, 4), 1000U);
  EXPECT_GT(size(Bytes{0x03, 0xe8}, 5), 900U);
  EXPECT_LE(size(Bytes{0xff, 0xff}, 6), 1500U) << "nor more than a frame carries";
}

TEST(Rfc2132, OptionsContinueInFileAndSnameForASmallClient) {
  ServerConfig config = home();
  config.options = {{224, Bytes(200, 1)}, {225, Bytes(100, 2)}, {226, Bytes(60, 3)}};
  Bench bench(config);
  const Answer offer = bench.send(discover().option(55, Bytes{1, 3, 6}));
  EXPECT_EQ(offer.option(52), (Bytes{3}));
  EXPECT_EQ(offer.option(224), Bytes(200, 1));
  EXPECT_EQ(offer.option(225), Bytes(100, 2));
  EXPECT_EQ(offer.option(226), Bytes(60, 3));
}

TEST(DhcpServer, ReplyFitsASmallBufferAndWritesNothingBehindIt) {
  Bench bench(full());
  const Answer offer = bench.send(discover(), {}, MessageWriter::kMinSize);
  ASSERT_TRUE(offer.is(MessageType::offer));
  EXPECT_EQ(offer.reply->size, MessageWriter::kMinSize);
}

TEST(Rfc2131, RequestedLeaseTimeIsHonouredUpToTheConfigured) {
  Bench bench;
  EXPECT_EQ(bench.send(discover(mac(1)).seconds(51, 600)).number(51), 600U);
  EXPECT_EQ(bench.send(discover(mac(2)).seconds(51, 7200)).number(51), 3600U);
  EXPECT_EQ(bench.send(discover(mac(3)).seconds(51, 0xffffffff)).number(51), 3600U) << "not for ever";
  const Answer shortest = bench.send(discover(mac(4)).seconds(51, 0));
  EXPECT_EQ(shortest.number(51), 60U);
  EXPECT_EQ(shortest.number(58), 30U);
  EXPECT_EQ(shortest.number(59), 52U);
  const Ipv4Address given = bench.send(discover(mac(5)).seconds(51, 600)).yiaddr();
  EXPECT_EQ(bench.send(selecting(mac(5), given).seconds(51, 600)).number(51), 600U);
  EXPECT_EQ(bench.server.lease(given)->expires, kStart + 600s);
}

TEST(DhcpServer, ShortConfiguredLeaseTimeIsKept) {
  ServerConfig config = home();
  config.lease_time = 10s;
  Bench bench(config);
  EXPECT_EQ(bench.send(discover().seconds(51, 3)).number(51), 10U);
}

}  // namespace
}  // namespace vnet::dhcp
