// STUN messages (RFC 8489), the attributes of NAT behaviour discovery (RFC 5780), and what is left of RFC 3489.
//
//     0 0 | type (14 bits) | length of what follows the header, bytes | magic cookie | transaction id (96 bits)
//     attributes: type, length, value, padding to a multiple of four
//
// Two generations share this header. What RFC 5389 made the magic cookie was the beginning of a transaction id of 128
// bits before; `is_classic` tells them apart, and the id here is always the 128 bits, which come back as they were.
//
// `Message::parse` checks the framing of every attribute and the FINGERPRINT, where there is one. What an attribute's
// value says is checked where it is read. MESSAGE-INTEGRITY is neither checked nor written: a server that only tells a
// client its address has no secrets (RFC 8489, 12).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "nat/host_socket.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"

namespace vnet::network::stun {

inline constexpr std::uint32_t kMagicCookie = 0x2112a442;
inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::uint16_t kBindingMethod = 1;

enum class Class : std::uint8_t { request = 0, indication = 1, success = 2, error = 3 };

/// Those that are treated specially here; any other value is a legal type.
enum class AttributeType : std::uint16_t {
  mapped_address = 0x0001,
  change_request = 0x0003,   ///< RFC 3489 and 5780
  source_address = 0x0004,   ///< RFC 3489
  changed_address = 0x0005,  ///< RFC 3489
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  realm = 0x0014,
  nonce = 0x0015,
  message_integrity_sha256 = 0x001c,
  password_algorithm = 0x001d,
  userhash = 0x001e,
  xor_mapped_address = 0x0020,
  padding = 0x0026,        ///< RFC 5780
  response_port = 0x0027,  ///< RFC 5780
  software = 0x8022,
  fingerprint = 0x8028,
  response_origin = 0x802b,  ///< RFC 5780
  other_address = 0x802c,    ///< RFC 5780
};

/// Whether who does not know this type must not act on the message (RFC 8489, 14).
[[nodiscard]] constexpr bool comprehension_required(AttributeType type) noexcept {
  return static_cast<std::uint16_t>(type) < 0x8000;
}

/// All 128 bits, of which the first 32 are the magic cookie unless the client is of RFC 3489.
using TransactionId = std::array<std::uint8_t, 16>;

[[nodiscard]] inline bool is_classic(const TransactionId& id) noexcept {
  return load_be<std::uint32_t>(id.data()) != kMagicCookie;
}

struct Attribute {
  AttributeType type{};
  ByteView value;
};

/// Goes through the attributes of a message; of bytes that are none it yields those before the first fault.
class AttributeReader {
 public:
  explicit AttributeReader(ByteView attributes) noexcept : in_(attributes) {}

  [[nodiscard]] std::optional<Attribute> next() noexcept;
  [[nodiscard]] bool ok() const noexcept { return in_.ok(); }
  [[nodiscard]] std::size_t position() const noexcept { return in_.position(); }

 private:
  ByteReader in_;
};

class Message {
 public:
  /// `bytes` is one message and nothing else. bad_version: not STUN, by its first two bits; bad_length: the header's
  /// length is no multiple of four or not that of `bytes`; truncated: an attribute runs over the end; bad_checksum,
  /// bad_field: FINGERPRINT is wrong, or not the last attribute.
  [[nodiscard]] static Result<Message> parse(ByteView bytes) noexcept;

  [[nodiscard]] Class message_class() const noexcept;
  [[nodiscard]] std::uint16_t method() const noexcept;
  [[nodiscard]] TransactionId id() const noexcept;
  [[nodiscard]] bool has_fingerprint() const noexcept { return has_fingerprint_; }
  [[nodiscard]] AttributeReader attributes() const noexcept { return AttributeReader{bytes_.subspan(kHeaderSize)}; }
  /// The value of the first of this type; the others do not count (RFC 8489, 14).
  [[nodiscard]] std::optional<ByteView> find(AttributeType type) const noexcept;

 private:
  Message(ByteView bytes, bool has_fingerprint) noexcept : bytes_(bytes), has_fingerprint_(has_fingerprint) {}

  ByteView bytes_;
  bool has_fingerprint_;
};

/// The length of the message, with its header, that begins with these bytes, of which there are at least four.
[[nodiscard]] inline std::size_t framed_size(ByteView bytes) noexcept {
  return kHeaderSize + load_be<std::uint16_t>(bytes.data() + 2);
}
/// Whether a stream that begins with these bytes, of which there are at least four, can be one of STUN messages.
[[nodiscard]] inline bool can_be_message(ByteView bytes) noexcept { return bytes[0] < 0x40 && bytes[3] % 4 == 0; }

/// The value of MAPPED-ADDRESS and its like, or, with the id of its message, of XOR-MAPPED-ADDRESS.
[[nodiscard]] std::optional<nat::Endpoint> read_address(ByteView value) noexcept;
[[nodiscard]] std::optional<nat::Endpoint> read_xor_address(ByteView value, const TransactionId& id) noexcept;

struct ChangeRequest {
  bool address = false;
  bool port = false;
};
[[nodiscard]] std::optional<ChangeRequest> read_change_request(ByteView value) noexcept;
/// Nothing for port 0, where no one can be answered.
[[nodiscard]] std::optional<std::uint16_t> read_response_port(ByteView value) noexcept;

/// Writes one message into `out`, at most 65,535 bytes; what does not fit makes `finish` return nothing at all.
class Writer {
 public:
  Writer(ByteSpan out, Class message_class, std::uint16_t method, const TransactionId& id) noexcept;

  void add(AttributeType type, ByteView value) noexcept;
  void add_address(AttributeType type, const nat::Endpoint& endpoint) noexcept;
  void add_xor_address(AttributeType type, const nat::Endpoint& endpoint) noexcept;
  /// 300 to 699. RFC 3489 has no padding beside a value, so a reason's length is rounded up with spaces in it.
  void add_error(unsigned code, std::string_view reason) noexcept;
  void add_unknown_attributes(std::span<const AttributeType> types) noexcept;
  void add_padding(std::size_t size) noexcept;
  /// Nothing may be added after it.
  void add_fingerprint() noexcept;
  [[nodiscard]] ByteView finish() noexcept;

 private:
  void begin(AttributeType type, std::size_t size) noexcept;
  void end() noexcept;
  void set_length(std::size_t beyond) noexcept;

  ByteWriter out_;
  TransactionId id_;
};

}  // namespace vnet::network::stun
