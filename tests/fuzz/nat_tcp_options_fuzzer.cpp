// Fuzzes the reading of TCP options. Whatever the bytes, the reading ends within them; what was read and is written
// again reads the same.
#include <array>
#include <cstdlib>

#include "packet/tcp.hpp"
#include "packet/transport.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vnet;
  const auto require = [](bool condition) {
    if (!condition) std::abort();
  };
  const TcpOptions options = TcpOptions::parse({data, size});
  require(options.sack_count <= kMaxSackBlocks);
  require(!options.window_scale || *options.window_scale <= TcpOptions::kMaxWindowScale);
  require(find_mss({data, size}) == options.mss);

  TcpHeader header;
  const bool syn = options.sack_count == 0;
  if (syn) {
    header.mss = options.mss.value_or(0);
    header.window_scale = options.window_scale;
    header.sack_permitted = options.sack_permitted;
  } else {
    header.sack = std::span{options.sack}.first(options.sack_count);
  }
  std::array<std::uint8_t, 256> storage;
  FrameBuilder frame{storage};
  prepend_tcp(frame, {Ipv4Address{10, 0, 0, 1}, Ipv4Address{10, 0, 0, 2}, 80, 1000}, header);
  require(frame.ok());
  const auto packet = Ipv4Packet::parse(frame.bytes());
  require(packet && upper_checksum_ok(*packet, ip_protocol::kTcp, packet->payload()));
  const auto segment = TcpSegment::parse(packet->payload());
  require(segment.has_value());
  const TcpOptions again = TcpOptions::parse(segment->options());
  require(again.sack_count == options.sack_count && again.sack == options.sack);
  if (syn) {
    require(again.mss.value_or(0) == options.mss.value_or(0) && again.window_scale == options.window_scale);
    require(again.sack_permitted == options.sack_permitted);
  }
  return 0;
}
