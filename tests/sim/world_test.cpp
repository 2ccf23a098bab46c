// The world that people test in: addresses, sockets, pings, errors, time, and that a seed decides all of it.
#include "sim/world.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace vnet::sim {
namespace {

constexpr Duration kAWhile = 5s;

Ipv4Address v4(std::string_view text) { return Ipv4Address::parse(text).value(); }
Endpoint endpoint(std::string_view text) { return parse_endpoint(text).value(); }

/// Answers each datagram with the endpoint that it came from.
void tell_who_asks(UdpSocket& socket) {
  socket.on_message = [&socket](const Endpoint& from, ByteView) { socket.send(from, to_string(from)); };
}

/// What the server sees a datagram of `host` come from, or nothing when no answer comes.
std::string seen_from(World& world, UdpSocket& socket, const Endpoint& server) {
  std::string seen;
  socket.on_message = [&](const Endpoint&, ByteView text) { seen = as_text(text); };
  socket.send(server, "who am I?");
  (void)world.run_until([&] { return !seen.empty(); }, kAWhile);
  socket.on_message = nullptr;
  return seen;
}

std::optional<Duration> ping(World& world, Host& host, const IpAddress& to) {
  std::optional<Duration> took;
  bool done = false;
  host.ping(to, [&](std::optional<Duration> answer) {
    took = answer;
    done = true;
  });
  EXPECT_TRUE(world.run_until([&] { return done; }, kAWhile));
  return took;
}

TEST(World, ChoosesAddresses) {
  World world;
  Home& home = world.add_home("home", NatPreset::easy);
  Host& alice = home.add_host("alice");
  EXPECT_EQ(alice.ipv4(), v4("10.1.0.101"));
  EXPECT_EQ(alice.ipv6()->to_string(), "2001:db8:1::65");
  EXPECT_EQ(home.add_host("bob").ipv4(), v4("10.1.0.102"));
  EXPECT_EQ(home.wan_ipv4(), v4("198.18.0.1"));
  EXPECT_EQ(world.add_home("routed", NatPreset::none).add_host("carol").ipv4(), v4("20.2.0.101"));
  EXPECT_EQ(world.add_server("one").ipv4(), v4("203.0.113.1"));
  EXPECT_EQ(world.add_server("two", "3.3.3.3").ipv4(), v4("3.3.3.3"));
  EXPECT_EQ(world.add_server("three", "3.3.3.4").home().name(), "servers-3.3.3.0");
  EXPECT_EQ(world.find_host("carol")->home().name(), "routed");
}

TEST(World, AServerSeesTheOutsideOfANat) {
  World world;
  Host& alice = world.add_home("home", NatPreset::easy).add_host("alice");
  UdpSocket& server = world.add_server("server").udp(3478);
  tell_who_asks(server);
  EXPECT_EQ(seen_from(world, alice.udp(4000), endpoint("203.0.113.1:3478")), "198.18.0.1:4000");
  EXPECT_EQ(server.received(), 1U);
}

TEST(World, APacketTakesTheLatencyOfBothLinks) {
  World world;
  Host& alice = world.add_home("home", NatPreset::easy).add_host("alice");
  Host& server = world.add_server("server");
  EXPECT_TRUE(ping(world, alice, *server.ipv4()));  // which also finds the gateways
  EXPECT_EQ(ping(world, alice, *server.ipv4()), 4 * kLatency);
  EXPECT_TRUE(ping(world, alice, *server.ipv6()));
  EXPECT_EQ(ping(world, alice, *server.ipv6()), 4 * kLatency);
}

TEST(World, Ipv6IsRoutedThroughAFirewall) {
  World world;
  Host& alice = world.add_home("home", NatPreset::easy).add_host("alice");
  Host& server = world.add_server("server");
  UdpSocket& socket = server.udp(3478);
  tell_who_asks(socket);
  EXPECT_EQ(seen_from(world, alice.udp(4000), {*server.ipv6(), 3478}), "[2001:db8:1::65]:4000");
  UdpSocket& other = server.udp(999);
  bool reached = false;
  alice.udp(5000).on_message = [&](const Endpoint&, ByteView) { reached = true; };
  other.send({*alice.ipv6(), 5000}, "let me in");
  world.run_for(kAWhile);
  EXPECT_FALSE(reached);
}

TEST(World, HostsOfOneHomeMeetWithoutTheirRouter) {
  World world;
  Home& home = world.add_home("home", HomeOptions{.impair = {}});
  Host& alice = home.add_host("alice");
  Host& bob = home.add_host("bob");
  EXPECT_EQ(ping(world, alice, *bob.ipv4()), 0s);
  EXPECT_EQ(ping(world, alice, *bob.ipv6()), 0s);
}

TEST(World, ErrorsReachTheSocket) {
  World world;
  Home& home = world.add_home("home", NatPreset::easy);
  Host& alice = home.add_host("alice");
  Host& server = world.add_server("server");
  std::vector<UdpError> errors;
  UdpSocket& socket = alice.udp();
  socket.on_error = [&](const UdpError& error) { errors.push_back(error); };
  socket.send({*server.ipv4(), 9}, "nobody listens there");
  world.run_for(1s);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].to, (Endpoint{*server.ipv4(), 9}));
  EXPECT_EQ(errors[0].from, IpAddress{*server.ipv4()});
  EXPECT_EQ(errors[0].error.type, icmp_type::kUnreachable);
  EXPECT_EQ(errors[0].error.code, 3);
  socket.send(endpoint("10.1.0.77:9"), "nobody is there");
  world.run_for(kAWhile);
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[1].from, IpAddress{*alice.ipv4()});
  server.silent = true;
  socket.send({*server.ipv4(), 9}, "and now nobody says so");
  world.run_for(kAWhile);
  EXPECT_EQ(errors.size(), 2U);
}

TEST(World, WhatCannotBeIsRefused) {
  World world;
  Home& home = world.add_home("home", NatPreset::easy);
  Host& alice = home.add_host("alice");
  EXPECT_THROW(world.add_home("home", NatPreset::easy), std::invalid_argument);
  EXPECT_THROW(world.add_home("inner", HomeOptions{.behind = "nobody"}), std::invalid_argument);
  EXPECT_THROW(home.add_host("alice"), std::invalid_argument);
  EXPECT_THROW(home.add_host("bob", {.ipv4 = v4("10.9.0.1")}), std::invalid_argument);
  EXPECT_THROW(world.add_server("server", "3.3.3"), std::invalid_argument);
  EXPECT_THROW(world.add_server("server", home.wan_ipv4()), std::invalid_argument);
  EXPECT_THROW(world.add_home("twin", HomeOptions{.wan_ipv4 = home.wan_ipv4()}), std::invalid_argument);
  alice.udp(4000);
  EXPECT_THROW(alice.udp(4000), std::invalid_argument);
  Host& v4_only = world.add_home("old", HomeOptions{.has_ipv6 = false}).add_host("old");
  EXPECT_FALSE(v4_only.udp().send(endpoint("[2001:db8:1::65]:1"), "no such address here"));
  EXPECT_FALSE(alice.udp().send(endpoint("203.0.113.1:1"), std::string(1500, 'x')));
}

TEST(World, AHomeBehindAnotherIsTranslatedTwice) {
  World world;
  world.add_home("isp", NatPreset::easy);
  Home& inner = world.add_home("inner", HomeOptions{.behind = "isp"});
  Host& alice = inner.add_host("alice");
  tell_who_asks(world.add_server("server").udp(3478));
  EXPECT_EQ(inner.wan_ipv4(), v4("10.1.0.250"));
  EXPECT_EQ(seen_from(world, alice.udp(4000), endpoint("203.0.113.1:3478")), "198.18.0.1:4000");
}

TEST(World, EverythingChangesWhileItRuns) {
  World world;
  Home& home = world.add_home("home", NatPreset::easy);
  Host& alice = home.add_host("alice");
  tell_who_asks(world.add_server("server").udp(3478));
  const Endpoint server = endpoint("203.0.113.1:3478");
  UdpSocket& socket = alice.udp(4000);
  EXPECT_EQ(seen_from(world, socket, server), "198.18.0.1:4000");
  home.change_nat(NatPreset::hard);
  EXPECT_NE(seen_from(world, socket, server), "198.18.0.1:4000") << "its ports are random";
  home.change_nat(NatPreset::easy);
  home.change_wan({v4("198.18.9.9"), std::nullopt});
  EXPECT_EQ(seen_from(world, socket, server), "198.18.9.9:4000");
  home.blackhole({*parse_ip_prefix("203.0.113.0/24")});
  EXPECT_EQ(seen_from(world, socket, server), "");
  home.blackhole({});
  alice.set_link(false);
  EXPECT_EQ(seen_from(world, socket, server), "");
  alice.set_link(true);
  EXPECT_EQ(seen_from(world, socket, server), "198.18.9.9:4000");
  alice.impair(both_ways({.loss = 1}));
  EXPECT_EQ(seen_from(world, socket, server), "");
  alice.impair({});
  alice.move_to(world.add_home("cafe", NatPreset::easy));
  EXPECT_EQ(seen_from(world, socket, server), "198.18.0.3:4000");
}

TEST(World, ARebootedRouterLetsNobodyIn) {
  World world;
  Home& home = world.add_home("home", NatPreset::easy);
  UdpSocket& mine = home.add_host("alice").udp(4000);
  UdpSocket& server = world.add_server("server").udp(3478);
  mine.send(endpoint("203.0.113.1:3478"), "remember me");
  world.run_for(1s);
  server.send(endpoint("198.18.0.1:4000"), "I do");
  world.run_for(1s);
  EXPECT_EQ(mine.received(), 1U);
  home.reboot_router();
  server.send(endpoint("198.18.0.1:4000"), "does your router?");
  world.run_for(1s);
  EXPECT_EQ(mine.received(), 1U);
}

TEST(World, AMappingEndsAfterItsTimeWithoutWaiting) {
  World world;
  UdpSocket& mine = world.add_home("home", NatPreset::easy).add_host("alice").udp(4000);
  UdpSocket& server = world.add_server("server").udp(3478);
  mine.send(endpoint("203.0.113.1:3478"), "hello");
  world.run_for(299s);
  server.send(endpoint("198.18.0.1:4000"), "still there");
  world.run_for(2s);
  EXPECT_EQ(mine.received(), 1U);
  server.send(endpoint("198.18.0.1:4000"), "too late");
  world.run_for(1s);
  EXPECT_EQ(mine.received(), 1U);
}

TEST(World, TimersRunInOrder) {
  World world;
  std::string order;
  world.after(2s, [&] { order += "c"; });
  world.after(1s, [&] { order += "a"; });
  world.after(1s, [&] { order += "b"; });
  world.cancel(world.after(1s, [&] { order += "cancelled"; }));
  int left = 3;
  world.every(1500ms, [&] {
    order += "e";
    return --left > 0;
  });
  EXPECT_TRUE(world.run_until([&] { return order == "eab"; }, 1min));
  EXPECT_EQ(world.elapsed(), 1s);
  world.run_for(1h);
  EXPECT_EQ(order, "eabece");
  EXPECT_EQ(world.elapsed(), 1h + 1s);
}

TEST(World, ACallbackMayNotMakeTimeGoOn) {
  World world;
  world.after(1s, [&] { world.run_for(1s); });
  EXPECT_THROW(world.run_for(2s), std::logic_error);
  world.run_for(1s);
}

TEST(World, TwoThatAnswerEachOtherWithoutLatencyAreFound) {
  World world;
  Home& home = world.add_home("home", HomeOptions{.impair = {}});
  UdpSocket& a = home.add_host("alice").udp(1);
  UdpSocket& b = home.add_host("bob").udp(1);
  a.on_message = [&](const Endpoint& from, ByteView) { a.send(from, "no, you"); };
  b.on_message = [&](const Endpoint& from, ByteView) { b.send(from, "no, you"); };
  a.send(endpoint("10.1.0.102:1"), "you go first");
  EXPECT_THROW(world.run_for(1s), std::logic_error);
}

/// Both ends of a TCP connection send a SYN at the same time. One is too early for the other's NAT and lost, the other
/// gets through, and so does what answers it (RFC 5382, REQ-2).
TEST(World, RawTcpOpensSimultaneouslyThroughTwoNats) {
  World world;
  Host& alice = world.add_home("alices", NatPreset::easy).add_host("alice");
  Host& bob = world.add_home("bobs", NatPreset::easy).add_host("bob");
  int met = 0;
  const auto tcp_of = [&met](Host& host) {
    return [&met, &host](const TcpFlow& flow, const TcpSegment& segment) {
      if (segment.has(TcpSegment::kSyn)) ++met;
      if (segment.has(TcpSegment::kAck)) return;
      host.send_tcp(flow, {.sequence = 1,
                           .acknowledgment = segment.sequence() + 1,
                           .flags = TcpSegment::kSyn | TcpSegment::kAck,
                           .window = 65'535});
    };
  };
  alice.on_tcp = tcp_of(alice);
  bob.on_tcp = tcp_of(bob);
  const TcpHeader syn{.sequence = 1, .flags = TcpSegment::kSyn, .window = 65'535};
  EXPECT_TRUE(alice.send_tcp({*alice.ipv4(), v4("198.18.0.2"), 7000, 7001}, syn));
  EXPECT_TRUE(bob.send_tcp({*bob.ipv4(), v4("198.18.0.1"), 7001, 7000}, syn));
  EXPECT_TRUE(world.run_until([&] { return met == 2; }, 1s));
}

/// Chatter over bad links, with all that a seed decides.
std::uint64_t chatter(std::uint64_t seed) {
  World world{seed};
  Home& home = world.add_home(
      "home", HomeOptions{.nat = NatPreset::hard, .impair = both_ways({.latency = 20ms, .jitter = 10ms, .loss = 0.2})});
  UdpSocket& alice = home.add_host("alice").udp();
  tell_who_asks(world.add_server("server").udp(3478));
  world.every(10ms,
              [&] { return alice.send(endpoint("203.0.113.1:3478"), std::to_string(world.random().below(1000))); });
  world.run_for(2s);
  return world.digest();
}

TEST(World, ASeedDecidesEverything) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(how_to_repeat(seed));
  EXPECT_EQ(chatter(seed), chatter(seed));
  EXPECT_NE(chatter(seed), chatter(seed + 1));
}

TEST(EndpointText, IsReadAsItIsWritten) {
  for (const std::string text : {"1.2.3.4:5", "[2001:db8::1]:65535"}) EXPECT_EQ(to_string(endpoint(text)), text);
  for (const std::string text :
       {"", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:5x", "[1.2.3.4]:5", "::1:5", "[::1]"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace vnet::sim
