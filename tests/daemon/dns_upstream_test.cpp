// Queries over UDP, and what both transports have in common.
#include "daemon/dns_upstream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/resource.h>

#include <set>

#include "tests/daemon/dns_upstream_fixture.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(DnsUpstreamTest, UdpAnswerComesUnderItsHandle) {
  const Server server{SOCK_DGRAM};
  ASSERT_TRUE(ask(7, server.at, false, "one"));
  ASSERT_TRUE(ask(8, server.at, false, "two"));
  const Datagram one = receive_from(server);
  const Datagram two = receive_from(server);
  EXPECT_EQ(one.text, "one");
  reply(server, two, "second");
  ASSERT_TRUE(hears(1));
  reply(server, one, "first");
  ASSERT_TRUE(hears(2));
  EXPECT_THAT(heard_, ElementsAre(Heard{8, "second"}, Heard{7, "first"}));
}

TEST_F(DnsUpstreamTest, Rfc5452EachQueryHasAPortOfItsOwn) {
  const Server server{SOCK_DGRAM};
  std::set<std::uint16_t> ports;
  int steps_of_one = 0;
  std::uint16_t last = 0;
  for (std::uint64_t handle = 0; handle < 64; ++handle) {
    ASSERT_TRUE(ask(handle, server.at, false));
    const std::uint16_t port = receive_from(server).port();
    if (port == last + 1 || port == last + 2) ++steps_of_one;
    last = port;
    ports.insert(port);
    upstream_.close(handle);
  }
  EXPECT_GT(ports.size(), 56U);
  EXPECT_LT(steps_of_one, 8) << "ports must not count up";
}

TEST_F(DnsUpstreamTest, Rfc5452DatagramsOfOthersAreNotHeard) {
  const Server server{SOCK_DGRAM};
  const Server stranger{SOCK_DGRAM};
  ASSERT_TRUE(ask(1, server.at, false));
  const Datagram query = receive_from(server);
  reply(stranger, query, "forged");
  reply(server, query, "true");
  ASSERT_TRUE(hears(1));
  EXPECT_FALSE(loop_.turn(20));
  EXPECT_THAT(heard_, ElementsAre(Heard{1, "true"}));
}

TEST_F(DnsUpstreamTest, UdpSocketHearsFurtherDatagramsUntilItIsClosed) {
  const Server server{SOCK_DGRAM};
  ASSERT_TRUE(ask(1, server.at, false));
  const Datagram query = receive_from(server);
  for (const char* text : {"wrong", "", "right"}) reply(server, query, text);
  ASSERT_TRUE(hears(3));
  EXPECT_THAT(heard_, ElementsAre(Heard{1, "wrong"}, Heard{1, ""}, Heard{1, "right"}));
  upstream_.close(1);
  reply(server, query, "late");
  EXPECT_FALSE(loop_.turn(20));
  EXPECT_EQ(upstream_.open_sockets(), 0U);
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(DnsUpstreamTest, LargestDatagramArrivesWhole) {
  const Server server{SOCK_DGRAM};
  ASSERT_TRUE(ask(1, server.at, false));
  const std::string largest(65'507, 'x');
  reply(server, receive_from(server), largest);
  ASSERT_TRUE(hears(1));
  EXPECT_EQ(heard_.at(0).second, largest);
}

TEST_F(DnsUpstreamTest, RefusedUdpPortIsReportedAtOnce) {
  ASSERT_TRUE(ask(3, kNobody, false));
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(failed_, ElementsAre(3));
  EXPECT_THAT(heard_, IsEmpty());
  EXPECT_EQ(upstream_.open_sockets(), 0U);
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(DnsUpstreamTest, ServerWithoutARouteFailsTheSendItself) {
  EXPECT_FALSE(ask(1, {*Ipv6Address::parse("fe80::1"), 53}, false)) << "link-local without a zone";
  EXPECT_FALSE(ask(2, {Ipv4Address::broadcast(), 53}, false));
  EXPECT_EQ(upstream_.open_sockets(), 0U);
  EXPECT_EQ(loop_.watched(), 0U);
  EXPECT_THAT(failed_, IsEmpty());
}

TEST_F(DnsUpstreamTest, Ipv6ServerAnswers) {
  const Server server{SOCK_DGRAM, true};
  ASSERT_TRUE(ask(1, server.at, false));
  reply(server, receive_from(server), "six");
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(heard_, ElementsAre(Heard{1, "six"}));
}

TEST_F(DnsUpstreamTest, ZoneOfALinkLocalServerIsUsed) {
  const std::uint32_t loopback = ::if_nametoindex("lo");
  if (loopback == 0) GTEST_SKIP() << "no interface lo";
  // Whether fe80::1 is on the link or not, with a zone the system knows where to send to.
  upstream_.set_zones({{*Ipv6Address::parse("fe80::1"), loopback}});
  const dgram::Fd probe{::socket(AF_INET6, SOCK_DGRAM, 0)};
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr.s6_addr[0] = 0xfe;
  address.sin6_addr.s6_addr[1] = 0x80;
  address.sin6_addr.s6_addr[15] = 1;
  address.sin6_port = htons(53);
  address.sin6_scope_id = loopback;
  const bool reachable = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  EXPECT_EQ(ask(1, {*Ipv6Address::parse("fe80::1"), 53}, false), reachable);
}

TEST_F(DnsUpstreamTest, TooManySocketsRefuseTheNext) {
  const Server server{SOCK_DGRAM};
  for (std::uint64_t handle = 0; handle < 4; ++handle) ASSERT_TRUE(ask(handle, server.at, false));
  EXPECT_FALSE(ask(4, server.at, false));
  upstream_.close(0);
  EXPECT_TRUE(ask(4, server.at, false));
}

TEST_F(DnsUpstreamTest, NoDescriptorLeftFailsTheSend) {
  const Server server{SOCK_DGRAM};
  ASSERT_TRUE(ask(0, server.at, false));  // UBSan needs descriptors for what it has not seen before
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool sent = ask(1, server.at, false);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(sent);
}

TEST_F(DnsUpstreamTest, ListenerMayCloseAndAskFromWithin) {
  const Server server{SOCK_DGRAM};
  ASSERT_TRUE(ask(1, server.at, false));
  ASSERT_TRUE(ask(2, server.at, false));
  then_ = [&](std::uint64_t handle) {
    upstream_.close(1);
    upstream_.close(2);
    EXPECT_TRUE(handle > 10 || ask(handle + 10, kNobody, false));
  };
  reply(server, receive_from(server), "x");
  reply(server, receive_from(server), "y");
  ASSERT_TRUE(hears(2));
  EXPECT_EQ(heard_.size(), 1U);
  EXPECT_EQ(failed_.size(), 1U);
  EXPECT_EQ(upstream_.open_sockets(), 0U);
}

}  // namespace
}  // namespace vnet::daemon
