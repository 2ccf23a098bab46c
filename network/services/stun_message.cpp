#include "network/services/stun_message.hpp"

#include <algorithm>

namespace vnet::network::stun {
namespace {

constexpr std::size_t kAttributeHeaderSize = 4;
constexpr std::size_t kFingerprintSize = 4;
constexpr std::uint32_t kFingerprintXor = 0x5354554e;  // "STUN", so that it is not another protocol's CRC
constexpr std::uint8_t kFamilyIpv4 = 1;
constexpr std::uint8_t kFamilyIpv6 = 2;
constexpr std::uint32_t kChangeAddress = 4;
constexpr std::uint32_t kChangePort = 2;

constexpr std::size_t padding_of(std::size_t size) noexcept { return (4 - size % 4) % 4; }

constexpr std::array<std::uint32_t, 256> make_crc_table() noexcept {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? value >> 1U ^ 0xedb88320U : value >> 1U;
    table[byte] = value;
  }
  return table;
}

/// The CRC-32 of ITU V.42, which RFC 8489, 14.7 asks for.
std::uint32_t fingerprint_of(ByteView message) noexcept {
  static constexpr std::array<std::uint32_t, 256> kTable = make_crc_table();
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : message) crc = crc >> 8U ^ kTable[(crc ^ byte) & 0xffU];
  return ~crc ^ kFingerprintXor;
}

/// The value of an address attribute with the bits of `mask`, cookie and transaction id, turned over.
struct MappedAddress {
  std::array<std::uint8_t, 4 + Ipv6Address::kSize> bytes{};
  std::size_t size = 0;
};

MappedAddress encode(const nat::Endpoint& endpoint, const TransactionId& mask) noexcept {
  MappedAddress result;
  std::uint8_t* address = result.bytes.data() + 4;
  std::size_t size = Ipv4Address::kSize;
  if (const auto* v4 = std::get_if<Ipv4Address>(&endpoint.address)) {
    v4->store(address);
  } else {
    const ByteView octets = std::get<Ipv6Address>(endpoint.address).bytes();
    size = octets.size();
    std::ranges::copy(octets, address);
  }
  for (std::size_t i = 0; i < size; ++i) address[i] ^= mask[i];
  result.bytes[1] = size == Ipv4Address::kSize ? kFamilyIpv4 : kFamilyIpv6;
  const auto port_mask = load_be<std::uint16_t>(mask.data());
  store_be(result.bytes.data() + 2, static_cast<std::uint16_t>(endpoint.port ^ port_mask));
  result.size = 4 + size;
  return result;
}

std::optional<nat::Endpoint> decode(ByteView value, const TransactionId& mask) noexcept {
  ByteReader in{value};
  in.skip(1);
  const std::uint8_t family = in.u8();
  const auto port = static_cast<std::uint16_t>(in.be16() ^ load_be<std::uint16_t>(mask.data()));
  const ByteView masked = in.rest();
  std::array<std::uint8_t, Ipv6Address::kSize> octets{};
  if (!in.ok() || masked.size() > octets.size()) return std::nullopt;
  for (std::size_t i = 0; i < masked.size(); ++i) octets[i] = masked[i] ^ mask[i];
  if (family == kFamilyIpv4 && masked.size() == Ipv4Address::kSize) {
    return nat::Endpoint{Ipv4Address::load(octets.data()), port};
  }
  if (family == kFamilyIpv6 && masked.size() == Ipv6Address::kSize) return nat::Endpoint{Ipv6Address{octets}, port};
  return std::nullopt;
}

}  // namespace

std::optional<Attribute> AttributeReader::next() noexcept {
  if (in_.remaining() == 0) return std::nullopt;
  Attribute attribute;
  attribute.type = AttributeType{in_.be16()};
  const std::size_t size = in_.be16();
  attribute.value = in_.bytes(size);
  in_.skip(padding_of(size));
  return in_.ok() ? std::optional{attribute} : std::nullopt;
}

Result<Message> Message::parse(ByteView bytes) noexcept {
  if (bytes.size() < kHeaderSize) return fail(ParseError::truncated);
  if (bytes[0] >= 0x40) return fail(ParseError::bad_version);
  if (bytes.size() % 4 != 0 || framed_size(bytes) != bytes.size()) return fail(ParseError::bad_length);
  Message message{bytes, false};
  // To RFC 3489 the type of FINGERPRINT is one of many that have no meaning.
  const bool classic = is_classic(message.id());
  AttributeReader attributes = message.attributes();
  for (std::size_t at = kHeaderSize; const auto attribute = attributes.next();
       at = kHeaderSize + attributes.position()) {
    if (attribute->type != AttributeType::fingerprint || classic) continue;
    if (attribute->value.size() != kFingerprintSize || at + kAttributeHeaderSize + kFingerprintSize != bytes.size()) {
      return fail(ParseError::bad_field);
    }
    if (load_be<std::uint32_t>(attribute->value.data()) != fingerprint_of(bytes.first(at))) {
      return fail(ParseError::bad_checksum);
    }
    message.has_fingerprint_ = true;
  }
  if (!attributes.ok()) return fail(ParseError::truncated);
  return message;
}

// The class is in bits 4 and 8 of the type, and the method in the others (RFC 8489, 5).
Class Message::message_class() const noexcept {
  return static_cast<Class>((bytes_[0] & 1U) << 1U | (bytes_[1] >> 4U & 1U));
}

std::uint16_t Message::method() const noexcept {
  const unsigned type = load_be<std::uint16_t>(bytes_.data());
  return static_cast<std::uint16_t>((type & 0xfU) | (type >> 1U & 0x70U) | (type >> 2U & 0xf80U));
}

TransactionId Message::id() const noexcept {
  TransactionId id;
  std::ranges::copy(bytes_.subspan(4, id.size()), id.begin());
  return id;
}

std::optional<ByteView> Message::find(AttributeType type) const noexcept {
  AttributeReader all = attributes();
  while (const auto attribute = all.next()) {
    if (attribute->type == type) return attribute->value;
  }
  return std::nullopt;
}

std::optional<nat::Endpoint> read_address(ByteView value) noexcept { return decode(value, {}); }

std::optional<nat::Endpoint> read_xor_address(ByteView value, const TransactionId& id) noexcept {
  return decode(value, id);
}

std::optional<ChangeRequest> read_change_request(ByteView value) noexcept {
  if (value.size() != sizeof(std::uint32_t)) return std::nullopt;
  const auto flags = load_be<std::uint32_t>(value.data());
  return ChangeRequest{(flags & kChangeAddress) != 0, (flags & kChangePort) != 0};
}

// RFC 5780, 7.5 draws two bytes; clients send them alone or with two more to the word's end.
std::optional<std::uint16_t> read_response_port(ByteView value) noexcept {
  if (value.size() != 2 && value.size() != 4) return std::nullopt;
  const auto port = load_be<std::uint16_t>(value.data());
  return port == 0 ? std::nullopt : std::optional{port};
}

Writer::Writer(ByteSpan out, Class message_class, std::uint16_t method, const TransactionId& id) noexcept
    : out_(out.first(std::min<std::size_t>(out.size(), 0xffff))), id_(id) {
  const unsigned bits = static_cast<unsigned>(message_class);
  const unsigned type =
      (method & 0xfU) | (method & 0x70U) << 1U | (method & 0xf80U) << 2U | (bits & 1U) << 4U | (bits >> 1U) << 8U;
  out_.be16(static_cast<std::uint16_t>(type));
  out_.be16(0);
  out_.bytes(id);
}

void Writer::begin(AttributeType type, std::size_t size) noexcept {
  out_.be16(static_cast<std::uint16_t>(type));
  out_.be16(static_cast<std::uint16_t>(size));
}

void Writer::end() noexcept { out_.zeros(padding_of(out_.position())); }

void Writer::add(AttributeType type, ByteView value) noexcept {
  begin(type, value.size());
  out_.bytes(value);
  end();
}

void Writer::add_address(AttributeType type, const nat::Endpoint& endpoint) noexcept {
  const MappedAddress value = encode(endpoint, {});
  add(type, ByteView{value.bytes}.first(value.size));
}

void Writer::add_xor_address(AttributeType type, const nat::Endpoint& endpoint) noexcept {
  const MappedAddress value = encode(endpoint, id_);
  add(type, ByteView{value.bytes}.first(value.size));
}

void Writer::add_error(unsigned code, std::string_view reason) noexcept {
  const std::size_t spaces = padding_of(reason.size());
  begin(AttributeType::error_code, 4 + reason.size() + spaces);
  out_.zeros(2);
  out_.u8(static_cast<std::uint8_t>(code / 100));
  out_.u8(static_cast<std::uint8_t>(code % 100));
  out_.bytes(as_bytes(reason));
  out_.bytes(as_bytes(std::string_view{"   "}.substr(0, spaces)));
}

// For want of padding, RFC 3489, 11.2.10 repeats one of an odd number of types.
void Writer::add_unknown_attributes(std::span<const AttributeType> types) noexcept {
  const bool repeat = is_classic(id_) && types.size() % 2 != 0;
  begin(AttributeType::unknown_attributes, 2 * (types.size() + (repeat ? 1 : 0)));
  for (const AttributeType type : types) out_.be16(static_cast<std::uint16_t>(type));
  if (repeat) out_.be16(static_cast<std::uint16_t>(types.back()));
  end();
}

void Writer::add_padding(std::size_t size) noexcept {
  begin(AttributeType::padding, size);
  out_.zeros(size);
  end();
}

// The length in the header counts the attribute already when the CRC is made (RFC 8489, 14.7).
void Writer::add_fingerprint() noexcept {
  set_length(kAttributeHeaderSize + kFingerprintSize);
  const std::uint32_t value = fingerprint_of(out_.written());
  begin(AttributeType::fingerprint, kFingerprintSize);
  out_.be32(value);
}

void Writer::set_length(std::size_t beyond) noexcept {
  out_.patch_be16(2, static_cast<std::uint16_t>(out_.position() + beyond - kHeaderSize));
}

ByteView Writer::finish() noexcept {
  if (!out_.ok()) return {};
  set_length(0);
  return out_.written();
}

}  // namespace vnet::network::stun
