#include "pcap/block.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pcap/capture_file.hpp"

namespace vnet::capture {
namespace {

constexpr std::uint8_t kPoison = 0xa5;

/// Emits into a poisoned buffer with a margin, and checks that exactly `size()` bytes were written.
template <typename Block>
Bytes emitted(const Block& block) {
  constexpr std::size_t kMargin = 16;
  const std::size_t size = block.size();
  Bytes buffer(size + 2 * kMargin, kPoison);
  block.emit(ByteSpan{buffer}.subspan(kMargin, size));
  for (std::size_t i = 0; i < kMargin; ++i) {
    EXPECT_EQ(buffer[i], kPoison);
    EXPECT_EQ(buffer[kMargin + size + i], kPoison);
  }
  return {buffer.begin() + kMargin, buffer.begin() + static_cast<std::ptrdiff_t>(kMargin + size)};
}

template <typename Block>
ReadBlock reread(const Block& block) {
  const auto blocks = read_blocks(emitted(block));
  EXPECT_EQ(blocks.size(), 1U);
  return blocks.empty() ? ReadBlock{} : blocks.front();
}

TEST(Pcapng, SectionHeaderNamesApplicationAndSystem) {
  const ReadBlock block = reread(SectionBlock{.application = "vnetd 0.1.0", .os = "Linux 6.1"});
  EXPECT_EQ(block.type, 0x0A0D0D0AU);
  EXPECT_EQ(number_at<std::uint32_t>(block.body, 0), 0x1A2B3C4DU);
  EXPECT_EQ(number_at<std::uint16_t>(block.body, 4), 1);
  EXPECT_EQ(number_at<std::uint16_t>(block.body, 6), 0);
  EXPECT_EQ(number_at<std::int64_t>(block.body, 8), -1);
  EXPECT_EQ(block.text(4), "vnetd 0.1.0");
  EXPECT_EQ(block.text(3), "Linux 6.1");
}

TEST(Pcapng, InterfaceDescriptionHasNanosecondsAndTheFilterAsText) {
  const ReadBlock block =
      reread(InterfaceBlock{.name = "alice", .description = "52:cc", .filter = "not arp", .snaplen = 96});
  EXPECT_EQ(block.type, 1U);
  EXPECT_EQ(number_at<std::uint16_t>(block.body, 0), 1);  // LINKTYPE_ETHERNET
  EXPECT_EQ(number_at<std::uint32_t>(block.body, 4), 96U);
  EXPECT_EQ(block.text(2), "alice");
  EXPECT_EQ(block.text(3), "52:cc");
  EXPECT_EQ(block.text(9), "\x09");
  EXPECT_EQ(block.text(11), std::string("\0not arp", 8));
}

TEST(Pcapng, InterfaceDescriptionLeavesOutWhatIsNotKnown) {
  const ReadBlock block = reread(InterfaceBlock{.name = "bob"});
  EXPECT_EQ(block.find(3), nullptr);
  EXPECT_EQ(block.find(11), nullptr);
}

TEST(Pcapng, PacketBlockIsTheseBytes) {
  if constexpr (std::endian::native != std::endian::little) GTEST_SKIP() << "the bytes are those of little-endian";
  const Bytes frame = {1, 2, 3, 4, 5};
  const Bytes expected = {
      6,    0,    0,    0,    52,   0,    0,    0,     // type, length
      3,    0,    0,    0,                             // interface
      0x79, 0x9c, 0x97, 0x17, 0x01, 0x00, 0x0f, 0x5a,  // 0x17979c795a0f0001 ns
      5,    0,    0,    0,    9,    0,    0,    0,     // captured, original length
      1,    2,    3,    4,    5,    0,    0,    0,     // data, padding
      2,    0,    4,    0,    2,    0,    0,    0,     // epb_flags: outbound
      0,    0,    0,    0,    52,   0,    0,    0,     // end of options, length
  };
  EXPECT_EQ(emitted(PacketBlock{.interface = 3,
                                .direction = Direction::outbound,
                                .at = WallTime{std::chrono::nanoseconds{0x17979c795a0f0001}},
                                .captured = frame,
                                .original_length = 9,
                                .drop = std::nullopt,
                                .lost_before = 0}),
            expected);
}

TEST(Pcapng, EveryLengthOfFrameIsPaddedToFourBytes) {
  const Bytes frame(70, 0x11);
  for (std::size_t length = 0; length <= frame.size(); ++length) {
    const ByteView data = ByteView{frame}.first(length);
    const ReadBlock block = reread(PacketBlock{.at = kStart, .captured = data, .original_length = 70});
    EXPECT_EQ(block.packet().size(), length);
    EXPECT_EQ(block.options.size(), 1U);
  }
}

TEST(Pcapng, EveryDropReasonIsAComment) {
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const ReadBlock block = reread(PacketBlock{.at = kStart, .captured = {}, .drop = static_cast<DropReason>(i)});
    EXPECT_EQ(block.text(1), "drop: " + std::string{kDropReasons[i].name});
  }
}

TEST(Pcapng, RuntAndOversizeSetTheLinkLayerErrorBits) {
  const auto flags = [](DropReason drop) {
    const ReadBlock block =
        reread(PacketBlock{.direction = Direction::inbound, .at = kStart, .captured = {}, .drop = drop});
    return number_at<std::uint32_t>(block.find(2)->value, 0);
  };
  EXPECT_EQ(flags(DropReason::runt), 1U | (1U << 26));
  EXPECT_EQ(flags(DropReason::empty), 1U | (1U << 26));
  EXPECT_EQ(flags(DropReason::oversize), 1U | (1U << 25));
  EXPECT_EQ(flags(DropReason::queue_full), 1U);
}

TEST(Pcapng, LostRecordsAreADropCountAndAComment) {
  const auto lost = [](std::uint64_t count) {
    return reread(PacketBlock{.at = kStart, .captured = {}, .drop = DropReason::runt, .lost_before = count});
  };
  EXPECT_EQ(lost(3).number(4), 3U);
  EXPECT_THAT(lost(3).comments(), testing::ElementsAre("drop: runt", "3 records lost: the writer fell behind"));
  EXPECT_EQ(lost(1).comments().back(), "1 record lost: the writer fell behind");
  EXPECT_EQ(lost(UINT64_MAX).comments().back(), "18446744073709551615 records lost: the writer fell behind");
}

TEST(Pcapng, StatisticsCountReceivedAcceptedLostAndDelivered) {
  const ReadBlock block =
      reread(StatisticsBlock{.interface = 2, .at = kStart, .received = 9, .accepted = 8, .lost = 3, .delivered = 5});
  EXPECT_EQ(block.type, 5U);
  EXPECT_EQ(block.interface(), 2U);
  EXPECT_EQ(block.number(4), 9U);
  EXPECT_EQ(block.number(5), 3U);
  EXPECT_EQ(block.number(6), 8U);
  EXPECT_EQ(block.number(8), 5U);
  EXPECT_EQ(block.text(1), "3 records lost: the writer fell behind");
}

TEST(Pcapng, StatisticsWithoutLossHaveNoComment) {
  EXPECT_EQ(reread(StatisticsBlock{.received = 9, .accepted = 9, .delivered = 9}).find(1), nullptr);
}

TEST(Pcapng, JournalEntryIsOneLineForEachField) {
  const ReadBlock block = reread(JournalBlock{
      .at = start_plus(1999), .application = "vnetd", .interface = "al\nice", .message = "link\tdown\x7f"});
  EXPECT_EQ(block.type, 9U);
  const std::string text{block.body.begin(), block.body.end()};
  EXPECT_EQ(text.substr(0, text.find('\0')),
            "__REALTIME_TIMESTAMP=1700000000000001\n"
            "MESSAGE=al ice: link down \n"
            "PRIORITY=5\n"
            "SYSLOG_IDENTIFIER=vnetd\n");
}

TEST(Pcapng, LongTextIsCutAtACharacterBoundary) {
  std::string name(kMaxOptionText - 1, 'x');
  name += "\xc3\xa9 and more";  // é straddles the limit
  const std::string kept = reread(InterfaceBlock{.name = name}).text(2);
  EXPECT_EQ(kept, std::string(kMaxOptionText - 1, 'x'));
}

TEST(Pcapng, TextOfNothingButContinuationBytesIsCutToNothing) {
  const std::string name(kMaxOptionText + 10, '\x80');
  EXPECT_EQ(reread(InterfaceBlock{.name = name}).text(2), "");
}

}  // namespace
}  // namespace vnet::capture
