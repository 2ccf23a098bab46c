// Two homes behind NATs, and two clients that find a way through them: a test of software that could be yours.
// `Client` and `Server` stand for that software; what they do on real machines with a socket and a timer, they do here
// with a virtual one. VNET_SEED=N repeats a run, or makes another one.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sim/capture.hpp>
#include <sim/world.hpp>
#include <vector>

using namespace vnet::sim;

namespace {

/// Tells each of two clients by which endpoint the other is seen.
class Server {
 public:
  explicit Server(Host& host) : socket(host.udp(7000)) {
    socket.on_message = [this](const Endpoint& from, vnet::ByteView) {
      if (std::ranges::find(clients, from) == clients.end()) clients.push_back(from);
      if (clients.size() < 2) return;
      socket.send(clients.end()[-2], to_string(clients.end()[-1]));
      socket.send(clients.end()[-1], to_string(clients.end()[-2]));
    };
  }

  UdpSocket& socket;
  std::vector<Endpoint> clients;
};

/// Says hello to the server until it knows its peer, then to the peer until that has answered.
class Client {
 public:
  Client(World& world, Host& host, const Endpoint& server) : socket(host.udp(4000)) {
    socket.on_message = [this, server](const Endpoint& from, vnet::ByteView bytes) {
      const std::string_view text = vnet::as_text(bytes);
      if (from == server) {
        peer = parse_endpoint(text);
      } else if (text == "hello") {
        socket.send(from, "hello to you");
      } else if (text == "hello to you") {
        met = from;
      }
    };
    world.every(50ms, [this, server] {
      socket.send(peer.value_or(server), "hello");
      return !met;
    });
  }

  UdpSocket& socket;
  std::optional<Endpoint> peer;
  std::optional<Endpoint> met;
};

struct Case {
  NatPreset a;
  NatPreset b;
  bool meet;
};

class HolePunch : public testing::TestWithParam<Case> {
 protected:
  ~HolePunch() override {
    if (HasFailure()) std::ofstream{"failed.pcapng", std::ios::binary} << vnet::as_text(capture.bytes());
  }

  World world{test_seed()};
  testing::ScopedTrace trace{__FILE__, __LINE__, how_to_repeat(world.seed())};
  Capture capture{world};
  Server server{world.add_server("server")};
};

TEST_P(HolePunch, MeetsWhereItCan) {
  Client alice{world, world.add_home("alices", GetParam().a).add_host("alice"), server.socket.local()};
  Client bob{world, world.add_home("bobs", GetParam().b).add_host("bob"), server.socket.local()};
  EXPECT_EQ(world.run_until([&] { return alice.met && bob.met; }, 10s), GetParam().meet);
}

INSTANTIATE_TEST_SUITE_P(Nats, HolePunch,
                         testing::Values(Case{NatPreset::none, NatPreset::easy, true},
                                         Case{NatPreset::easy, NatPreset::easy, true},
                                         Case{NatPreset::easy, NatPreset::cgnat, true},
                                         Case{NatPreset::easy, NatPreset::hard, false},
                                         Case{NatPreset::hard, NatPreset::hard, false}));

/// The path between them is good until alice's router has been off; bob is not let in then, until alice says something.
TEST_F(HolePunch, APathEndsWithARouter) {
  const HomeOptions bad_link{.impair = both_ways({.latency = 60ms, .jitter = 30ms, .loss = 0.1})};
  Home& home = world.add_home("alices", NatPreset::easy);
  Client alice{world, home.add_host("alice"), server.socket.local()};
  Client bob{world, world.add_home("bobs", bad_link).add_host("bob"), server.socket.local()};
  ASSERT_TRUE(world.run_until([&] { return alice.met && bob.met; }, 10s));
  world.run_for(1s);  // what is still on its way out of alice's home would open the path again

  home.reboot_router();
  const auto before = alice.socket.received();
  world.every(1s, [&] { return bob.socket.send(*bob.met, "are you there?"); });
  world.run_for(10s);
  EXPECT_EQ(alice.socket.received(), before);
  EXPECT_GT(home.router().drops.total(), 5U);

  alice.socket.send(*alice.met, "it was my router");
  world.run_for(10s);
  EXPECT_GT(alice.socket.received(), before);
}

}  // namespace
