// Any IP packet, for fuzzers behind the gateway's parser: of IPv4 the header checksum is made right, or hardly anything
// would get past it.
#pragma once

#include <algorithm>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/checksum.hpp"

namespace vnet::fuzz {

/// Takes a length and as many bytes from `in`.
inline std::vector<std::uint8_t> any_packet(ByteReader& in) {
  const ByteView bytes = in.bytes(std::min<std::size_t>(in.u8(), in.remaining()));
  std::vector<std::uint8_t> packet(bytes.begin(), bytes.end());
  if (packet.size() >= 20 && packet[0] >> 4U == 4) {
    const std::size_t header = std::clamp<std::size_t>((packet[0] & 0x0fU) * 4U, 20, packet.size());
    packet[10] = packet[11] = 0;
    store_be(packet.data() + 10, checksum(ByteView{packet}.first(header)));
  }
  return packet;
}

}  // namespace vnet::fuzz
