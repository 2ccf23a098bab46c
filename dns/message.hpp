// A DNS message, read with every length checked once (RFC 1035, 4; OPT: RFC 6891, 6).
//
// `Message::parse` walks the whole message, so that a `Message` in hand has a sound question and sound record
// boundaries, and iterating over its records cannot fail. It borrows the bytes. Exactly one question is asked for:
// no client sends more, and no meaning for more was ever agreed on (RFC 9619).
//
// Not supported: DNS cookies, client subnet and every other EDNS option (skipped); TSIG and SIG(0) (not verified).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dns/name.hpp"
#include "dns/types.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

enum class Section : std::uint8_t { answer, authority, additional };
inline constexpr std::size_t kSections = 3;

/// The first twelve bytes.
struct Header {
  static constexpr std::uint16_t kResponse = 0x8000;            ///< QR
  static constexpr std::uint16_t kAuthoritative = 0x0400;       ///< AA
  static constexpr std::uint16_t kTruncated = 0x0200;           ///< TC
  static constexpr std::uint16_t kRecursionDesired = 0x0100;    ///< RD
  static constexpr std::uint16_t kRecursionAvailable = 0x0080;  ///< RA
  static constexpr std::uint16_t kAuthenticData = 0x0020;       ///< AD (RFC 6840, 5.7)
  static constexpr std::uint16_t kCheckingDisabled = 0x0010;    ///< CD
  static constexpr std::uint8_t kQuery = 0;                     ///< opcode

  std::uint16_t id = 0;
  std::uint16_t flags = 0;  ///< the k... bits above, opcode and low rcode bits
  std::uint16_t questions = 0;
  std::array<std::uint16_t, kSections> counts{};  ///< records by section

  /// Errors: truncated.
  [[nodiscard]] static Result<Header> parse(ByteView bytes) noexcept;

  [[nodiscard]] constexpr bool has(std::uint16_t flag) const noexcept { return (flags & flag) != 0; }
  [[nodiscard]] constexpr std::uint8_t opcode() const noexcept { return flags >> 11U & 0xfU; }
  [[nodiscard]] constexpr std::uint8_t low_rcode() const noexcept { return flags & 0xfU; }
};

struct Question {
  Name name;
  Type type = Type::a;
  Class klass = Class::in;
};

/// One record where it lies in its message.
struct RecordView {
  Section section = Section::answer;
  Name name;
  Type type = Type::a;
  Class klass = Class::in;
  std::uint32_t ttl_s = 0;       ///< a value with the top bit set reads as 0 (RFC 2181, 8)
  std::size_t rdata_offset = 0;  ///< from the start of the message
  ByteView rdata;
};

/// The pseudo-record of EDNS(0).
struct Opt {
  std::uint16_t udp_payload = kDefaultUdpPayload;  ///< what its sender can receive, bytes
  std::uint8_t extended_rcode = 0;                 ///< the upper eight bits
  std::uint8_t version = 0;
  bool dnssec_ok = false;  ///< DO (RFC 3225)

  static constexpr std::size_t kSize = 11;  ///< bytes, without options
};

/// Walks the records of a message in order.
class RecordReader {
 public:
  /// `offset` is where the first record starts.
  RecordReader(ByteView message, std::size_t offset, const std::array<std::uint16_t, kSections>& counts) noexcept
      : message_(message), at_(offset), left_(counts) {}

  /// The next record; nothing at the end, and after an error, which `ok()` tells apart.
  [[nodiscard]] std::optional<RecordView> next();
  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
  /// Only when not `ok()`.
  [[nodiscard]] ParseError error() const noexcept { return *error_; }
  [[nodiscard]] std::size_t position() const noexcept { return at_; }

 private:
  Result<RecordView> read();

  ByteView message_;
  std::size_t at_;
  std::array<std::uint16_t, kSections> left_;
  std::size_t section_ = 0;
  std::optional<ParseError> error_;
};

class Message {
 public:
  /// Errors: truncated, the errors of `Name::read`, and bad_field when there is not exactly one question, more than
  /// one OPT, or an OPT outside the additional section or not at the root.
  [[nodiscard]] static Result<Message> parse(ByteView bytes);

  [[nodiscard]] const Header& header() const noexcept { return header_; }
  [[nodiscard]] const Question& question() const noexcept { return question_; }
  [[nodiscard]] const std::optional<Opt>& opt() const noexcept { return opt_; }
  /// With the OPT record's bits when there is one.
  [[nodiscard]] Rcode rcode() const noexcept;
  /// All records, OPT included.
  [[nodiscard]] RecordReader records() const noexcept { return {bytes_, records_at_, header_.counts}; }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  /// Bytes behind the last record, which no standard allows for.
  [[nodiscard]] std::size_t trailing() const noexcept { return trailing_; }

 private:
  Result<void> take_opt(const RecordView& record);

  ByteView bytes_;
  Header header_;
  Question question_;
  std::optional<Opt> opt_;
  std::size_t records_at_ = 0;
  std::size_t trailing_ = 0;
};

}  // namespace vnet::dns
