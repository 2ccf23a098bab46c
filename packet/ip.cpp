#include "packet/ip.hpp"

#include "packet/checksum.hpp"

namespace vnet {

Result<Ipv4Packet> Ipv4Packet::parse(ByteView bytes) noexcept {
  if (bytes.size() < kMinHeaderSize) return fail(ParseError::truncated);
  if (bytes[0] >> 4U != 4) return fail(ParseError::bad_version);
  const std::size_t header = std::size_t{bytes[0] & 0x0fU} * 4;
  const std::size_t total = load_be<std::uint16_t>(bytes.data() + 2);
  if (header < kMinHeaderSize || total < header) return fail(ParseError::bad_length);
  if (total > bytes.size()) return fail(ParseError::truncated);
  if (checksum(bytes.first(header)) != 0) return fail(ParseError::bad_checksum);
  return Ipv4Packet{bytes.first(total)};
}

Result<Ipv6Packet> Ipv6Packet::parse(ByteView bytes) noexcept {
  if (bytes.size() < kHeaderSize) return fail(ParseError::truncated);
  if (bytes[0] >> 4U != 6) return fail(ParseError::bad_version);
  const std::size_t total = kHeaderSize + load_be<std::uint16_t>(bytes.data() + 4);
  if (total > bytes.size()) return fail(ParseError::truncated);
  Ipv6Packet packet{bytes.first(total)};
  if (const auto error = packet.walk_extensions()) return fail(*error);
  return packet;
}

std::optional<ParseError> Ipv6Packet::walk_extensions() noexcept {
  protocol_ = bytes_[6];
  for (std::size_t seen = 0;; ++seen) {
    const bool option_header = protocol_ == ip_protocol::kHopByHop || protocol_ == ip_protocol::kRouting ||
                               protocol_ == ip_protocol::kDestinationOptions;
    if (!option_header) return std::nullopt;
    if (seen == kMaxExtensionHeaders) return ParseError::too_many;
    const ByteView rest = bytes_.subspan(payload_offset_);
    if (rest.size() < 8) return ParseError::truncated;
    const std::size_t size = (std::size_t{rest[1]} + 1) * 8;
    if (size > rest.size()) return ParseError::bad_length;
    protocol_ = rest[0];
    payload_offset_ += size;
  }
}

}  // namespace vnet
