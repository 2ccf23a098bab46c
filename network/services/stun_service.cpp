#include "network/services/stun_service.hpp"

#include <algorithm>
#include <array>

namespace vnet::network {
namespace {

using stun::AttributeType;

constexpr std::string_view kSoftware = "vnet";
constexpr unsigned kBadRequest = 400;
constexpr unsigned kUnknownAttribute = 420;

constexpr std::uint16_t other_port(std::uint16_t port) noexcept {
  return port == StunService::kPort ? StunService::kOtherPort : StunService::kPort;
}

/// Credentials are known, and not asked for: ICE and TURN clients send theirs to any server (RFC 8489, 12).
bool understood(AttributeType type, bool datagram) noexcept {
  switch (type) {
    case AttributeType::username:
    case AttributeType::message_integrity:
    case AttributeType::message_integrity_sha256:
    case AttributeType::realm:
    case AttributeType::nonce:
    case AttributeType::password_algorithm:
    case AttributeType::userhash:
    case AttributeType::change_request: return true;
    case AttributeType::padding:
    case AttributeType::response_port: return datagram;
    default: return !stun::comprehension_required(type);
  }
}

std::string_view reason_of(unsigned code) noexcept {
  return code == kUnknownAttribute ? "Unknown Attribute" : "Bad Request";
}

}  // namespace

bool StunService::handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant /*now*/) {
  const nat::Endpoint& local = datagram.to;
  if (local.port != kPort && local.port != kOtherPort) return false;
  if (std::ranges::find(addresses_, local.address) == addresses_.end()) return false;
  std::array<std::uint8_t, kMaxAnswer> room;
  const Answer reply = answer(datagram.payload, local, datagram.from, Transport::datagram, room);
  if (!reply.bytes.empty()) output.send({reply.from, reply.to, reply.bytes});
  return true;
}

ByteView StunService::answer_stream(ByteView bytes, const nat::Endpoint& local, const nat::Endpoint& remote,
                                    ByteSpan out) const {
  return answer(bytes, local, remote, Transport::stream, out).bytes;
}

StunService::Answer StunService::answer(ByteView bytes, const nat::Endpoint& local, const nat::Endpoint& remote,
                                        Transport transport, ByteSpan out) const {
  const auto request = stun::Message::parse(bytes);
  // An indication wants no answer, and a response gets none, or two servers could talk to each other for ever.
  if (!request || request->message_class() != stun::Class::request || request->method() != stun::kBindingMethod) {
    return {};
  }
  const std::optional<IpAddress> other_address = other(local.address);
  Wishes wishes;
  const Refusal refusal = read(*request, other_address.has_value(), transport, wishes);
  const stun::Class outcome = refusal.code == 0 ? stun::Class::success : stun::Class::error;
  stun::Writer writer{out, outcome, stun::kBindingMethod, request->id()};
  Answer result{.from = local, .to = remote, .bytes = {}};
  if (refusal.code != 0) {
    writer.add_error(refusal.code, reason_of(refusal.code));
    if (!refusal.unknown.empty()) writer.add_unknown_attributes(refusal.unknown);
  } else {
    if (wishes.change.address) result.from.address = *other_address;
    if (wishes.change.port) result.from.port = other_port(local.port);
    result.to.port = wishes.response_port.value_or(remote.port);
    write_success(writer, *request, local, remote, result.from);
    if (wishes.padding) writer.add_padding(kPaddingSize);
  }
  writer.add(AttributeType::software, as_bytes(kSoftware));
  if (request->has_fingerprint()) writer.add_fingerprint();
  result.bytes = writer.finish();
  return result;
}

StunService::Refusal StunService::read(const stun::Message& request, bool has_other, Transport transport,
                                       Wishes& wishes) {
  Refusal refusal;
  const auto add_unknown = [&refusal](AttributeType type) {
    refusal.code = kUnknownAttribute;
    const bool named = std::ranges::find(refusal.unknown, type) != refusal.unknown.end();
    if (!named && refusal.unknown.size() < kMaxUnknown) refusal.unknown.push_back(type);
  };
  stun::AttributeReader attributes = request.attributes();
  while (const auto attribute = attributes.next()) {
    if (!understood(attribute->type, transport == Transport::datagram)) add_unknown(attribute->type);
  }
  if (const auto value = request.find(AttributeType::change_request)) {
    const auto change = stun::read_change_request(*value);
    if (!change) return {kBadRequest};
    wishes.change = *change;
    // RFC 3489 clients say also in this attribute that they want no change, which every server can do.
    const bool possible = has_other && transport == Transport::datagram;
    if ((change->address || change->port) && !possible) add_unknown(AttributeType::change_request);
  }
  if (refusal.code != 0) return refusal;
  wishes.padding = request.find(AttributeType::padding).has_value();
  if (const auto value = request.find(AttributeType::response_port)) {
    wishes.response_port = stun::read_response_port(*value);
    // Both at once would aim the longest answer at a port that has not asked (RFC 5780, 6.1).
    if (!wishes.response_port || wishes.padding) return {kBadRequest};
  }
  return refusal;
}

void StunService::write_success(stun::Writer& writer, const stun::Message& request, const nat::Endpoint& local,
                                const nat::Endpoint& remote, const nat::Endpoint& from) const {
  const bool classic = stun::is_classic(request.id());
  // In the clear as well, so that a client sees whether something on the way rewrites addresses (RFC 5780, 6.1).
  writer.add_address(AttributeType::mapped_address, remote);
  if (!classic) writer.add_xor_address(AttributeType::xor_mapped_address, remote);
  writer.add_address(classic ? AttributeType::source_address : AttributeType::response_origin, from);
  if (const auto address = other(local.address)) {
    writer.add_address(classic ? AttributeType::changed_address : AttributeType::other_address,
                       {*address, other_port(local.port)});
  }
}

std::optional<IpAddress> StunService::other(const IpAddress& address) const {
  std::array<const IpAddress*, 2> pair{};
  std::size_t count = 0;
  for (const IpAddress& own : addresses_) {
    if (own.index() == address.index() && count < pair.size()) pair[count++] = &own;
  }
  if (count < pair.size()) return std::nullopt;
  if (address == *pair[0]) return *pair[1];
  if (address == *pair[1]) return *pair[0];
  return std::nullopt;
}

}  // namespace vnet::network
