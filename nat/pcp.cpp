#include "nat/pcp.hpp"

#include <algorithm>
#include <array>

namespace vnet::nat {
namespace {

constexpr std::uint8_t kPcpResponse = 0x80;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kMappedPrefix = 96;  // of IPv4 addresses among those of IPv6

enum PcpOpcode : std::uint8_t { kAnnounce = 0, kMap = 1, kPeer = 2 };
enum OptionCode : std::uint8_t { kThirdParty = 1, kPreferFailure = 2, kFilter = 3, kFirstOptional = 128 };

/// Section 5: IPv4 addresses are written as IPv6 addresses of ::ffff:0:0/96.
IpAddress read_address(ByteReader& reader) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const ByteView bytes = reader.bytes(Ipv6Address::kSize);
  if (bytes.size() < Ipv6Address::kSize) return Ipv6Address{};
  if (std::ranges::equal(bytes.first(kMapped.size()), kMapped)) return Ipv4Address::load(bytes.data() + kMapped.size());
  return Ipv6Address::load(bytes.data());
}

void write_address(ByteWriter& writer, const IpAddress& address) {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) {
    writer.zeros(10);
    writer.be16(0xffff);
    writer.be32(v4->to_u32());
  } else {
    writer.bytes(std::get<Ipv6Address>(address).bytes());
  }
}

/// Section 7.4 says of each how long it is likely to last.
std::chrono::seconds patience(PcpResult result) noexcept {
  switch (result) {
    case PcpResult::network_failure:
    case PcpResult::no_resources:
    case PcpResult::user_ex_quota:
    case PcpResult::cannot_provide_external: return Pcp::kShortError;
    default: return Pcp::kLongError;
  }
}

std::optional<NatProtocol> protocol_of(std::uint8_t number) noexcept {
  if (number == kTcp) return NatProtocol::tcp;
  if (number == kUdp) return NatProtocol::udp;
  return std::nullopt;
}

}  // namespace

void Pcp::begin(std::uint8_t opcode, PcpResult result, std::uint32_t lifetime, Instant now, ByteWriter& answer) const {
  answer.u8(kVersion);
  answer.u8(kPcpResponse | opcode);
  answer.u8(0);
  answer.u8(static_cast<std::uint8_t>(result));
  answer.be32(lifetime);
  answer.be32(mappings_.epoch(now));
  answer.zeros(12);
}

void Pcp::announce(Instant now, ByteWriter& out) const { begin(kAnnounce, PcpResult::success, 0, now, out); }

/// 8.2: an error carries the request behind the header, as far as that is a PCP message. Another version's is none.
void Pcp::refuse(ByteView bytes, const Refusal& refusal, Instant now, ByteWriter& answer) const {
  const auto lifetime = refusal.lifetime.value_or(static_cast<std::uint32_t>(patience(refusal.result).count()));
  begin(bytes[1], refusal.result, lifetime, now, answer);
  if (refusal.result == PcpResult::unsupp_version || bytes.size() <= kHeaderSize) return;
  const ByteView body = bytes.first(std::min(bytes.size(), kMaxMessage)).subspan(kHeaderSize);
  answer.bytes(body);
  answer.zeros((4 - body.size() % 4) % 4);
}

void Pcp::handle(const Endpoint& from, ByteView request, Instant now, ByteWriter& answer) {
  if (request.size() < 2 || (request[1] & kPcpResponse) != 0) return;
  if (request[0] != kVersion) return refuse(request, {PcpResult::unsupp_version}, now, answer);
  const auto read_request = read(from, request);
  if (!read_request) return refuse(request, {read_request.error()}, now, answer);
  if (read_request->opcode == kAnnounce) return announce(now, answer);
  const auto assigned = serve(*read_request, now);
  if (!assigned) return refuse(request, assigned.error(), now, answer);
  begin(read_request->opcode, PcpResult::success, assigned->lifetime, now, answer);
  answer.bytes(read_request->nonce);
  answer.u8(read_request->protocol);
  answer.zeros(3);
  answer.be16(read_request->inside_port);
  answer.be16(assigned->port);
  write_address(answer, assigned->address);
  if (const auto& peer = read_request->peer) {
    answer.be16(peer->port);
    answer.zeros(2);
    write_address(answer, peer->address);
  }
  for (const ByteView option : read_request->options.understood) answer.bytes(option);
}

Result<Pcp::Request, PcpResult> Pcp::read(const Endpoint& from, ByteView bytes) const {
  if (bytes.size() < kHeaderSize || bytes.size() > kMaxMessage || bytes.size() % 4 != 0) {
    return fail(PcpResult::malformed_request);
  }
  ByteReader reader{bytes};
  Request request;
  reader.skip(1);
  request.opcode = reader.u8();
  reader.skip(2);
  request.lifetime = reader.be32();
  request.guest = read_address(reader);
  if (request.opcode > kPeer) return fail(PcpResult::unsupp_opcode);
  if (request.guest != from.address) return fail(PcpResult::address_mismatch);
  if (request.opcode != kAnnounce) {
    std::ranges::copy(reader.bytes(request.nonce.size()), request.nonce.begin());
    request.protocol = reader.u8();
    reader.skip(3);
    request.inside_port = reader.be16();
    request.outside_port = reader.be16();
    request.outside = read_address(reader);
  }
  if (request.opcode == kPeer) {
    request.peer.emplace().port = reader.be16();
    reader.skip(2);
    request.peer->address = read_address(reader);
    const bool possible = request.peer->port != 0 && !is_unspecified(request.peer->address) &&
                          request.peer->address.index() == from.address.index();
    if (!possible) return fail(PcpResult::malformed_request);
  }
  if (!reader.ok()) return fail(PcpResult::malformed_request);
  if (const auto options = read_options(request, reader); !options) return fail(options.error());
  return request;
}

Result<void, PcpResult> Pcp::read_options(Request& request, ByteReader& reader) const {
  while (reader.remaining() > 0) {
    ByteReader peek = reader;
    const std::uint8_t code = peek.u8();
    peek.skip(1);
    const std::size_t length = peek.be16();
    const ByteView data = peek.bytes(length);
    peek.skip((4 - length % 4) % 4);
    if (!peek.ok()) return fail(PcpResult::malformed_option);
    const ByteView whole = reader.bytes(reader.remaining() - peek.remaining());
    if (code >= kFirstOptional) continue;
    if (const auto read = read_option(request, code, data); !read) return read;
    request.options.understood.push_back(whole);
  }
  return {};
}

Result<void, PcpResult> Pcp::read_option(Request& request, std::uint8_t code, ByteView data) const {
  Options& options = request.options;
  ByteReader reader{data};
  if (code == kThirdParty && request.opcode != kAnnounce && third_party_) {
    if (options.third_party || data.size() != Ipv6Address::kSize) return fail(PcpResult::malformed_option);
    options.third_party = read_address(reader);
    if (options.third_party->index() != request.guest.index()) return fail(PcpResult::malformed_option);
    // 13.1: nobody is a third party to itself.
    if (*options.third_party == request.guest) return fail(PcpResult::malformed_request);
    request.guest = *options.third_party;
    return {};
  }
  if (code == kPreferFailure && request.opcode == kMap) {
    if (options.prefer_failure || !data.empty()) return fail(PcpResult::malformed_option);
    options.prefer_failure = true;
    return {};
  }
  if (code != kFilter || request.opcode != kMap) return fail(PcpResult::unsupp_option);
  reader.skip(1);
  const std::uint8_t length = reader.u8();
  const std::uint16_t port = reader.be16();
  const IpAddress address = read_address(reader);
  if (!reader.ok() || reader.remaining() != 0 || length > 128) return fail(PcpResult::malformed_option);
  if (length == 0) {
    options.clear_filters = true;
    options.filters.clear();
    return {};
  }
  if (address.index() != request.guest.index()) return fail(PcpResult::malformed_option);
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) {
    if (length < kMappedPrefix) return fail(PcpResult::malformed_option);
    const Ipv4Prefix prefix{*v4, static_cast<std::uint8_t>(length - kMappedPrefix)};
    options.filters.push_back({Ipv4Prefix{prefix.network(), prefix.length}, port});
  } else {
    const Ipv6Prefix prefix{std::get<Ipv6Address>(address), length};
    options.filters.push_back({Ipv6Prefix{prefix.network(), length}, port});
  }
  return {};
}

Result<Pcp::Assigned, Pcp::Refusal> Pcp::serve(const Request& request, Instant now) {
  // 11.1: protocol 0 stands for all, and then the port does, too.
  if (request.protocol == 0 && request.inside_port != 0) return fail(Refusal{PcpResult::malformed_request});
  const auto protocol = protocol_of(request.protocol);
  if (!protocol && (request.protocol != 0 || request.lifetime != 0 || request.peer)) {
    return fail(Refusal{PcpResult::unsupp_protocol});
  }
  if (request.lifetime == 0) return remove(request, now);
  if (request.inside_port == 0) return fail(Refusal{PcpResult::unsupp_protocol});
  return make(request, *protocol, now);
}

Result<Pcp::Assigned, Pcp::Refusal> Pcp::make(const Request& request, NatProtocol protocol, Instant now) {
  const Endpoint inside{request.guest, request.inside_port};
  const auto outside = mappings_.outside_of(request.guest);
  if (!outside) return fail(Refusal{PcpResult::network_failure});
  // 13.2 and 12.3: who says so, and who talks to one peer, wants just that address and port, as far as they are told.
  const bool strict = request.options.prefer_failure || request.peer;
  if (strict && !is_unspecified(request.outside) && request.outside != *outside) {
    return fail(Refusal{PcpResult::cannot_provide_external});
  }
  const std::chrono::seconds lifetime = std::clamp(std::chrono::seconds{request.lifetime}, kMinLifetime, kMaxLifetime);
  const auto granted = mappings_.grant({.claim = {MappingOrigin::pcp, request.nonce},
                                        .protocol = protocol,
                                        .inside = inside,
                                        .peer = request.peer,
                                        .suggested = request.outside_port,
                                        .exact = strict && request.outside_port != 0,
                                        .expires = now + lifetime,
                                        .clear_filters = request.options.clear_filters,
                                        .filters = request.options.filters},
                                       now);
  if (!granted) return fail(refusal_of(granted.error(), request, protocol, now));
  return Assigned{static_cast<std::uint32_t>(lifetime.count()), (*granted)->outside_port, *outside};
}

/// Section 15: what is not there is deleted already. A mapping of the config stays, and who asks is told.
Result<Pcp::Assigned, Pcp::Refusal> Pcp::remove(const Request& request, Instant now) {
  const MappingClaim claim{MappingOrigin::pcp, request.nonce};
  const auto protocol = protocol_of(request.protocol);
  Assigned gone{0, 0, request.outside};
  if (request.inside_port == 0) {
    mappings_.remove_all(request.guest, claim, protocol, now);
    return gone;
  }
  const Endpoint inside{request.guest, request.inside_port};
  const PortMapping* const mapping = mappings_.find(claim.origin, *protocol, inside, request.peer);
  if (mapping == nullptr) {
    const bool is_static = mappings_.find(MappingOrigin::config, *protocol, inside) != nullptr;
    if (is_static) return fail(Refusal{PcpResult::not_authorized});
    return gone;
  }
  gone.port = mapping->outside_port;
  gone.address = mappings_.outside_of(request.guest).value_or(request.outside);
  const auto removed = mappings_.remove(*mapping, claim, now);
  if (!removed) return fail(refusal_of(removed.error(), request, *protocol, now));
  return gone;
}

Pcp::Refusal Pcp::refusal_of(MappingError error, const Request& request, NatProtocol protocol, Instant now) const {
  switch (error) {
    case MappingError::not_authorized: {
      // 11.3: a mapping with another nonce stands in the way for as long as it has still to live.
      const Endpoint inside{request.guest, request.inside_port};
      const PortMapping* const other = mappings_.find(MappingOrigin::pcp, protocol, inside, request.peer);
      if (other == nullptr) return {PcpResult::not_authorized};
      return {PcpResult::not_authorized, other->seconds_left(now)};
    }
    case MappingError::port_taken:
      // Without a wish to be disappointed, a host's own port is in somebody else's hands.
      return {request.options.prefer_failure || request.peer ? PcpResult::cannot_provide_external
                                                             : PcpResult::no_resources};
    case MappingError::guest_full: return {PcpResult::user_ex_quota};
    case MappingError::full: return {PcpResult::no_resources};
    case MappingError::too_many_filters: return {PcpResult::excessive_remote_peers};
    case MappingError::no_address: return {PcpResult::network_failure};
  }
  return {PcpResult::no_resources};
}

}  // namespace vnet::nat
