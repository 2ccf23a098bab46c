// Packets cut to an MTU: judged by rules of their own, and put together again byte by byte.
#include "nat/fragment.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <set>

#include "fragments_testing.hpp"

namespace vnet::nat::test {
namespace {

/// The fragments of `packet`, each the bytes of an IP packet.
std::vector<Bytes> fragments_of(const Bytes& packet, std::size_t mtu, std::uint32_t identification = 0x12345) {
  std::vector<Bytes> fragments;
  std::size_t offset = 0;
  do {
    Bytes storage(FrameBuilder::kHeadroom + mtu);
    FrameBuilder frame{storage};
    offset = put_fragment(frame, packet, offset, mtu, identification);
    EXPECT_TRUE(frame.ok());
    fragments.emplace_back(frame.bytes().begin(), frame.bytes().end());
  } while (offset != 0 && fragments.size() < 10'000);
  return fragments;
}

/// What follows the IP header, as a receiver that trusts the sender would put it together.
Bytes payload_of(const std::vector<Bytes>& fragments, std::size_t mtu, std::uint32_t identification = 0x12345) {
  Bytes payload;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const bool last = i + 1 == fragments.size();
    EXPECT_LE(fragments[i].size(), mtu);
    const auto check = [&](std::size_t offset, bool more, ByteView data) {
      EXPECT_EQ(offset, payload.size());
      EXPECT_EQ(more, !last);
      EXPECT_FALSE(data.empty());
      EXPECT_TRUE(last || data.size() % 8 == 0);
      EXPECT_TRUE(last || fragments[i].size() + 8 > mtu) << "as large as can be";
      wire::put(payload, data);
    };
    if (fragments[i][0] >> 4U == 4) {
      const auto packet = Ipv4Packet::parse(fragments[i]).value();
      EXPECT_EQ(packet.identification(), identification & 0xffffU);
      EXPECT_FALSE(packet.dont_fragment());
      check(packet.fragment_offset(), packet.more_fragments(), packet.payload());
    } else {
      const auto packet = Ipv6Packet::parse(fragments[i]).value();
      const auto header = Ipv6Fragment::parse(packet).value();
      EXPECT_EQ(header.identification(), identification);
      EXPECT_EQ(header.next_header(), 17);
      EXPECT_EQ(packet.payload()[1], 0);
      check(header.offset(), header.more_fragments(), header.data());
    }
  }
  return payload;
}

Bytes payload_of(const Bytes& packet) { return {packet.begin() + (packet[0] >> 4U == 4 ? 20 : 40), packet.end()}; }

TEST(Fragment, APacketThatFitsGoesAsItIs) {
  for (const Bytes& packet : {udp4(1472), udp6(1452), udp4(0)}) {
    EXPECT_EQ(fragments_of(packet, 1500), std::vector<Bytes>{packet});
  }
}

TEST(Fragment, ALargerOneIsCut) {
  for (const Bytes& packet : {udp4(1473), udp6(1453), udp4(60'000), udp6(60'000), udp4(65'507), udp6(65'527)}) {
    for (const std::size_t mtu : {576U, 1280U, 1500U, 9000U}) {
      if (packet.size() <= mtu) continue;
      const auto fragments = fragments_of(packet, mtu);
      EXPECT_GE(fragments.size(), 2U);
      EXPECT_EQ(payload_of(fragments, mtu), payload_of(packet));
    }
  }
  EXPECT_EQ(fragments_of(udp4(65'507), 1500).size(), 45U);
}

TEST(Fragment, TheHeaderIsThatOfThePacket) {
  const Bytes packet = udp4(3000);
  for (const Bytes& fragment : fragments_of(packet, 1500)) {
    EXPECT_TRUE(std::equal(packet.begin() + 8, packet.begin() + 10, fragment.begin() + 8));
    EXPECT_TRUE(std::equal(packet.begin() + 12, packet.begin() + 20, fragment.begin() + 12));
  }
  const Bytes packet6 = udp6(3000);
  for (const Bytes& fragment : fragments_of(packet6, 1500)) {
    EXPECT_TRUE(std::equal(packet6.begin(), packet6.begin() + 4, fragment.begin()));
    EXPECT_TRUE(std::equal(packet6.begin() + 7, packet6.begin() + 40, fragment.begin() + 7));
  }
}

TEST(Fragment, AnMtuThatHoldsNothingHoldsEightBytes) {
  for (const Bytes& packet : {udp4(100), udp6(100)}) {
    std::size_t count = 0;
    for (std::size_t offset = 0; count == 0 || offset != 0; ++count) {
      Bytes storage(FrameBuilder::kHeadroom + 64);
      FrameBuilder frame{storage};
      const std::size_t next = put_fragment(frame, packet, offset, 1, 1);
      ASSERT_TRUE(next == offset + 8 || next == 0);
      offset = next;
    }
    EXPECT_EQ(count, 14U);
  }
}

TEST(Fragment, TheMtuMayChangeInBetween) {
  const char* const given = std::getenv("VNET_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 7;
  std::cout << "seed " << seed << '\n';
  Random random{seed};
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = random.below(65'000);
    const Bytes packet = random.chance(0.5) ? udp4(size) : udp6(size);
    Bytes payload;
    std::size_t offset = 0;
    do {
      const std::size_t mtu = 100 + random.below(9000);
      Bytes storage(FrameBuilder::kHeadroom + mtu);
      FrameBuilder frame{storage};
      offset = put_fragment(frame, packet, offset, mtu, 1);
      ASSERT_LE(frame.size(), mtu);
      const ByteView bytes = frame.bytes();
      const std::size_t headers = packet[0] >> 4U == 4 ? 20 : bytes[6] == 44 ? 48 : 40;
      wire::put(payload, bytes.subspan(headers));
    } while (offset != 0);
    EXPECT_EQ(payload, payload_of(packet));
  }
}

TEST(Identifications, NoneComesAgainUntilAllHaveBeen_Rfc6864_4_2) {
  Identifications subject{{1, 2}};
  std::set<std::uint16_t> seen;
  for (int i = 0; i < 65'535; ++i) EXPECT_TRUE(seen.insert(subject.next16()).second);
  EXPECT_FALSE(seen.contains(0));
  EXPECT_TRUE(seen.contains(subject.next16()));
  std::set<std::uint32_t> wide;
  for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(wide.insert(subject.next32()).second);
}

TEST(Identifications, TheNextIsNotToBeGuessed_Rfc7739) {
  Identifications one{{1, 2}};
  Identifications other{{1, 3}};
  int alike = 0;
  int steps = 0;
  std::uint16_t before = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint16_t next = one.next16();
    alike += next == other.next16() ? 1 : 0;
    steps += next == before + 1 ? 1 : 0;
    before = next;
  }
  EXPECT_LT(alike, 5);
  EXPECT_LT(steps, 5);
}

}  // namespace
}  // namespace vnet::nat::test
