#include "network/neighbor_discovery.hpp"

#include <algorithm>
#include <utility>

namespace vnet::network {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint8_t kRequiredHopLimit = 255;                // RFC 4861, 6.1.1
constexpr auto kMinDelayBetweenAdvertisements = seconds{3};    // MIN_DELAY_BETWEEN_RAS
constexpr std::uint32_t kMaxAnswerDelayMs = 500;               // MAX_RA_DELAY_TIME
constexpr std::uint32_t kMinIntervalS = 200;                   // MinRtrAdvInterval, a third of the maximum
constexpr std::uint32_t kMaxIntervalS = 600;                   // MaxRtrAdvInterval
constexpr unsigned kInitialAdvertisements = 3;                 // MAX_INITIAL_RTR_ADVERTISEMENTS
constexpr std::uint32_t kMaxInitialIntervalS = 16;             // MAX_INITIAL_RTR_ADVERT_INTERVAL
constexpr std::uint16_t kRouterLifetimeS = 3 * kMaxIntervalS;  // AdvDefaultLifetime
constexpr std::uint32_t kDnsLifetimeS = 3 * kMaxIntervalS;     // RFC 8106, 5.1
constexpr std::uint32_t kValidLifetimeS = 86'400;
constexpr std::uint32_t kPreferredLifetimeS = 14'400;

namespace option {
constexpr std::uint8_t kSourceLinkLayer = 1;
constexpr std::uint8_t kTargetLinkLayer = 2;
constexpr std::uint8_t kPrefixInformation = 3;
constexpr std::uint8_t kMtu = 5;
constexpr std::uint8_t kRdnss = 25;
constexpr std::uint8_t kDnssl = 31;
}  // namespace option

/// Options are in units of eight bytes; a zero length discards the packet (4.6).
bool options_ok(ByteView options) {
  while (!options.empty()) {
    if (options.size() < 8 || options[1] == 0 || std::size_t{options[1]} * 8 > options.size()) return false;
    options = options.subspan(std::size_t{options[1]} * 8);
  }
  return true;
}

bool has_option(ByteView options, std::uint8_t type) {
  while (!options.empty()) {
    if (options[0] == type) return true;
    options = options.subspan(std::size_t{options[1]} * 8);
  }
  return false;
}

void put_link_layer(ByteWriter& out, std::uint8_t type, const MacAddress& mac) {
  out.u8(type);
  out.u8(1);
  out.bytes(mac.bytes());
}

void put_prefix(ByteWriter& out, const Ipv6Prefix& prefix) {
  constexpr std::uint8_t kOnLink = 0x80;
  constexpr std::uint8_t kAutonomous = 0x40;
  out.u8(option::kPrefixInformation);
  out.u8(4);
  out.u8(prefix.length);
  // SLAAC needs a /64 (RFC 4862, 5.5.3 d); another length is on-link only.
  out.u8(prefix.length == 64 ? kOnLink | kAutonomous : kOnLink);
  out.be32(kValidLifetimeS);
  out.be32(kPreferredLifetimeS);
  out.be32(0);
  out.bytes(prefix.network().bytes());
}

void put_rdnss(ByteWriter& out, const std::vector<Ipv6Address>& servers) {
  if (servers.empty()) return;
  out.u8(option::kRdnss);
  out.u8(static_cast<std::uint8_t>(1 + 2 * servers.size()));
  out.be16(0);
  out.be32(kDnsLifetimeS);
  for (const Ipv6Address& server : servers) out.bytes(server.bytes());
}

void put_domain(ByteWriter& out, std::string_view domain) {
  while (!domain.empty()) {
    const std::string_view label = domain.substr(0, domain.find('.'));
    if (!label.empty()) {
      out.u8(static_cast<std::uint8_t>(label.size()));
      out.bytes(as_bytes(label));
    }
    domain.remove_prefix(std::min(label.size() + 1, domain.size()));
  }
  out.u8(0);
}

void put_dnssl(ByteWriter& out, const std::vector<std::string>& domains) {
  if (domains.empty()) return;
  const std::size_t start = out.position();
  out.u8(option::kDnssl);
  out.u8(0);
  out.be16(0);
  out.be32(kDnsLifetimeS);
  for (const std::string& domain : domains) put_domain(out, domain);
  out.zeros((8 - (out.position() - start) % 8) % 8);
  out.patch_u8(start + 1, static_cast<std::uint8_t>((out.position() - start) / 8));
}

}  // namespace

NeighborDiscovery::NeighborDiscovery(RouterConfig config)
    : config_(std::move(config)), link_local_(Ipv6Address::link_local(config_.mac)) {}

std::optional<DropReason> NeighborDiscovery::handle(const MacAddress& from, const Ipv6Packet& packet,
                                                    const IcmpMessage& message, Instant now, Random& random,
                                                    Outbox& out) {
  if (packet.hop_limit() != kRequiredHopLimit || message.code() != 0) return DropReason::malformed;
  const bool unspecified = packet.source().is_unspecified();
  const ByteView body = message.body();
  if (message.type() == icmp6_type::kRouterSolicitation) {
    const ByteView options = body.subspan(4);
    if (!options_ok(options) || (unspecified && has_option(options, option::kSourceLinkLayer))) {
      return DropReason::malformed;
    }
    answer_router_solicitation(from, packet, now, random, out);
    return std::nullopt;
  }
  if (message.type() != icmp6_type::kNeighborSolicitation) return std::nullopt;
  if (body.size() < 20) return DropReason::malformed;
  const Ipv6Address target = Ipv6Address::load(body.data() + 4);
  const ByteView options = body.subspan(20);
  if (target.is_multicast() || !options_ok(options)) return DropReason::malformed;
  if (unspecified &&
      (packet.destination() != target.solicited_node() || has_option(options, option::kSourceLinkLayer))) {
    return DropReason::malformed;
  }
  if (is_own(target)) answer_neighbor_solicitation(from, packet, target, out);
  return std::nullopt;
}

std::optional<SeenAddress> NeighborDiscovery::seen_address(const Ipv6Packet& packet, const IcmpMessage& message) {
  const std::uint8_t type = message.type();
  const bool solicitation = type == icmp6_type::kNeighborSolicitation;
  if (packet.hop_limit() != kRequiredHopLimit || message.body().size() < 20) return std::nullopt;
  if (solicitation && !packet.source().is_unspecified()) return SeenAddress{packet.source(), false};
  if (solicitation || type == icmp6_type::kNeighborAdvertisement) {
    const Ipv6Address target = Ipv6Address::load(message.body().data() + 4);
    if (!target.is_multicast()) return SeenAddress{target, solicitation};
  }
  return std::nullopt;
}

void NeighborDiscovery::answer_neighbor_solicitation(const MacAddress& from, const Ipv6Packet& packet,
                                                     const Ipv6Address& target, Outbox& out) const {
  constexpr std::uint32_t kRouter = 0x80000000U;
  constexpr std::uint32_t kSolicited = 0x40000000U;
  constexpr std::uint32_t kOverride = 0x20000000U;
  const bool probe = packet.source().is_unspecified();
  const Ipv6Address to = probe ? Ipv6Address::all_nodes() : packet.source();
  FrameBuilder frame{out.room(32)};
  ByteWriter payload{frame.payload_room()};
  payload.u8(icmp6_type::kNeighborAdvertisement);
  payload.u8(0);
  payload.be16(0);
  payload.be32(kRouter | kOverride | (probe ? 0 : kSolicited));
  payload.bytes(target.bytes());
  put_link_layer(payload, option::kTargetLinkLayer, config_.mac);
  frame.commit_payload(payload.position());
  frame.fill_icmp6_checksum(target, to);
  frame.prepend_ipv6(target, to, ip_protocol::kIcmp6, kRequiredHopLimit);
  frame.prepend_ethernet(probe ? to.multicast_mac() : from, config_.mac, ethertype::kIpv6);
  out.send(frame);
}

void NeighborDiscovery::solicit(const Ipv6Address& target, Outbox& out) const {
  const Ipv6Address to = target.solicited_node();
  FrameBuilder frame{out.room(32)};
  ByteWriter payload{frame.payload_room()};
  payload.u8(icmp6_type::kNeighborSolicitation);
  payload.u8(0);
  payload.be16(0);
  payload.be32(0);
  payload.bytes(target.bytes());
  put_link_layer(payload, option::kSourceLinkLayer, config_.mac);
  frame.commit_payload(payload.position());
  frame.fill_icmp6_checksum(config_.prefix.address, to);
  frame.prepend_ipv6(config_.prefix.address, to, ip_protocol::kIcmp6, kRequiredHopLimit);
  frame.prepend_ethernet(to.multicast_mac(), config_.mac, ethertype::kIpv6);
  out.send(frame);
}

void NeighborDiscovery::answer_router_solicitation(const MacAddress& from, const Ipv6Packet& packet, Instant now,
                                                   Random& random, Outbox& out) {
  if (!packet.source().is_unspecified()) {
    advertise(packet.source(), from, out);
    return;
  }
  Instant due = now + milliseconds{random.below(kMaxAnswerDelayMs)};
  if (last_multicast_ != Instant::min()) due = std::max<Instant>(due, last_multicast_ + kMinDelayBetweenAdvertisements);
  next_multicast_ = std::min(next_multicast_, due);
}

void NeighborDiscovery::expire(Instant now, Random& random, Outbox& out) {
  if (now < next_multicast_) return;
  advertise(Ipv6Address::all_nodes(), Ipv6Address::all_nodes().multicast_mac(), out);
  last_multicast_ = now;
  const bool initial = ++sent_ < kInitialAdvertisements;
  next_multicast_ = now + (initial ? seconds{kMaxInitialIntervalS}
                                   : seconds{kMinIntervalS + random.below(kMaxIntervalS - kMinIntervalS)});
}

void NeighborDiscovery::advertise(const Ipv6Address& to, const MacAddress& to_mac, Outbox& out) const {
  constexpr std::size_t kMaxAdvertisement = 1232;  // fits the minimum MTU
  FrameBuilder frame{out.room(kMaxAdvertisement)};
  ByteWriter payload{frame.payload_room()};
  payload.u8(icmp6_type::kRouterAdvertisement);
  payload.u8(0);
  payload.be16(0);
  payload.u8(64);  // the hop limit that hosts should use
  payload.u8(0);   // M and O clear: no DHCPv6
  payload.be16(config_.default_router ? kRouterLifetimeS : 0);
  payload.be32(0);  // reachable time and retransmission timer: unspecified
  payload.be32(0);
  put_link_layer(payload, option::kSourceLinkLayer, config_.mac);
  payload.u8(option::kMtu);
  payload.u8(1);
  payload.be16(0);
  payload.be32(config_.mtu);
  put_prefix(payload, config_.prefix);
  put_rdnss(payload, config_.dns_servers);
  const std::size_t before_names = payload.position();
  put_dnssl(payload, config_.search_domains);
  if (!payload.ok()) payload.rewind(before_names);  // too many names for one packet: the rest still counts
  frame.commit_payload(payload.position());
  frame.fill_icmp6_checksum(link_local_, to);
  frame.prepend_ipv6(link_local_, to, ip_protocol::kIcmp6, kRequiredHopLimit);
  frame.prepend_ethernet(to_mac, config_.mac, ethertype::kIpv6);
  out.send(frame);
}

}  // namespace vnet::network
