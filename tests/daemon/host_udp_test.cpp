// UDP sockets of SystemSockets over the loopback, IPv4 and IPv6.
#include <sys/socket.h>

#include <fstream>
#include <set>

#include "daemon/socket_address.hpp"
#include "tests/daemon/host_sockets_fixture.hpp"

namespace vnet::daemon {
namespace {

using nat::DatagramError;
using nat::InDatagram;
using nat::OutDatagram;

class HostUdpTest : public HostSocketsFixture, public testing::WithParamInterface<bool> {
 protected:
  std::unique_ptr<nat::DatagramSocket> open() {
    auto socket = sockets_.open_udp(next_flow(), LoopbackServer{SOCK_DGRAM, GetParam()}.address);
    EXPECT_TRUE(socket.has_value());
    return std::move(*socket);
  }
  [[nodiscard]] FlowId flow() const { return FlowId{last_flow_}; }

  static OutDatagram to(const LoopbackServer& peer, std::string_view text) {
    return {{peer.address, peer.port}, as_bytes(text)};
  }
  static std::size_t send(nat::DatagramSocket& socket, const OutDatagram& datagram) {
    return socket.send({&datagram, 1}).count;
  }
  /// What the peer has got, having answered with `answer`, and from which port.
  static std::pair<std::string, std::uint16_t> answer(const LoopbackServer& peer, std::string_view answer) {
    std::string text(65'536, '\0');
    SocketAddress from;
    const ssize_t size = ::recvfrom(peer.fd.get(), text.data(), text.size(), 0, from.get(), &from.size);
    EXPECT_GE(size, 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    EXPECT_EQ(::sendto(peer.fd.get(), answer.data(), answer.size(), 0, from.get(), from.size),
              static_cast<ssize_t>(answer.size()));
    return {text, from.port()};
  }
  /// Waits for data and takes all that there is.
  std::vector<std::pair<std::uint16_t, std::string>> receive_all(nat::DatagramSocket& socket) {
    std::vector<std::pair<std::uint16_t, std::string>> all;
    EXPECT_TRUE(hears(flow(), &Heard::readable));
    for (auto some = socket.receive(); !some.empty(); some = socket.receive()) {
      for (const InDatagram& each : some) all.emplace_back(each.from.port, as_text(each.payload));
    }
    return all;
  }
  /// Where nobody listens.
  static LoopbackServer nobody() {
    LoopbackServer gone{SOCK_DGRAM, GetParam()};
    gone.fd.close();
    return gone;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, HostUdpTest, testing::Bool(),
                         [](const auto& v6) { return std::string{v6.param ? "IPv6" : "IPv4"}; });

TEST_P(HostUdpTest, OnePortTalksToManyPeers) {
  const auto socket = open();
  std::vector<LoopbackServer> peers;
  std::vector<std::string> questions;
  for (int i = 0; i < 150; ++i) {
    peers.emplace_back(SOCK_DGRAM, GetParam());
    questions.push_back("question " + std::to_string(i));
  }
  std::vector<OutDatagram> datagrams;
  for (std::size_t i = 0; i < peers.size(); ++i) datagrams.push_back(to(peers[i], questions[i]));
  const auto sent = socket->send(datagrams);
  EXPECT_EQ(sent.count, peers.size());
  EXPECT_EQ(sent.error, std::nullopt);
  std::set<std::uint16_t> ports;
  std::vector<std::pair<std::uint16_t, std::string>> expected;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const std::string reply = "reply " + std::to_string(i);
    const auto [text, port] = answer(peers[i], reply);
    EXPECT_EQ(text, questions[i]);
    ports.insert(port);
    expected.emplace_back(peers[i].port, reply);
  }
  EXPECT_EQ(ports.size(), 1U) << "endpoint-independent mapping";
  EXPECT_EQ(receive_all(*socket), expected) << "in order, with no event but the first";
  EXPECT_EQ(heard_[flow()].failed, 0);
}

TEST_P(HostUdpTest, WhatComesLaterIsToldAgain) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(send(*socket, to(peer, "ping")), 1U);
    (void)answer(peer, "pong");
    EXPECT_EQ(receive_all(*socket).size(), 1U);
  }
  loop_.settle();
  EXPECT_EQ(heard_[flow()].writable, 0) << "nobody waits for room";
}

TEST_P(HostUdpTest, EmptyAndLongestDatagramsPassBothWays) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  const std::string longest(65'507, 'x');
  EXPECT_EQ(send(*socket, to(peer, "")), 1U);
  EXPECT_EQ(answer(peer, longest).first, "");
  EXPECT_EQ(send(*socket, to(peer, longest)), 1U);
  EXPECT_EQ(answer(peer, "").first, longest);
  const auto all = receive_all(*socket);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].second, longest);
  EXPECT_EQ(all[1].second, "");
}

TEST_P(HostUdpTest, RFC792_ARefusedPortIsToldWithTheDatagramThatItRefused) {
  const auto socket = open();
  const LoopbackServer gone = nobody();
  EXPECT_EQ(send(*socket, to(gone, "anybody there?")), 1U);
  ASSERT_TRUE(hears(flow(), &Heard::failed));
  const auto error = socket->take_error();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->error, HostError::refused);
  EXPECT_EQ(error->to, (nat::Endpoint{gone.address, gone.port}));
  EXPECT_EQ(error->offender, gone.address);
  EXPECT_EQ(error->icmp_type, GetParam() ? 1 : 3);
  EXPECT_EQ(error->icmp_code, GetParam() ? 4 : 3);
  EXPECT_EQ(as_text(error->payload), "anybody there?");
  EXPECT_FALSE(socket->take_error().has_value());
}

TEST_P(HostUdpTest, AnErrorOfOneDatagramIsNotThatOfTheNext) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  const LoopbackServer gone = nobody();
  const std::vector<OutDatagram> datagrams{to(gone, "lost"), to(peer, "one"), to(gone, "lost"), to(peer, "two")};
  const auto sent = socket->send(datagrams);
  EXPECT_EQ(sent.count, 4U);
  EXPECT_EQ(sent.error, std::nullopt);
  EXPECT_EQ(answer(peer, "first").first, "one");
  EXPECT_EQ(answer(peer, "second").first, "two");
  EXPECT_EQ(send(*socket, to(gone, "lost")), 1U);
  EXPECT_EQ(receive_all(*socket).size(), 2U) << "though the last ICMP error has left its mark in the socket";
  int errors = 0;
  while (socket->take_error()) ++errors;
  EXPECT_EQ(errors, 3);
}

TEST_P(HostUdpTest, WhatCannotBeSentAtAllIsToldAtOnce) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  const std::string longer(65'528, 'x');
  const std::vector<OutDatagram> datagrams{to(peer, "fits"), to(peer, longer), to(peer, "fits")};
  const auto sent = socket->send(datagrams);
  EXPECT_EQ(sent.count, 1U);
  EXPECT_EQ(sent.error, HostError::too_big);
  EXPECT_FALSE(socket->take_error().has_value()) << "and once";
  EXPECT_EQ(answer(peer, "fine").first, "fits");
  EXPECT_EQ(receive_all(*socket).size(), 1U);
}

TEST_P(HostUdpTest, GoesOnlyWhereItIsTold) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  const LoopbackServer v4{SOCK_DGRAM, false};
  const IpAddress nowhere = GetParam() ? IpAddress{Ipv6Address{}} : IpAddress{Ipv4Address{}};
  const std::vector<OutDatagram> datagrams{to(peer, "here"), {{nowhere, peer.port}, as_bytes("loopback?")}};
  const auto sent = socket->send(datagrams);
  EXPECT_EQ(sent.count, 1U);
  EXPECT_EQ(sent.error, HostError::net_unreachable);
  if (!GetParam()) return;
  const OutDatagram mapped{{*Ipv6Address::parse("::ffff:127.0.0.1"), v4.port}, as_bytes("by a side door")};
  EXPECT_EQ(socket->send({&mapped, 1}).error, HostError::net_unreachable);
}

TEST_P(HostUdpTest, WhatGoesAsATrainArrivesAsItWasSent) {
  const LoopbackServer first{SOCK_DGRAM, GetParam()};
  const LoopbackServer second{SOCK_DGRAM, GetParam()};
  const auto socket = open();
  const std::string text(1200, 'x');
  std::vector<OutDatagram> out;
  std::vector<std::size_t> wanted;
  // Trains of one size, some with a shorter end; a growing one, an empty one, one of another TTL, and another's
  // between.
  for (const std::size_t size : {1200U, 1200U, 1200U, 700U, 700U, 700U, 1U, 900U, 900U, 0U, 900U, 900U, 1200U}) {
    out.push_back(to(first, std::string_view{text}.substr(0, size)));
    wanted.push_back(size);
  }
  out[5].ttl = 32;
  out.insert(out.begin() + 1, to(second, "between"));
  for (std::size_t i = 0; i < 70; ++i) {
    out.push_back(to(first, std::string_view{text}.substr(0, 20)));
    wanted.push_back(20);
  }
  EXPECT_EQ(socket->send(out).count, out.size());
  const auto next_size = [](const LoopbackServer& peer) {
    std::array<char, 2000> room;
    return ::recv(peer.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
  };
  for (const std::size_t size : wanted) EXPECT_EQ(next_size(first), static_cast<ssize_t>(size));
  EXPECT_EQ(next_size(first), -1);
  EXPECT_EQ(next_size(second), 7);
}

TEST_P(HostUdpTest, AQuicBurstOf256KibibytesSurvivesUntilItIsRead) {
  const auto socket = open();
  const LoopbackServer peer{SOCK_DGRAM, GetParam()};
  EXPECT_EQ(send(*socket, to(peer, "begin")), 1U);
  std::string text(16, '\0');
  SocketAddress from;
  ASSERT_EQ(::recvfrom(peer.fd.get(), text.data(), text.size(), 0, from.get(), &from.size), 5);
  std::size_t granted = 0;
  std::ifstream{"/proc/sys/net/core/rmem_max"} >> granted;
  // As much as the system's maximum permits: Debian's 212,992 bytes are enough for datagrams of the larger size.
  const std::string datagram(granted < HostDatagram::kReceiveBuffer ? 1'452 : 1'200, 'q');
  const std::size_t count = 256 * 1024 / datagram.size() + 1;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_GT(::sendto(peer.fd.get(), datagram.data(), datagram.size(), 0, from.get(), from.size), 0);
  }
  EXPECT_EQ(receive_all(*socket).size(), count);
}

TEST_P(HostUdpTest, TwoThousandFlowsReturnTheirDescriptors) {
  for (int round = 0; round < 4; ++round) {
    std::vector<std::unique_ptr<nat::DatagramSocket>> all;
    for (int i = 0; i < 500; ++i) all.push_back(open());
    EXPECT_EQ(sockets_.open(), 500U);
    EXPECT_EQ(loop_.watched(), 1U);
    loop_.settle();
  }
  EXPECT_EQ(sockets_.open(), 0U);
}

}  // namespace
}  // namespace vnet::daemon
