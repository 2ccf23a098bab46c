// Queries over TCP (RFC 7766).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/dns_upstream_fixture.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(DnsUpstreamTest, RefusedTcpPortIsReportedAtOnce) {
  // Some systems refuse on the loopback before connect returns.
  if (ask(3, kNobody, true)) {
    ASSERT_TRUE(hears(1));
    EXPECT_THAT(failed_, ElementsAre(3));
  }
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(DnsUpstreamTest, Rfc7766TcpQueryHasItsLengthAndTheAnswerLosesIts) {
  const Server server{SOCK_STREAM};
  ASSERT_TRUE(ask(5, server.at, true, "query"));
  const dgram::Fd peer = server.accept();
  loop_.turn(1000);
  EXPECT_EQ(receive(peer, 7), framed("query"));
  transmit(peer, framed("answer"));
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(heard_, ElementsAre(Heard{5, "answer"}));
  EXPECT_EQ(upstream_.open_sockets(), 0U) << "one answer, then it is closed";
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(DnsUpstreamTest, TcpAnswerMayComeByteByByte) {
  const Server server{SOCK_STREAM};
  ASSERT_TRUE(ask(5, server.at, true));
  const dgram::Fd peer = server.accept();
  loop_.turn(1000);
  for (const char byte : framed("answer")) {
    EXPECT_THAT(heard_, IsEmpty());
    transmit(peer, {&byte, 1});
    EXPECT_TRUE(loop_.turn(1000));
  }
  EXPECT_THAT(heard_, ElementsAre(Heard{5, "answer"}));
}

TEST_F(DnsUpstreamTest, LargestTcpMessagesPassBothWays) {
  const Server server{SOCK_STREAM};
  const std::string largest(65'535, 'q');
  ASSERT_TRUE(ask(5, server.at, true, largest));
  const dgram::Fd peer = server.accept();
  ASSERT_EQ(::fcntl(peer.get(), F_SETFL, O_NONBLOCK), 0);
  std::string query;
  std::string answer = framed(largest) + "and more than was announced";
  std::size_t sent = 0;
  std::array<char, 1500> buffer{};
  ASSERT_TRUE(loop_.run_until([&] {
    const ssize_t size = ::recv(peer.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) query.append(buffer.data(), static_cast<std::size_t>(size));
    if (query.size() == largest.size() + 2 && sent < answer.size()) {
      const ssize_t taken = ::send(peer.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (taken > 0) sent += static_cast<std::size_t>(taken);
    }
    return !heard_.empty();
  }));
  EXPECT_EQ(query, framed(largest));
  EXPECT_EQ(heard_.at(0).second, largest);
}

TEST_F(DnsUpstreamTest, TcpPeerThatHangsUpEarlyIsAnError) {
  const Server server{SOCK_STREAM};
  std::uint64_t handle = 0;
  for (const std::string& part : {std::string{}, std::string{"\0", 1}, framed("answer").substr(0, 7)}) {
    ASSERT_TRUE(ask(++handle, server.at, true));
    dgram::Fd peer = server.accept();
    loop_.turn(1000);
    (void)receive(peer, 7);
    transmit(peer, part);
    peer.close();
    ASSERT_TRUE(hears(handle));
  }
  EXPECT_THAT(failed_, ElementsAre(1, 2, 3));
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(DnsUpstreamTest, TcpResetIsAnError) {
  const Server server{SOCK_STREAM};
  ASSERT_TRUE(ask(1, server.at, true));
  dgram::Fd peer = server.accept();
  const linger at_once{1, 0};
  ASSERT_EQ(::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  peer.close();
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(failed_, ElementsAre(1));
}

TEST_F(DnsUpstreamTest, EmptyTcpMessageIsTheResolversToJudge) {
  const Server server{SOCK_STREAM};
  ASSERT_TRUE(ask(1, server.at, true));
  const dgram::Fd peer = server.accept();
  transmit(peer, framed(""));
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(heard_, ElementsAre(Heard{1, ""}));
}

TEST_F(DnsUpstreamTest, QueriesGivenUpAreClosedInEveryState) {
  const Server server{SOCK_STREAM};
  ASSERT_TRUE(ask(1, server.at, true));  // still connecting
  ASSERT_TRUE(ask(2, server.at, true));
  loop_.turn(1000);  // asked
  upstream_.close(1);
  upstream_.close(2);
  upstream_.close(2);
  upstream_.close(99);
  EXPECT_EQ(loop_.watched(), 0U);
  EXPECT_THAT(failed_, IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
