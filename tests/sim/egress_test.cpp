// Whole connections between a guest's TCP and the host's sockets, over links of every kind: each byte arrives once and
// in order on both sides, both ends see the end, nothing stands still for longer than a few time-outs, and nothing is
// left behind. Each case prints its seed.
#include <gtest/gtest.h>

#include "egress_world.hpp"

namespace vnet::sim {
namespace {

/// Bytes that look like nothing, made once.
std::string_view noise() {
  static const std::string bytes = [] {
    Random random{99};
    std::string result(3'000'000, ' ');
    for (char& c : result) c = static_cast<char>(random.next());
    return result;
  }();
  return bytes;
}
std::string_view some(Random& random, std::uint32_t most) {
  const std::uint32_t size = random.chance(0.1) ? random.below(3) : random.below(random.chance(0.5) ? most : most / 20);
  return noise().substr(random.below(1'000'000), size);
}

std::uint16_t mss_for(std::uint16_t mtu, bool ipv6 = false) {
  return static_cast<std::uint16_t>(mtu - (ipv6 ? 60 : 40));
}

/// A connection of random habits.
Talk random_talk(Random& random, std::uint16_t mtu, std::uint32_t most) {
  Talk talk;
  talk.guest.isn = static_cast<std::uint32_t>(random.next());
  talk.guest.listens = random.chance(0.25);
  talk.ipv6 = random.chance(0.3);
  talk.guest.mss = mss_for(mtu, talk.ipv6);
  if (random.chance(0.2)) talk.guest.mss = static_cast<std::uint16_t>(100 + random.below(talk.guest.mss - 100U));
  if (random.chance(0.25))
    talk.guest.scale.reset();
  else
    talk.guest.scale = static_cast<std::uint8_t>(random.below(9));
  talk.guest.sack = random.chance(0.7);
  talk.guest.buffer = 3000U + random.below(random.chance(0.5) ? 60'000 : 400'000);
  if (random.chance(0.3)) {
    talk.guest.read_bytes = 2000U + random.below(30'000);
    talk.guest.read_every = std::chrono::microseconds{100 + random.below(20'000)};
  }
  talk.guest.flight = talk.guest.mss * (2U + random.below(60));
  talk.guest.text = some(random, most);
  talk.guest.probes_with_data = random.chance(0.5);
  talk.down = some(random, most);
  talk.piece = 1U + talk.down.size() / 1000 + random.below(random.chance(0.8) ? 60'000 : 2000);
  talk.pause = std::chrono::microseconds{random.below(5000)};
  // One of them waits, or none does; never both.
  const std::uint32_t order = random.below(3);
  talk.guest.ends_last = order == 1;
  talk.host_ends_last = order == 2;
  talk.host.delay = std::chrono::microseconds{random.below(50'000)};
  talk.host.send_buffer = 1000U + random.below(100'000);
  talk.host.receive_buffer = 1000U + random.below(200'000);
  talk.host.frugal = random.chance(0.5);
  if (random.chance(0.3)) {
    talk.host.read_every = std::chrono::microseconds{100 + random.below(20'000)};
    talk.host.read_bytes = 1000U + random.below(30'000);
  }
  return talk;
}

void expect_all_arrived(EgressWorld& world, const std::vector<Talk>& talks) {
  for (std::size_t i = 0; i < talks.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "connection " << i);
    TcpPeer& peer = world.peer(i);
    ASSERT_EQ(peer.violation, "");
    ASSERT_NE(world.remote(i), nullptr);
    const TcpRemote& remote = *world.remote(i);
    ASSERT_FALSE(peer.reset);
    ASSERT_EQ(remote.received.size(), talks[i].guest.text.size());
    ASSERT_TRUE(remote.received == talks[i].guest.text);
    ASSERT_EQ(peer.received.size(), talks[i].down.size());
    ASSERT_TRUE(peer.received == talks[i].down);
    ASSERT_TRUE(peer.done() && remote.ended() && remote.closed() && !remote.was_reset());
  }
  ASSERT_EQ(world.host.violation, "");
}

struct Case {
  LinkPlan link;
  std::uint16_t mtu = 1500;
  std::uint32_t most = 120'000;  ///< bytes in one direction
  std::size_t connections = 2;   ///< at most
  Duration patience = 15s;       ///< the longest in which nothing may move
};

void every_byte_arrives(const Case& of, std::uint64_t first_seed, std::uint64_t count) {
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", MTU " << of.mtu);
    Random random{seed * 31};
    EgressWorld world{of.link, of.mtu, seed};
    std::vector<Talk> talks;
    const std::size_t connections = 1 + random.below(static_cast<std::uint32_t>(of.connections));
    for (std::size_t i = 0; i < connections; ++i) world.add(talks.emplace_back(random_talk(random, of.mtu, of.most)));
    world.run(10min);
    expect_all_arrived(world, talks);
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_LT(world.longest_stall, of.patience);
    ASSERT_EQ(world.flaw, "");
    for (std::size_t i = 0; i < connections; ++i) ASSERT_TRUE(of.link.loss > 0 || !world.peer(i).late_reset);
    world.settle(5s);
    ASSERT_EQ(world.egress().tcp().size(), 0U);
    ASSERT_EQ(world.egress().next_deadline(), kNever);
    ASSERT_EQ(world.host.open_sockets(), 0U);
  }
}

TEST(EgressSimulation, EveryByteArrivesOnAPerfectLink) { every_byte_arrives({.link = {}, .patience = 1s}, 1, 60); }
TEST(EgressSimulation, EveryByteArrivesWithAnMtuOf576) {
  every_byte_arrives({.link = {.loss = 0.02, .jitter = 200us}, .mtu = 576, .most = 60'000}, 1000, 40);
}
TEST(EgressSimulation, EveryByteArrivesWithAnMtuOf9000) {
  every_byte_arrives({.link = {.loss = 0.02, .jitter = 200us}, .mtu = 9000, .most = 400'000}, 2000, 40);
}
TEST(EgressSimulation, EveryByteArrivesWithAnMtuOf65520) {
  every_byte_arrives({.link = {.loss = 0.02, .jitter = 200us}, .mtu = 65'520, .most = 1'000'000}, 3000, 40);
}
TEST(EgressSimulation, EveryByteArrivesDespiteLoss) { every_byte_arrives({.link = {.loss = 0.1}}, 4000, 80); }
TEST(EgressSimulation, EveryByteArrivesDespiteDuplicates) {
  every_byte_arrives({.link = {.duplicate = 0.3, .jitter = 1ms}, .patience = 2s}, 5000, 40);
}
TEST(EgressSimulation, EveryByteArrivesDespiteReordering) {
  every_byte_arrives({.link = {.jitter = 5ms}, .patience = 2s}, 6000, 40);
}
TEST(EgressSimulation, EveryByteArrivesDespiteStalls) {
  every_byte_arrives({.link = {.stall = 0.01, .stall_time = 500ms}}, 7000, 40);
}
TEST(EgressSimulation, EveryByteArrivesDespiteEverything) {
  every_byte_arrives(
      {.link = {.loss = 0.1, .duplicate = 0.1, .latency = 5ms, .jitter = 10ms, .stall = 0.005}, .patience = 25s}, 8000,
      80);
}

/// Whatever breaks off, at whatever time: what arrived is the beginning of what was sent, and nothing is left.
TEST(EgressSimulation, NothingIsLeftOfWhatBreaks) {
  for (std::uint64_t seed = 9000; seed < 9100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random{seed};
    EgressWorld world{{.loss = random.chance(0.5) ? 0.05 : 0, .jitter = 200us}, 1500, seed};
    std::vector<Talk> talks;
    for (std::uint32_t i = 1 + random.below(3); i > 0; --i) {
      Talk& talk = talks.emplace_back(random_talk(random, 1500, 120'000));
      if (random.chance(0.5)) talk.breaks_after = std::chrono::microseconds{random.below(100'000)};
      world.add(talk);
    }
    // Or the guest falls silent for good.
    if (random.chance(0.5)) world.pause_guest(world.now + std::chrono::microseconds{random.below(150'000)}, 24h);
    world.run(10min);
    world.settle(3h);
    for (std::size_t i = 0; i < talks.size(); ++i) {
      ASSERT_TRUE(talks[i].down.starts_with(world.peer(i).received));
      const TcpRemote* const remote = world.remote(i);
      ASSERT_TRUE(remote == nullptr || talks[i].guest.text.starts_with(remote->received));
    }
    ASSERT_EQ(world.egress().tcp().size(), 0U);
    ASSERT_EQ(world.egress().next_deadline(), kNever);
    ASSERT_EQ(world.host.open_sockets(), 0U);
    ASSERT_EQ(world.host.violation, "");
    ASSERT_EQ(world.flaw, "");
  }
}

/// A download and an upload at once, large, by habits that lead to no tiny segments.
Talk plain_talk(std::uint16_t mtu, std::size_t size) {
  Talk talk;
  talk.guest.mss = mss_for(mtu);
  talk.guest.text = noise().substr(0, size);
  talk.guest.buffer = 1'000'000;
  talk.down = noise().substr(100, size);
  talk.piece = size;
  talk.host.delay = 1ms;
  return talk;
}

TEST(EgressSimulation, ALinkWithoutLossSeesNothingTwice) {
  for (const std::uint16_t mtu :
       {std::uint16_t{576}, std::uint16_t{1500}, std::uint16_t{9000}, std::uint16_t{65'520}}) {
    for (const bool sack : {true, false}) {
      SCOPED_TRACE(testing::Message() << "MTU " << mtu << ", SACK " << sack);
      EgressWorld world{{}, mtu, 7};
      Talk talk = plain_talk(mtu, 1'500'000);
      talk.guest.sack = sack;
      world.add(talk);
      world.run(1min);
      expect_all_arrived(world, {talk});
      EXPECT_EQ(world.retransmitted(), 0U);
      EXPECT_EQ(world.peer(0).duplicates, 0U);
      EXPECT_EQ(world.peer(0).resent, 0U);
      EXPECT_LE(world.peer(0).segments, talk.down.size() / mss_for(mtu) + 30) << "full segments";
      EXPECT_LE(world.peer(0).bare, world.batches) << "one acknowledgment for a batch";
      EXPECT_LT(world.longest_stall, 50ms);
    }
  }
}

TEST(EgressSimulation, WhatIsLostIsSentAgainAndLittleElse) {
  for (const bool sack : {true, false}) {
    for (const double loss : {0.005, 0.02, 0.1}) {
      SCOPED_TRACE(testing::Message() << "loss " << loss << ", SACK " << sack);
      EgressWorld world{{.loss = loss, .latency = 2ms}, 1500, 11};
      Talk talk = plain_talk(1500, 2'000'000);
      talk.guest.text = {};
      talk.guest.sack = sack;
      world.add(talk);
      const Instant begin = world.now;
      world.run(10min);
      expect_all_arrived(world, {talk});
      EXPECT_GT(world.lost, 0U);
      EXPECT_LE(world.retransmitted(), sack ? world.lost + world.lost / 10 + 5 : 2 * world.lost + 20);
      EXPECT_LT(world.now - begin, sack ? 2s : 20s);
    }
  }
}

TEST(EgressSimulation, AnUploadAloneIsAcknowledgedByTheBatch) {
  EgressWorld world{{}, 1500, 7};
  Talk talk = plain_talk(1500, 2'000'000);
  talk.down = {};
  world.add(talk);
  world.run(1min);
  expect_all_arrived(world, {talk});
  EXPECT_LE(world.peer(0).bare, world.batches);
  EXPECT_LE(world.peer(0).bare, talk.guest.text.size() / 1460 / 8);
}

TEST(EgressSimulation, NothingIsLostWhileTheHostTakesNothing) {
  EgressWorld world{{}, 1500, 7};
  Talk talk = plain_talk(1500, 1'000'000);
  talk.host.read_every = 700ms;  // in between, both buffers and the window are full
  talk.host.read_bytes = 100'000;
  world.add(talk);
  world.run(1min);
  expect_all_arrived(world, {talk});
  EXPECT_EQ(world.peer(0).resent, 0U);
  EXPECT_EQ(world.peer(0).timeouts, 0U);
  EXPECT_EQ(world.retransmitted(), 0U);
}

TEST(EgressSimulation, NothingIsLostWhileTheGuestReadsNothing) {
  EgressWorld world{{}, 1500, 7};
  Talk talk = plain_talk(1500, 600'000);
  talk.guest.buffer = 50'000;
  talk.guest.read_every = 700ms;
  talk.guest.read_bytes = 50'000;
  world.add(talk);
  world.run(1min);
  expect_all_arrived(world, {talk});
  EXPECT_EQ(world.peer(0).duplicates, 0U);
  EXPECT_EQ(world.retransmitted(), 0U);
}

TEST(EgressSimulation, AGuestThatWasPausedGoesOnSoonAfter) {
  EgressWorld world{{.spacing = 120us}, 1500, 7};
  Talk talk = plain_talk(1500, 2'000'000);
  world.add(talk);
  world.pause_guest(world.now + 50ms, 80s);
  world.run(5min);
  expect_all_arrived(world, {talk});
  EXPECT_LT(world.longest_stall, 80s + 11s);
}

TEST(EgressSimulation, ASlowPortIsNeverOverrun) {
  LinkPlan slow;
  slow.spacing = 120us;  // 100 Mbit/s
  EgressWorld world{slow, 1500, 7};
  std::vector<Talk> talks;
  for (int i = 0; i < 8; ++i) world.add(talks.emplace_back(plain_talk(1500, 300'000)));
  world.run(1min);
  expect_all_arrived(world, talks);
  EXPECT_LE(world.deepest_queue, 200U);
  EXPECT_EQ(world.retransmitted(), 0U);
}

}  // namespace
}  // namespace vnet::sim
