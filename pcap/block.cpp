// Each block has one `layout`, run twice: with `Measure` it adds up the size, with `Emit` it writes the bytes. So
// the two cannot disagree, and for a packet block the first pass folds into a handful of additions.
#include "pcap/block.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>
#include <initializer_list>

namespace vnet::capture {
namespace {

constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint16_t kLinktypeEthernet = 1;
constexpr std::uint8_t kNanoseconds = 9;           // if_tsresol: 10^-9 s
constexpr std::uint8_t kFilterIsText = 0;          // if_filter: a libpcap expression follows
constexpr std::uint32_t kFrameTooLong = 1U << 25;  // epb_flags, link-layer errors
constexpr std::uint32_t kFrameTooShort = 1U << 26;

namespace option {
constexpr std::uint16_t kEnd = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kSectionOs = 3;
constexpr std::uint16_t kSectionApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kInterfaceDescription = 3;
constexpr std::uint16_t kInterfaceResolution = 9;
constexpr std::uint16_t kInterfaceFilter = 11;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kPacketDropCount = 4;
constexpr std::uint16_t kStatisticsReceived = 4;
constexpr std::uint16_t kStatisticsDropped = 5;
constexpr std::uint16_t kStatisticsAccepted = 6;
constexpr std::uint16_t kStatisticsDelivered = 8;
}  // namespace option

constexpr std::size_t kFraming = 12;  // block type, and the total length twice

constexpr std::size_t padding(std::size_t size) noexcept { return (0 - size) & 3U; }

/// At most `kMaxOptionText` bytes, without half a UTF-8 character at the end.
std::string_view clip(std::string_view text) noexcept {
  if (text.size() <= kMaxOptionText) return text;
  std::size_t end = kMaxOptionText;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

class Measure {
 public:
  template <typename T>
  void put(T) noexcept {
    size_ += sizeof(T);
  }
  void bytes(ByteView source) noexcept { size_ += source.size(); }
  void line(std::string_view text) noexcept { size_ += text.size(); }
  void pad() noexcept { size_ += padding(size_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

class Emit {
 public:
  explicit Emit(ByteSpan to) noexcept : to_(to) {}

  template <typename T>
  void put(T value) noexcept {
    assert(sizeof value <= to_.size() - at_);
    std::memcpy(to_.data() + at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void bytes(ByteView source) noexcept {
    assert(source.size() <= to_.size() - at_);
    if (!source.empty()) std::memcpy(to_.data() + at_, source.data(), source.size());
    at_ += source.size();
  }
  /// Text in a line-oriented format: what would end or disturb the line becomes a space.
  void line(std::string_view text) noexcept {
    for (const char c : text) put(static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F ? ' ' : c);
  }
  void pad() noexcept {
    for (std::size_t i = padding(at_); i > 0; --i) put(std::uint8_t{0});
  }
  [[nodiscard]] std::size_t size() const noexcept { return at_; }

 private:
  ByteSpan to_;
  std::size_t at_ = 0;
};

template <typename Sink, typename Layout>
void frame(Sink& sink, std::uint32_t type, std::uint32_t total, Layout&& layout) noexcept {
  sink.put(type);
  sink.put(total);
  layout(sink);
  sink.pad();
  sink.put(total);
}

template <typename Layout>
std::size_t measure(Layout&& layout) noexcept {
  Measure sink;
  layout(sink);
  sink.pad();
  return sink.size() + kFraming;
}

template <typename Layout>
void write(ByteSpan to, std::uint32_t type, Layout&& layout) noexcept {
  Emit sink{to};
  frame(sink, type, static_cast<std::uint32_t>(to.size()), layout);
  assert(sink.size() == to.size());
}

/// An option whose text is the concatenation of `parts`.
template <typename Sink>
void put_text(Sink& sink, std::uint16_t code, std::initializer_list<std::string_view> parts) noexcept {
  std::size_t length = 0;
  for (const std::string_view part : parts) length += part.size();
  sink.put(code);
  sink.put(static_cast<std::uint16_t>(length));
  for (const std::string_view part : parts) sink.bytes(as_bytes(part));
  sink.pad();
}

template <typename Sink, typename T>
void put_number(Sink& sink, std::uint16_t code, T value) noexcept {
  sink.put(code);
  sink.put(static_cast<std::uint16_t>(sizeof value));
  sink.put(value);
  sink.pad();
}

template <typename Sink>
void put_end(Sink& sink) noexcept {
  sink.put(option::kEnd);
  sink.put(std::uint16_t{0});
}

template <typename Sink>
void put_time(Sink& sink, WallTime at) noexcept {
  const auto ns = static_cast<std::uint64_t>(at.time_since_epoch().count());
  sink.put(static_cast<std::uint32_t>(ns >> 32U));
  sink.put(static_cast<std::uint32_t>(ns));
}

template <typename Sink>
void put_lost_comment(Sink& sink, std::uint64_t lost) noexcept {
  std::array<char, 20> digits{};  // 2^64 - 1 has 20
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), lost).ptr;
  const std::string_view number{digits.data(), static_cast<std::size_t>(end - digits.data())};
  put_text(sink, option::kComment, {number, lost == 1 ? " record" : " records", " lost: the writer fell behind"});
}

auto layout_of(const SectionBlock& block) noexcept {
  return [&block](auto& sink) {
    sink.put(kByteOrderMagic);
    sink.put(std::uint16_t{1});  // version 1.0
    sink.put(std::uint16_t{0});
    sink.put(~std::uint64_t{0});  // length of the section: not known, since it is still being written
    if (!block.os.empty()) put_text(sink, option::kSectionOs, {clip(block.os)});
    put_text(sink, option::kSectionApplication, {clip(block.application)});
    put_end(sink);
  };
}

auto layout_of(const InterfaceBlock& block) noexcept {
  return [&block](auto& sink) {
    static constexpr char kTextPrefix[] = {kFilterIsText};
    sink.put(kLinktypeEthernet);
    sink.put(std::uint16_t{0});
    sink.put(block.snaplen);
    put_text(sink, option::kInterfaceName, {clip(block.name)});
    if (!block.description.empty()) put_text(sink, option::kInterfaceDescription, {clip(block.description)});
    put_number(sink, option::kInterfaceResolution, kNanoseconds);
    if (!block.filter.empty()) {
      put_text(sink, option::kInterfaceFilter, {std::string_view{kTextPrefix, 1}, clip(block.filter)});
    }
    put_end(sink);
  };
}

std::uint32_t flags_of(const PacketBlock& block) noexcept {
  auto flags = static_cast<std::uint32_t>(block.direction);
  if (block.drop == DropReason::runt || block.drop == DropReason::empty) flags |= kFrameTooShort;
  if (block.drop == DropReason::oversize) flags |= kFrameTooLong;
  return flags;
}

auto layout_of(const PacketBlock& block) noexcept {
  return [&block](auto& sink) {
    sink.put(block.interface);
    put_time(sink, block.at);
    sink.put(static_cast<std::uint32_t>(block.captured.size()));
    sink.put(block.original_length);
    sink.bytes(block.captured);
    sink.pad();
    put_number(sink, option::kPacketFlags, flags_of(block));
    if (block.drop) put_text(sink, option::kComment, {"drop: ", to_string(*block.drop)});
    if (block.lost_before > 0) {
      put_number(sink, option::kPacketDropCount, block.lost_before);
      put_lost_comment(sink, block.lost_before);
    }
    put_end(sink);
  };
}

auto layout_of(const StatisticsBlock& block) noexcept {
  return [&block](auto& sink) {
    sink.put(block.interface);
    put_time(sink, block.at);
    if (block.lost > 0) put_lost_comment(sink, block.lost);
    put_number(sink, option::kStatisticsReceived, block.received);
    put_number(sink, option::kStatisticsDropped, block.lost);
    put_number(sink, option::kStatisticsAccepted, block.accepted);
    put_number(sink, option::kStatisticsDelivered, block.delivered);
    put_end(sink);
  };
}

auto layout_of(const JournalBlock& block) noexcept {
  return [&block](auto& sink) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(block.at.time_since_epoch()).count();
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), us).ptr;
    sink.bytes(as_bytes("__REALTIME_TIMESTAMP="));
    sink.bytes(as_bytes({digits.data(), static_cast<std::size_t>(end - digits.data())}));
    sink.bytes(as_bytes("\nMESSAGE="));
    sink.line(clip(block.interface));
    sink.bytes(as_bytes(": "));
    sink.line(clip(block.message));
    sink.bytes(as_bytes("\nPRIORITY=5\nSYSLOG_IDENTIFIER="));  // 5: a normal but significant condition
    sink.line(clip(block.application));
    sink.put('\n');
  };
}

}  // namespace

std::size_t SectionBlock::size() const noexcept { return measure(layout_of(*this)); }
void SectionBlock::emit(ByteSpan to) const noexcept { write(to, block_type::kSection, layout_of(*this)); }

std::size_t InterfaceBlock::size() const noexcept { return measure(layout_of(*this)); }
void InterfaceBlock::emit(ByteSpan to) const noexcept { write(to, block_type::kInterface, layout_of(*this)); }

std::size_t PacketBlock::size() const noexcept { return measure(layout_of(*this)); }
void PacketBlock::emit(ByteSpan to) const noexcept { write(to, block_type::kPacket, layout_of(*this)); }

std::size_t StatisticsBlock::size() const noexcept { return measure(layout_of(*this)); }
void StatisticsBlock::emit(ByteSpan to) const noexcept { write(to, block_type::kStatistics, layout_of(*this)); }

std::size_t JournalBlock::size() const noexcept { return measure(layout_of(*this)); }
void JournalBlock::emit(ByteSpan to) const noexcept { write(to, block_type::kJournal, layout_of(*this)); }

}  // namespace vnet::capture
