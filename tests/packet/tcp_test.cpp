#include "packet/tcp.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "packet/transport.hpp"

namespace vnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(TcpOptions, ReadsWhatASynOffers) {
  const Bytes bytes{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
  const TcpOptions options = TcpOptions::parse(bytes);
  EXPECT_EQ(options.mss, 1460);
  EXPECT_EQ(options.window_scale, 7);
  EXPECT_TRUE(options.sack_permitted);
  EXPECT_EQ(options.sack_count, 0U);
}

TEST(TcpOptions, AScaleBeyond14CountsAs14_Rfc7323_2_3) {
  EXPECT_EQ(TcpOptions::parse(Bytes{3, 3, 255}).window_scale, 14);
}

TEST(TcpOptions, ReadsUpToFourSackBlocks_Rfc2018_3) {
  Bytes bytes{1, 1, 5, 34};
  for (std::uint8_t i = 0; i < 4; ++i) bytes.insert(bytes.end(), {0, 0, i, 0, 0, 0, i, 9});
  TcpOptions options = TcpOptions::parse(bytes);
  ASSERT_EQ(options.sack_count, 4U);
  EXPECT_EQ(options.sack[3], (SequenceRange{0x300, 0x309}));
  options = TcpOptions::parse(Bytes{5, 9, 0, 0, 0, 1, 0, 0, 0});  // not a whole block
  EXPECT_EQ(options.sack_count, 0U);
  Bytes twice{5, 18};
  twice.insert(twice.end(), 16, 1);
  twice.insert(twice.end(), twice.begin(), twice.end());
  twice.insert(twice.end(), {5, 10, 0, 0, 0, 1, 0, 0, 0, 2});
  EXPECT_EQ(TcpOptions::parse(twice).sack_count, kMaxSackBlocks);
}

TEST(TcpOptions, ABadLengthEndsTheReading) {
  EXPECT_EQ(TcpOptions::parse(Bytes{2, 4, 1, 0, 9, 0, 3, 3, 7}).mss, 256);
  EXPECT_FALSE(TcpOptions::parse(Bytes{9, 0, 3, 3, 7}).window_scale);
  EXPECT_FALSE(TcpOptions::parse(Bytes{9, 1, 3, 3, 7}).window_scale);
  EXPECT_FALSE(TcpOptions::parse(Bytes{2, 4, 5}).mss);
  EXPECT_FALSE(TcpOptions::parse(Bytes{2}).mss);
  EXPECT_FALSE(TcpOptions::parse(Bytes{2, 3, 5}).mss) << "of a wrong size";
  EXPECT_FALSE(TcpOptions::parse(Bytes{0, 2, 4, 1, 0}).mss) << "behind the end";
  EXPECT_EQ(TcpOptions::parse(Bytes{254, 4, 9, 9, 2, 4, 1, 0}).mss, 256) << "an unknown one is skipped";
}

TEST(TcpWire, OptionsAreWrittenAsTheyAreRead) {
  const TcpFlow flow{Ipv4Address{10, 0, 0, 1}, Ipv4Address{10, 0, 0, 2}, 80, 1234};
  const std::vector<SequenceRange> blocks{{10, 20}, {0xffff'fff0, 5}, {30, 40}, {50, 60}};
  for (std::size_t count = 0; count <= kMaxSackBlocks; ++count) {
    TcpHeader header;
    header.flags = TcpSegment::kAck;
    header.sack = std::span{blocks}.first(count);
    Bytes storage(FrameBuilder::kHeadroom + 10);
    FrameBuilder frame{storage};
    build_tcp(frame, flow, header, as_bytes("0123456789"));
    ASSERT_TRUE(frame.ok());
    const auto packet = Ipv4Packet::parse(frame.bytes()).value();
    const auto segment = TcpSegment::parse(packet.payload()).value();
    EXPECT_TRUE(upper_checksum_ok(packet, ip_protocol::kTcp, segment.bytes()));
    EXPECT_EQ(as_text(segment.payload()), "0123456789");
    EXPECT_EQ(segment.header_size(), 20 + (count == 0 ? 0 : 4 + 8 * count));
    const TcpOptions options = TcpOptions::parse(segment.options());
    ASSERT_EQ(options.sack_count, count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(options.sack[i], blocks[i]);
  }
}

TEST(TcpWire, TheMssLeavesRoomForTheHeaders) {
  const TcpFlow v4{Ipv4Address{}, Ipv4Address{}, 1, 2};
  const TcpFlow v6{Ipv6Address{}, Ipv6Address{}, 1, 2};
  EXPECT_EQ(mss_for_mtu(v4, 1500), 1460);
  EXPECT_EQ(mss_for_mtu(v6, 1500), 1440);
  EXPECT_EQ(mss_for_mtu(v4, kMaxMtu), 65'480);
  EXPECT_EQ(mss_for_mtu(v4, 68), 28);
  EXPECT_EQ(default_mss(v4), 536);
  EXPECT_EQ(default_mss(v6), 1220);
}

TEST(SequenceNumbers, AreOrderedOnACircle_Rfc9293_3_4) {
  EXPECT_TRUE(sequence_before(0xffff'ffff, 0));
  EXPECT_FALSE(sequence_before(0, 0xffff'ffff));
  EXPECT_FALSE(sequence_before(5, 5));
  EXPECT_EQ(sequence_max(0xffff'fff0, 3), 3U);
  EXPECT_EQ(sequence_min(0xffff'fff0, 3), 0xffff'fff0U);
  EXPECT_EQ((SequenceRange{0xffff'fff0, 0x10}.size()), 0x20U);
}

}  // namespace
}  // namespace vnet
