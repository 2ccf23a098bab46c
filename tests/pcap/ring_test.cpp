#include "pcap/ring.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

namespace vnet::capture {
namespace {

constexpr std::size_t kCapacity = 4096;

[[nodiscard]] bool push(Ring& ring, std::size_t size, std::uint8_t fill) {
  const ByteSpan room = ring.reserve(size);
  if (room.empty()) return false;
  EXPECT_EQ(room.size(), size);
  std::memset(room.data(), fill, size);
  (void)ring.commit(size);
  return true;
}

TEST(Ring, IsEmptyAtFirst) {
  Ring ring{kCapacity};
  ASSERT_TRUE(ring.ok());
  EXPECT_TRUE(ring.readable().empty());
}

TEST(Ring, WhatIsReservedButNotCommittedIsNotSeen) {
  Ring ring{kCapacity};
  EXPECT_EQ(ring.reserve(100).size(), 100U);
  EXPECT_TRUE(ring.readable().empty());
}

TEST(Ring, GivesPiecesInOrderAsOneRun) {
  Ring ring{kCapacity};
  ASSERT_TRUE(push(ring, 4, 1));
  ASSERT_TRUE(push(ring, 8, 2));
  const ByteView run = ring.readable();
  ASSERT_EQ(run.size(), 12U);
  EXPECT_EQ(run[3], 1);
  EXPECT_EQ(run[4], 2);
  ring.consume(4);
  EXPECT_EQ(ring.readable().size(), 8U);
}

TEST(Ring, RefusesWhenFullAndRecoversWhenRead) {
  Ring ring{kCapacity};
  ASSERT_TRUE(push(ring, kCapacity, 1));
  EXPECT_FALSE(push(ring, 4, 2));
  ASSERT_EQ(ring.readable().size(), kCapacity);
  ring.consume(4);
  EXPECT_TRUE(push(ring, 4, 2));
  EXPECT_FALSE(push(ring, 4, 3));
}

TEST(Ring, RefusesAPieceLongerThanItself) {
  Ring ring{kCapacity};
  EXPECT_FALSE(push(ring, kCapacity + 4, 1));
  EXPECT_TRUE(push(ring, 4, 1));
}

TEST(Ring, APieceThatDoesNotFitBeforeTheEndBeginsAtTheStart) {
  Ring ring{kCapacity};
  ASSERT_TRUE(push(ring, 3000, 1));
  ring.consume(ring.readable().size());
  ASSERT_TRUE(push(ring, 1000, 2));
  ASSERT_TRUE(push(ring, 500, 3));  // 96 bytes remain before the end
  ByteView run = ring.readable();
  ASSERT_EQ(run.size(), 1000U);
  EXPECT_EQ(run[999], 2);
  ring.consume(run.size());
  run = ring.readable();
  ASSERT_EQ(run.size(), 500U);
  EXPECT_EQ(run[0], 3);
  ring.consume(run.size());
  EXPECT_TRUE(ring.readable().empty());
}

TEST(Ring, ExactFitsOverManyLapsNeverShowOldBytes) {
  Ring ring{kCapacity};
  for (int lap = 0; lap < 100; ++lap) {
    const auto fill = static_cast<std::uint8_t>(lap + 1);
    ASSERT_TRUE(push(ring, kCapacity / 2, fill));
    ASSERT_TRUE(push(ring, kCapacity / 2, fill));
    const ByteView run = ring.readable();
    ASSERT_EQ(run.size(), kCapacity);
    EXPECT_EQ(run.front(), fill);
    EXPECT_EQ(run.back(), fill);
    ring.consume(run.size());
    EXPECT_TRUE(ring.readable().empty());
  }
}

TEST(Ring, OnlyTheFirstCommitAfterSleepAsksForAWakeUp) {
  Ring ring{kCapacity};
  ASSERT_TRUE(ring.prepare_sleep());
  ASSERT_FALSE(ring.reserve(4).empty());
  EXPECT_TRUE(ring.commit(4));
  ASSERT_FALSE(ring.reserve(4).empty());
  EXPECT_FALSE(ring.commit(4));
}

TEST(Ring, DoesNotSleepWhileThereIsData) {
  Ring ring{kCapacity};
  ASSERT_TRUE(push(ring, 4, 1));
  EXPECT_FALSE(ring.prepare_sleep());
  ASSERT_FALSE(ring.reserve(4).empty());
  EXPECT_FALSE(ring.commit(4)) << "the announcement of sleep was not taken back";
}

/// Each piece is its length, its serial number, and bytes made from the number.
TEST(Ring, TwoThreadsLoseAndDisturbNothing) {
  constexpr std::uint32_t kPieces = 200'000;
  Ring ring{kCapacity};
  std::thread producer{[&ring] {
    std::mt19937 random{1};  // any order of sizes will do
    for (std::uint32_t serial = 0; serial < kPieces;) {
      const std::uint32_t size = 8 + 4 * static_cast<std::uint32_t>(random() % 200);
      const ByteSpan room = ring.reserve(size);
      if (room.empty()) {
        std::this_thread::yield();
        continue;
      }
      std::memset(room.data(), static_cast<int>(serial & 0xff), size);
      std::memcpy(room.data(), &size, 4);
      std::memcpy(room.data() + 4, &serial, 4);
      (void)ring.commit(size);
      ++serial;
    }
  }};
  std::uint32_t expected = 0;
  bool intact = true;
  while (expected < kPieces && intact) {
    const ByteView run = ring.readable();
    if (run.empty()) {
      std::this_thread::yield();
      continue;
    }
    std::uint32_t size = 0;
    std::uint32_t serial = 0;
    std::memcpy(&size, run.data(), 4);
    std::memcpy(&serial, run.data() + 4, 4);
    intact = serial == expected && size <= run.size() && (size == 8 || run[size - 1] == (serial & 0xff));
    ring.consume(size);
    ++expected;
  }
  EXPECT_TRUE(intact) << "at piece " << expected;
  while (!intact && !ring.readable().empty()) ring.consume(ring.readable().size());
  producer.join();
}

}  // namespace
}  // namespace vnet::capture
