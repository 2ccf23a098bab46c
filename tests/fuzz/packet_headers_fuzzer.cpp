// Reads a frame with every view that could apply to it, and asks each accessor: none may look beyond the frame. What
// the views say must hold together: a payload lies within its packet, and an ARP packet survives being written again.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "packet/arp.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace {

using namespace vnet;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Touches every byte, so that the sanitizer sees a view that is too long.
unsigned sum(ByteView bytes) {
  unsigned result = 0;
  for (const std::uint8_t byte : bytes) result += byte;
  return result;
}

void require_within(ByteView inner, ByteView outer) {
  require(inner.size() <= outer.size());
  if (!inner.empty())
    require(inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size());
}

template <typename Packet>
unsigned read_upper(const Packet& packet) {
  const ByteView payload = packet.payload();
  unsigned seen = sum(payload);
  if (const auto udp = UdpDatagram::parse(payload)) {
    require_within(udp->payload(), payload);
    seen += udp->source_port() + udp->destination_port() + udp->checksum_field() + sum(udp->payload());
    seen += upper_checksum_ok(packet, ip_protocol::kUdp, udp->bytes()) ? 1U : 0U;
  }
  if (const auto tcp = TcpSegment::parse(payload)) {
    require_within(tcp->payload(), payload);
    require_within(tcp->options(), payload);
    require(tcp->options().size() <= 40);
    seen += tcp->source_port() + tcp->destination_port() + tcp->sequence() + tcp->acknowledgment() + tcp->window();
    seen += tcp->flags() + sum(tcp->options()) + sum(tcp->payload()) + (tcp->has(TcpSegment::kSyn) ? 1U : 0U);
  }
  if (const auto icmp = IcmpMessage::parse(payload)) {
    seen += icmp->type() + unsigned{icmp->code()} + sum(icmp->body()) + checksum(icmp->bytes());
  }
  return seen;
}

unsigned read_ip(ByteView payload) {
  unsigned seen = 0;
  if (const auto v4 = Ipv4Packet::parse(payload)) {
    require_within(v4->bytes(), payload);
    require_within(v4->payload(), v4->bytes());
    require(v4->header_size() + v4->payload().size() == v4->bytes().size());
    require(checksum(v4->bytes().first(v4->header_size())) == 0);
    seen += unsigned{v4->ttl()} + v4->traffic_class() + v4->identification() + v4->protocol();
    seen += static_cast<unsigned>(v4->fragment_offset()) + (v4->is_fragment() ? 1U : 0U) + read_upper(*v4);
  }
  if (const auto v6 = Ipv6Packet::parse(payload)) {
    require_within(v6->bytes(), payload);
    require_within(v6->payload(), v6->bytes());
    seen += unsigned{v6->hop_limit()} + v6->traffic_class() + v6->protocol() + read_upper(*v6);
  }
  return seen;
}

void read_arp(ByteView payload) {
  const auto arp = ArpPacket::parse(payload);
  if (!arp) return;
  std::array<std::uint8_t, ArpPacket::kSize> again;
  again.fill(0xa5);
  ByteWriter out{again};
  arp->emit(out);
  require(out.ok() && out.position() == ArpPacket::kSize);
  require(std::memcmp(again.data(), payload.data(), again.size()) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto frame = EthernetFrame::parse({data, size});
  if (!frame) {
    require(size < kEthernetHeaderSize);
    return 0;
  }
  require(frame->tag_bytes() <= 2 * kVlanTagSize && kEthernetHeaderSize + frame->tag_bytes() <= size);
  const ByteView payload = frame->bytes().subspan(kEthernetHeaderSize + frame->tag_bytes());
  read_arp(payload);
  volatile unsigned seen = read_ip(payload);
  (void)seen;
  return 0;
}
