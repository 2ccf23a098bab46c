// Services of the simulated internet that end in sockets of the host: what leads there, and what changes do.
#include "egress_bench.hpp"

namespace vnet::nat::test {
namespace {

const Endpoint kService{ip4("52.52.0.2"), 80};
const Endpoint kOther{ip4("52.52.0.3"), 80};
const Endpoint kTarget{ip4("127.0.0.1"), 8008};

DatagramError error_of(HostError what, const Endpoint& to, const IpAddress& offender, std::uint8_t type,
                       std::uint8_t code) {
  DatagramError error;
  error.error = what;
  error.to = to;
  error.offender = offender;
  error.icmp_type = type;
  error.icmp_code = code;
  return error;
}

class EgressServices : public testing::Test {
 protected:
  EgressServices() { bench.destination = kService.address; }

  void lead(const Endpoint& service, ServiceTarget target, EgressProtocol protocol = EgressProtocol::tcp) {
    ServiceTargets changed = bench.shared.services;
    changed.set({protocol, service}, std::move(target));
    change(std::move(changed));
  }
  void change(ServiceTargets services) {
    const ServiceTargets former = std::exchange(bench.shared.services, std::move(services));
    bench.egress.services_changed(former);
    bench.turn();
  }
  std::optional<EgressRefusal> send(std::string_view payload, Endpoint to = kService, std::uint16_t from_port = 4000) {
    const wire::Way4 way{bench.guest, bench.egress.config().mac, ip4("192.168.127.2"),
                         std::get<Ipv4Address>(to.address)};
    return bench.in_frames({wire::udp(way, from_port, to.port, as_bytes(payload))});
  }
  /// Whom the guest's next datagram is from, and its text.
  std::pair<std::optional<Endpoint>, std::string> take_datagram() {
    if (bench.others.empty()) return {std::nullopt, "nothing"};
    const Bytes packet = bench.others.front();
    bench.others.pop_front();
    const auto read = [](const auto& ip) -> std::pair<std::optional<Endpoint>, std::string> {
      const auto udp = UdpDatagram::parse(ip.payload()).value();
      return {Endpoint{ip.source(), udp.source_port()}, std::string{as_text(udp.payload())}};
    };
    return packet[0] >> 4U == 4 ? read(Ipv4Packet::parse(packet).value()) : read(Ipv6Packet::parse(packet).value());
  }
  [[nodiscard]] const ServiceCounters& counters() const { return bench.egress.counters().services; }
  DatagramRemote& socket() { return *bench.host.datagrams.back(); }

  Bench bench;
};

TEST_F(EgressServices, AConnectionLeadsToItsTargetOnTheLoopback) {
  lead(kService, {.to = kTarget});
  TcpRemote& remote = bench.connect();
  EXPECT_EQ(remote.to, kTarget);
  EXPECT_EQ(remote.preamble, "");
  bench.in({.seq = 1, .ack = 1, .data = "hello"});
  EXPECT_EQ(remote.received, "hello");
  EXPECT_EQ(counters().connections, 1U);
}

TEST_F(EgressServices, OfAUnixSocketAsWell) {
  lead(kService, {.to = HostPath{"/run/driver.sock"}});
  EXPECT_EQ(bench.connect().path, HostPath{"/run/driver.sock"});
}

TEST_F(EgressServices, ThePolicyIsNotAsked) {
  EgressConfig config = Bench::lan();
  config.rules.enabled = false;
  bench.egress.reconfigure(config, bench);
  lead(kService, {.to = kTarget});
  lead(kService, {.to = kTarget}, EgressProtocol::udp);
  bench.connect();
  EXPECT_FALSE(send("x"));
  EXPECT_EQ(socket().sent.at(0).to, kTarget);
  bench.egress.reconfigure(config, bench);
  bench.turn();
  EXPECT_EQ(bench.flows(), 1U);
  EXPECT_EQ(bench.egress.datagrams().size(), 1U);
  bench.destination = kOther.address;
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn, .port = 7})->reason, DropReason::egress_denied);
}

TEST_F(EgressServices, TheProxyHeaderTellsWhoCalledAndWhom) {
  lead(kService, {.to = kTarget, .proxy_protocol = 1});
  EXPECT_EQ(bench.connect().preamble, "PROXY TCP4 192.168.127.2 52.52.0.2 40000 80\r\n");
  bench.use_ipv6();
  lead({bench.destination, 80}, {.to = kTarget, .proxy_protocol = 1});
  EXPECT_EQ(bench.connect().preamble, "PROXY TCP6 fd00:1::2 2001:db8::7 40000 80\r\n");
}

TEST_F(EgressServices, OnlyItsOwnPortLeadsThere) {
  lead({kService.address, 81}, {.to = kTarget});
  EXPECT_EQ(bench.connect().to, kService) << "the real internet's";
}

TEST_F(EgressServices, ATargetThatRefusesIsAReset) {
  lead(kService, {.to = kTarget});
  bench.host.plan.at_once = HostError::refused;
  EXPECT_EQ(bench.in({.seq = 0, .flags = kSyn})->reason, DropReason::no_service);
  bench.expect(0, 1, kRst | kAck);
  bench.host.plan.at_once.reset();
  bench.host.plan.later = HostError::refused;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kRst | kAck);
  bench.expect_silence();
  EXPECT_EQ(counters().refused, 2U);
}

TEST_F(EgressServices, ATargetThatIsNotReachedIsAnIcmpError) {
  lead(kService, {.to = kTarget});
  bench.host.plan.at_once = HostError::host_unreachable;
  const auto refusal = bench.in({.seq = 0, .flags = kSyn});
  ASSERT_TRUE(refusal && refusal->answer);
  EXPECT_EQ(refusal->reason, DropReason::no_route);
}

TEST_F(EgressServices, AListenerWhoseQueueIsFullIsTriedAgainByTheGuest) {
  lead(kService, {.to = HostPath{"/run/driver.sock"}});
  bench.host.plan.at_once = HostError::timed_out;
  const auto refusal = bench.in({.seq = 0, .flags = kSyn});
  ASSERT_TRUE(refusal);
  EXPECT_FALSE(refusal->answer);
  bench.expect_silence();
  bench.host.plan.at_once.reset();
  bench.connect();
}

TEST_F(EgressServices, AServiceThatIsDownSaysNothing) {
  lead(kService, {.to = kTarget, .down = true});
  lead(kService, {.to = kTarget, .down = true}, EgressProtocol::udp);
  for (const std::uint8_t flags : {kSyn, kAck, kRst}) {
    const auto refusal = bench.in({.seq = 0, .flags = flags});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->reason, DropReason::blackhole);
    EXPECT_FALSE(refusal->answer);
  }
  EXPECT_EQ(send("x")->reason, DropReason::blackhole);
  bench.expect_silence();
  EXPECT_EQ(counters().vanished, 4U);
  EXPECT_TRUE(bench.host.tcp.empty() && bench.host.datagrams.empty());
}

TEST_F(EgressServices, OneThatGoesDownEndsItsFlowsWithoutAWord) {
  lead(kService, {.to = kTarget});
  lead(kService, {.to = kTarget}, EgressProtocol::udp);
  TcpRemote& remote = bench.connect();
  EXPECT_FALSE(send("x"));
  lead(kService, {.to = kTarget, .down = true});
  lead(kService, {.to = kTarget, .down = true}, EgressProtocol::udp);
  EXPECT_TRUE(remote.was_reset() && remote.closed());
  EXPECT_TRUE(socket().closed);
  bench.in({.seq = 1, .ack = 1, .data = "is anybody there?"});
  bench.expect_silence();
  EXPECT_EQ(bench.flows(), 0U);
}

TEST_F(EgressServices, FlowsEndWhereTheirServiceLeadsElsewhere) {
  lead(kService, {.to = kTarget});
  lead(kOther, {.to = kTarget});
  TcpRemote& moved = bench.connect();
  bench.destination = kOther.address;
  TcpRemote& stays = bench.connect(mss_option(1460), 65'535, 41'000);
  ServiceTargets changed;
  changed.set({EgressProtocol::tcp, kService}, {.to = HostPath{"/run/new.sock"}});
  changed.set({EgressProtocol::tcp, kOther}, {.to = kTarget, .proxy_protocol = 2});
  bench.destination = kService.address;
  change(changed);
  bench.expect(1, 1, kRst | kAck);
  EXPECT_TRUE(moved.was_reset());
  EXPECT_FALSE(stays.closed()) << "a header is for connections that begin";
  bench.destination = kOther.address;
  change({});
  EXPECT_TRUE(stays.was_reset());
}

TEST_F(EgressServices, DatagramsGoToTheTargetAndComeBackFromTheService) {
  const Endpoint service{ip4("52.52.0.2"), 514};
  lead(service, {.to = kTarget}, EgressProtocol::udp);
  EXPECT_FALSE(send("ping", service));
  EXPECT_EQ(socket().sent.at(0).to, kTarget);
  socket().deliver(kTarget, "pong");
  socket().deliver({ip4("127.0.0.1"), 9}, "from elsewhere");
  socket().deliver(service, "from whoever really has that address");
  bench.turn();
  EXPECT_EQ(take_datagram(), std::pair(std::optional{service}, std::string{"pong"}));
  EXPECT_TRUE(bench.others.empty());
  EXPECT_EQ(counters().datagrams, 1U);
}

TEST_F(EgressServices, TwoServicesMayLeadToOneTarget) {
  for (const Endpoint& service : {kService, kOther}) lead(service, {.to = kTarget}, EgressProtocol::udp);
  EXPECT_FALSE(send("to one", kService));
  EXPECT_FALSE(send("to the other", kOther));
  ASSERT_EQ(bench.host.datagrams.size(), 2U);
  for (const auto& remote : bench.host.datagrams) remote->deliver(kTarget, "to you, " + remote->sent.at(0).payload);
  bench.turn();
  EXPECT_EQ(take_datagram(), std::pair(std::optional{kService}, std::string{"to you, to one"}));
  EXPECT_EQ(take_datagram(), std::pair(std::optional{kOther}, std::string{"to you, to the other"}));
}

TEST_F(EgressServices, TheTargetMayBeOfTheOtherFamily) {
  const Endpoint six{ip6("::1"), 514};
  lead(kService, {.to = six}, EgressProtocol::udp);
  EXPECT_FALSE(send("ping"));
  EXPECT_TRUE(std::holds_alternative<Ipv6Address>(socket().family));
  socket().deliver(six, "pong");
  socket().report(error_of(HostError::refused, six, six.address, 1, 4), "ping");
  bench.turn();
  const auto packet = Ipv4Packet::parse(bench.others.at(0)).value();
  EXPECT_EQ(packet.source(), ip4("52.52.0.2"));
  ASSERT_EQ(packet.protocol(), ip_protocol::kIcmp);
  EXPECT_EQ(packet.payload()[0], 3);
  EXPECT_EQ(packet.payload()[1], 3);
  const auto quoted = Ipv4Packet::parse(packet.payload().subspan(8)).value();
  EXPECT_EQ(quoted.destination(), ip4("52.52.0.2"));
  bench.others.pop_front();
  EXPECT_EQ(take_datagram(), std::pair(std::optional{kService}, std::string{"pong"}));
}

TEST_F(EgressServices, RoutersOnTheWayToATargetAreNotOfTheGuestsInternet) {
  const Endpoint far{ip4("203.0.113.9"), 53};
  lead(kService, {.to = far}, EgressProtocol::udp);
  EXPECT_FALSE(send("ping"));
  socket().report(error_of(HostError::host_unreachable, far, ip4("203.0.113.1"), 3, 1), "ping");
  bench.turn();
  EXPECT_EQ(Ipv4Packet::parse(bench.others.at(0)).value().source(), ip4("192.168.127.1"));
}

TEST_F(EgressServices, TheGuestsOwnFlowFromThatPortIsAnother) {
  lead(kService, {.to = kTarget}, EgressProtocol::udp);
  EXPECT_FALSE(send("real", {ip4("203.0.113.7"), 80}));
  EXPECT_FALSE(send("simulated"));
  ASSERT_EQ(bench.host.datagrams.size(), 2U);
  EgressConfig config = Bench::lan();
  config.rules.enabled = false;
  bench.egress.reconfigure(config, bench);
  EXPECT_TRUE(bench.host.datagrams[0]->closed);
  EXPECT_FALSE(bench.host.datagrams[1]->closed);
}

}  // namespace
}  // namespace vnet::nat::test
