// The way out as guests of a network see it: what the gateway passes on and refuses, and flows over the life of NICs
// and networks.
#include "gateway_testing.hpp"
#include "tests/nat/fake_host.hpp"
#include "tests/nat/fragments_testing.hpp"

namespace vnet::network::test {
namespace {

using nat::test::FakeHost;
using testing::IsEmpty;
using testing::SizeIs;

NetworkConfig open_lan() {
  NetworkConfig config = lan();
  config.egress = nat::EgressRules{};
  config.egress->deny.push_back({*Ipv4Prefix::parse("203.0.113.128/25"), {}, {}});
  config.host_alias = ip4("192.168.127.254");
  return config;
}

class FabricEgress : public GatewayTest {
 protected:
  FabricEgress() : GatewayTest(open_lan()) {
    host_.plan.delay = Duration::zero();
    sim.fabric.open_egress(host_);
  }
  ~FabricEgress() override { EXPECT_EQ(host_.violation, ""); }

  [[nodiscard]] Way4 to(std::string_view address) const { return {alice.mac, lan().mac, kAlice4, ip4(address)}; }
  [[nodiscard]] static Bytes syn(const Way4& way) {
    Bytes segment;
    put16(segment, 4000);
    put16(segment, 80);
    put32(segment, 1000);
    put32(segment, 0);
    put32(segment, 0x5002'ffffU);
    put32(segment, 0);
    return ipv4(way, 6, with_checksum(way, 6, segment, 16));
  }
  /// What the host has to say reaches the fabric.
  void tell_events() {
    host_.expire(sim.now);
    for (const auto& [id, events] : host_.take_events()) sim.fabric.on_host(id, events, sim.now);
    sim.fabric.end_host_events(sim.now);
    sim.flush();
  }
  /// The gateway's ICMP error, as (type, code).
  std::pair<int, int> error_for(const Bytes& frame) {
    const auto answers = ask(frame);
    if (answers.size() != 1) return {-1, static_cast<int>(answers.size())};
    const IcmpMessage message = Answer4{answers[0]}.icmp();
    return {message.type(), message.code()};
  }

  FakeHost host_;
};

TEST_F(FabricEgress, AConnectionGoesThroughTheHost) {
  EXPECT_THAT(ask(syn(to("203.0.113.7"))), IsEmpty());
  ASSERT_THAT(host_.tcp, SizeIs(1));
  tell_events();
  const auto frames = answers(alice);
  ASSERT_THAT(frames, SizeIs(1));
  const Answer4 answer{frames[0]};
  EXPECT_EQ(answer.packet().source(), ip4("203.0.113.7"));
  EXPECT_EQ(answer.packet().destination(), kAlice4);
  EXPECT_EQ(TcpSegment::parse(answer.packet().payload())->flags(), TcpSegment::kSyn | TcpSegment::kAck);
}

TEST_F(FabricEgress, ADatagramGoesAndItsAnswerComesBack) {
  EXPECT_THAT(ask(udp(to("203.0.113.7"), 4000, 53, text_bytes("q"))), IsEmpty());
  ASSERT_THAT(host_.datagrams, SizeIs(1));
  host_.datagrams[0]->deliver({ip4("203.0.113.7"), 53}, "a");
  tell_events();
  const auto frames = answers(alice);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(as_text(Answer4{frames[0]}.udp().payload()), "a");
}

TEST_F(FabricEgress, RefusalsAreToldByTheGatewayAndCounted) {
  EXPECT_EQ(error_for(syn(to("203.0.113.200"))), (std::pair{3, 13}));
  EXPECT_EQ(error_for(udp(to("169.254.169.254"), 1, 80, text_bytes("x"))), (std::pair{3, 13}));
  EXPECT_EQ(error_for(ping(to("192.168.127.77"))), (std::pair{3, 1}));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::egress_denied], 2U);
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::no_route], 1U);
  expect_silence(syn(to("127.0.0.1")), DropReason::egress_denied);
  EXPECT_THAT(host_.tcp, IsEmpty());
  EXPECT_THAT(host_.datagrams, IsEmpty());
}

TEST_F(FabricEgress, WhatCameInFragmentsIsRefusedAsAWhole) {
  const Way4 way = to("203.0.113.200");
  const Bytes packet = nat::test::udp4(3000, way);
  std::vector<Bytes> answers;
  for (const Bytes& fragment : nat::test::cut_all(packet, 1480)) {
    EXPECT_THAT(answers, IsEmpty());
    answers = ask(ethernet(way.to, way.from, ethertype::kIpv4, fragment));
  }
  ASSERT_THAT(answers, SizeIs(1));
  const Answer4 answer{answers[0]};
  EXPECT_EQ(answer.icmp().type(), 3);
  EXPECT_EQ(answer.icmp().code(), 13);
  EXPECT_TRUE(std::ranges::equal(answer.icmp().bytes().subspan(8), ByteView{packet}.first(576 - 28)));
  EXPECT_EQ(sim.counters(alice).drops_in[DropReason::egress_denied], 1U);
}

TEST_F(FabricEgress, TheEndOfAPacketsLifeIsToldByTheGateway) {
  Bytes frame = ping(to("203.0.113.7"));
  frame[14 + 8] = 1;
  set16(frame, 14 + 10, 0);
  set16(frame, 14 + 10, slow_checksum(ByteView{frame}.subspan(14, 20)));
  EXPECT_EQ(error_for(frame), (std::pair{11, 0}));
}

TEST_F(FabricEgress, TheGatewayAnswersArpForTheHostAlias) {
  EXPECT_THAT(ask(arp({1, alice.mac, kAlice4, {}, ip4("192.168.127.254")})), SizeIs(1));
  EXPECT_THAT(ask(syn(to("192.168.127.254"))), IsEmpty());
  ASSERT_THAT(host_.tcp, SizeIs(1));
  EXPECT_EQ(host_.tcp[0]->to.address, IpAddress{ip4("127.0.0.1")});
}

TEST_F(FabricEgress, FlowsEndWithTheirNic) {
  ask(syn(to("203.0.113.7")));
  ask(udp(to("203.0.113.7"), 4000, 53, text_bytes("q")));
  EXPECT_EQ(host_.open_sockets(), 2U);
  sim.remove(alice);
  EXPECT_EQ(host_.open_sockets(), 0U);
  tell_events();
}

TEST_F(FabricEgress, FlowsGoOnUnderAnotherConfiguration) {
  ask(syn(to("203.0.113.7")));
  tell_events();
  alice.inbox.clear();
  NetworkConfig config = open_lan();
  config.name = "renamed";
  sim.fabric.reconfigure(0, config, sim.now);
  ASSERT_NE(sim.fabric.egress(0), nullptr);
  EXPECT_EQ(sim.fabric.egress(0)->tcp().size(), 1U);
  sim.pass(3s);
  const auto is_ipv4 = [](const Bytes& frame) { return EthernetFrame::parse(frame)->type() == ethertype::kIpv4; };
  EXPECT_EQ(std::ranges::count_if(answers(alice), is_ipv4), 2) << "the SYN/ACK again, after one second and two more";
}

TEST_F(FabricEgress, EventsForANetworkThatIsGoneAreIgnored) {
  NetworkConfig config = office();
  config.egress = nat::EgressRules{};
  const std::size_t number = sim.fabric.add_network(config, sim.now);
  const nat::FlowId id = sim.fabric.egress(number)->new_id();
  EXPECT_EQ(nat::Egress::network_of(id), number);
  EXPECT_TRUE(sim.fabric.remove_network(number, sim.now));
  sim.fabric.on_host(id, {.readable = true}, sim.now);
  sim.fabric.end_host_events(sim.now);
}

TEST_F(FabricEgress, OneThatIsSwitchedOffEndsItsFlowsAndSaysSo) {
  NetworkConfig config = open_lan();
  config.egress->enabled = false;
  ask(syn(to("203.0.113.7")));
  sim.fabric.reconfigure(0, config, sim.now);
  EXPECT_EQ(host_.open_sockets(), 0U);
  EXPECT_EQ(error_for(syn(to("203.0.113.7"))), (std::pair{3, 13}));
}

}  // namespace
}  // namespace vnet::network::test
