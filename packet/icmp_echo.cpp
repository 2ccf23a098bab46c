#include "packet/icmp_echo.hpp"

#include <cassert>

#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet {

void build_echo_reply(FrameBuilder& frame, const IpAddress& source, const IpAddress& destination,
                      ByteView request) noexcept {
  assert(source.index() == destination.index() && !request.empty());
  const bool v4 = is_v4(source);
  ByteWriter message{frame.payload_room()};
  message.u8(v4 ? icmp_type::kEchoReply : icmp6_type::kEchoReply);
  message.bytes(request.subspan(1));
  if (!message.ok()) return;
  frame.commit_payload(message.position());
  if (v4) {
    frame.fill_icmp_checksum();
    frame.prepend_ipv4(std::get<Ipv4Address>(source), std::get<Ipv4Address>(destination), ip_protocol::kIcmp);
  } else {
    const auto& from = std::get<Ipv6Address>(source);
    const auto& to = std::get<Ipv6Address>(destination);
    frame.fill_icmp6_checksum(from, to);
    frame.prepend_ipv6(from, to, ip_protocol::kIcmp6);
  }
}

}  // namespace vnet
