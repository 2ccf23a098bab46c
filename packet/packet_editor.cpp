#include "packet/packet_editor.hpp"

#include "packet/checksum.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet {
namespace {

constexpr std::size_t kUdpChecksumAt = 6;
constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::size_t kIcmpChecksumAt = 2;
constexpr std::size_t kIdentifierAt = 4;
constexpr std::size_t kIpv4ChecksumAt = 10;
/// Of a quoted packet's transport header: ports, and of ICMP the identifier (RFC 792 quotes no more).
constexpr std::size_t kLeastQuoted = 8;

bool is_query(std::uint8_t protocol, std::uint8_t type) noexcept {
  return protocol == ip_protocol::kIcmp ? icmp_type::is_query(type)
                                        : type == icmp6_type::kEchoRequest || type == icmp6_type::kEchoReply;
}

bool is_error(std::uint8_t protocol, std::uint8_t type) noexcept {
  constexpr std::uint8_t kSourceQuench = 4;
  constexpr std::uint8_t kParameterProblem = 12;
  constexpr std::uint8_t kLastOfIcmp6 = 4;
  if (protocol == ip_protocol::kIcmp6) return type >= icmp6_type::kUnreachable && type <= kLastOfIcmp6;
  return type == icmp_type::kUnreachable || type == kSourceQuench || type == icmp_type::kTimeExceeded ||
         type == kParameterProblem;
}

PacketEditor::Kind kind_of(std::uint8_t protocol, std::uint8_t icmp_type, bool ipv4) noexcept {
  using Kind = PacketEditor::Kind;
  if (protocol == ip_protocol::kTcp) return Kind::tcp;
  if (protocol == ip_protocol::kUdp) return Kind::udp;
  if (protocol != (ipv4 ? ip_protocol::kIcmp : ip_protocol::kIcmp6)) return Kind::other;
  if (is_query(protocol, icmp_type)) return Kind::query;
  return is_error(protocol, icmp_type) ? Kind::icmp_error : Kind::other;
}

std::size_t address_offset(bool ipv4, bool source) noexcept {
  if (ipv4) return source ? 12 : 16;
  return source ? 8 : 24;
}

bool is_extension(std::uint8_t protocol) noexcept {
  return protocol == ip_protocol::kHopByHop || protocol == ip_protocol::kRouting ||
         protocol == ip_protocol::kDestinationOptions;
}

}  // namespace

/// What changes of a packet, as one's-complement sum of the differences of its words (RFC 1624, equation 3).
class PacketEditor::Change {
 public:
  void replace(std::uint8_t* at, std::uint16_t value) noexcept {
    sum_ += static_cast<std::uint16_t>(~load_be<std::uint16_t>(at));
    sum_ += value;
    store_be(at, value);
  }
  void replace(std::uint8_t* at, const IpAddress& address) noexcept {
    if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) {
      replace(at, static_cast<std::uint16_t>(v4->to_u32() >> 16U));
      replace(at + 2, static_cast<std::uint16_t>(v4->to_u32()));
      return;
    }
    const std::uint8_t* const octets = std::get<Ipv6Address>(address).octets().data();
    for (std::size_t i = 0; i < Ipv6Address::kSize; i += 2) replace(at + i, load_be<std::uint16_t>(octets + i));
  }
  [[nodiscard]] std::uint16_t applied_to(std::uint16_t checksum) const noexcept {
    std::uint32_t sum = sum_ + static_cast<std::uint16_t>(~checksum);
    sum = (sum & 0xffffU) + (sum >> 16U);
    sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
  }
  Change& add(const Change& other) noexcept {
    sum_ += other.sum_;
    return *this;
  }
  /// Changes the checksum at `at` as the rest has changed; the change of the checksum is one of `outer`.
  void settle(std::uint8_t* at, Change& outer) const noexcept {
    outer.replace(at, applied_to(load_be<std::uint16_t>(at)));
  }
  /// The same for UDP, where 0 means that there is none, and 0xffff a computed 0.
  void settle_udp(std::uint8_t* at, Change& outer) const noexcept {
    const auto before = load_be<std::uint16_t>(at);
    if (before == 0) return;
    const std::uint16_t after = applied_to(before);
    outer.replace(at, after == 0 ? std::uint16_t{0xffff} : after);
  }

 private:
  std::uint32_t sum_ = 0;  ///< of fewer than 100 words
};

Result<PacketEditor> PacketEditor::parse(ByteSpan packet) noexcept {
  if (packet.empty()) return fail(ParseError::truncated);
  PacketEditor editor{packet};
  if (editor.is_v4()) {
    const auto header = Ipv4Packet::parse(packet);
    if (!header) return fail(header.error());
    if (header->is_fragment()) return fail(ParseError::bad_field);
    editor.bytes_ = packet.first(header->bytes().size());
    editor.transport_ = header->header_size();
    editor.protocol_ = header->protocol();
  } else {
    const auto header = Ipv6Packet::parse(packet);
    if (!header) return fail(header.error());
    if (header->is_fragment()) return fail(ParseError::bad_field);
    editor.bytes_ = packet.first(header->bytes().size());
    editor.transport_ = header->bytes().size() - header->payload().size();
    editor.protocol_ = editor.has_stops_to_come() ? ip_protocol::kRouting : header->protocol();
  }
  if (const auto error = editor.read_transport()) return fail(*error);
  return editor;
}

std::optional<ParseError> PacketEditor::read_transport() noexcept {
  const ByteView segment = transport();
  if (protocol_ == ip_protocol::kTcp) {
    if (const auto tcp = TcpSegment::parse(segment); !tcp) return tcp.error();
  } else if (protocol_ == ip_protocol::kUdp) {
    if (const auto udp = UdpDatagram::parse(segment); !udp) return udp.error();
  } else if (protocol_ == (is_v4() ? ip_protocol::kIcmp : ip_protocol::kIcmp6)) {
    if (const auto icmp = IcmpMessage::parse(segment); !icmp) return icmp.error();
    Checksum sum;
    if (!is_v4()) {
      sum.add_pseudo(std::get<Ipv6Address>(source()), std::get<Ipv6Address>(destination()), protocol_, segment.size());
    }
    if (sum.add(segment).finish() != 0) return ParseError::bad_checksum;
  }
  kind_ = kind_of(protocol_, segment.empty() ? std::uint8_t{0} : segment[0], is_v4());
  if (kind_ == Kind::icmp_error) read_quoted();
  return std::nullopt;
}

bool PacketEditor::has_stops_to_come() const noexcept {
  std::uint8_t next = bytes_[6];
  for (std::size_t at = Ipv6Packet::kHeaderSize; at < transport_;) {
    if (next == ip_protocol::kRouting && bytes_[at + 3] != 0) return true;
    next = bytes_[at];
    at += (std::size_t{bytes_[at + 1]} + 1) * 8;  // checked by Ipv6Packet::parse
  }
  return false;
}

void PacketEditor::read_quoted() noexcept {
  quoted_ = transport_ + IcmpMessage::kHeaderSize;
  const std::size_t header = is_v4() ? Ipv4Packet::kMinHeaderSize : Ipv6Packet::kHeaderSize;
  if (bytes_.size() - quoted_ < header || bytes_[quoted_] >> 4U != (is_v4() ? 4 : 6)) {
    quoted_ = 0;
    return;
  }
  quotes_transport_ = is_v4() ? read_quoted_ipv4() : read_quoted_ipv6();
  if (!quotes_transport_) return;
  quoted_kind_ = kind_of(quoted_protocol_, bytes_[quoted_transport_], is_v4());
}

/// Whether a transport header follows.
bool PacketEditor::read_quoted_ipv4() noexcept {
  const std::uint8_t* const header = bytes_.data() + quoted_;
  const std::size_t size = std::size_t{header[0] & 0x0fU} * 4;
  quoted_protocol_ = header[9];
  quoted_transport_ = quoted_ + size;
  if (size < Ipv4Packet::kMinHeaderSize || quoted_transport_ + kLeastQuoted > bytes_.size()) return false;
  return (load_be<std::uint16_t>(header + 6) & 0x1fffU) == 0;
}

bool PacketEditor::read_quoted_ipv6() noexcept {
  quoted_protocol_ = bytes_[quoted_ + 6];
  quoted_transport_ = quoted_ + Ipv6Packet::kHeaderSize;
  for (std::size_t seen = 0;; ++seen) {
    if (quoted_transport_ + kLeastQuoted > bytes_.size()) return false;
    const std::uint8_t* const header = bytes_.data() + quoted_transport_;
    const bool fragment = quoted_protocol_ == ip_protocol::kFragment;
    if (!fragment && !is_extension(quoted_protocol_)) return true;
    if (seen == Ipv6Packet::kMaxExtensionHeaders) return false;
    if (fragment && load_be<std::uint16_t>(header + 2) >= 8) return false;          // not the first one
    if (quoted_protocol_ == ip_protocol::kRouting && header[3] != 0) return false;  // as in `parse`
    quoted_protocol_ = header[0];
    quoted_transport_ += fragment ? 8 : (std::size_t{header[1]} + 1) * 8;
  }
}

IpAddress PacketEditor::address_at(std::size_t header, bool source) const noexcept {
  const std::uint8_t* const at = bytes_.data() + header + address_offset(is_v4(), source);
  if (is_v4()) return Ipv4Address::load(at);
  return Ipv6Address::load(at);
}

std::uint16_t PacketEditor::port_at(std::size_t transport, Kind kind, bool source) const noexcept {
  const std::uint8_t* const at = bytes_.data() + transport;
  switch (kind) {
    case Kind::tcp:
    case Kind::udp: return load_be<std::uint16_t>(at + (source ? 0 : 2));
    case Kind::query: return load_be<std::uint16_t>(at + kIdentifierAt);
    case Kind::icmp_error:
    case Kind::other: return 0;
  }
  return 0;
}

IpAddress PacketEditor::source() const noexcept { return address_at(0, true); }
IpAddress PacketEditor::destination() const noexcept { return address_at(0, false); }
std::uint16_t PacketEditor::source_port() const noexcept { return port_at(transport_, kind_, true); }
std::uint16_t PacketEditor::destination_port() const noexcept { return port_at(transport_, kind_, false); }

IpAddress PacketEditor::quoted_source() const noexcept {
  if (quoted_ != 0) return address_at(quoted_, true);
  return is_v4() ? IpAddress{Ipv4Address{}} : IpAddress{Ipv6Address{}};
}
IpAddress PacketEditor::quoted_destination() const noexcept {
  if (quoted_ != 0) return address_at(quoted_, false);
  return is_v4() ? IpAddress{Ipv4Address{}} : IpAddress{Ipv6Address{}};
}
std::uint16_t PacketEditor::quoted_source_port() const noexcept {
  return port_at(quoted_transport_, quoted_kind_, true);
}
std::uint16_t PacketEditor::quoted_destination_port() const noexcept {
  return port_at(quoted_transport_, quoted_kind_, false);
}

std::uint8_t PacketEditor::tcp_flags() const noexcept { return kind_ == Kind::tcp ? bytes_[transport_ + 13] : 0; }

std::uint8_t PacketEditor::hops() const noexcept { return bytes_[is_v4() ? 8 : 7]; }

void PacketEditor::decrement_hops() noexcept {
  if (!is_v4()) {
    --bytes_[7];
    return;
  }
  Change change;
  Change none;
  const auto word = load_be<std::uint16_t>(bytes_.data() + 8);
  change.replace(bytes_.data() + 8, static_cast<std::uint16_t>(word - 0x100U));
  change.settle(bytes_.data() + kIpv4ChecksumAt, none);
}

void PacketEditor::set_source(const IpAddress& address, std::uint16_t port) noexcept { set_end(true, address, port); }
void PacketEditor::set_destination(const IpAddress& address, std::uint16_t port) noexcept {
  set_end(false, address, port);
}
void PacketEditor::set_quoted_source(const IpAddress& address, std::uint16_t port) noexcept {
  set_quoted_end(true, address, port);
}
void PacketEditor::set_quoted_destination(const IpAddress& address, std::uint16_t port) noexcept {
  set_quoted_end(false, address, port);
}

void PacketEditor::set_end(bool source, const IpAddress& address, std::uint16_t port) noexcept {
  Change change;
  Change none;
  change.replace(bytes_.data() + address_offset(is_v4(), source), address);
  if (is_v4()) change.settle(bytes_.data() + kIpv4ChecksumAt, none);
  std::uint8_t* const at = bytes_.data() + transport_;
  switch (kind_) {
    case Kind::tcp:
      change.replace(at + (source ? 0 : 2), port);
      change.settle(at + kTcpChecksumAt, none);
      return;
    case Kind::udp:
      change.replace(at + (source ? 0 : 2), port);
      change.settle_udp(at + kUdpChecksumAt, none);
      return;
    case Kind::query: {
      // ICMP, unlike ICMPv6, has no pseudo-header.
      Change icmp = is_v4() ? Change{} : change;
      icmp.replace(at + kIdentifierAt, port);
      settle_icmp(icmp);
      return;
    }
    case Kind::icmp_error:
    case Kind::other:
      if (protocol_ == ip_protocol::kIcmp6 && !is_v4()) settle_icmp(change);
      return;
  }
}

void PacketEditor::set_quoted_end(bool source, const IpAddress& address, std::uint16_t port) noexcept {
  if (quoted_ == 0) return;
  std::uint8_t* const header = bytes_.data() + quoted_;
  const ByteSpan segment = quotes_transport_ ? bytes_.subspan(quoted_transport_) : ByteSpan{};
  std::uint8_t* const at = segment.data();
  Change addresses;
  addresses.replace(header + address_offset(is_v4(), source), address);
  Change all = addresses;
  if (is_v4()) addresses.settle(header + kIpv4ChecksumAt, all);
  Change ends;
  switch (quoted_kind_) {
    case Kind::tcp:
      ends.replace(at + (source ? 0 : 2), port);
      all.add(ends);
      if (segment.size() >= kTcpChecksumAt + 2) ends.add(addresses).settle(at + kTcpChecksumAt, all);
      break;
    case Kind::udp:
      ends.replace(at + (source ? 0 : 2), port);
      all.add(ends);
      ends.add(addresses).settle_udp(at + kUdpChecksumAt, all);
      break;
    case Kind::query:
      ends.replace(at + kIdentifierAt, port);
      all.add(ends);
      if (!is_v4()) ends.add(addresses);
      ends.settle(at + kIcmpChecksumAt, all);
      break;
    case Kind::icmp_error:
    case Kind::other:
      if (quoted_protocol_ == ip_protocol::kIcmp6 && !is_v4() && quotes_transport_) {
        addresses.settle(at + kIcmpChecksumAt, all);
      }
      break;
  }
  settle_icmp(all);
}

void PacketEditor::settle_icmp(const Change& change) noexcept {
  Change none;
  std::uint8_t* const at = bytes_.data() + transport_ + kIcmpChecksumAt;
  change.settle(at, none);
  if (!is_v4() || load_be<std::uint16_t>(at) != 0) return;
  // The sum of the rest is 0 or 0xffff, and only a look at it tells: nothing before it makes it other than all zeros.
  store_be(at, checksum(transport()));
}

}  // namespace vnet
