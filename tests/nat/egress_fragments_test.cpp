// Fragments through egress, both ways: what the policy sees of them, and how what is larger than the MTU waits for
// room.
#include "egress_bench.hpp"
#include "fragments_testing.hpp"

namespace vnet::nat::test {
namespace {

class EgressFragments : public testing::Test {
 protected:
  std::optional<EgressRefusal> send_all(const std::vector<Bytes>& packets) {
    std::vector<Bytes> frames;
    for (const Bytes& packet : packets) frames.push_back(in_frame(packet));
    return bench.in_frames(frames);
  }
  DatagramRemote& socket() { return *bench.host.datagrams.at(0); }
  /// The guest's own reassembly: the whole packets of what has come. Their checksums are right.
  std::vector<Bytes> take() {
    std::vector<Bytes> whole;
    for (; !bench.others.empty(); bench.others.pop_front()) {
      const Bytes& packet = bench.others.front();
      EXPECT_LE(packet.size(), bench.egress.config().mtu);
      if (packet[0] >> 4U == 4) {
        take(Ipv4Packet::parse(packet).value(), whole);
      } else {
        take(Ipv6Packet::parse(packet).value(), whole);
      }
    }
    return whole;
  }
  static std::string udp_payload(const Bytes& packet) {
    const ByteView udp = ByteView{packet}.subspan(packet[0] >> 4U == 4 ? 20 : 40);
    return std::string{as_text(UdpDatagram::parse(udp).value().payload())};
  }
  void open(bool ipv6 = false) { EXPECT_FALSE(send_all({ipv6 ? udp6(1) : udp4(1)})); }
  Endpoint world(bool ipv6 = false) const {
    return {ipv6 ? IpAddress{kWay6.destination} : IpAddress{kWay4.destination}, 500};
  }

  Bench bench;
  Reassembler guest{{5, 6}};

 private:
  template <typename Packet>
  void take(const Packet& packet, std::vector<Bytes>& whole) {
    if (!packet.is_fragment()) return keep(packet, whole);
    const auto outcome = guest.handle(bench.guest, packet, bench.now);
    ASSERT_TRUE(outcome) << to_string(outcome.error());
    if (*outcome) keep(**outcome, whole);
    guest.end_batch();
  }
  template <typename Packet>
  static void keep(const Packet& packet, std::vector<Bytes>& whole) {
    if (packet.protocol() != ip_protocol::kIcmp) {
      EXPECT_TRUE(upper_checksum_ok(packet, packet.protocol(), packet.payload()));
    } else {
      EXPECT_EQ(checksum(packet.payload()), 0);
    }
    whole.emplace_back(packet.bytes().begin(), packet.bytes().end());
  }
};

TEST_F(EgressFragments, UdpGoesOutWhole) {
  for (const Bytes& packet : {udp4(9000), udp6(9000), udp4(65'507)}) {
    auto fragments = cut_all(packet, 1480 - 8);
    std::swap(fragments.front(), fragments.back());
    EXPECT_FALSE(send_all(fragments));
    DatagramRemote& remote = *bench.host.datagrams.at(packet[0] >> 4U == 4 ? 0 : 1);
    EXPECT_EQ(remote.sent.back().payload, udp_payload(packet));
    EXPECT_EQ(remote.sent.back().ttl, 63);
  }
  EXPECT_EQ(bench.egress.reassembler().bytes(), 0U);
}

TEST_F(EgressFragments, SeveralInOneBatchDoNotDisturbEachOther) {
  std::vector<Bytes> mixed;
  for (std::uint32_t i = 0; i < 3; ++i) {
    for (Bytes& fragment : cut_all(udp4(3000 + i), 1480, i)) mixed.push_back(std::move(fragment));
    mixed.push_back(udp4(10 + i));
  }
  EXPECT_FALSE(send_all(mixed));
  ASSERT_EQ(socket().sent.size(), 6U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(socket().sent[2 * i].payload, udp_payload(udp4(3000 + i)));
    EXPECT_EQ(socket().sent[2 * i + 1].payload, udp_payload(udp4(10 + i)));
  }
}

TEST_F(EgressFragments, PingsAndTcpGoOutToo) {
  const Bytes ping = without_ethernet(wire::icmp(kWay4, 8, 0, noise(4000)));
  EXPECT_FALSE(send_all(cut_all(ping, 1480)));
  EXPECT_EQ(socket().sent.at(0).payload.size(), 3998U);
  const Bytes ping6 = without_ethernet(wire::icmp(kWay6, 128, 0, noise(4000)));
  EXPECT_FALSE(send_all(cut_all(ping6, 1448)));
  EXPECT_EQ(bench.host.datagrams.at(1)->sent.at(0).payload.size(), 3998U);
  TcpRemote& remote = bench.connect();
  Bytes segment = without_ethernet(bench.frame_of({.seq = 1, .ack = 1, .data = text(1000)}));
  EXPECT_FALSE(send_all(cut_all(segment, 512)));
  EXPECT_EQ(remote.received, text(1000));
  EXPECT_FALSE(send_all(cut_all(without_ethernet(bench.frame_of({.seq = 0, .flags = kSyn, .port = 41'000})), 8)))
      << "a port number in one fragment, the flags in another";
  EXPECT_EQ(bench.host.tcp.size(), 2U);
}

TEST_F(EgressFragments, ThePolicyJudgesTheWholePacket_Rfc1858) {
  EgressConfig config = Bench::lan();
  config.rules.deny.push_back({*Ipv4Prefix::parse("203.0.113.0/24"), EgressProtocol::udp, *parse_port_ranges("500")});
  config.rules.deny.push_back({*Ipv4Prefix::parse("203.0.113.0/24"), EgressProtocol::tcp, *parse_port_ranges("80")});
  bench.egress.reconfigure(config, bench);
  for (const std::size_t size : {8U, 16U, 512U}) {
    auto fragments = cut_all(udp4(900), size);
    auto refusal = send_all(fragments);
    ASSERT_TRUE(refusal && refusal->answer) << size;
    EXPECT_EQ(refusal->reason, DropReason::egress_denied);
    std::ranges::reverse(fragments);
    EXPECT_EQ(send_all(fragments)->reason, DropReason::egress_denied) << size;
  }
  const Bytes syn = without_ethernet(bench.frame_of({.seq = 0, .flags = kSyn}));
  EXPECT_EQ(send_all(cut_all(syn, 8))->reason, DropReason::egress_denied);
  // A second fragment zero that would change the port after a look at the first.
  const auto harmless = cut_all(udp4(900, kWay4, 501), 512);
  const auto denied = cut_all(udp4(900, kWay4, 500), 512);
  EXPECT_EQ(send_all({harmless[0], denied[0], denied[1]})->reason, DropReason::malformed);
  EXPECT_TRUE(bench.host.datagrams.empty() && bench.host.tcp.empty());
}

TEST_F(EgressFragments, ARefusalIsAboutTheWholePacket) {
  EgressConfig config = Bench::lan();
  config.rules.deny.push_back({*Ipv4Prefix::parse("203.0.113.0/24"), {}, {}});
  bench.egress.reconfigure(config, bench);
  std::vector<Bytes> frames;
  for (const Bytes& fragment : cut_all(udp4(3000), 1480)) frames.push_back(in_frame(fragment));
  std::optional<EgressRefusal> refusal;
  for (const Bytes& frame : frames) {
    EXPECT_FALSE(refusal);
    refusal = bench.egress.handle(bench.guest, Ipv4Packet::parse(ByteView{frame}.subspan(14)).value(), bench.now);
  }
  ASSERT_TRUE(refusal);
  EXPECT_TRUE(std::ranges::equal(refusal->about, udp4(3000)));
  bench.egress.end_batch(bench.now);
}

TEST_F(EgressFragments, OneAtTheEndOfItsLifeIsNotTaken) {
  Bytes fragment = cut_all(udp4(3000), 1480)[0];
  fragment[8] = 1;
  wire::set16(fragment, 10, 0);
  wire::set16(fragment, 10, wire::slow_checksum(ByteView{fragment}.first(20)));
  EXPECT_EQ(send_all({fragment})->reason, DropReason::hop_limit);
  EXPECT_EQ(bench.egress.reassembler().size(), 0U);
}

TEST_F(EgressFragments, TheGuestIsToldThatTheRestNeverCame) {
  const Bytes first = cut_all(udp4(3000), 1480)[0];
  EXPECT_FALSE(send_all({first}));
  EXPECT_FALSE(send_all({cut_all(udp6(3000), 1448)[0]}));
  EXPECT_FALSE(send_all({cut_all(udp4(3000), 1480, 7)[1]}));
  bench.wait(29s);
  bench.expect_silence();
  bench.wait(31s);
  ASSERT_EQ(bench.others.size(), 2U);
  const auto ip = Ipv4Packet::parse(bench.others[0]).value();
  EXPECT_EQ(ip.source(), ip4("192.168.127.1"));
  EXPECT_EQ(ip.destination(), kWay4.source);
  EXPECT_EQ(checksum(ip.payload()), 0);
  EXPECT_EQ(ip.payload()[0], 11);
  EXPECT_EQ(ip.payload()[1], 1);
  EXPECT_TRUE(std::ranges::equal(ip.payload().subspan(8), ByteView{first}.first(576 - 28)));
  const auto ip6 = Ipv6Packet::parse(bench.others[1]).value();
  EXPECT_TRUE(upper_checksum_ok(ip6, ip_protocol::kIcmp6, ip6.payload()));
  EXPECT_EQ(ip6.payload()[0], 3);
  EXPECT_EQ(ip6.payload()[1], 1);
  EXPECT_EQ(ip6.bytes().size(), 1280U);
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
  bench.others.clear();
}

TEST_F(EgressFragments, AGuestThatLeavesTakesWhatWaits) {
  EXPECT_FALSE(send_all({cut_all(udp4(3000), 1480)[0]}));
  open();
  bench.port_room = 2;
  socket().deliver(world(), text(30'000));
  bench.host.expire(bench.now);
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  bench.port_room = 0;
  bench.egress.outbox().clear();
  bench.egress.forget(bench.guest);
  EXPECT_EQ(bench.egress.reassembler().size(), 0U);
  bench.port_room = 100;
  bench.turn();
  bench.wait(1s);
  bench.expect_silence();
  EXPECT_EQ(bench.egress.next_deadline(), kNever);
}

TEST_F(EgressFragments, WhatIsLargerThanTheMtuComesBackCut) {
  for (const bool ipv6 : {false, true}) {
    open(ipv6);
    DatagramRemote& remote = *bench.host.datagrams.back();
    for (const std::size_t size : {1452U, 1453U, 1472U, 1473U, 9000U, 60'000U, 65'507U}) {
      remote.deliver(world(ipv6), text(size));
      bench.turn();
      const std::size_t frames = bench.others.size();
      EXPECT_EQ(frames, (size + 8 + (ipv6 && size > 1452 ? 1447 : 1479)) / (ipv6 && size > 1452 ? 1448 : 1480)) << size;
      const auto whole = take();
      ASSERT_EQ(whole.size(), 1U) << size;
      EXPECT_EQ(udp_payload(whole[0]), text(size));
    }
  }
}

TEST_F(EgressFragments, ALargePingComesBackToo) {
  for (const bool ipv6 : {false, true}) {
    const Bytes ping =
        without_ethernet(ipv6 ? wire::icmp(kWay6, 128, 0, noise(4000)) : wire::icmp(kWay4, 8, 0, noise(4000)));
    EXPECT_FALSE(send_all(cut_all(ping, 1440)));
    DatagramRemote& remote = *bench.host.datagrams.back();
    remote.deliver({world(ipv6).address, 0}, remote.sent.back().payload);
    bench.turn();
    EXPECT_EQ(bench.others.size(), 3U);
    const auto whole = take();
    ASSERT_EQ(whole.size(), 1U);
    const ByteView message = ByteView{whole[0]}.subspan(ipv6 ? 40 : 20);
    EXPECT_EQ(message[0], ipv6 ? 129 : 0);
    EXPECT_TRUE(std::ranges::equal(message.subspan(4), noise(4000)));
  }
}

TEST_F(EgressFragments, TheyWaitForThePortOneByOneAndInOrder) {
  open();
  bench.port_room = 0;
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < 40; ++i) {
    wanted.push_back(text(i % 3 == 0 ? 100 : 20'000 + i));
    socket().deliver(world(), wanted.back());
  }
  bench.turn();
  bench.expect_silence();
  EXPECT_GT(bench.egress.next_deadline(), bench.now);
  bench.port_room = 3;  // fewer than any of the large ones needs
  bench.turn();
  const auto whole = take();
  ASSERT_EQ(whole.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(udp_payload(whole[i]), wanted[i]);
}

TEST_F(EgressFragments, NoMoreGoInATurnThanThePortTakes) {
  open();
  for (int i = 0; i < 8; ++i) socket().deliver(world(), text(60'000));
  bench.port_room = 50;
  bench.host.expire(bench.now);
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  EXPECT_EQ(bench.egress.outbox().frames().size(), 50U);
  // Another of the guest's flows waits behind, and one of another guest does not.
  wire::Way4 way = kWay4;
  way.from = wire::mac(2);
  way.source = ip4("192.168.127.3");
  const Bytes other = in_frame(udp4(1, way));
  ASSERT_FALSE(bench.egress.handle(way.from, Ipv4Packet::parse(ByteView{other}.subspan(14)).value(), bench.now));
  bench.egress.end_batch(bench.now);
  bench.host.datagrams.at(1)->deliver(world(), text(3000));
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  EXPECT_EQ(bench.egress.outbox().frames().size(), 53U);
  bench.egress.outbox().clear();
  bench.turn();
  EXPECT_EQ(take().size(), 6U) << "the first 50 frames, one packet and a part of the next, were not looked at";
}

TEST_F(EgressFragments, WhatNobodyTakesIsBounded) {
  open();
  std::vector<Bytes> opening;
  for (std::uint16_t port = 0; port < 20; ++port) {
    opening.push_back(without_ethernet(wire::udp(kWay4, static_cast<std::uint16_t>(5000 + port), 500, as_bytes("x"))));
  }
  EXPECT_FALSE(send_all(opening));
  bench.port_room = 1;
  for (const auto& remote : bench.host.datagrams) {
    for (int i = 0; i < 8; ++i) remote->deliver(world(), text(65'000));
  }
  bench.host.expire(bench.now);
  for (const auto& [id, events] : bench.host.take_events()) bench.egress.on_host(id, events, bench.now);
  bench.egress.end_batch(bench.now);
  EXPECT_EQ(bench.egress.outbox().frames().size(), 1U);
  bench.egress.outbox().clear();
  EXPECT_EQ(bench.egress.datagrams().counters().to_guests, 8U) << "the others are in the host's sockets";
  EXPECT_EQ(bench.egress.datagrams().counters().lost, 0U);
  bench.port_room = 100;
  bench.turn();
  EXPECT_EQ(take().size(), 21U * 8U - 1) << "of one the first fragment was not looked at";
  EXPECT_EQ(bench.egress.datagrams().counters().to_guests, 21U * 8U);
}

TEST(FragmentQueue, HoldsNoMoreThanItMayWhateverManyGuestsDoNotTake) {
  struct Ports : GuestPorts {
    std::optional<MacAddress> locate(const IpAddress&) const override { return std::nullopt; }
    std::size_t frames(const MacAddress&, std::size_t) const override { return room; }
    std::size_t room = 1;
  } ports;
  Outbox outbox;
  GuestWire wire{kWay4.to, outbox, ports};
  FragmentQueue subject{wire, {1, 2}};
  const Bytes packet = udp4(60'000);
  std::size_t taken = 0;
  std::uint64_t guest = 0;
  for (; guest < 200; ++guest) {
    Bytes storage = packet;
    const ByteView view = storage;
    if (subject.send(wire::mac(guest), std::move(storage), view, 1500)) ++taken;
    EXPECT_LE(subject.bytes(), FragmentQueue::kMaxBytes);
    outbox.clear();
  }
  EXPECT_EQ(taken, FragmentQueue::kMaxBytes / packet.size());
  EXPECT_TRUE(subject.waits(wire::mac(0)));
  EXPECT_FALSE(subject.waits(wire::mac(199)));
  subject.forget(wire::mac(0));
  EXPECT_FALSE(subject.waits(wire::mac(0)));
  ports.room = 1000;
  for (int turn = 0; turn < 1000 && subject.can_flush(1500); ++turn) {
    subject.flush(1500);
    EXPECT_LE(outbox.used(), 520U * 1024);
    outbox.clear();
  }
  EXPECT_EQ(subject.bytes(), 0U);
}

}  // namespace
}  // namespace vnet::nat::test
