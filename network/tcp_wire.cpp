#include "network/tcp_wire.hpp"

#include <array>
#include <cassert>
#include <chrono>

namespace vnet::network {
namespace {

constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionMss = 2;
constexpr std::uint8_t kMssOptionSize = 4;

bool is_ipv4(const TcpFlow& flow) noexcept { return std::holds_alternative<Ipv4Address>(flow.remote); }

/// The TCP header in front of the payload, checksummed.
template <typename Address>
void prepend_tcp(FrameBuilder& frame, const Address& source, const Address& destination, const TcpFlow& flow,
                 const TcpHeader& header) noexcept {
  const std::size_t header_size = TcpSegment::kMinHeaderSize + (header.mss == 0 ? 0 : kMssOptionSize);
  std::uint8_t* at = frame.prepend(header_size);
  if (at == nullptr) return;
  ByteWriter out{{at, header_size}};
  out.be16(flow.local_port);
  out.be16(flow.remote_port);
  out.be32(header.sequence);
  out.be32(header.acknowledgment);
  out.u8(static_cast<std::uint8_t>(header_size / 4 << 4U));
  out.u8(header.flags);
  out.be16(header.window);
  out.be16(0);  // checksum
  out.be16(0);  // urgent pointer
  if (header.mss != 0) {
    out.u8(kOptionMss);
    out.u8(kMssOptionSize);
    out.be16(header.mss);
  }
  const std::uint16_t sum =
      Checksum{}.add_pseudo(source, destination, ip_protocol::kTcp, frame.size()).add(frame.bytes()).finish();
  store_be(at + 16, sum);
}

}  // namespace

std::uint64_t hash_flow(const TcpFlow& flow, const SipHashKey& key) noexcept {
  assert(flow.local.index() == flow.remote.index());
  const std::uint64_t ports = std::uint64_t{flow.local_port} << 16U | flow.remote_port;
  if (is_ipv4(flow)) {
    const std::array words = {
        std::uint64_t{std::get<Ipv4Address>(flow.local).to_u32()} << 32U | std::get<Ipv4Address>(flow.remote).to_u32(),
        ports};
    return siphash(words, key);
  }
  const std::uint8_t* local = std::get<Ipv6Address>(flow.local).octets().data();
  const std::uint8_t* remote = std::get<Ipv6Address>(flow.remote).octets().data();
  const std::array words = {load_be<std::uint64_t>(local), load_be<std::uint64_t>(local + 8),
                            load_be<std::uint64_t>(remote), load_be<std::uint64_t>(remote + 8), ports};
  return siphash(words, key);
}

std::uint32_t initial_sequence(const TcpFlow& flow, const SipHashKey& key, Instant now) noexcept {
  const auto ticks = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() / 4;
  return static_cast<std::uint32_t>(ticks) + static_cast<std::uint32_t>(hash_flow(flow, key));
}

std::uint16_t default_mss(const TcpFlow& flow) noexcept { return is_ipv4(flow) ? 536 : 1220; }

std::uint16_t mss_for_mtu(const TcpFlow& flow, std::size_t mtu) noexcept {
  assert(mtu >= 68 && mtu <= kMaxMtu);
  const std::size_t ip_header = is_ipv4(flow) ? Ipv4Packet::kMinHeaderSize : Ipv6Packet::kHeaderSize;
  return static_cast<std::uint16_t>(mtu - ip_header - TcpSegment::kMinHeaderSize);
}

std::optional<std::uint16_t> find_mss(ByteView options) noexcept {
  ByteReader in{options};
  while (in.remaining() > 0) {
    const std::uint8_t kind = in.u8();
    if (kind == kOptionEnd) return std::nullopt;
    if (kind == kOptionNop) continue;
    const std::uint8_t length = in.u8();
    if (!in.ok() || length < 2) return std::nullopt;
    if (kind == kOptionMss && length == kMssOptionSize) {
      const std::uint16_t mss = in.be16();
      return in.ok() ? std::optional{mss} : std::nullopt;
    }
    in.skip(length - std::size_t{2});
  }
  return std::nullopt;
}

void build_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header, ByteView payload) noexcept {
  assert(flow.local.index() == flow.remote.index());
  frame.append_payload(payload);
  if (is_ipv4(flow)) {
    const auto source = std::get<Ipv4Address>(flow.local);
    const auto destination = std::get<Ipv4Address>(flow.remote);
    prepend_tcp(frame, source, destination, flow, header);
    frame.prepend_ipv4(source, destination, ip_protocol::kTcp);
  } else {
    const auto& source = std::get<Ipv6Address>(flow.local);
    const auto& destination = std::get<Ipv6Address>(flow.remote);
    prepend_tcp(frame, source, destination, flow, header);
    frame.prepend_ipv6(source, destination, ip_protocol::kTcp);
  }
}

}  // namespace vnet::network
