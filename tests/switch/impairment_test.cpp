// One direction of an impaired link: what is lost, doubled, delayed, bunched, reordered, slowed and corrupted, by seeds
// that are fixed, so that each count is the same on every run and the bounds say how far from the theory it may be.
#include "switch/impairment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace vnet::l2 {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Bytes = std::vector<std::uint8_t>;

constexpr Instant kStart{1000s};

/// A frame that carries its number behind the Ethernet header.
Bytes numbered(std::uint32_t number, std::size_t size = 64) {
  Bytes frame(size);
  store_be(frame.data() + 14, number);
  return frame;
}
std::uint32_t number_of(ByteView frame) { return load_be<std::uint32_t>(frame.data() + 14); }

struct Arrival {
  Instant at;
  std::uint32_t number;
};

class Link {
 public:
  explicit Link(const Impairment& rules, std::uint64_t seed = 1) : queue(rules, Random{seed}) {}

  std::optional<DropReason> offer(ByteView frame, Instant now) {
    take_until(now);
    const auto outcome = queue.offer(frame, now, store);
    for (const ByteView passed : outcome.passed()) arrived.push_back({now, number_of(passed)});
    store.end_batch();
    return outcome.dropped();
  }
  void take_until(Instant end) {
    while (queue.next_deadline() <= end) {
      const Instant due = queue.next_deadline();
      arrived.push_back({due, number_of(*queue.take_due(due, store))});
      store.end_batch();
    }
  }
  /// Offers `count` numbered frames, one each `interval`, and waits for all of them. How many were dropped.
  std::uint32_t run(std::uint32_t count, Duration interval, std::size_t size = 64) {
    std::uint32_t dropped = 0;
    for (std::uint32_t i = 0; i < count; ++i) dropped += offer(numbered(i, size), kStart + i * interval) ? 1U : 0U;
    take_until(kNever - 1ns);
    return dropped;
  }
  [[nodiscard]] std::vector<std::uint32_t> numbers() const {
    std::vector<std::uint32_t> result;
    for (const Arrival& arrival : arrived) result.push_back(arrival.number);
    return result;
  }

  FrameStore store;
  ImpairmentQueue queue;
  std::vector<Arrival> arrived;
};

Impairment with(auto member, auto value) {
  Impairment rules;
  rules.*member = value;
  return rules;
}

TEST(Impairment, WithoutAnyEveryFramePassesAtOnceAndUncopied) {
  FrameStore store;
  ImpairmentQueue queue{{}, Random{1}};
  const Bytes frame = numbered(7);
  const auto outcome = queue.offer(frame, kStart, store);
  ASSERT_EQ(outcome.passed().size(), 1U);
  EXPECT_EQ(outcome.passed()[0].data(), frame.data());
  EXPECT_FALSE(outcome.dropped());
  EXPECT_EQ(store.used(), 0U);
  EXPECT_EQ(queue.next_deadline(), kNever);
  EXPECT_TRUE(Impairment{}.is_none());
}

TEST(Impairment, RandomLossTakesItsShareAndCopiesNothing) {
  Link link{with(&Impairment::loss, 0.02)};
  EXPECT_NEAR(link.run(100'000, 1us), 2000, 150);
  EXPECT_EQ(link.store.used(), 0U);
  EXPECT_EQ(link.offer(numbered(0), kStart), std::nullopt);
  Link all{with(&Impairment::loss, 1.0)};
  EXPECT_EQ(all.offer(numbered(0), kStart), DropReason::impairment);
}

TEST(Impairment, LossIsTheSameForASeedAndAnotherForAnother) {
  const auto survivors = [](std::uint64_t seed) {
    Link link{with(&Impairment::loss, 0.5), seed};
    link.run(200, 1us);
    return link.numbers();
  };
  EXPECT_EQ(survivors(3), survivors(3));
  EXPECT_NE(survivors(3), survivors(4));
}

/// The lengths of the gaps in what arrived of `count` numbered frames.
std::vector<std::uint32_t> gaps(const Link& link, std::uint32_t count) {
  std::vector<std::uint32_t> result;
  std::uint32_t expected = 0;
  for (std::uint32_t number : link.numbers()) {
    if (number != expected) result.push_back(number - expected);
    expected = number + 1;
  }
  if (expected != count) result.push_back(count - expected);
  return result;
}

TEST(Impairment, BurstsBeginAndLastAsTheGilbertModelSays) {
  Impairment rules;
  rules.loss_burst = {0.01, 0.2, 1};
  Link link{rules};
  constexpr std::uint32_t kFrames = 200'000;
  // 0.01 / (0.01 + 0.2) of all frames, in runs of 1 / 0.2.
  EXPECT_NEAR(link.run(kFrames, 1us), kFrames * 0.0476, kFrames * 0.003);
  const auto lengths = gaps(link, kFrames);
  double sum = 0;
  for (const std::uint32_t length : lengths) sum += length;
  EXPECT_NEAR(sum / static_cast<double>(lengths.size()), 5, 0.3);
}

TEST(Impairment, BothStatesOfTheGilbertElliottModelLoseTheirShare) {
  Impairment rules;
  rules.loss = 0.01;
  rules.loss_burst = {0.05, 0.05, 0.4};  // half of the time in each
  Link link{rules};
  EXPECT_NEAR(link.run(200'000, 1us), 200'000 * (0.005 + 0.2), 1500);
}

TEST(Impairment, ALastingBurstEndsWhenTheRulesHaveNone) {
  Impairment rules;
  rules.loss_burst = {1, 0, 1};
  Link link{rules};
  EXPECT_EQ(link.run(10, 1us), 10U);
  link.queue.change({}, kStart);
  EXPECT_EQ(link.run(10, 1us), 0U);
}

TEST(Impairment, LatencyDelaysEveryFrameByJustThat) {
  Link link{with(&Impairment::latency, Duration{40ms})};
  EXPECT_EQ(link.run(100, 3ms), 0U);
  ASSERT_EQ(link.arrived.size(), 100U);
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(link.arrived[i].number, i);
    EXPECT_EQ(link.arrived[i].at, kStart + i * 3ms + 40ms);
  }
}

TEST(Impairment, JitterIsUniformToEitherSide) {
  Impairment rules;
  rules.latency = 40ms;
  rules.jitter = 10ms;
  Link link{rules};
  EXPECT_EQ(link.run(20'000, 100ms), 0U);  // too far apart to wait for each other
  double sum = 0;
  double squares = 0;
  Duration least = 1h;
  Duration most{};
  for (const Arrival& arrival : link.arrived) {
    const Duration delay = arrival.at - (kStart + arrival.number * Duration{100ms});
    least = std::min(least, delay);
    most = std::max(most, delay);
    const double off = static_cast<double>((delay - rules.latency).count()) / 1e6;
    sum += off;
    squares += off * off;
  }
  EXPECT_GE(least, 30ms);
  EXPECT_LT(least, 30100us);
  EXPECT_LE(most, 50ms);
  EXPECT_GT(most, 49900us);
  EXPECT_NEAR(sum / 20'000, 0, 0.15);
  EXPECT_NEAR(squares / 20'000, 100.0 / 3, 1);  // the variance of a uniform distribution
}

TEST(Impairment, JitterBeyondTheLatencyDelaysByNothingAtLeast) {
  Impairment rules;
  rules.latency = 1ms;
  rules.jitter = 10ms;
  rules.jitter_reorders = true;
  Link link{rules};
  link.run(1000, 100ms);
  ASSERT_EQ(link.arrived.size(), 1000U);
  for (const Arrival& arrival : link.arrived) EXPECT_GE(arrival.at, kStart + arrival.number * Duration{100ms});
}

TEST(Impairment, JitterKeepsTheOrderUnlessItIsToReorder) {
  Impairment rules;
  rules.latency = 40ms;
  rules.jitter = 10ms;
  Link in_order{rules};
  in_order.run(1000, 1ms);
  EXPECT_EQ(in_order.arrived.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(in_order.numbers()));
  rules.jitter_reorders = true;
  Link reordering{rules};
  reordering.run(1000, 1ms);
  EXPECT_EQ(reordering.arrived.size(), 1000U);
  EXPECT_FALSE(std::ranges::is_sorted(reordering.numbers()));
}

TEST(Impairment, ReorderedFramesSkipTheDelay) {
  Impairment rules;
  rules.latency = 40ms;
  rules.reorder = 0.25;
  Link link{rules};
  link.run(20'000, 1ms);
  ASSERT_EQ(link.arrived.size(), 20'000U);
  std::uint32_t at_once = 0;
  std::vector<std::uint32_t> others;
  for (const Arrival& arrival : link.arrived) {
    const Duration delay = arrival.at - (kStart + arrival.number * Duration{1ms});
    if (delay == Duration{}) {
      ++at_once;
    } else {
      EXPECT_EQ(delay, 40ms);
      others.push_back(arrival.number);
    }
  }
  EXPECT_NEAR(at_once, 5000, 200);
  EXPECT_TRUE(std::ranges::is_sorted(others));
}

TEST(Impairment, DuplicatesArriveTwice) {
  Link link{with(&Impairment::duplicate, 0.1)};
  EXPECT_EQ(link.run(50'000, 1us), 0U);
  EXPECT_NEAR(static_cast<double>(link.arrived.size()), 55'000, 300);
  EXPECT_TRUE(std::ranges::is_sorted(link.numbers()));
  Impairment delayed = with(&Impairment::duplicate, 1.0);
  delayed.latency = 5ms;
  Link all{delayed};
  all.run(2, 1ms);
  EXPECT_THAT(all.numbers(), ElementsAre(0, 0, 1, 1));
}

TEST(Impairment, CorruptionFlipsOneBitBehindTheHeaderOfACopy) {
  FrameStore store;
  ImpairmentQueue queue{with(&Impairment::corrupt, 0.5), Random{1}};
  const Bytes frame(200, 0x5a);
  int wrong = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto outcome = queue.offer(frame, kStart, store);
    ASSERT_EQ(outcome.passed().size(), 1U);
    const ByteView passed = outcome.passed()[0];
    ASSERT_EQ(passed.size(), frame.size());
    int bits = 0;
    for (std::size_t k = 0; k < frame.size(); ++k) {
      const int flipped = std::popcount(static_cast<unsigned>(passed[k] ^ frame[k]));
      if (k < 14) {
        ASSERT_EQ(flipped, 0);
      }
      bits += flipped;
    }
    ASSERT_LE(bits, 1);
    wrong += bits;
    store.end_batch();
  }
  EXPECT_NEAR(wrong, 5000, 200);
  EXPECT_EQ(frame, Bytes(200, 0x5a));
  EXPECT_EQ(store.used(), 0U);
  EXPECT_EQ(ImpairmentQueue(with(&Impairment::corrupt, 1.0), Random{1}).offer(Bytes(14), kStart, store).passed().size(),
            1U)
      << "there is nothing to corrupt in a mere header";
}

TEST(Impairment, TheRateIsThatOfWholeFrames) {
  Link link{with(&Impairment::rate_mbps, 10.0)};
  // Offered at 12.1 Mbit/s for two seconds: what arrives does so at 10, and the queue stands full at 256 KiB.
  const std::uint32_t dropped = link.run(2000, 1ms, 1514);
  ASSERT_GT(link.arrived.size(), 1000U);
  const double seconds = std::chrono::duration<double>(link.arrived.back().at - kStart).count();
  EXPECT_NEAR(static_cast<double>(link.arrived.size()) * 1514 * 8 / seconds / 1e6, 10, 0.001);
  EXPECT_NEAR(dropped, 2000 - (10e6 * 2 / 8 + 256 * 1024) / 1514, 2);
  const Duration longest = link.arrived.back().at - (kStart + link.arrived.back().number * Duration{1ms});
  EXPECT_LE(longest, Duration{256 * 1024 * 800ns});
  EXPECT_GT(longest, Duration{255 * 1024 * 800ns} - 1514 * 800ns);
}

TEST(Impairment, TheQueueOfARateDropsAtItsTail) {
  Impairment rules;
  rules.rate_mbps = 8;  // a byte a microsecond
  rules.queue_kb = 1;
  Link link{rules};
  EXPECT_EQ(link.offer(numbered(0, 1500), kStart), std::nullopt) << "an idle link takes a frame of any size";
  EXPECT_EQ(link.offer(numbered(1, 100), kStart), DropReason::impairment_queue);
  EXPECT_EQ(link.offer(numbered(2, 100), kStart + 576us), std::nullopt);
  link.take_until(kStart + 1s);
  ASSERT_EQ(link.arrived.size(), 2U);
  EXPECT_EQ(link.arrived[0].at, kStart + 1500us);
  EXPECT_EQ(link.arrived[1].at, kStart + 1600us);
}

TEST(Impairment, FramesWaitForTheirTurnAndThenForTheLatency) {
  Impairment rules;
  rules.rate_mbps = 8;
  rules.latency = 50ms;
  Link link{rules};
  for (std::uint32_t i = 0; i < 3; ++i) (void)link.offer(numbered(i, 1000), kStart);
  link.take_until(kStart + 1s);
  ASSERT_EQ(link.arrived.size(), 3U);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(link.arrived[i].at, kStart + 50ms + (i + 1) * 1ms);
}

TEST(Impairment, AChangeOfRateHoldsForWhatWaitsForItsTurn) {
  Impairment rules;
  rules.rate_mbps = 0.008;  // a second for each frame
  rules.latency = 10ms;
  Link link{rules};
  for (std::uint32_t i = 0; i < 10; ++i) (void)link.offer(numbered(i, 1000), kStart);
  link.take_until(kStart + 1500ms);
  EXPECT_EQ(link.arrived.size(), 1U);
  rules.rate_mbps = 8;
  link.queue.change(rules, kStart + 1500ms);
  link.take_until(kStart + 1h);
  ASSERT_EQ(link.arrived.size(), 10U);
  EXPECT_EQ(link.arrived[1].at, kStart + 1511ms);
  EXPECT_EQ(link.arrived[9].at, kStart + 1519ms);
}

TEST(Impairment, AChangeLeavesWhatIsOnItsWayAsItIs) {
  Link link{with(&Impairment::latency, Duration{10s})};
  (void)link.offer(numbered(0), kStart);
  link.queue.change(with(&Impairment::latency, Duration{10ms}), kStart);
  (void)link.offer(numbered(1), kStart);
  link.queue.change({}, kStart);
  (void)link.offer(numbered(2), kStart + 1ms);
  link.take_until(kStart + 1h);
  EXPECT_THAT(link.numbers(), ElementsAre(2, 1, 0));
  EXPECT_EQ(link.arrived[2].at, kStart + 10s);
}

TEST(Impairment, AFrameThatNeedNotWaitStaysBehindThoseThatAreDue) {
  Link link{with(&Impairment::latency, Duration{10ms})};
  (void)link.queue.offer(numbered(0), kStart, link.store);
  link.queue.change({}, kStart);
  // The timer is late: number 0 is due, and still there.
  const auto outcome = link.queue.offer(numbered(1), kStart + 11ms, link.store);
  EXPECT_THAT(outcome.passed(), IsEmpty());
  EXPECT_EQ(link.queue.next_deadline(), kStart + 10ms);
  link.take_until(kStart + 11ms);
  EXPECT_THAT(link.numbers(), ElementsAre(0, 1));
}

TEST(Impairment, WhatWaitsIsBoundedInFrames) {
  Link link{with(&Impairment::latency, Duration{10s})};
  for (std::uint32_t i = 0; i < ImpairmentQueue::kMaxFrames; ++i) {
    ASSERT_FALSE(link.queue.offer(numbered(i, 60), kStart, link.store).dropped());
  }
  EXPECT_EQ(link.queue.offer(numbered(0, 60), kStart, link.store).dropped(), DropReason::impairment_queue);
  EXPECT_EQ(link.queue.size(), ImpairmentQueue::kMaxFrames);
  (void)link.queue.take_due(kStart + 10s, link.store);
  EXPECT_FALSE(link.queue.offer(numbered(0, 60), kStart, link.store).dropped());
}

TEST(Impairment, WhatWaitsIsBoundedInBytes) {
  Link link{with(&Impairment::latency, Duration{10s})};
  const Bytes jumbo = numbered(0, 65'000);
  std::size_t taken = 0;
  while (!link.queue.offer(jumbo, kStart, link.store).dropped()) ++taken;
  EXPECT_EQ(taken, ImpairmentQueue::kMaxBytes / jumbo.size());
}

TEST(Impairment, AFullStoreIsAFullQueue) {
  FrameStore store{2 * FrameStore::kLeastBuffer};
  ImpairmentQueue one{with(&Impairment::latency, Duration{1s}), Random{1}};
  ImpairmentQueue other{with(&Impairment::latency, Duration{1s}), Random{2}};
  EXPECT_FALSE(one.offer(numbered(0), kStart, store).dropped());
  EXPECT_FALSE(other.offer(numbered(1), kStart, store).dropped());
  EXPECT_EQ(other.offer(numbered(2), kStart, store).dropped(), DropReason::impairment_queue);
  EXPECT_EQ(number_of(*one.take_due(kStart + 1s, store)), 0U);
  EXPECT_TRUE(other.offer(numbered(2), kStart, store).dropped()) << "what is lent is not free yet";
  store.end_batch();
  EXPECT_FALSE(other.offer(numbered(2), kStart, store).dropped());
}

TEST(Impairment, TakeAllGivesUpWhatWaitsInTheOrderItCame) {
  Impairment rules;
  rules.latency = 1s;
  rules.jitter = 1s;
  rules.jitter_reorders = true;
  rules.rate_mbps = 1;
  Link link{rules};
  for (std::uint32_t i = 0; i < 20; ++i) (void)link.queue.offer(numbered(i), kStart, link.store);
  std::vector<std::uint32_t> numbers;
  for (const ByteView frame : link.queue.take_all(link.store)) numbers.push_back(number_of(frame));
  EXPECT_EQ(numbers.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(link.queue.next_deadline(), kNever);
  link.store.end_batch();
  EXPECT_EQ(link.store.used(), 0U);
}

TEST(Impairment, TwoBehindEachOtherCompose) {
  Impairment nic;
  nic.latency = 10ms;
  nic.jitter = 1ms;
  nic.loss = 0.1;
  nic.rate_mbps = 10;
  nic.queue_kb = 64;
  Impairment network;
  network.latency = 20ms;
  network.jitter = 2ms;
  network.loss = 0.2;
  network.loss_burst = {0.1, 0.5, 1};
  network.rate_mbps = 100;
  const Impairment both = compose(nic, network);
  EXPECT_EQ(both.latency, 30ms);
  EXPECT_EQ(both.jitter, 3ms);
  EXPECT_DOUBLE_EQ(both.loss, 0.28);
  EXPECT_EQ(both.loss_burst, network.loss_burst);
  EXPECT_EQ(both.rate_mbps, 10);
  EXPECT_EQ(both.queue_kb, 64U);
  EXPECT_EQ(compose(network, nic).queue_kb, 64U);
  EXPECT_EQ(compose(nic, {}), nic);
  EXPECT_EQ(compose({}, nic), nic);
  nic.loss_burst = {0.3, 0.3, 0.5};
  EXPECT_EQ(compose(nic, network).loss_burst, nic.loss_burst);
}

TEST(FrameStore, BuffersAreUsedAgain) {
  FrameStore store;
  const Bytes frame = numbered(1);
  const auto first = store.lend(*store.copy(frame)).data();
  EXPECT_EQ(store.used(), FrameStore::kLeastBuffer);
  store.end_batch();
  EXPECT_EQ(store.used(), 0U);
  const ByteView again = store.lend(*store.copy(numbered(2, 1514)));
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(number_of(again), 2U);
}

}  // namespace
}  // namespace vnet::l2
