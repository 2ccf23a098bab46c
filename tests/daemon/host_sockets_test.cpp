// SystemSockets as a whole: budget, events of many sockets, destruction among them, adopted connections.
#include "daemon/host_sockets.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <numeric>

#include "daemon/event_loop.hpp"
#include "daemon/socket_address.hpp"
#include "tests/daemon/host_sockets_fixture.hpp"
#include "tests/support/descriptors.hpp"

namespace vnet::daemon {
namespace {

using testing::Each;
using testing::Le;
using vnet::test::open_descriptors;

class HostSocketsTest : public HostSocketsFixture {
 protected:
  Call call() {
    Call call{next_flow(), nullptr, {}};
    auto socket = sockets_.connect(call.flow, {server_.address, server_.port});
    EXPECT_TRUE(socket.has_value());
    if (socket) call.socket = std::move(*socket);
    call.far = server_.accept();
    return call;
  }

  LoopbackServer server_{SOCK_STREAM};
};

TEST_F(HostSocketsTest, GoesOnlyWhereItIsTold) {
  const auto unspecified = sockets_.connect(next_flow(), {Ipv4Address{}, server_.port});
  ASSERT_FALSE(unspecified.has_value()) << "the system would take it for its loopback";
  EXPECT_EQ(unspecified.error(), HostError::net_unreachable);
  EXPECT_FALSE(sockets_.connect(next_flow(), {Ipv6Address{}, server_.port}).has_value());
  const auto mapped = sockets_.connect(next_flow(), {*Ipv6Address::parse("::ffff:127.0.0.1"), server_.port});
  ASSERT_FALSE(mapped.has_value()) << "IPv4 through IPv6 would pass by a policy for IPv4";
  EXPECT_EQ(mapped.error(), HostError::net_unreachable);
  EXPECT_EQ(sockets_.open(), 0U);
}

TEST_F(HostSocketsTest, AllSocketsTogetherCostTheEventLoopOneDescriptor) {
  std::vector<Call> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(call());
  EXPECT_EQ(sockets_.open(), 100U);
  EXPECT_EQ(loop_.watched(), 1U);
  calls.clear();
  EXPECT_EQ(sockets_.open(), 0U);
}

TEST_F(HostSocketsTest, ATurnTakesABoundedNumberOfEventsAndEndsOnce) {
  std::vector<Call> calls;
  for (int i = 0; i < 400; ++i) calls.push_back(call());
  loop_.settle();
  EXPECT_EQ(std::accumulate(batches_.begin(), batches_.end(), std::size_t{0}), 400U);
  EXPECT_THAT(batches_, Each(Le(EdgePoll::kMaxEvents)));
  EXPECT_EQ(batches_.size(), loop_.turns()) << "one end for each turn";
}

TEST_F(HostSocketsTest, ADestroyedSocketHearsNoMoreInTheSameTurn) {
  std::vector<Call> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(call());
  // The first that is told of destroys itself and all others.
  then_ = [&](FlowId) { calls.clear(); };
  loop_.settle();
  EXPECT_EQ(heard_.size(), 1U);
  EXPECT_EQ(sockets_.open(), 0U);
}

TEST_F(HostSocketsTest, ASocketOpenedDuringATurnIsToldOfLater) {
  std::vector<Call> calls;
  calls.push_back(call());
  then_ = [&](FlowId) {
    if (calls.size() < 5) calls.push_back(call());
  };
  loop_.settle();
  EXPECT_EQ(heard_.size(), 5U);
}

TEST_F(HostSocketsTest, ReturnsEveryDescriptor) {
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 20; ++round) {
    std::vector<Call> calls;
    for (int i = 0; i < 100; ++i) calls.push_back(call());
    for (const Call& each : calls) transmit(each.far, "data");
    loop_.settle();
    EXPECT_EQ(open_descriptors(), before + 200);
    for (std::size_t i = 0; i < calls.size(); i += 2) calls[i].socket->reset();
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(heard_.size(), 2000U);
}

TEST_F(HostSocketsTest, RefusesAndCountsWhatIsBeyondItsBudget) {
  SystemSockets two{loop_, *this, 2};
  auto first = two.connect(FlowId{1}, {server_.address, server_.port});
  const auto second = two.connect(FlowId{2}, {server_.address, server_.port});
  ASSERT_TRUE(first && second);
  const auto third = two.connect(FlowId{3}, {server_.address, server_.port});
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error(), HostError::no_resources);
  EXPECT_EQ(two.refused(), 1U);
  first->reset();
  EXPECT_TRUE(two.connect(FlowId{4}, {server_.address, server_.port}).has_value());
}

TEST_F(HostSocketsTest, SaysWhenTheSystemHasNoDescriptorLeft) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;  // those that are open stay so
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto socket = sockets_.connect(next_flow(), {server_.address, server_.port});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(socket.has_value());
  EXPECT_EQ(socket.error(), HostError::no_resources);
  EXPECT_EQ(sockets_.refused(), 1U);
}

TEST_F(HostSocketsTest, TheBudgetLeavesDescriptorsForEverythingElse) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto with = [&](rlim_t descriptors) {
    rlimit limit = before;
    limit.rlim_cur = descriptors;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    return SystemSockets::budget();
  };
  EXPECT_EQ(with(1024), 512U);
  if (before.rlim_max >= 4096) {
    EXPECT_EQ(with(4096), 4096U - SystemSockets::kReservedDescriptors);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(HostSocketsTest, AConnectionThatIsStillBeingMadeIsShutDownWhenItIs) {
  LoopbackServer full{SOCK_STREAM, false, 0};
  const auto first = sockets_.connect(next_flow(), {full.address, full.port});
  ASSERT_TRUE(first.has_value());
  const FlowId flow = next_flow();
  const auto second = sockets_.connect(flow, {full.address, full.port});
  ASSERT_TRUE(second.has_value());
  loop_.settle();
  EXPECT_EQ(heard_[flow].writable, 0) << "there is no place for it in the queue";
  (*second)->shut_down();
  const dgram::Fd one = full.accept();
  const dgram::Fd other = full.accept();  // once the system has tried again, after a second
  EXPECT_TRUE(hears(flow, &Heard::writable));
  char none = 0;
  EXPECT_EQ(::recv(other.get(), &none, 1, 0), 0);
  EXPECT_EQ((*second)->take_error(), std::nullopt);
}

TEST_F(HostSocketsTest, AnAdoptedConnectionBeginsWithItsPrefix) {
  LoopbackServer forward{SOCK_STREAM};
  const dgram::Fd client{::socket(AF_INET, SOCK_STREAM, 0)};
  const SocketAddress at{forward.address, forward.port};
  ASSERT_EQ(::connect(client.get(), at.get(), at.size), 0);
  transmit(client, "GET /");
  auto socket = sockets_.adopt(next_flow(), forward.accept(), as_bytes("PROXY TCP4\r\n"));
  ASSERT_TRUE(socket.has_value());
  const Call call{FlowId{last_flow_}, std::move(*socket), {}};
  EXPECT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 7), "PROXY T");
  EXPECT_EQ(call.peek(7, 99), "CP4\r\nGET /.");
  call.socket->consume(3);
  EXPECT_EQ(call.peek(0, 99), "XY TCP4\r\nGET /.");
  call.socket->consume(11);
  EXPECT_EQ(call.peek(0, 99), "T /.");
  transmit(client, "x");
  EXPECT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(3, 99), "x.");
  EXPECT_EQ(call.send("200"), 3U);
  EXPECT_EQ(receive(client, 3), "200");
}

TEST_F(HostSocketsTest, AUnixStreamIsAdoptedLikeAnyOther) {
  auto pair = dgram::make_pair(SOCK_STREAM);
  ASSERT_TRUE(pair.has_value());
  auto socket = sockets_.adopt(next_flow(), std::move(pair->first), as_bytes("<"));
  ASSERT_TRUE(socket.has_value());
  const Call call{FlowId{last_flow_}, std::move(*socket), std::move(pair->second)};
  transmit(call.far, "abc");
  EXPECT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 99), "<abc.");
  call.socket->consume(2);
  EXPECT_EQ(call.peek(0, 99), "bc.");
  EXPECT_EQ(call.send("def"), 3U);
  EXPECT_EQ(receive(call.far, 3), "def");
  ::shutdown(call.far.get(), SHUT_WR);
  EXPECT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 99), "bc$");
  call.socket->shut_down();
  char none = 0;
  EXPECT_EQ(::recv(call.far.get(), &none, 1, MSG_DONTWAIT), 0);
}

TEST_F(HostSocketsTest, WhatIsNoSocketIsNotAdopted) {
  EXPECT_FALSE(sockets_.adopt(next_flow(), dgram::Fd{::open("/dev/null", O_RDWR)}).has_value());
  EXPECT_FALSE(sockets_.adopt(next_flow(), dgram::Fd{}).has_value());
  EXPECT_EQ(sockets_.open(), 0U);
}

/// Stops the real event loop once something has been told.
class Stopper final : public HostListener {
 public:
  explicit Stopper(EventLoop& loop) : loop_(loop) {}
  void on_host(FlowId flow, HostEvents) override { told = flow; }
  void on_host_batch_end() override { loop_.stop(); }
  FlowId told{};

 private:
  EventLoop& loop_;
};

TEST(HostSocketsOnLibuv, AreToldOfByTheEventLoop) {
  const LoopbackServer server{SOCK_STREAM};
  EventLoop loop;
  Stopper stopper{loop};
  SystemSockets sockets{loop, stopper, 10};
  const auto socket = sockets.connect(FlowId{7}, {server.address, server.port});
  ASSERT_TRUE(socket.has_value());
  loop.run();
  EXPECT_EQ(stopper.told, FlowId{7});
}

}  // namespace
}  // namespace vnet::daemon
