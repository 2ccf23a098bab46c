// Where a reply goes, and which messages get none.
#include <gtest/gtest.h>

#include <set>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using namespace test;

TEST(Rfc2131, ReplyGoesToTheRelayFirst) {
  Bench bench;
  Packet packet = discover();
  packet.giaddr = ip("192.168.1.9");
  packet.ciaddr = ip("192.168.1.77");
  packet.flags = Header::kBroadcastFlag;
  const Answer offer = bench.send(packet, mac(9));
  ASSERT_TRUE(offer.reply);
  EXPECT_EQ(offer.reply->destination, packet.giaddr);
  EXPECT_EQ(offer.reply->destination_mac, mac(9)) << "the relay sent the frame";
  EXPECT_EQ(offer.reply->destination_port, kServerPort);
  EXPECT_EQ(offer.message->header().giaddr, packet.giaddr);
}

TEST(Rfc2131, ReplyGoesToCiaddrNext) {
  Bench bench;
  const Ipv4Address held = bench.lease(mac(1));
  Packet packet = renewing(mac(1), held);
  packet.flags = Header::kBroadcastFlag;
  const Answer ack = bench.send(packet);
  ASSERT_TRUE(ack.reply);
  EXPECT_EQ(ack.reply->destination, held);
  EXPECT_EQ(ack.reply->destination_mac, mac(1));
  EXPECT_EQ(ack.reply->destination_port, kClientPort);
}

TEST(Rfc2131, ReplyIsBroadcastWhereTheFlagAsksForIt) {
  Bench bench;
  Packet packet = discover();
  packet.flags = Header::kBroadcastFlag;
  const Answer offer = bench.send(packet);
  ASSERT_TRUE(offer.reply);
  EXPECT_TRUE(offer.reply->destination.is_broadcast());
  EXPECT_TRUE(offer.reply->destination_mac.is_broadcast());
  EXPECT_EQ(offer.reply->destination_port, kClientPort);
  EXPECT_EQ(offer.message->header().flags, Header::kBroadcastFlag);
}

TEST(Rfc2131, ReplyGoesElseToYiaddrAndChaddr) {
  Bench bench;
  const Answer offer = bench.send(discover(mac(1)), mac(2));
  ASSERT_TRUE(offer.reply);
  EXPECT_EQ(offer.reply->destination, offer.yiaddr());
  EXPECT_EQ(offer.reply->destination_mac, mac(1));
}

TEST(Rfc2131, NakIsBroadcastOnTheClientsNetwork) {
  Bench bench;
  const Answer nak = bench.send(init_reboot(mac(1), ip("10.0.0.7")));
  ASSERT_TRUE(nak.reply);
  EXPECT_TRUE(nak.reply->destination.is_broadcast());
  EXPECT_TRUE(nak.reply->destination_mac.is_broadcast());

  Packet relayed = init_reboot(mac(1), ip("10.0.0.7"));
  relayed.giaddr = ip("192.168.1.9");
  const Answer through_relay = bench.send(relayed, mac(9));
  ASSERT_TRUE(through_relay.is(MessageType::nak));
  EXPECT_EQ(through_relay.reply->destination, relayed.giaddr);
  EXPECT_EQ(through_relay.message->header().flags, Header::kBroadcastFlag) << "the relay must broadcast it";
}

TEST(DhcpServer, RefusesNonsenseByReasonAndCountsIt) {
  Bench bench;
  const auto refusal = [&](const Packet& packet) { return bench.send(packet).refusal; };
  Packet packet = discover();
  packet.op = 2;
  EXPECT_EQ(refusal(packet), Refusal::not_a_request);
  packet = discover();
  packet.htype = 6;
  EXPECT_EQ(refusal(packet), Refusal::hardware);
  packet = discover();
  packet.hlen = 16;
  EXPECT_EQ(refusal(packet), Refusal::hardware);
  EXPECT_EQ(refusal(discover(MacAddress{})), Refusal::hardware);
  EXPECT_EQ(refusal(discover(MacAddress::broadcast())), Refusal::hardware);
  packet = discover();
  packet.giaddr = ip("10.0.0.1");
  EXPECT_EQ(refusal(packet), Refusal::foreign_relay);
  EXPECT_EQ(refusal(Packet{}), Refusal::malformed) << "no message type";
  for (const int type : {0, 2, 5, 6, 9, 255}) {
    EXPECT_EQ(refusal(message(static_cast<MessageType>(type))), Refusal::not_a_request) << type;
  }
  EXPECT_EQ(refusal(discover().option(61, Bytes(200, 1)).option(61, Bytes(56, 1))), Refusal::bad_field);
  EXPECT_EQ(bench.server.handle({}, {}, bench.now, {}).error(), Refusal::malformed);

  const Counters& counters = bench.server.counters();
  EXPECT_EQ(counters.refused[static_cast<std::size_t>(Refusal::hardware)], 4U);
  EXPECT_EQ(counters.refused[static_cast<std::size_t>(Refusal::not_a_request)], 7U);
  EXPECT_EQ(counters.refused[static_cast<std::size_t>(Refusal::malformed)], 2U);
  EXPECT_EQ(counters.sent, decltype(counters.sent){});
}

TEST(DhcpServer, SourceMacIsComparedOnlyWhenTold) {
  Bench lax;
  EXPECT_TRUE(lax.send(discover(mac(1)), mac(2)).is(MessageType::offer));
  ServerConfig config = home();
  config.require_source_mac = true;
  Bench strict(config);
  EXPECT_TRUE(strict.send(discover(mac(1)), mac(2)).is_silent_for(Refusal::source_mac));
  EXPECT_TRUE(strict.send(discover(mac(1)), mac(1)).is(MessageType::offer));
}

TEST(DhcpServer, CountsMessagesByType) {
  Bench bench;
  bench.lease(mac(1));
  const Counters& counters = bench.server.counters();
  const auto of = [](const auto& counts, MessageType type) { return counts[static_cast<std::size_t>(type)]; };
  EXPECT_EQ(of(counters.received, MessageType::discover), 1U);
  EXPECT_EQ(of(counters.received, MessageType::request), 1U);
  EXPECT_EQ(of(counters.sent, MessageType::offer), 1U);
  EXPECT_EQ(of(counters.sent, MessageType::ack), 1U);
  EXPECT_EQ(of(counters.sent, MessageType::nak), 0U);
}

TEST(DhcpServer, EveryReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kRefusalCount; ++i) names.insert(to_string(static_cast<Refusal>(i)));
  EXPECT_EQ(names.size(), kRefusalCount);
  EXPECT_EQ(to_string(Refusal::exhausted), "exhausted");
  EXPECT_EQ(to_string(LeaseEvent::Kind::exhausted), "exhausted");
  EXPECT_EQ(to_string(MessageType::inform), "inform");
}

}  // namespace
}  // namespace vnet::dhcp
