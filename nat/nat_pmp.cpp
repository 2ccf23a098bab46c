#include "nat/nat_pmp.hpp"

#include <algorithm>

namespace vnet::nat {
namespace {

constexpr std::uint8_t kResponse = 128;
constexpr std::size_t kMinRequest = 2;
constexpr std::size_t kMapRequest = 12;

enum Opcode : std::uint8_t { kAddress = 0, kMapUdp = 1, kMapTcp = 2 };

NatPmpResult result_of(MappingError error) noexcept {
  switch (error) {
    case MappingError::not_authorized: return NatPmpResult::not_authorized;
    case MappingError::no_address: return NatPmpResult::network_failure;
    default: return NatPmpResult::out_of_resources;
  }
}

}  // namespace

void NatPmp::begin(std::uint8_t opcode, NatPmpResult result, Instant now, ByteWriter& answer) const {
  answer.u8(kVersion);
  answer.u8(static_cast<std::uint8_t>(kResponse | opcode));
  answer.be16(static_cast<std::uint16_t>(result));
  answer.be32(mappings_.epoch(now));
}

void NatPmp::announce(const IpAddress& inside, Instant now, ByteWriter& out) const {
  const auto outside = mappings_.outside_of(inside);
  const Ipv4Address* const address = outside ? std::get_if<Ipv4Address>(&*outside) : nullptr;
  begin(kAddress, address != nullptr ? NatPmpResult::success : NatPmpResult::network_failure, now, out);
  out.be32(address != nullptr ? address->to_u32() : 0);
}

void NatPmp::refuse_version(ByteView request, Instant now, ByteWriter& answer) const {
  if (request.size() < kMinRequest || (request[1] & kResponse) != 0) return;
  begin(request[1], NatPmpResult::unsupported_version, now, answer);
}

void NatPmp::handle(const Endpoint& from, ByteView request, Instant now, ByteWriter& answer) {
  if (request.size() < kMinRequest || (request[1] & kResponse) != 0) return;
  switch (request[1]) {
    case kAddress: return announce(from.address, now, answer);
    case kMapUdp: return map(NatProtocol::udp, from, request, now, answer);
    case kMapTcp: return map(NatProtocol::tcp, from, request, now, answer);
    default: return begin(request[1], NatPmpResult::unsupported_opcode, now, answer);
  }
}

void NatPmp::map(NatProtocol protocol, const Endpoint& from, ByteView request, Instant now, ByteWriter& answer) {
  if (request.size() < kMapRequest) return;
  ByteReader reader{request};
  reader.skip(1);
  const std::uint8_t opcode = reader.u8();
  reader.skip(2);
  const Endpoint inside{from.address, reader.be16()};
  const std::uint16_t suggested = reader.be16();
  const std::chrono::seconds lifetime{std::min<std::int64_t>(reader.be32(), kMaxLifetime.count())};

  NatPmpResult result = NatPmpResult::success;
  std::uint16_t outside_port = 0;
  if (lifetime.count() == 0) {
    result = remove(protocol, inside, now);
  } else if (const auto granted = mappings_.grant({.claim = {MappingOrigin::nat_pmp, {}},
                                                   .protocol = protocol,
                                                   .inside = inside,
                                                   .suggested = suggested,
                                                   .expires = now + lifetime},
                                                  now)) {
    outside_port = (*granted)->outside_port;
  } else {
    result = result_of(granted.error());
  }
  begin(opcode, result, now, answer);
  answer.be16(inside.port);
  answer.be16(outside_port);
  answer.be32(outside_port != 0 ? static_cast<std::uint32_t>(lifetime.count()) : 0);
}

/// 3.4: what is not there is deleted already, but a mapping of the config stays, and who asks is told.
NatPmpResult NatPmp::remove(NatProtocol protocol, const Endpoint& inside, Instant now) {
  const MappingClaim claim{MappingOrigin::nat_pmp, {}};
  if (inside.port == 0) {
    mappings_.remove_all(inside.address, claim, protocol, now);
    return NatPmpResult::success;
  }
  if (const PortMapping* const mapping = mappings_.find(claim.origin, protocol, inside)) {
    (void)mappings_.remove(*mapping, claim, now);
    return NatPmpResult::success;
  }
  const bool is_static = mappings_.find(MappingOrigin::config, protocol, inside) != nullptr;
  return is_static ? NatPmpResult::not_authorized : NatPmpResult::success;
}

}  // namespace vnet::nat
