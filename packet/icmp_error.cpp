#include "packet/icmp_error.hpp"

#include <algorithm>
#include <cassert>

#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet {

std::size_t max_quote(const IpAddress& family) noexcept {
  return is_v4(family) ? 576 - Ipv4Packet::kMinHeaderSize - IcmpMessage::kHeaderSize
                       : 1280 - Ipv6Packet::kHeaderSize - IcmpMessage::kHeaderSize;
}

void build_icmp_error(FrameBuilder& frame, const IpAddress& source, const IpAddress& destination,
                      const IcmpError& error, ByteView quote) noexcept {
  assert(source.index() == destination.index());
  ByteWriter payload{frame.payload_room()};
  payload.u8(error.type);
  payload.u8(error.code);
  payload.be16(0);
  payload.be32(error.info);
  payload.bytes(quote.first(std::min(quote.size(), max_quote(source))));
  if (!payload.ok()) return;
  frame.commit_payload(payload.position());
  if (const auto* const from = std::get_if<Ipv4Address>(&source)) {
    frame.fill_icmp_checksum();
    frame.prepend_ipv4(*from, std::get<Ipv4Address>(destination), ip_protocol::kIcmp);
  } else {
    frame.fill_icmp6_checksum(std::get<Ipv6Address>(source), std::get<Ipv6Address>(destination));
    frame.prepend_ipv6(std::get<Ipv6Address>(source), std::get<Ipv6Address>(destination), ip_protocol::kIcmp6);
  }
}

}  // namespace vnet
