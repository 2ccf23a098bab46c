// A checked view of the fragment header of IPv6 (RFC 8200, 4.5). That of IPv4 is in its own header: see Ipv4Packet.
//
// What stands before the fragment header is in each fragment of a packet (the "per-fragment" part); the rest is cut.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/ip.hpp"
#include "packet/result.hpp"

namespace vnet {

class Ipv6Fragment {
 public:
  static constexpr std::size_t kHeaderSize = 8;

  /// `packet` is one whose `is_fragment()` is true, and is borrowed.
  [[nodiscard]] static Result<Ipv6Fragment> parse(const Ipv6Packet& packet) noexcept {
    if (!packet.is_fragment()) return fail(ParseError::bad_field);
    if (packet.payload().size() < kHeaderSize) return fail(ParseError::truncated);
    return Ipv6Fragment{packet.bytes(), packet.bytes().size() - packet.payload().size()};
  }

  [[nodiscard]] std::uint8_t next_header() const noexcept { return bytes_[at_]; }
  /// In bytes.
  [[nodiscard]] std::size_t offset() const noexcept { return offset_and_flags() & ~std::size_t{7}; }
  [[nodiscard]] bool more_fragments() const noexcept { return (offset_and_flags() & 1U) != 0; }
  /// The only fragment of its packet (RFC 6946).
  [[nodiscard]] bool is_atomic() const noexcept { return offset() == 0 && !more_fragments(); }
  [[nodiscard]] std::uint32_t identification() const noexcept {
    return load_be<std::uint32_t>(bytes_.data() + at_ + 4);
  }
  /// From the IPv6 header to the fragment header, and that, too.
  [[nodiscard]] ByteView headers() const noexcept { return bytes_.first(at_ + kHeaderSize); }
  [[nodiscard]] ByteView data() const noexcept { return bytes_.subspan(at_ + kHeaderSize); }
  /// Where the number of the fragment header stands: in the header before it.
  [[nodiscard]] std::size_t next_header_at() const noexcept {
    std::size_t field = 6;
    for (std::size_t header = Ipv6Packet::kHeaderSize; header < at_;) {
      field = header;
      header += (std::size_t{bytes_[header + 1]} + 1) * 8;  // checked by Ipv6Packet::parse
    }
    return field;
  }

 private:
  Ipv6Fragment(ByteView bytes, std::size_t at) noexcept : bytes_(bytes), at_(at) {}
  [[nodiscard]] std::size_t offset_and_flags() const noexcept {
    return load_be<std::uint16_t>(bytes_.data() + at_ + 2);
  }

  ByteView bytes_;
  std::size_t at_;
};

}  // namespace vnet
