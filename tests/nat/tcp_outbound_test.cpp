// What goes to a guest and when, by the numbers: losses found and repaired, windows kept, clocks set.
#include "nat/tcp_outbound.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vnet::nat {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPeerMss = 1000;

/// Positions count from the first byte; the guest's numbers do not matter here.
class Outbound : public testing::Test {
 protected:
  static constexpr std::uint32_t kIsn = 0xffff'f000;  // wraps soon

  void open(bool selective, std::size_t window = 65'535) {
    out.sent(kIsn, 1, now);
    (void)out.on_ack({.acknowledgment = kIsn + 1, .sequence = 1}, now);
    out.open({.mss = kPeerMss, .selective = selective, .window = window, .sequence = 1});
  }
  [[nodiscard]] static std::uint32_t at(std::uint32_t position) { return kIsn + 1 + position; }
  /// Sends what may go, up to `most` segments, as (position, bytes).
  std::vector<std::pair<std::uint32_t, std::size_t>> send(std::size_t most = 100) {
    std::vector<std::pair<std::uint32_t, std::size_t>> gone;
    while (gone.size() < most) {
      const TcpOutbound::Run run = out.next_run();
      if (run.bytes == 0) break;
      const std::size_t bytes = std::min<std::size_t>(run.bytes, kPeerMss);
      gone.emplace_back(run.sequence - at(0), bytes);
      out.sent(run.sequence, bytes, now);
    }
    return gone;
  }
  /// The guest acknowledges up to `position`, with SACK blocks of positions.
  std::size_t ack(std::uint32_t position, std::vector<SequenceRange> blocks = {}, std::uint16_t window = 65'535) {
    for (SequenceRange& block : blocks) block = {at(block.begin), at(block.end)};
    return out.on_ack({.acknowledgment = at(position), .sequence = 1, .window = window, .bare = true, .sack = blocks},
                      now);
  }
  /// Time passes to the next deadline.
  TcpOutbound::Due wait() {
    EXPECT_NE(out.next_deadline(), kNever);
    waited = out.next_deadline() - now;
    now = out.next_deadline();
    return out.expire(now);
  }
  using Segments = std::vector<std::pair<std::uint32_t, std::size_t>>;

  Instant now{1h};
  Duration waited{};
  TcpOutbound out{kIsn};
};

TEST_F(Outbound, SendsTheInitialWindowAndGrowsByWhatIsAcknowledged_Rfc6928) {
  open(true);
  EXPECT_EQ(send().size(), 10U);
  now += 10ms;
  EXPECT_EQ(ack(4000), 4000U);
  EXPECT_EQ(send().size(), 8U);
  EXPECT_EQ(out.retransmitted(), 0U);
}

TEST_F(Outbound, KeepsToTheGuestsWindow) {
  open(true, 2500);
  EXPECT_EQ(send(), (Segments{{0, 1000}, {1000, 1000}}));
  ack(2000, {}, 2500);
  EXPECT_EQ(send(), (Segments{{2000, 1000}, {3000, 1000}}));
}

TEST_F(Outbound, ASliverOfAWindowWaitsForMore_Rfc9293_3_8_6_2_1) {
  open(true, 2999);
  EXPECT_EQ(send(2).size(), 2U);
  EXPECT_EQ(out.next_run().bytes, 0U);
  ack(2000, {}, 300);
  EXPECT_EQ(send(), (Segments{{2000, 300}})) << "with nothing on its way, what there is";
}

TEST_F(Outbound, ARepeatedSegmentMovesTheWindowWithItsAcknowledgment) {
  open(true);
  send(4);
  (void)out.on_ack({.acknowledgment = at(0), .sequence = 5000, .window = 4000}, now);
  (void)out.on_ack({.acknowledgment = at(4000), .sequence = 2000, .window = 500}, now);  // older, and acknowledges more
  EXPECT_EQ(out.next_run().bytes, 500U);
}

TEST_F(Outbound, AHoleBelowThreeSegmentsIsSentAgain_Rfc6675_5) {
  open(true);
  send();
  ack(0, {{1000, 2000}});
  ack(0, {{1000, 3000}});
  EXPECT_TRUE(send().empty()) << "mere reordering, as far as anybody knows";
  ack(0, {{1000, 4000}});
  EXPECT_EQ(send(1), (Segments{{0, 1000}}));
  EXPECT_EQ(out.retransmitted(), 1U);
  EXPECT_EQ(ack(10'000), 10'000U);
  EXPECT_TRUE(out.idle());
}

TEST_F(Outbound, EveryHoleIsSentAgainOnce_Rfc6675_5) {
  open(true);
  send();
  ack(0, {{1000, 2000}, {3000, 4000}, {7000, 10'000}});
  EXPECT_EQ(send(4), (Segments{{0, 1000}, {2000, 1000}, {4000, 1000}, {5000, 1000}}));
  EXPECT_EQ(send(1).front().first, 6000U);
  const auto later = send();
  for (const auto& [position, size] : later) EXPECT_GE(position, 10'000U) << "new data";
}

TEST_F(Outbound, ALostRepetitionIsSentAgainWhenLaterDataArrives) {
  open(true, 200'000);
  send();
  ack(0, {{1000, 10'000}});
  EXPECT_EQ(send(1), (Segments{{0, 1000}}));
  const auto fresh = send();
  ASSERT_GE(fresh.size(), 4U);
  const std::uint32_t end = fresh.back().first + 1000;
  ack(0, {{1000, 11'000}}, 65'535);
  EXPECT_NE(out.next_run().sequence, at(0));
  ack(0, {{1000, end}}, 65'535);
  EXPECT_EQ(out.next_run().sequence, at(0)) << "what was sent after it has arrived";
  EXPECT_TRUE(out.next_run().again);
}

TEST_F(Outbound, BlocksOfNothingAreIgnored) {
  open(true);
  send(4);
  ack(2000, {{0, 1000}, {500, 2500}, {3000, 3000}, {3500, 3000}, {3000, 900'000}});
  EXPECT_TRUE(out.next_run().bytes > 0 && !out.next_run().again);
  ack(4000);
  EXPECT_TRUE(out.idle());
}

TEST_F(Outbound, ThreeDuplicatesAreALossWithoutSack_Rfc5681_3_2) {
  open(false);
  send();
  ack(2000);
  send();
  ack(2000);
  ack(2000);
  EXPECT_TRUE(send().empty());
  ack(2000);
  EXPECT_EQ(send(1), (Segments{{2000, 1000}}));
}

TEST_F(Outbound, APartialAcknowledgmentSaysThatTheNextIsLostToo_Rfc6582_3_2) {
  open(false);
  send();
  for (int i = 0; i < 3; ++i) ack(0);
  EXPECT_EQ(send(1), (Segments{{0, 1000}}));
  ack(3000);
  EXPECT_EQ(send(1), (Segments{{3000, 1000}}));
  const auto more = send();
  for (const auto& [position, size] : more) EXPECT_GE(position, 10'000U);
  ack(10'000);
  for (int i = 0; i < 3; ++i) ack(10'000);
  EXPECT_FALSE(out.next_run().again && out.next_run().sequence != at(10'000));
}

TEST_F(Outbound, DuplicatesOfTheSameLossAreNoSecondOne_Rfc6582_3_2) {
  open(false);
  send();
  for (int i = 0; i < 3; ++i) ack(0);
  send();
  ack(10'000);
  const std::uint64_t before = out.retransmitted();
  for (int i = 0; i < 3; ++i) ack(10'000);
  for (const auto& [position, size] : send()) EXPECT_GE(position, 10'000U);
  EXPECT_EQ(out.retransmitted(), before);
}

TEST_F(Outbound, WindowUpdatesAreNoDuplicates) {
  open(false);
  send();
  for (std::uint16_t window = 60'000; window < 60'006; ++window) ack(0, {}, window);
  EXPECT_TRUE(send().empty());
  EXPECT_EQ(out.retransmitted(), 0U);
}

TEST_F(Outbound, TheLastSegmentIsProbedBeforeTheTimeout_Rfc8985_7_3) {
  open(true);
  now += 10ms;
  send(3);
  now += 10ms;
  ack(1000);
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_EQ(waited, RoundTrip::kMinProbe);
  EXPECT_EQ(send(1), (Segments{{2000, 1000}})) << "the last";
  // The probe arrives and shows the hole, which is too small to be sure: the timeout follows.
  ack(1000, {{2000, 3000}});
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_EQ(send(1).front().second, 1000U);
}

TEST_F(Outbound, ThereIsAProbeAlsoRightAfterARecovery) {
  open(true);
  send(1);
  for (int i = 0; i < 4; ++i) {  // the probe, and timeouts
    wait();
    send(1);
  }
  ack(1000);
  send(1);
  wait();
  EXPECT_LE(waited, 500ms) << "not the timeout, which has backed off";
  EXPECT_EQ(send(1), (Segments{{1000, 1000}}));
}

TEST_F(Outbound, ALoneSegmentIsGivenTimeForADelayedAcknowledgment_Rfc8985_7_2) {
  open(true);
  send(1);
  EXPECT_GE(out.next_deadline() - now, RoundTrip::kDelayedAck);
}

TEST_F(Outbound, AHoleWithLittleBehindItIsLostARoundTripLater_Rfc8985_6_2) {
  open(true, 3000);
  EXPECT_EQ(send().size(), 3U);
  now += 1ms;
  ack(0, {{2000, 3000}}, 3000);
  EXPECT_EQ(send(), Segments{}) << "one segment may have overtaken the others";
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_LE(waited, 20ms);
  EXPECT_EQ(send(), (Segments{{0, 1000}, {1000, 1000}}));
  wait();
  EXPECT_GE(waited, 190ms) << "nothing has come back since: it is not a hurry any more";
}

TEST_F(Outbound, ALostRepetitionThatWasTheLastToGoIsNoticedARoundTripLater) {
  open(true, 10'000);
  EXPECT_EQ(send().size(), 10U);
  now += 1ms;
  ack(0, {{1000, 10'000}}, 10'000);
  EXPECT_EQ(send(), (Segments{{0, 1000}}));
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_LE(waited, 20ms);
  EXPECT_EQ(send(), (Segments{{0, 1000}}));
  EXPECT_EQ(ack(10'000), 10'000U);
  EXPECT_EQ(out.retransmitted(), 2U);
}

TEST_F(Outbound, TheTailOfARecoveryIsProbedToo) {
  open(true, 10'000);
  EXPECT_EQ(send().size(), 10U);
  now += 1ms;
  ack(0, {{1000, 7000}}, 10'000);
  EXPECT_EQ(send(), (Segments{{0, 1000}}));
  ack(7000, {}, 3000);  // of what follows nothing has come, nor ever will
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_LE(waited, 60ms);
  EXPECT_EQ(send(1), (Segments{{9000, 1000}}));
  ack(7000, {{9000, 10'000}}, 3000);
  EXPECT_EQ(wait(), TcpOutbound::Due::resend);
  EXPECT_LE(waited, 20ms);
  EXPECT_EQ(send(), (Segments{{7000, 1000}, {8000, 1000}}));
}

TEST_F(Outbound, TimeoutsDoubleAndAllCountsAsLost_Rfc6298_5) {
  open(true);
  send();
  wait();
  send(1);  // the probe
  Duration last{};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(wait(), TcpOutbound::Due::resend);
    EXPECT_TRUE(i < 2 || waited == 2 * last);
    last = waited;
    const auto again = send();
    ASSERT_EQ(again.size(), 10U);
    EXPECT_EQ(again.front(), (std::pair<std::uint32_t, std::size_t>{0, 1000}));
  }
  ack(10'000);
  EXPECT_TRUE(out.idle());
  EXPECT_EQ(out.next_deadline(), kNever);
}

TEST_F(Outbound, AfterATimeoutWhatIsOnItsWayIsNotSentAThirdTime) {
  for (const bool selective : {true, false}) {
    TcpOutbound fresh{kIsn};
    out = fresh;
    open(selective);
    send();
    wait();
    send(1);
    wait();
    EXPECT_EQ(send().size(), 10U);
    const std::uint64_t before = out.retransmitted();
    for (std::uint32_t position = 1000; position < 10'000; position += 1000) {
      ack(position);
      for (const auto& [sent, size] : send()) EXPECT_GE(sent, 10'000U);
    }
    EXPECT_EQ(out.retransmitted(), before);
  }
}

TEST_F(Outbound, AfterATimeoutThreeDuplicatesSayThatTheRepetitionWasLost) {
  open(false);
  send();
  wait();
  send(1);
  wait();
  EXPECT_EQ(send().size(), 10U);
  ack(2000);  // and the third is lost again
  send();
  ack(2000);
  ack(2000);
  EXPECT_FALSE(out.next_run().again);
  ack(2000);
  EXPECT_EQ(send(1), (Segments{{2000, 1000}}));
  ack(2000);
  for (const auto& [position, size] : send()) EXPECT_GE(position, 10'000U) << "once";
}

TEST_F(Outbound, TheFirstTimeoutIsOneSecond_Rfc6298_2_1) {
  out.sent(kIsn, 1, now);
  EXPECT_EQ(out.next_deadline() - now, 1s);
  EXPECT_EQ(out.retransmitted(), 0U);
  wait();
  out.sent(kIsn, 1, now);
  EXPECT_EQ(out.next_deadline() - now, 2s);
  EXPECT_EQ(out.retransmitted(), 1U);
}

TEST_F(Outbound, RepeatedSegmentsAreNotMeasured_Rfc6298_3) {
  open(true);
  now += 1ms;
  send(1);
  wait();
  send(1);
  now += 5s;
  ack(1000);
  send(1);
  EXPECT_LE(out.next_deadline() - now, 250ms);
}

TEST_F(Outbound, AClosedWindowIsProbedMoreAndMoreSeldom_Rfc9293_3_8_6_1) {
  open(true, 1000);
  send();
  ack(1000, {}, 0);
  EXPECT_EQ(out.next_run().bytes, 0U);
  EXPECT_EQ(out.next_deadline(), kNever);
  out.set_starved(true, now);
  EXPECT_EQ(wait(), TcpOutbound::Due::probe_window);
  EXPECT_EQ(waited, RoundTrip::kMinTimeout);
  EXPECT_EQ(wait(), TcpOutbound::Due::probe_window);
  EXPECT_EQ(waited, 2 * RoundTrip::kMinTimeout);
  ack(1000, {}, 0);
  out.set_starved(true, now);
  EXPECT_EQ(wait(), TcpOutbound::Due::probe_window);
  EXPECT_EQ(waited, 4 * RoundTrip::kMinTimeout);
  for (int i = 0; i < 10; ++i) wait();
  EXPECT_EQ(waited, RoundTrip::kMaxTimeout);
  ack(1000, {}, 5000);
  out.set_starved(false, now);
  EXPECT_EQ(send().size(), 5U);
}

TEST_F(Outbound, AFinGoesBehindTheDataAndIsAcknowledged) {
  open(true);
  send(2);
  out.finish();
  EXPECT_TRUE(out.fin_due());
  out.sent(out.end(), 1, now);
  EXPECT_FALSE(out.fin_due());
  EXPECT_EQ(out.next_run().bytes, 0U);
  ack(2000);
  EXPECT_FALSE(out.fin_acked());
  ack(2001);
  EXPECT_TRUE(out.fin_acked() && out.idle());
  EXPECT_EQ(out.next_deadline(), kNever);
}

TEST_F(Outbound, ALostFinIsDueOnceForEachTimeout) {
  open(true);
  send(1);
  out.finish();
  out.sent(out.end(), 1, now);
  ack(1000);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(wait(), TcpOutbound::Due::resend);
    EXPECT_EQ(out.next_run().bytes, 0U);
    EXPECT_TRUE(out.fin_due());
    out.sent(out.end(), 1, now);
    EXPECT_FALSE(out.fin_due());
  }
  ack(1001);
  EXPECT_TRUE(out.fin_acked());
}

TEST_F(Outbound, AFinIsSentAgainBehindTheDataBeforeIt) {
  for (const bool selective : {true, false}) {
    out = TcpOutbound{kIsn};
    open(selective);
    send(3);
    out.finish();
    out.sent(out.end(), 1, now);
    EXPECT_EQ(wait(), TcpOutbound::Due::resend);
    EXPECT_EQ(send(), (Segments{{2000, 1000}})) << "the probe";
    EXPECT_FALSE(out.fin_due());
    EXPECT_EQ(wait(), TcpOutbound::Due::resend);
    EXPECT_FALSE(out.fin_due());
    EXPECT_EQ(send(), (Segments{{0, 1000}, {1000, 1000}, {2000, 1000}}));
    EXPECT_TRUE(out.fin_due());
    out.sent(out.end(), 1, now);
    EXPECT_FALSE(out.fin_due());
    ack(3001);
    EXPECT_TRUE(out.fin_acked());
  }
}

TEST_F(Outbound, OnlySomeAcknowledgmentsMayBeHeard_Rfc5961_5_2) {
  open(true, 5000);
  send();
  ack(2000, {}, 5000);
  EXPECT_TRUE(out.acceptable(at(2000)));
  EXPECT_TRUE(out.acceptable(at(5000)));
  EXPECT_FALSE(out.acceptable(at(5001)));
  EXPECT_TRUE(out.acceptable(at(2000) - 5000));
  EXPECT_FALSE(out.acceptable(at(2000) - 5001));
}

TEST_F(Outbound, DuplicatesStillCountAfterGigabytes) {
  open(false);
  std::uint32_t position = 0;
  for (int i = 0; i < 60'000; ++i) {  // 3.6 GB, beyond half the circle of numbers
    out.sent(at(position), 60'000, now);
    position += 60'000;
    ack(position);
  }
  send(5);
  for (int i = 0; i < 3; ++i) ack(position);
  EXPECT_TRUE(out.next_run().again);
}

TEST_F(Outbound, TheNumberOfABareSegmentIsWithinTheWindow) {
  open(true, 3000);
  send();
  EXPECT_EQ(out.bare_sequence(), at(3000));
  ack(1000, {}, 500);  // it has shrunk
  EXPECT_EQ(out.bare_sequence(), at(1500));
}

}  // namespace
}  // namespace vnet::nat
