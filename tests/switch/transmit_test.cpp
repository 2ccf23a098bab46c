// The transmit batches: order, borrowing, and that a cleared batch leaves nothing behind.
#include "switch/transmit.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace vnet::l2 {
namespace {

constexpr std::array<std::uint8_t, 3> kOneFrame{1, 2, 3};
constexpr std::array<std::uint8_t, 2> kAnother{4, 5};

std::vector<std::uint32_t> touched(const Transmit& transmit) {
  std::vector<std::uint32_t> result;
  for (const PortId port : transmit.touched()) result.push_back(index(port));
  return result;
}

TEST(Transmit, StartsEmpty) {
  const Transmit transmit;
  EXPECT_TRUE(transmit.empty());
  EXPECT_TRUE(transmit.touched().empty());
}

TEST(Transmit, NamesEachPortOnceInTheOrderOfItsFirstFrame) {
  Transmit transmit;
  transmit.add(PortId{7}, kOneFrame);
  transmit.add(PortId{2}, kOneFrame);
  transmit.add(PortId{7}, kAnother);
  EXPECT_EQ(touched(transmit), (std::vector<std::uint32_t>{7, 2}));
  EXPECT_FALSE(transmit.empty());
}

TEST(Transmit, FramesTakenBackAreNotSentAndThoseAddedAfterwardsAre) {
  Transmit transmit;
  EXPECT_TRUE(transmit.take_back(PortId{7}).empty());
  transmit.add(PortId{7}, kOneFrame);
  transmit.add(PortId{2}, kOneFrame);
  transmit.add(PortId{7}, kAnother);
  EXPECT_EQ(transmit.take_back(PortId{7}).size(), 2U);
  EXPECT_EQ(touched(transmit), (std::vector<std::uint32_t>{2}));
  transmit.add(PortId{7}, kAnother);
  EXPECT_EQ(touched(transmit), (std::vector<std::uint32_t>{2, 7}));
  EXPECT_EQ(transmit.frames(PortId{7}).size(), 1U);
}

TEST(Transmit, KeepsTheOrderOfFramesAndCopiesNone) {
  Transmit transmit;
  transmit.add(PortId{0}, kOneFrame);
  transmit.add(PortId{0}, kAnother);
  const auto frames = transmit.frames(PortId{0});
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].data(), kOneFrame.data());
  EXPECT_EQ(frames[0].size(), kOneFrame.size());
  EXPECT_EQ(frames[1].data(), kAnother.data());
}

TEST(Transmit, AFloodIsOneBufferManyTimes) {
  Transmit transmit;
  for (std::uint32_t port = 0; port < 1000; ++port) transmit.add(PortId{port}, kOneFrame);
  ASSERT_EQ(transmit.touched().size(), 1000U);
  for (const PortId port : transmit.touched()) EXPECT_EQ(transmit.frames(port)[0].data(), kOneFrame.data());
}

TEST(Transmit, ClearForgetsEveryFrameAndPort) {
  Transmit transmit;
  transmit.add(PortId{3}, kOneFrame);
  transmit.add(PortId{5}, kOneFrame);
  transmit.clear();
  EXPECT_TRUE(transmit.empty());
  EXPECT_TRUE(transmit.frames(PortId{3}).empty());
  transmit.add(PortId{5}, kAnother);
  EXPECT_EQ(touched(transmit), (std::vector<std::uint32_t>{5}));
  ASSERT_EQ(transmit.frames(PortId{5}).size(), 1U);
  EXPECT_EQ(transmit.frames(PortId{5})[0].data(), kAnother.data());
}

}  // namespace
}  // namespace vnet::l2
