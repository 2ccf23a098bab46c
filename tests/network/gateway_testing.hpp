// One guest and the gateway: a question as a frame, the answers as parsed packets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim.hpp"

namespace vnet::network::test {

/// A frame's network and upper layers, for looking at one answer after another. Borrows the frame.
template <typename Packet>
struct Answer {
  ByteView frame;
  [[nodiscard]] EthernetFrame ethernet() const { return EthernetFrame::parse(frame).value(); }
  [[nodiscard]] Packet packet() const { return Packet::parse(ethernet().payload()).value(); }
  [[nodiscard]] IcmpMessage icmp() const { return IcmpMessage::parse(packet().payload()).value(); }
  [[nodiscard]] UdpDatagram udp() const { return UdpDatagram::parse(packet().payload()).value(); }
};
using Answer4 = Answer<Ipv4Packet>;
using Answer6 = Answer<Ipv6Packet>;

class GatewayTest : public testing::Test {
 protected:
  explicit GatewayTest(NetworkConfig config = lan()) : sim{{std::move(config)}} {}

  /// Sends a frame; every frame that comes back must be sound.
  std::vector<Bytes> ask(Client& client, const Bytes& frame) {
    client.inbox.clear();  // what others have said meanwhile is no answer
    sim.send(client, frame);
    return answers(client);
  }
  std::vector<Bytes> ask(const Bytes& frame) { return ask(alice, frame); }
  std::vector<Bytes> answers(Client& client) {
    auto frames = client.take();
    for (const Bytes& frame : frames) {
      const Flaw flaw = find_flaw(frame);
      EXPECT_FALSE(flaw) << *flaw;
    }
    return frames;
  }
  /// Sends a frame to which no answer is due, and that `reason` counts; nothing: that no reason counts.
  void expect_silence(const Bytes& frame, std::optional<DropReason> reason) {
    const std::uint64_t total = sim.counters(alice).drops_in.total();
    const std::uint64_t before = reason ? sim.counters(alice).drops_in[*reason] : 0;
    EXPECT_TRUE(ask(frame).empty());
    EXPECT_EQ(sim.counters(alice).drops_in.total(), total + (reason ? 1 : 0));
    if (reason) {
      EXPECT_EQ(sim.counters(alice).drops_in[*reason], before + 1) << to_string(*reason);
    }
  }

  [[nodiscard]] Way4 to_gateway() const { return {alice.mac, lan().mac, kAlice4, kGateway4}; }
  [[nodiscard]] Way6 to_gateway6() const { return {alice.mac, lan().mac, kAlice6, kGateway6}; }

  const Ipv4Address kGateway4 = ip4("192.168.127.1");
  const Ipv4Address kAlice4 = ip4("192.168.127.100");
  const Ipv6Address kGateway6 = ip6("fd00:1::1");
  const Ipv6Address kGatewayLink = Ipv6Address::link_local(lan().mac);
  const Ipv6Address kAlice6 = ip6("fd00:1::a11c:e");
  const Ipv6Address kAliceLink = Ipv6Address::link_local(mac(1));

  Simulation sim;
  Client& alice = sim.plug(mac(1));
};

}  // namespace vnet::network::test
