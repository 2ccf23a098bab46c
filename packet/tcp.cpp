#include "packet/tcp.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace vnet {
namespace {

constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionMss = 2;
constexpr std::uint8_t kOptionWindowScale = 3;
constexpr std::uint8_t kOptionSackPermitted = 4;
constexpr std::uint8_t kOptionSack = 5;
constexpr std::uint8_t kMssOptionSize = 4;
constexpr std::uint8_t kWindowScaleOptionSize = 3;
constexpr std::uint8_t kSackPermittedOptionSize = 2;
constexpr std::size_t kSackBlockSize = 8;
constexpr std::size_t kMaxOptionBytes = 40;

bool is_ipv4(const TcpFlow& flow) noexcept { return is_v4(flow.remote); }

/// The header's options, padded to words with no-operations in front, as everybody does.
void write_options(ByteWriter& out, const TcpHeader& header) noexcept {
  if (header.mss != 0) {
    out.u8(kOptionMss);
    out.u8(kMssOptionSize);
    out.be16(header.mss);
  }
  if (header.window_scale) {
    out.u8(kOptionNop);
    out.u8(kOptionWindowScale);
    out.u8(kWindowScaleOptionSize);
    out.u8(*header.window_scale);
  }
  if (header.sack_permitted) {
    out.u8(kOptionNop);
    out.u8(kOptionNop);
    out.u8(kOptionSackPermitted);
    out.u8(kSackPermittedOptionSize);
  }
  if (!header.sack.empty()) {
    out.u8(kOptionNop);
    out.u8(kOptionNop);
    out.u8(kOptionSack);
    out.u8(static_cast<std::uint8_t>(2 + header.sack.size() * kSackBlockSize));
    for (const SequenceRange& block : header.sack) {
      out.be32(block.begin);
      out.be32(block.end);
    }
  }
}

/// The TCP header in front of the payload, checksummed.
template <typename Address>
void prepend_header(FrameBuilder& frame, const Address& source, const Address& destination, const TcpFlow& flow,
                    const TcpHeader& header) noexcept {
  std::array<std::uint8_t, kMaxOptionBytes> storage{};
  ByteWriter options{storage};
  write_options(options, header);
  assert(options.ok());
  const std::size_t header_size = TcpSegment::kMinHeaderSize + options.position();
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
  out.bytes(options.written());
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

TcpOptions TcpOptions::parse(ByteView options) noexcept {
  TcpOptions found;
  ByteReader in{options};
  while (in.remaining() > 0) {
    const std::uint8_t kind = in.u8();
    if (kind == kOptionEnd) break;
    if (kind == kOptionNop) continue;
    const std::uint8_t length = in.u8();
    if (!in.ok() || length < 2 || length - std::size_t{2} > in.remaining()) break;
    ByteReader value{in.bytes(length - std::size_t{2})};
    if (kind == kOptionMss && length == kMssOptionSize) found.mss = value.be16();
    if (kind == kOptionWindowScale && length == kWindowScaleOptionSize) {
      found.window_scale = std::min(value.u8(), kMaxWindowScale);
    }
    if (kind == kOptionSackPermitted && length == kSackPermittedOptionSize) found.sack_permitted = true;
    if (kind == kOptionSack) {
      while (value.remaining() >= kSackBlockSize && found.sack_count < kMaxSackBlocks) {
        const std::uint32_t begin = value.be32();
        found.sack[found.sack_count++] = {begin, value.be32()};
      }
    }
  }
  return found;
}

std::optional<std::uint16_t> find_mss(ByteView options) noexcept { return TcpOptions::parse(options).mss; }

void prepend_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header) noexcept {
  assert(flow.local.index() == flow.remote.index());
  if (is_ipv4(flow)) {
    const auto source = std::get<Ipv4Address>(flow.local);
    const auto destination = std::get<Ipv4Address>(flow.remote);
    prepend_header(frame, source, destination, flow, header);
    frame.prepend_ipv4(source, destination, ip_protocol::kTcp);
  } else {
    const auto& source = std::get<Ipv6Address>(flow.local);
    const auto& destination = std::get<Ipv6Address>(flow.remote);
    prepend_header(frame, source, destination, flow, header);
    frame.prepend_ipv6(source, destination, ip_protocol::kTcp);
  }
}

void build_tcp(FrameBuilder& frame, const TcpFlow& flow, const TcpHeader& header, ByteView payload) noexcept {
  frame.append_payload(payload);
  prepend_tcp(frame, flow, header);
}

}  // namespace vnet
