// The cursors' sticky rule, and the Internet checksum against one that is obviously right.
#include "packet/bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "packet/checksum.hpp"
#include "packet/drop_reason.hpp"
#include "packet/random.hpp"

namespace vnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(ByteReader, ReadsBigEndian) {
  const Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  ByteReader in{bytes};
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.be16(), 0x0203);
  EXPECT_EQ(in.be32(), 0x04050607U);
  EXPECT_EQ(in.be64(), 0x08090a0b0c0d0e0fU);
  EXPECT_EQ(in.remaining(), 1U);
  EXPECT_EQ(in.rest().size(), 1U);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.position(), 16U);
}

TEST(ByteReader, FailsForGoodAtTheFirstAccessBeyondTheEnd) {
  const Bytes bytes{1, 2, 3};
  ByteReader in{bytes};
  EXPECT_EQ(in.be32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0U) << "though a byte was there";
  EXPECT_TRUE(in.bytes(1).empty());
  EXPECT_TRUE(in.rest().empty());
  EXPECT_FALSE(in.ok());
}

TEST(ByteReader, AnEmptyViewIsReadToItsEnd) {
  ByteReader in{ByteView{}};
  EXPECT_TRUE(in.rest().empty());
  in.skip(0);
  EXPECT_TRUE(in.ok());
  in.skip(1);
  EXPECT_FALSE(in.ok());
}

TEST(ByteReader, ACountThatWouldWrapAroundIsRefused) {
  const Bytes bytes{1, 2, 3};
  ByteReader in{bytes};
  (void)in.u8();
  EXPECT_TRUE(in.bytes(SIZE_MAX).empty());
  EXPECT_FALSE(in.ok());
}

TEST(ByteWriter, WritesBigEndianAndNothingElse) {
  std::array<std::uint8_t, 20> storage;
  storage.fill(0xa5);
  ByteWriter out{storage};
  out.u8(0x01);
  out.be16(0x0203);
  out.be32(0x04050607U);
  out.be64(0x08090a0b0c0d0e0fU);
  out.zeros(1);
  out.bytes(Bytes{0x11, 0x12});
  EXPECT_TRUE(out.ok());
  const Bytes expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0x11, 0x12, 0xa5, 0xa5};
  EXPECT_EQ(Bytes(storage.begin(), storage.end()), expected);
  EXPECT_EQ(out.written().size(), 18U);
  EXPECT_EQ(out.room(), 2U);
}

TEST(ByteWriter, FailsForGoodAndWritesNoPartOfWhatDoesNotFit) {
  std::array<std::uint8_t, 3> storage;
  storage.fill(0xa5);
  ByteWriter out{storage};
  out.be32(0x01020304U);
  EXPECT_FALSE(out.ok());
  out.u8(1);
  out.bytes(Bytes{1});
  out.zeros(1);
  EXPECT_EQ(out.position(), 0U);
  for (const std::uint8_t byte : storage) EXPECT_EQ(byte, 0xa5);
}

TEST(ByteWriter, PatchesOnlyWhatWasWritten) {
  std::array<std::uint8_t, 4> storage;
  storage.fill(0xa5);
  ByteWriter out{storage};
  out.zeros(3);
  out.patch_be16(1, 0x1234);
  out.patch_be16(2, 0xffff);
  out.patch_u8(3, 0xff);
  out.patch_u8(0, 0x77);
  EXPECT_EQ(Bytes(storage.begin(), storage.end()), (Bytes{0x77, 0x12, 0x34, 0xa5}));
}

TEST(ByteWriter, RewindTakesBackAFailureToo) {
  std::array<std::uint8_t, 4> storage{};
  ByteWriter out{storage};
  out.be16(1);
  out.be32(2);
  EXPECT_FALSE(out.ok());
  out.rewind(1);
  EXPECT_TRUE(out.ok());
  EXPECT_EQ(out.position(), 1U);
  out.rewind(3);
  EXPECT_EQ(out.position(), 1U) << "only backwards";
}

/// A word at a time, as RFC 1071 describes it.
std::uint16_t naive(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : bytes[i];
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

TEST(InternetChecksum, Rfc1071TheExampleOfSection3) {
  const Bytes bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum(bytes), static_cast<std::uint16_t>(~0xddf2U));
}

TEST(InternetChecksum, OfNothingIsAllOnes) { EXPECT_EQ(checksum({}), 0xffff); }

TEST(InternetChecksum, AgreesWithTheNaiveOneForEveryLengthAndAlignment) {
  Random random{1};
  Bytes bytes(500);
  for (int round = 0; round < 20; ++round) {
    for (std::uint8_t& byte : bytes)
      byte = round == 0 ? 0xff : round == 1 ? 0 : static_cast<std::uint8_t>(random.next());
    // Blocks, words and bytes are summed in ways of their own.
    for (std::size_t size = 0; size < 400; ++size) {
      const ByteView part = ByteView{bytes}.subspan(random.below(64), size);
      ASSERT_EQ(checksum(part), naive(part)) << "length " << size;
    }
  }
}

TEST(InternetChecksum, TheLargestPacketOfAllOnesDoesNotOverflow) {
  const Bytes bytes(65'535, 0xff);
  EXPECT_EQ(checksum(bytes), naive(bytes));
}

TEST(InternetChecksum, PiecesOfEvenLengthAddUp) {
  Random random{2};
  Bytes bytes(501);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  const ByteView all{bytes};
  for (std::size_t cut = 0; cut <= 500; cut += 2) {
    ASSERT_EQ(Checksum{}.add(all.first(cut)).add(all.subspan(cut)).finish(), naive(all)) << cut;
  }
}

TEST(InternetChecksum, OverBytesWithARightChecksumIsZero) {
  Bytes bytes{0x45, 0, 0, 20, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
  store_be(bytes.data() + 10, checksum(bytes));
  EXPECT_EQ(checksum(bytes), 0);
}

TEST(InternetChecksum, PseudoHeadersAreAddressesProtocolAndLength) {
  const Bytes v4{10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0x12, 0x34};
  EXPECT_EQ(Checksum{}.add_pseudo(Ipv4Address{10, 0, 0, 1}, Ipv4Address{10, 0, 0, 2}, 17, 0x1234).finish(), naive(v4));
  const auto a = Ipv6Address::parse("fd00::1").value();
  const auto b = Ipv6Address::parse("fd00::2").value();
  Bytes v6{a.octets().begin(), a.octets().end()};
  v6.insert(v6.end(), b.octets().begin(), b.octets().end());
  for (const int byte : {0, 0, 0x12, 0x34, 0, 0, 0, 58}) v6.push_back(static_cast<std::uint8_t>(byte));
  EXPECT_EQ(Checksum{}.add_pseudo(a, b, 58, 0x1234).finish(), naive(v6));
}

TEST(RandomSource, Splitmix64GivesItsPublishedSequence) {
  // The reference implementation's first values for the seed 1234567.
  Random random{1234567};
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
  EXPECT_EQ(random.next(), 9817491932198370423U);
}

TEST(RandomSource, BelowStaysBelow) {
  Random random{3};
  EXPECT_EQ(random.below(0), 0U);
  EXPECT_EQ(random.below(1), 0U);
  std::array<int, 6> dice{};
  for (int i = 0; i < 6000; ++i) ++dice.at(random.below(6));
  for (const int count : dice) EXPECT_NEAR(count, 1000, 200);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

TEST(DropReasons, HaveDistinctNamesAndCounters) {
  DropCounters counters;
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(kDropReasons[i].name, kDropReasons[j].name);
    counters.add(static_cast<DropReason>(i), i + 1);
  }
  EXPECT_EQ(counters.total(), kDropReasonCount * (kDropReasonCount + 1) / 2);
  EXPECT_EQ(counters[DropReason::runt], 2U);
  EXPECT_EQ(to_string(DropReason::link_down), "link-down");
}

}  // namespace
}  // namespace vnet
