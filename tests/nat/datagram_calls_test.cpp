// UDP forwards: who is seen as whom, whose socket answers, what waits, and how calls end.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

const Endpoint kGuest{ip4("192.168.127.2"), 53};
const Endpoint kClient{ip4("203.0.113.7"), 500};
const Endpoint kLocal{ip4("127.0.0.1"), 60'000};

class Calls : public testing::Test {
 protected:
  /// A forward to the guest's port, at a host address of this family.
  DatagramRemote& open(const IpAddress& family = kClient.address) {
    const FlowId id = bench.egress.new_id();
    bench.egress.calls().open(id, kGuest, bench.host.open_udp(id, family).value());
    return *bench.host.datagrams.back();
  }
  /// A client's datagram, and whom the guest sees as its sender.
  std::optional<Endpoint> call(DatagramRemote& socket, const Endpoint& client, const std::string& payload = "hello") {
    socket.deliver(client, payload);
    bench.turn();
    if (bench.others.empty()) return std::nullopt;
    const Bytes packet = bench.others.front();
    bench.others.pop_front();
    const auto ip = Ipv4Packet::parse(packet).value();
    const auto udp = UdpDatagram::parse(ip.payload()).value();
    EXPECT_TRUE(upper_checksum_ok(ip, ip_protocol::kUdp, udp.bytes()));
    EXPECT_EQ((Endpoint{ip.destination(), udp.destination_port()}), kGuest);
    EXPECT_EQ(as_text(udp.payload()), payload);
    return Endpoint{ip.source(), udp.source_port()};
  }
  std::optional<EgressRefusal> answer(const Endpoint& to, std::string_view payload) {
    const wire::Way4 way{bench.guest, bench.egress.config().mac, std::get<Ipv4Address>(kGuest.address),
                         std::get<Ipv4Address>(to.address)};
    return bench.in_frames({wire::udp(way, kGuest.port, to.port, as_bytes(payload))});
  }
  [[nodiscard]] const DatagramCalls& calls() const { return std::as_const(bench.egress).calls(); }

  Bench bench;
};

TEST_F(Calls, TheGuestSeesTheClientAndAnswersItByTheForwardsSocket) {
  DatagramRemote& socket = open();
  EXPECT_EQ(call(socket, kClient), kClient);
  EXPECT_FALSE(answer(kClient, "there you are"));
  ASSERT_EQ(socket.sent.size(), 1U);
  EXPECT_EQ(socket.sent[0].to, kClient);
  EXPECT_EQ(socket.sent[0].payload, "there you are");
  EXPECT_EQ(bench.egress.datagrams().size(), 0U) << "an answer is no flow of the guest's own";
  EXPECT_EQ(calls().counters(socket.id).calls, 1U);
}

TEST_F(Calls, WhoeverElseTheGuestTalksToIsAFlowOfItsOwn) {
  DatagramRemote& socket = open();
  call(socket, kClient);
  EXPECT_FALSE(answer({ip4("203.0.113.7"), 501}, "not the client's port"));
  EXPECT_TRUE(socket.sent.empty());
  EXPECT_EQ(bench.egress.datagrams().size(), 1U);
}

TEST_F(Calls, AClientOfTheLoopbackIsSeenAsTheHostAliasWithItsPort) {
  DatagramRemote& socket = open();
  EXPECT_EQ(call(socket, kLocal), (Endpoint{ip4("192.168.127.254"), kLocal.port}));
  EXPECT_FALSE(answer({ip4("192.168.127.254"), kLocal.port}, "x"));
  EXPECT_EQ(socket.sent.at(0).to, kLocal);
}

TEST_F(Calls, AClientOfTheOtherFamilyIsSeenUnderAnAddressOfOurs) {
  const Endpoint client{ip6("2001:db8::7"), 500};
  DatagramRemote& socket = open(client.address);
  const auto seen = call(socket, client);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->address, IpAddress{ip4("192.168.127.254")});
  EXPECT_EQ(call(socket, client), seen) << "the next datagram is of the same call";
  EXPECT_FALSE(answer(*seen, "x"));
  EXPECT_EQ(socket.sent.at(0).to, client);
}

TEST_F(Calls, TwoForwardsToOnePortAnswerEachByItsOwnSocket) {
  DatagramRemote& first = open();
  DatagramRemote& second = open();
  const Endpoint other{ip4("203.0.113.8"), 500};
  call(first, kClient);
  call(second, other);
  answer(other, "to the second");
  answer(kClient, "to the first");
  EXPECT_EQ(first.sent.at(0).payload, "to the first");
  EXPECT_EQ(second.sent.at(0).payload, "to the second");
  // The same client through both: under its own address once, and once under ours.
  const auto seen = call(second, kClient);
  ASSERT_TRUE(seen);
  EXPECT_NE(*seen, kClient);
  answer(*seen, "to the second again");
  EXPECT_EQ(second.sent.at(1).to, kClient);
}

TEST_F(Calls, DatagramsWaitUntilItIsKnownWhereTheGuestIs) {
  DatagramRemote& socket = open();
  bench.guest_is_known = false;
  EXPECT_FALSE(call(socket, kClient, "early"));
  EXPECT_TRUE(calls().waits(socket.id));
  bench.wait(10s);
  bench.expect_silence();
  bench.guest_is_known = true;
  bench.turn();
  EXPECT_EQ(bench.others.size(), 1U);
  EXPECT_FALSE(calls().waits(socket.id));
}

TEST_F(Calls, DatagramsWaitForRoomInTheGuestsPort) {
  DatagramRemote& socket = open();
  bench.port_room = 0;
  EXPECT_FALSE(call(socket, kClient));
  bench.port_room = 10;
  bench.turn();
  EXPECT_EQ(bench.others.size(), 1U);
}

TEST_F(Calls, EndAfterASilenceOfBothSides_Rfc4787_5_6) {
  DatagramRemote& socket = open();
  call(socket, kClient);
  bench.wait(200s);
  answer(kClient, "the guest keeps it");
  bench.wait(200s);
  call(socket, kClient, "so does the client");
  bench.wait(299s);
  EXPECT_EQ(calls().size(), 1U);
  bench.wait(2s);
  EXPECT_EQ(calls().size(), 0U);
  EXPECT_FALSE(answer(kClient, "too late"));
  EXPECT_EQ(socket.sent.size(), 1U);
  EXPECT_EQ(bench.egress.datagrams().size(), 1U);
}

TEST_F(Calls, TheOneLongestUnusedMakesRoom) {
  DatagramRemote& socket = open();
  for (std::size_t i = 0; i < DatagramCalls::kMaxCalls; ++i) {
    call(socket, {ip4("203.0.113.7"), static_cast<std::uint16_t>(1000 + i)});
  }
  call(socket, {ip4("203.0.113.7"), 1000});
  call(socket, {ip4("203.0.113.9"), 1});
  EXPECT_EQ(calls().size(), DatagramCalls::kMaxCalls);
  EXPECT_TRUE(calls().carries(kGuest, {ip4("203.0.113.7"), 1000}));
  EXPECT_FALSE(calls().carries(kGuest, {ip4("203.0.113.7"), 1001}));
}

TEST_F(Calls, AClosedForwardTakesItsCallsAndItsSocketAlong) {
  DatagramRemote& socket = open();
  call(socket, kClient);
  socket.deliver(kClient, "never read");
  bench.egress.calls().close(socket.id);
  EXPECT_TRUE(socket.closed);
  EXPECT_EQ(calls().size(), 0U);
  bench.turn();
  bench.expect_silence();
}

TEST_F(Calls, AGuestThatBeginsAnewHasNone) {
  DatagramRemote& socket = open();
  call(socket, kClient);
  bench.egress.calls().end_if([](const IpAddress& guest) { return guest != kGuest.address; });
  EXPECT_EQ(calls().size(), 1U);
  bench.egress.calls().end_if([](const IpAddress& guest) { return guest == kGuest.address; });
  EXPECT_EQ(calls().size(), 0U);
  EXPECT_EQ(call(socket, kClient), kClient) << "the forward is there still";
}

TEST_F(Calls, ComeInWhereTheGuestMayNotGoOut) {
  EgressConfig config = Bench::lan();
  config.rules.enabled = false;
  bench.egress.reconfigure(config, bench);
  DatagramRemote& socket = open();
  EXPECT_EQ(call(socket, kClient), kClient);
  EXPECT_FALSE(answer(kClient, "x"));
  EXPECT_EQ(socket.sent.size(), 1U);
  EXPECT_TRUE(answer({ip4("203.0.113.7"), 501}, "y"));
}

}  // namespace
}  // namespace vnet::nat::test
