#include "packet/tcp.hpp"
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

TEST(SipHash, GivesTheReferenceVectors) {
  const SipHashKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  const std::uint64_t words[] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  EXPECT_EQ(siphash({}, key), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(std::span{words}.first(1), key), 0x93f5f5799a932462U);
  EXPECT_EQ(siphash(words, key), 0x3f2acc7f57c29bdbU);
}

TEST(TcpWire, BuildsASynAckOverIpv4) {
  // IP 192.168.127.1.53 > 192.168.127.2.40000: Flags [S.], seq 1, ack 2, win 16384, options [mss 1460], length 0
  const auto packet = build_packet(ipv4_flow(), {1, 2, kSyn | kAck, 16'384, 1460}, {});
  const std::vector<std::uint8_t> golden = {0x45, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0xbb,
                                            0x77, 0xc0, 0xa8, 0x7f, 0x01, 0xc0, 0xa8, 0x7f, 0x02, 0x00, 0x35,
                                            0x9c, 0x40, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x60,
                                            0x12, 0x40, 0x00, 0x3c, 0x49, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4};
  EXPECT_EQ(packet, golden);
}

TEST(TcpWire, BuildsDataOverIpv6) {
  const auto packet = build_packet(ipv6_flow(), {1, 2, kAck | kPsh, 100, 0}, as_bytes("hello"));
  ASSERT_EQ(packet.size(), 40U + 20 + 5);
  const TcpSegment segment = read_packet(packet);
  EXPECT_EQ(segment.sequence(), 1U);
  EXPECT_EQ(segment.acknowledgment(), 2U);
  EXPECT_EQ(segment.window(), 100U);
  EXPECT_EQ(as_text(segment.payload()), "hello");
}

TEST(TcpWire, FailsInsteadOfOverrunningSmallStorage) {
  std::vector<std::uint8_t> storage(FrameBuilder::kHeadroom + 4);
  FrameBuilder frame{storage};
  build_tcp(frame, ipv4_flow(), {}, as_bytes("too long"));
  EXPECT_FALSE(frame.ok());
}

TEST(TcpWire, FindsTheMssAmongOtherOptions) {
  const std::uint8_t options[] = {1, 3, 3, 7, 4, 2, 2, 4, 0x05, 0xb4, 0};
  EXPECT_EQ(find_mss(options), 1460);
}

TEST(TcpWire, IgnoresMalformedOptions) {
  const std::uint8_t behind_end[] = {0, 2, 4, 5, 0xb4};
  const std::uint8_t zero_length[] = {3, 0, 2, 4, 5, 0xb4};
  const std::uint8_t cut_value[] = {2, 4, 5};
  const std::uint8_t cut_length[] = {2};
  const std::uint8_t too_long[] = {5, 40, 2, 4, 5, 0xb4};
  const std::uint8_t wrong_size[] = {2, 3, 5, 0};
  EXPECT_FALSE(find_mss(behind_end));
  EXPECT_FALSE(find_mss(zero_length));
  EXPECT_FALSE(find_mss(cut_value));
  EXPECT_FALSE(find_mss(cut_length));
  EXPECT_FALSE(find_mss(too_long));
  EXPECT_FALSE(find_mss(wrong_size));
  EXPECT_FALSE(find_mss({}));
}

TEST(TcpWire, ComparesAcrossTheWrap) {
  EXPECT_TRUE(sequence_before(0xffff'fff0, 0x10));
  EXPECT_FALSE(sequence_before(0x10, 0xffff'fff0));
  EXPECT_FALSE(sequence_before(5, 5));
}

TEST(Rfc6528, InitialSequenceGrowsWithTimeAndDiffersByFlowAndSecret) {
  const SipHashKey key{1, 2};
  const Instant start{1h};
  const std::uint32_t first = initial_sequence(ipv4_flow(), key, start);
  EXPECT_EQ(initial_sequence(ipv4_flow(), key, start + 1s) - first, 250'000U);
  EXPECT_NE(initial_sequence(ipv4_flow(3), key, start), first);
  EXPECT_NE(initial_sequence(ipv4_flow(2, 40'001), key, start), first);
  EXPECT_NE(initial_sequence(ipv6_flow(), key, start), initial_sequence(ipv6_flow(9), key, start));
  EXPECT_NE(initial_sequence(ipv4_flow(), {1, 3}, start), first);
}

}  // namespace
}  // namespace vnet::network::test
