// Connections of the host's that are carried on to a guest, as a forward makes them.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

/// The guest is a server on port 40,000; its client is 203.0.113.7:80.
class Calling : public testing::Test {
 protected:
  TcpRemote& call() {
    const FlowId id = bench.egress.new_id();
    auto socket = bench.host.accept(id, {ip4("203.0.113.7"), Bench::kPort});
    EXPECT_TRUE(bench.egress.call(id, {ip4("203.0.113.7"), Bench::kPort}, {ip4("192.168.127.2"), 40'000}, bench.guest,
                                  std::move(socket), bench.now));
    bench.turn();
    return *bench.host.tcp.back();
  }
  Bench bench;
};

TEST_F(Calling, AsksTheGuestAndCarriesBothDirections) {
  TcpRemote& remote = call();
  const Line syn = bench.take();
  EXPECT_EQ(int{syn.flags}, kSyn);
  EXPECT_EQ(syn.options, mss_option(1460) + scale_option(7) + sack_permitted());
  remote.write("hello");
  bench.turn();
  bench.expect_silence();
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck, .options = usual_options(1000)});
  bench.expect(1, 1, kAck | kPsh, "hello");
  bench.in({.seq = 1, .ack = 6, .data = "world"});
  bench.expect(6, 6, kAck);
  EXPECT_EQ(remote.received, "world");
  EXPECT_EQ(bench.egress.tcp().counters().called, 1U);
  EXPECT_EQ(bench.egress.tcp().counters().opened, 0U);
}

TEST_F(Calling, TakesBackWhatTheGuestDoesNotOffer) {
  call();
  bench.out.clear();
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck, .window = 300});
  bench.expect(1, 1, kAck);
  bench.in({.seq = 5, .ack = 1, .window = 300, .data = "hole"});
  const Line line = bench.take();
  EXPECT_TRUE(line.options.empty()) << "no SACK";
  EXPECT_EQ(line.window, 65'535) << "no scale";
}

TEST_F(Calling, ARefusalOfTheGuestResetsTheHostsSide) {
  TcpRemote& remote = call();
  bench.out.clear();
  bench.in({.seq = 0, .ack = 1, .flags = kRst | kAck});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset() && remote.closed());
}

TEST_F(Calling, AResetThatDoesNotAcknowledgeUsIsIgnored) {
  TcpRemote& remote = call();
  bench.out.clear();
  bench.in({.seq = 0, .ack = 500, .flags = kRst | kAck});
  bench.in({.seq = 0, .flags = kRst});
  bench.expect_silence();
  EXPECT_FALSE(remote.closed());
  bench.in({.seq = 0, .ack = 500, .flags = kAck});
  bench.expect(500, 0, kRst);
  EXPECT_FALSE(remote.closed());
}

TEST_F(Calling, ASilentGuestIsAskedForHalfAMinute_Rfc6298) {
  TcpRemote& remote = call();
  for (const Duration pause : {1s, 2s, 4s, 8s}) {
    EXPECT_EQ(int{bench.take().flags}, kSyn);
    bench.wait(pause - 1ms);
    bench.expect_silence();
    bench.wait(1ms);
  }
  bench.wait(15s);
  EXPECT_EQ(bench.flows(), 0U);
  EXPECT_TRUE(remote.was_reset());
}

TEST_F(Calling, TheClientMayGoBeforeTheGuestHasAnswered) {
  TcpRemote& remote = call();
  bench.out.clear();
  remote.fail_with(HostError::reset);
  bench.turn();
  EXPECT_EQ(bench.flows(), 0U);
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck});
  bench.expect(1, 0, kRst);
}

TEST_F(Calling, AFlowInUseIsRefused) {
  call();
  const FlowId id = bench.egress.new_id();
  auto socket = bench.host.accept(id, {ip4("203.0.113.7"), Bench::kPort});
  EXPECT_FALSE(bench.egress.call(id, {ip4("203.0.113.7"), Bench::kPort}, {ip4("192.168.127.2"), 40'000}, bench.guest,
                                 std::move(socket), bench.now));
  EXPECT_TRUE(bench.host.tcp.back()->closed());
  EXPECT_EQ(bench.flows(), 1U);
}

const Endpoint kCalled{ip4("192.168.127.2"), 40'000};

TEST_F(Calling, TheGuestSeesTheRealClientWhereItsAnswersComeThisWay) {
  const Endpoint real{ip4("203.0.113.7"), 80};
  EXPECT_EQ(bench.egress.client_for(real, kCalled), real);
}

TEST_F(Calling, AClientThatTheGuestCannotAnswerIsTheHostAlias) {
  const Endpoint alias{ip4("192.168.127.254"), 50'000};
  EXPECT_EQ(bench.egress.client_for(Endpoint{ip4("127.0.0.1"), 50'000}, kCalled), alias);
  EXPECT_EQ(bench.egress.client_for(Endpoint{ip4("192.168.127.9"), 50'000}, kCalled), alias) << "it is inside";
  EXPECT_EQ(bench.egress.client_for(Endpoint{ip6("2001:db8::1"), 50'000}, kCalled), alias) << "another family";
  const auto of_a_path = bench.egress.client_for(std::nullopt, kCalled);
  ASSERT_TRUE(of_a_path);
  EXPECT_EQ(of_a_path->address, alias.address);
  EXPECT_GE(of_a_path->port, 49'152);
}

TEST_F(Calling, WithoutAnAliasOfItsFamilyItIsTheGateway) {
  EXPECT_EQ(bench.egress.client_for(Endpoint{ip6("::1"), 50'000}, {ip6("fd00:1::2"), 80}),
            (Endpoint{ip6("fd00:1::1"), 50'000}));
}

TEST_F(Calling, APortInUseIsNotTakenTwice) {
  const Endpoint loopback{ip4("127.0.0.1"), 50'000};
  const auto first = bench.egress.client_for(loopback, kCalled);
  const FlowId id = bench.egress.new_id();
  ASSERT_TRUE(bench.egress.call(id, *first, kCalled, bench.guest, bench.host.accept(id, *first), bench.now));
  EXPECT_TRUE(bench.egress.carries({first->address, kCalled.address, first->port, kCalled.port}));
  const auto second = bench.egress.client_for(loopback, kCalled);
  ASSERT_TRUE(second);
  EXPECT_NE(second->port, first->port);
}

TEST_F(Calling, ALostAnswerOfOursIsGivenAgain) {
  call();
  bench.out.clear();
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck});
  bench.expect(1, 1, kAck);
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck});
  bench.expect(1, 1, kAck);
  EXPECT_EQ(bench.flows(), 1U);
}

TEST_F(Calling, BothEndsAsForAnyConnection) {
  TcpRemote& remote = call();
  bench.out.clear();
  bench.in({.seq = 0, .ack = 1, .flags = kSyn | kAck});
  bench.out.clear();
  bench.in({.seq = 1, .ack = 1, .flags = kFin | kAck});
  bench.expect(1, 2, kAck);
  EXPECT_TRUE(remote.ended());
  remote.finish();
  bench.turn();
  bench.expect(1, 2, kFin | kAck);
  bench.in({.seq = 2, .ack = 2});
  EXPECT_EQ(bench.flows(), 0U);
}

}  // namespace
}  // namespace vnet::nat::test
