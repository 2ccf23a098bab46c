// The resolver and the sockets behind it, joined as the daemon joins them.
#include <gtest/gtest.h>

#include "daemon/os_random.hpp"
#include "tests/daemon/dns_upstream_fixture.hpp"

namespace vnet::daemon {
namespace {

class JoinedTest : public DnsUpstreamTest {
 protected:
  void pump(Instant now) {
    for (auto queries = resolver_.take_queries(); !queries.empty(); queries = resolver_.take_queries()) {
      for (const dns::UpstreamQuery& query : queries) {
        if (!upstream_.send(query)) resolver_.on_upstream_error(query.handle, now);
      }
    }
    for (const std::uint64_t handle : resolver_.take_closed()) upstream_.close(handle);
    for (auto& resolved : resolver_.take_resolved()) resolved_.push_back(std::move(resolved));
  }
  void on_upstream(std::uint64_t handle, ByteView message) override {
    resolver_.on_upstream(handle, message, Instant{});
    pump(Instant{});
  }
  void on_upstream_error(std::uint64_t handle) override {
    resolver_.on_upstream_error(handle, Instant{});
    pump(Instant{});
  }
  [[nodiscard]] dns::CacheKey question() const {
    dns::CacheKey key;
    key.name = *dns::Name::parse("example.test");
    key.type = dns::Type::a;
    return key;
  }

  dns::Resolver resolver_{{}, os_random};
  std::vector<dns::Resolver::Resolved> resolved_;
};

TEST_F(JoinedTest, DeadServerIsPassedOverAndTruncationGoesOverTcp) {
  const Server udp{SOCK_DGRAM};
  Server tcp{SOCK_STREAM};
  // The same port over TCP.
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(udp.at.port);
  tcp.fd = dgram::Fd{::socket(AF_INET, SOCK_STREAM, 0)};
  ASSERT_EQ(::bind(tcp.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(tcp.fd.get(), 1), 0);

  resolver_.set_upstreams({kNobody, udp.at});
  ASSERT_EQ(resolver_.ask(question(), Instant{}).state, dns::Resolver::State::pending);
  pump(Instant{});
  ASSERT_TRUE(loop_.turn(1000)) << "the refusal of the first";
  Datagram query = receive_from(udp);
  query.text[2] = static_cast<char>(query.text[2] | '\x82');  // QR, TC
  reply(udp, query, query.text);
  ASSERT_TRUE(loop_.turn(1000));
  const dgram::Fd peer = tcp.accept();
  ASSERT_TRUE(loop_.run_until([&] { return resolver_.counters().tcp_queries_sent == 1; }));
  loop_.turn(1000);
  const std::string length = receive(peer, 2);
  std::string message = receive(peer, static_cast<unsigned char>(length[1]));
  message[2] = static_cast<char>(message[2] | '\x80');
  message[3] = static_cast<char>(message[3] | '\x03');  // NXDOMAIN
  transmit(peer, framed(message));
  ASSERT_TRUE(loop_.run_until([&] { return !resolved_.empty(); }));
  EXPECT_EQ(resolved_.at(0).answer->rcode, dns::Rcode::nx_domain);
  EXPECT_EQ(upstream_.open_sockets(), 0U);
  EXPECT_EQ(resolver_.counters().errors, 1U);
}

TEST_F(JoinedTest, AllServersDeadIsServfailAtOnce) {
  resolver_.set_upstreams({kNobody, {*Ipv6Address::parse("fe80::1"), 53}});
  ASSERT_EQ(resolver_.ask(question(), Instant{}).state, dns::Resolver::State::pending);
  pump(Instant{});
  ASSERT_TRUE(loop_.run_until([&] { return !resolved_.empty(); }));
  EXPECT_EQ(resolved_.at(0).answer->rcode, dns::Rcode::serv_fail);
  EXPECT_EQ(upstream_.open_sockets(), 0U);
}

}  // namespace
}  // namespace vnet::daemon
