#include "dhcp/message.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::dhcp {
namespace {

constexpr std::uint32_t kMagicCookie = 0x63825363;
constexpr std::size_t kCookieSize = 4;
constexpr std::size_t kSnameOffset = 44;
constexpr std::size_t kSnameSize = 64;
constexpr std::size_t kFileOffset = kSnameOffset + kSnameSize;
constexpr std::size_t kFileSize = 128;
static_assert(kFileOffset + kFileSize == Header::kSize);

constexpr std::uint8_t kOverloadFile = 1;
constexpr std::uint8_t kOverloadSname = 2;
constexpr std::size_t kMaxPiece = 255;
constexpr std::size_t kPieceHeader = 2;
constexpr std::size_t kEndSize = 1;
constexpr std::size_t kOverloadSize = 3;

Header read_header(ByteReader& in) noexcept {
  Header header;
  header.op = in.u8();
  header.htype = in.u8();
  header.hlen = in.u8();
  header.hops = in.u8();
  header.xid = in.be32();
  header.secs = in.be16();
  header.flags = in.be16();
  header.ciaddr = Ipv4Address{in.be32()};
  header.yiaddr = Ipv4Address{in.be32()};
  header.siaddr = Ipv4Address{in.be32()};
  header.giaddr = Ipv4Address{in.be32()};
  std::ranges::copy(in.bytes(Header::kHardwareAddressRoom), header.chaddr.begin());
  return header;
}

/// Calls `visit(code, offset, length)` for each option of the field at [begin, end) of `bytes`.
template <typename Visit>
std::optional<ParseError> walk(ByteView bytes, std::size_t begin, std::size_t end, Visit visit) {
  std::size_t at = begin;
  while (at < end) {
    const std::uint8_t code = bytes[at++];
    if (code == option::kEnd) break;
    if (code == option::kPad) continue;
    if (at == end) return ParseError::truncated;
    const std::size_t length = bytes[at++];
    if (length > end - at) return ParseError::bad_length;
    visit(code, at, length);
    at += length;
  }
  return std::nullopt;
}

/// All fields that hold options, in the order in which cut values are joined (RFC 3396, 5).
template <typename Visit>
std::optional<ParseError> walk_all(ByteView bytes, std::uint8_t overload, Visit visit) {
  if (const auto error = walk(bytes, Message::kMinSize, bytes.size(), visit)) return error;
  if ((overload & kOverloadFile) != 0) {
    if (const auto error = walk(bytes, kFileOffset, kFileOffset + kFileSize, visit)) return error;
  }
  if ((overload & kOverloadSname) != 0) return walk(bytes, kSnameOffset, kSnameOffset + kSnameSize, visit);
  return std::nullopt;
}

/// Which fields carry options. Only the options field can say so (RFC 2131, 4.1).
Result<std::uint8_t> read_overload(ByteView bytes) {
  std::optional<ByteView> value;
  bool repeated = false;
  const auto error =
      walk(bytes, Message::kMinSize, bytes.size(), [&](std::uint8_t code, std::size_t at, std::size_t n) {
        if (code != option::kOverload) return;
        repeated = value.has_value();
        value = bytes.subspan(at, n);
      });
  if (error) return fail(*error);
  if (!value) return std::uint8_t{0};
  if (repeated || value->size() != 1) return fail(ParseError::bad_length);
  const std::uint8_t overload = value->front();
  if (overload == 0 || overload > (kOverloadFile | kOverloadSname)) return fail(ParseError::bad_field);
  return overload;
}

}  // namespace

void Header::set_mac(const MacAddress& mac) noexcept {
  htype = kEthernet;
  hlen = MacAddress::kSize;
  chaddr = {};
  std::ranges::copy(mac.octets(), chaddr.begin());
}

Result<Message> Message::parse(ByteView payload) {
  if (payload.size() > kMaxSize) return fail(ParseError::bad_length);
  ByteReader in(payload);
  Message message;
  message.bytes_ = payload;
  message.header_ = read_header(in);
  in.skip(kSnameSize + kFileSize);
  const std::uint32_t cookie = in.be32();
  if (!in.ok()) return fail(ParseError::truncated);
  if (cookie != kMagicCookie) return fail(ParseError::bad_version);
  if (const auto error = message.index_options()) return fail(*error);
  return message;
}

std::optional<ParseError> Message::index_options() {
  const Result<std::uint8_t> overload = read_overload(bytes_);
  if (!overload) return overload.error();
  bool any_cut = false;
  const auto error = walk_all(bytes_, *overload, [&](std::uint8_t code, std::size_t at, std::size_t length) {
    Entry& entry = entries_[code];
    if (entry.pieces++ == 0) entry.offset = static_cast<std::uint16_t>(at);
    entry.length = static_cast<std::uint16_t>(entry.length + length);
    any_cut |= entry.pieces > 1;
  });
  if (error) return error;
  if (any_cut) {
    join_pieces();
    // The fields have been walked without an error just now.
    std::array<std::uint16_t, 256> filled{};
    (void)walk_all(bytes_, *overload, [&](std::uint8_t code, std::size_t at, std::size_t length) {
      if (entries_[code].pieces < 2 || length == 0) return;
      std::memcpy(joined_.data() + entries_[code].offset + filled[code], bytes_.data() + at, length);
      filled[code] = static_cast<std::uint16_t>(filled[code] + length);
    });
  }
  return check_fixed_sizes();
}

/// Gives each cut value its place in `joined_`.
void Message::join_pieces() {
  std::size_t total = 0;
  for (Entry& entry : entries_) {
    if (entry.pieces < 2) continue;
    entry.offset = static_cast<std::uint16_t>(total);
    total += entry.length;
  }
  joined_.resize(total);
}

std::optional<ParseError> Message::check_fixed_sizes() const {
  struct Fixed {
    std::uint8_t code;
    std::size_t size;
  };
  constexpr std::array kFixed = {Fixed{option::kRequestedAddress, 4}, Fixed{option::kLeaseTime, 4},
                                 Fixed{option::kMessageType, 1}, Fixed{option::kServerIdentifier, 4},
                                 Fixed{option::kMaximumMessageSize, 2}};
  for (const Fixed& fixed : kFixed) {
    const Entry& entry = entries_[fixed.code];
    if (entry.pieces != 0 && entry.length != fixed.size) return ParseError::bad_length;
  }
  return std::nullopt;
}

std::optional<ByteView> Message::option(std::uint8_t code) const noexcept {
  const Entry& entry = entries_[code];
  if (entry.pieces == 0) return std::nullopt;
  const ByteView source = entry.pieces == 1 ? bytes_ : ByteView{joined_};
  return source.subspan(entry.offset, entry.length);
}

std::optional<std::uint8_t> Message::u8(std::uint8_t code) const noexcept {
  const auto value = option(code);
  if (!value || value->size() != 1) return std::nullopt;
  return value->front();
}

std::optional<std::uint16_t> Message::be16(std::uint8_t code) const noexcept {
  const auto value = option(code);
  if (!value || value->size() != 2) return std::nullopt;
  return load_be<std::uint16_t>(value->data());
}

std::optional<std::uint32_t> Message::be32(std::uint8_t code) const noexcept {
  const auto value = option(code);
  if (!value || value->size() != 4) return std::nullopt;
  return load_be<std::uint32_t>(value->data());
}

std::optional<Ipv4Address> Message::address(std::uint8_t code) const noexcept {
  const auto value = be32(code);
  if (!value) return std::nullopt;
  return Ipv4Address{*value};
}

MessageWriter::MessageWriter(ByteSpan out, std::size_t limit, const Header& header) noexcept
    : main_(out.first(std::min(out.size(), std::max(limit, kMinSize)))),
      file_(out.subspan(kFileOffset, kFileSize)),
      sname_(out.subspan(kSnameOffset, kSnameSize)) {
  assert(out.size() >= kMinSize);
  main_.u8(header.op);
  main_.u8(header.htype);
  main_.u8(header.hlen);
  main_.u8(header.hops);
  main_.be32(header.xid);
  main_.be16(header.secs);
  main_.be16(header.flags);
  main_.be32(header.ciaddr.to_u32());
  main_.be32(header.yiaddr.to_u32());
  main_.be32(header.siaddr.to_u32());
  main_.be32(header.giaddr.to_u32());
  main_.bytes(header.chaddr);
  main_.zeros(kSnameSize + kFileSize);
  main_.be32(kMagicCookie);
  static_assert(Header::kSize + kCookieSize == Message::kMinSize);
}

bool MessageWriter::add(std::uint8_t code, ByteView value) noexcept {
  assert(code != option::kPad && code != option::kOverload && code != option::kEnd);
  const std::size_t pieces = std::max<std::size_t>(1, (value.size() + kMaxPiece - 1) / kMaxPiece);
  const std::size_t needed = value.size() + pieces * kPieceHeader;
  ByteWriter* field = nullptr;
  // What `finish` appends must still fit.
  if (main_.room() >= needed + kOverloadSize + kEndSize) {
    field = &main_;
  } else if (file_.room() >= needed + kEndSize) {
    field = &file_;
  } else if (sname_.room() >= needed + kEndSize) {
    field = &sname_;
  } else {
    return false;
  }
  for (std::size_t i = 0; i < pieces; ++i) {
    const ByteView piece = value.first(std::min(value.size(), kMaxPiece));
    field->u8(code);
    field->u8(static_cast<std::uint8_t>(piece.size()));
    field->bytes(piece);
    value = value.subspan(piece.size());
  }
  return true;
}

bool MessageWriter::add_u8(std::uint8_t code, std::uint8_t value) noexcept { return add(code, ByteView{&value, 1}); }

bool MessageWriter::add_be32(std::uint8_t code, std::uint32_t value) noexcept {
  std::array<std::uint8_t, sizeof value> bytes{};
  store_be(bytes.data(), value);
  return add(code, bytes);
}

bool MessageWriter::add_address(std::uint8_t code, Ipv4Address value) noexcept {
  return add_be32(code, value.to_u32());
}

std::size_t MessageWriter::finish() noexcept {
  std::uint8_t overload = 0;
  if (file_.position() != 0) {
    overload |= kOverloadFile;
    file_.u8(option::kEnd);
    file_.zeros(file_.room());
  }
  if (sname_.position() != 0) {
    overload |= kOverloadSname;
    sname_.u8(option::kEnd);
    sname_.zeros(sname_.room());
  }
  if (overload != 0) {
    main_.u8(option::kOverload);
    main_.u8(1);
    main_.u8(overload);
  }
  main_.u8(option::kEnd);
  if (main_.position() < kMinSize) main_.zeros(kMinSize - main_.position());
  assert(main_.ok() && file_.ok() && sname_.ok());
  return main_.position();
}

}  // namespace vnet::dhcp
