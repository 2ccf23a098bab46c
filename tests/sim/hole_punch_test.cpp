// Two clients that meet, or do not, in homes of all kinds.
#include "sim/hole_punch.hpp"

#include <gtest/gtest.h>

namespace vnet::sim {
namespace {

class HolePunch : public testing::Test {
 protected:
  Host& host(const std::string& name, const HomeOptions& home) {
    return world.add_home("home-of-" + name, home).add_host(name);
  }
  PunchResult punch(Host& a, Host& b) { return punch_hole(world, a, b, server, options); }

  World world{test_seed()};
  RendezvousServer server{world.add_server("server")};
  PunchOptions options;
  testing::ScopedTrace trace{__FILE__, __LINE__, how_to_repeat(world.seed())};
};

TEST_F(HolePunch, MeetsByOutsideEndpoints) {
  options.own_addresses = false;
  Host& alice = host("alice", {});
  Host& bob = host("bob", {});
  const PunchResult result = punch(alice, bob);
  EXPECT_EQ(result.path, Path::direct);
  EXPECT_EQ(to_string(result.a), "198.18.0.2:49152");
  EXPECT_EQ(to_string(result.b), "198.18.0.3:49152");
  EXPECT_LT(result.took, 500ms);
}

TEST_F(HolePunch, RelaysWhereItMustAndSaysHowLongItTook) {
  const HomeOptions hard{.nat = NatPreset::hard, .has_ipv6 = false};
  const PunchResult result = punch(host("alice", hard), host("bob", hard));
  EXPECT_EQ(result.path, Path::relayed);
  EXPECT_GE(result.took, options.patience);
  EXPECT_LT(result.took, options.patience + 1s);
}

TEST_F(HolePunch, MeetsByIpv6WhereBothNatsAreHard) {
  const HomeOptions hard{.nat = NatPreset::hard};
  const PunchResult result = punch(host("alice", hard), host("bob", hard));
  EXPECT_EQ(result.path, Path::direct);
  EXPECT_TRUE(std::holds_alternative<Ipv6Address>(result.a.address));
}

TEST_F(HolePunch, MeetsInsideOfOneHome) {
  Home& home = world.add_home("home", HomeOptions{.nat = NatPreset::hard, .has_ipv6 = false});
  Host& alice = home.add_host("alice");
  const PunchResult result = punch(alice, home.add_host("bob"));
  EXPECT_EQ(result.path, Path::direct);
  EXPECT_EQ(to_string(result.a), "10.2.0.101:49152");
}

TEST_F(HolePunch, MeetsByTheHairpinOfOneRouterWhereOwnAddressesAreNotTold) {
  options.own_addresses = false;
  Home& home = world.add_home("home", NatPreset::easy);
  const PunchResult result = punch(home.add_host("alice"), home.add_host("bob"));
  EXPECT_EQ(result.path, Path::direct);
  EXPECT_EQ(result.a.address, IpAddress{*home.wan_ipv4()});
}

TEST_F(HolePunch, WithoutHairpinItIsTheRelay) {
  options.own_addresses = false;
  NatBehavior easy = nat::behavior_of(NatPreset::easy);
  easy.hairpin = false;
  Home& home = world.add_home("home", easy);
  EXPECT_EQ(punch(home.add_host("alice"), home.add_host("bob")).path, Path::relayed);
}

/// Both have the same private address in networks of their own; what is at that address is never the peer.
TEST_F(HolePunch, IsNotFooledByEqualAddresses) {
  const HomeOptions alike{.ipv4 = Ipv4Prefix::parse("192.168.1.1/24"), .has_ipv6 = false};
  Host& alice = host("alice", alike);
  Host& bob = host("bob", alike);
  EXPECT_EQ(alice.ipv4(), bob.ipv4());
  const PunchResult result = punch(alice, bob);
  EXPECT_EQ(result.path, Path::direct);
  EXPECT_EQ(to_string(result.b), "198.18.0.3:49152");
}

TEST_F(HolePunch, SurvivesBadLinks) {
  const HomeOptions bad{.has_ipv6 = false, .impair = both_ways({.latency = 80ms, .jitter = 40ms, .loss = 0.2})};
  EXPECT_EQ(punch(host("alice", bad), host("bob", bad)).path, Path::direct);
}

TEST_F(HolePunch, FailsWhereTheServerCannotBeReached) {
  Home& home = world.add_home("home", NatPreset::easy);
  home.blackhole({*parse_ip_prefix("203.0.113.0/24")});
  EXPECT_EQ(punch(home.add_host("alice"), host("bob", {})).path, Path::none);
}

TEST_F(HolePunch, OneWorldSeesManyMeetings) {
  Host& alice = host("alice", {});
  Host& bob = host("bob", {.nat = NatPreset::hard, .has_ipv6 = false});
  EXPECT_EQ(punch(alice, bob).path, Path::relayed);
  bob.home().change_nat(NatPreset::fullcone);
  EXPECT_EQ(punch(alice, bob).path, Path::direct);
}

}  // namespace
}  // namespace vnet::sim
