// What a guest, or somebody outside, can take of a NAT, and what it costs.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Limits : public TranslatorTest {
 protected:
  Limits() { judges = false; }
  static Endpoint guest(std::size_t number) {
    return {Ipv4Address{static_cast<std::uint32_t>(0x0a000001U + number / 2000)},
            static_cast<std::uint16_t>(2000 + number % 2000)};
  }
  static Endpoint remote(std::size_t number) {
    return {Ipv4Address{static_cast<std::uint32_t>(0xcb007100U + number / 60000)},
            static_cast<std::uint16_t>(1 + number % 60000)};
  }
  bool sends(const Endpoint& from, const Endpoint& to) { return !out(udp(from, to)).reason; }
};

TEST_F(Limits, MappingsInAll) {
  for (std::size_t i = 0; i < Translator::kMaxMappings; ++i) ASSERT_TRUE(sends(guest(i), kServer)) << i;
  EXPECT_EQ(subject->size(), Translator::kMaxMappings);
  EXPECT_EQ(out(udp(kGuest, kServer)).reason, DropReason::nat_exhausted);
  EXPECT_EQ(subject->counters().exhausted, 1U);
  EXPECT_TRUE(sends(guest(0), kStranger)) << "who has one is not affected";
  later(300s);
  EXPECT_EQ(subject->size(), 0U);
  EXPECT_EQ(subject->sessions(), 0U);
  for (std::size_t i = 0; i < Translator::kMaxMappings; ++i) ASSERT_TRUE(sends(guest(i + 60000), kServer)) << i;
  later(1h);
  later(1h);
  EXPECT_EQ(subject->next_deadline(), kNever);
  EXPECT_EQ(subject->counters().created, 2 * Translator::kMaxMappings);
  EXPECT_EQ(subject->counters().expired, 2 * Translator::kMaxMappings);
}

TEST_F(Limits, MemoryPerMappingWithOneSession) {
  EXPECT_LT(TranslationTable::kMaxBytesPerMapping, 256U);
  const std::size_t before = subject->memory();
  EXPECT_LT(before, 1024U) << "nothing before the first packet";
  // The same by what was allocated. The bits for the ports of the protocol, and pieces that are not full, are extra.
  const std::size_t extra =
      PortPool::kPorts / 8 +
      256 * (sizeof(TranslationTable::Mapping) + sizeof(TranslationTable::Session) + sizeof(TranslationTable::Host));
  for (std::size_t i = 0; i < Translator::kMaxMappings; ++i) {
    ASSERT_TRUE(sends({Ipv4Address{static_cast<std::uint32_t>(0x0a000001U + i)}, 5000}, kServer));
    if (i % 97 == 0 && i > 50) {
      ASSERT_LE(subject->memory(), (i + 1) * TranslationTable::kMaxBytesPerMapping + extra) << i;
    }
  }
  RecordProperty("bytes_per_mapping", static_cast<int>(subject->memory() / Translator::kMaxMappings));
  std::cout << "bytes per mapping: at most " << TranslationTable::kMaxBytesPerMapping << ", at " << subject->size()
            << " mappings " << subject->memory() / subject->size() << '\n';
}

TEST_F(Limits, NothingIsAllocatedInTheSteadyState) {
  const auto round = [this](std::size_t from) {
    for (std::size_t i = 0; i < 1000; ++i) EXPECT_TRUE(sends(guest(from + i), kServer));
    later(420s);
  };
  round(0);
  const std::size_t memory = subject->memory();
  for (std::size_t i = 1; i < 20; ++i) round(i * 1000);
  EXPECT_EQ(subject->memory(), memory);
}

TEST_F(Limits, SessionsOfAMappingGiveWayTheLeastRecentlyUsedFirst) {
  for (std::size_t i = 0; i < Translator::kMaxSessionsPerMapping; ++i) ASSERT_TRUE(sends(kGuest, remote(i)));
  ASSERT_TRUE(sends(kGuest, remote(0)));
  ASSERT_TRUE(sends(kGuest, kServer));
  EXPECT_EQ(subject->sessions(), Translator::kMaxSessionsPerMapping);
  const Endpoint outside{kOutside, 5000};
  EXPECT_TRUE(gets_in(kServer, outside));
  EXPECT_TRUE(gets_in(remote(0), outside));
  EXPECT_FALSE(gets_in(remote(1), outside));
  EXPECT_TRUE(gets_in(remote(2), outside));
}

TEST_F(Limits, ConnectionsGiveWayToNobody) {
  for (std::size_t i = 0; i < Translator::kMaxSessionsPerMapping; ++i) {
    ASSERT_TRUE(out(tcp(kGuest, remote(i), kSyn)));
  }
  EXPECT_EQ(out(tcp(kGuest, kServer, kSyn)).reason, DropReason::nat_exhausted);
  EXPECT_TRUE(in(tcp(remote(0), {kOutside, 5000}, kSyn | kAck)));
  EXPECT_EQ(subject->size(), 1U);
}

TEST_F(Limits, SessionsOfAHostAndInAll) {
  const auto fill = [this](std::uint8_t host) {
    std::size_t made = 0;
    for (std::size_t i = 0; i < Translator::kMaxSessionsPerHost + 1000; ++i) {
      const Endpoint from{Ipv4Address{10, 0, 0, host}, static_cast<std::uint16_t>(2000 + i / 1000)};
      if (sends(from, remote(i))) ++made;
    }
    return made;
  };
  EXPECT_EQ(fill(1), Translator::kMaxSessionsPerHost);
  EXPECT_TRUE(sends(kGuest, kServer));
  EXPECT_EQ(fill(2), Translator::kMaxSessionsPerHost - 1);
  EXPECT_EQ(subject->sessions(), Translator::kMaxSessions);
  const std::size_t mappings = subject->size();
  EXPECT_EQ(out(udp(kOther, kServer)).reason, DropReason::nat_exhausted);
  EXPECT_EQ(subject->size(), mappings) << "no mapping without a session";
  EXPECT_TRUE(sends(kGuest, kServer));
}

TEST_F(Limits, NothingThatComesInMakesState) {
  use(NatPreset::fullcone);
  const Endpoint outside = map(kGuest, kServer);
  const std::size_t memory = subject->memory();
  for (std::size_t i = 0; i < 5000; ++i) {
    EXPECT_TRUE(gets_in(remote(i), outside));
    in(tcp(remote(i), outside, kSyn));
    in(udp(remote(i), {kOutside, static_cast<std::uint16_t>(i)}));
  }
  EXPECT_EQ(subject->size(), 1U);
  EXPECT_EQ(subject->sessions(), 1U);
  EXPECT_EQ(subject->memory(), memory);
}

TEST_F(Limits, WhatRestsIsBoundedToo) {
  NatBehavior behavior;
  behavior.udp_timeout = 1s;
  use(config_of(behavior));
  for (std::size_t i = 0; i < 40'000; ++i) {
    ASSERT_TRUE(sends(
        {Ipv4Address{static_cast<std::uint32_t>(0x0a000001U + i / 500)}, static_cast<std::uint16_t>(2000 + i % 50'000)},
        kServer))
        << i;
    if (i % 8'000 == 0) later(1s);
  }
  EXPECT_LE(subject->memory(), 3 * Translator::kMaxMappings * TranslationTable::kMaxBytesPerMapping);
}

}  // namespace
}  // namespace vnet::nat::test
