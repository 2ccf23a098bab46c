// A packet's way through the realms. Nothing is allocated for it but its place in the arena, and in a router's queue
// where it has to wait for a guest.
#include <algorithm>
#include <utility>

#include "nat/icmp_answer.hpp"
#include "network/internet.hpp"
#include "packet/ethernet.hpp"

namespace vnet::network {
namespace {

/// Who is seen at the other end of a router's outside, which is no Ethernet.
constexpr MacAddress kBeyond = MacAddress::from_u64(0x02766e657400U);

constexpr std::uint8_t kInTransit = 0;
constexpr std::uint8_t kInReassembly = 1;

bool vanishes(const Router& router, const IpAddress& address) noexcept {
  return std::ranges::any_of(router.blackhole, [&](const IpPrefix& prefix) { return contains(prefix, address); });
}

bool is_reset(const PacketEditor& packet) noexcept {
  return packet.kind() == PacketEditor::Kind::tcp && (packet.tcp_flags() & TcpSegment::kRst) != 0;
}

/// Addresses of the network's own that no packet from outside is delivered to.
bool is_undeliverable(const NetworkConfig& settings, const IpAddress& address) noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) {
    return *v4 == settings.ipv4->address || *v4 == settings.ipv4->broadcast() || *v4 == settings.ipv4->network();
  }
  return std::get<Ipv6Address>(address) == settings.ipv6->address;
}

IcmpError time_exceeded(const IpAddress& about, std::uint8_t code) noexcept {
  return {is_v4(about) ? icmp_type::kTimeExceeded : icmp6_type::kTimeExceeded, code};
}

/// One more realm that a packet is in, with all that it causes there.
class Trip {
 public:
  explicit Trip(unsigned& trips) noexcept : trips_(trips) { ++trips_; }
  ~Trip() { --trips_; }
  Trip(const Trip&) = delete;
  Trip& operator=(const Trip&) = delete;

 private:
  unsigned& trips_;
};

std::uint8_t hops_of(const Ipv4Packet& packet) noexcept { return packet.ttl(); }
std::uint8_t hops_of(const Ipv6Packet& packet) noexcept { return packet.hop_limit(); }

/// The router's own address on the inside, or, of a carrier, the one outside.
std::optional<IpAddress> inside_address(const Router& router, const IpAddress& like) {
  if (router.lan == nullptr) return router.outside(like);
  const NetworkConfig& settings = router.lan->settings();
  if (is_v4(like) && settings.ipv4) return settings.ipv4->address;
  if (!is_v4(like) && settings.ipv6) return settings.ipv6->address;
  return std::nullopt;
}

}  // namespace

template <typename Packet>
std::optional<nat::EgressRefusal> Internet::from_guest(std::size_t network, const MacAddress& mac, const Packet& packet,
                                                       Instant now) {
  Router& router = *routers_[network];
  const IpAddress to = packet.destination();
  if (vanishes(router, to)) return nat::EgressRefusal{DropReason::blackhole};
  const bool joined = is_v4(to) ? router.outside4().has_value() : router.outside6().has_value();
  const Target* const target = routes_.find(to);
  if (!joined && (target == nullptr || target->service == nullptr)) {
    // It is another network's, and nobody there could answer to an address from in here.
    if (target != nullptr && !target->for_services) {
      return nat::EgressRefusal{DropReason::no_route, nat::unreachable(to, nat::kNetUnreachable)};
    }
    return to_egress(router, mac, packet.bytes(), now);
  }
  const std::uint8_t hops = hops_of(packet);
  if (hops <= 1) return nat::EgressRefusal{DropReason::hop_limit, time_exceeded(to, kInTransit)};
  if (!packet.is_fragment()) return depart(router, mac, packet.bytes(), false, now);
  const auto whole = router.reassembler.handle(mac, packet, now);
  if (!whole) return nat::EgressRefusal{whole.error()};
  if (!*whole) return std::nullopt;
  reassembled_.push_back(network);
  auto refused = depart(router, mac, (*whole)->bytes(), true, now);
  if (refused) refused->about = (*whole)->bytes();
  return refused;
}

template std::optional<nat::EgressRefusal> Internet::from_guest(std::size_t, const MacAddress&, const Ipv4Packet&,
                                                                Instant);
template std::optional<nat::EgressRefusal> Internet::from_guest(std::size_t, const MacAddress&, const Ipv6Packet&,
                                                                Instant);

std::optional<nat::EgressRefusal> Internet::to_egress(Router& router, const MacAddress& mac, ByteView packet,
                                                      Instant now) {
  nat::Egress* const egress = router.lan->way_out();
  const bool v4 = packet[0] >> 4U == 4;
  if (egress == nullptr) {
    const IcmpError error{v4 ? icmp_type::kUnreachable : icmp6_type::kUnreachable, 0};
    return nat::EgressRefusal{DropReason::no_route, error};
  }
  if (v4) return egress->handle(mac, *Ipv4Packet::parse(packet), now);
  return egress->handle(mac, *Ipv6Packet::parse(packet), now);
}

Result<Internet::Parcel, DropReason> Internet::pack(ByteView packet) {
  const ByteSpan storage = arena_.room(packet.size());
  FrameBuilder frame{storage};
  frame.append_payload(packet);
  if (!frame.ok()) return fail(DropReason::nat_exhausted);
  auto editor = PacketEditor::parse(storage.subspan(FrameBuilder::kHeadroom, packet.size()));
  if (!editor) {
    return fail(editor.error() == ParseError::bad_checksum ? DropReason::bad_checksum : DropReason::malformed);
  }
  arena_.keep(frame);
  return Parcel{*editor, storage};
}

std::optional<nat::EgressRefusal> Internet::depart(Router& router, const MacAddress& mac, ByteView packet, bool cut,
                                                   Instant now) {
  auto parcel = pack(packet);
  if (!parcel) return nat::EgressRefusal{parcel.error()};
  parcel->from = &router;
  parcel->mac = mac;
  parcel->cut = cut;
  const IpAddress to = parcel->packet.destination();
  const NetworkConfig& settings = router.lan->settings();
  if (!settings.has_inside(parcel->packet.source())) return nat::EgressRefusal{DropReason::source_foreign};
  const nat::Egress* const egress = router.lan->way_out();
  const bool to_host = settings.host_alias == to || (egress != nullptr && egress->answers_call(parcel->packet));
  if (to_host) return to_egress(router, mac, packet, now);
  // Guests find each other themselves.
  if (settings.has_inside(to) && router.inside.find(to) == nullptr) {
    return nat::EgressRefusal{DropReason::no_route, nat::unreachable(to, nat::kHostUnreachable)};
  }
  parcel->packet.decrement_hops();
  Router* const* const behind = router.inside.find(to);
  const auto dropped = behind != nullptr ? come_in(**behind, *parcel, now) : go_out(router, *parcel, now);
  if (!dropped) return std::nullopt;
  // Nothing was changed of a packet that found no mapping, so the gateway can tell its sender.
  if (*dropped == DropReason::nat_exhausted) {
    return nat::EgressRefusal{*dropped, nat::unreachable(to, nat::kProhibited)};
  }
  return nat::EgressRefusal{*dropped};
}

bool Internet::from_egress(std::size_t network, ByteView frame, Instant now) {
  Router& router = *routers_[network];
  const auto ethernet = EthernetFrame::parse(frame);
  const bool v4 = ethernet->type() == ethertype::kIpv4;
  if (v4 ? !router.outside4() : !router.outside6()) return false;
  const ByteView packet = ethernet->payload();
  const IpAddress to = v4 ? IpAddress{Ipv4Address::load(packet.data() + 16)} : Ipv6Address::load(packet.data() + 24);
  auto parcel = pack(packet);
  if (!parcel) return true;
  parcel->cut = true;  // a datagram of the host's may be of any size
  // What egress has for a guest's own address answers what never went through the translator: a call from the host.
  if (router.lan->settings().has_inside(to)) {
    put_frames(router, ethernet->destination(), *parcel);
  } else {
    (void)cross(*parcel, now);
  }
  return true;
}

std::optional<DropReason> Internet::travel(Router* realm, Parcel& parcel, Instant now) {
  const Trip trip{trips_};
  if (trips_ > kMaxTrips) return DropReason::hop_limit;
  if (realm == nullptr) return cross(parcel, now);
  const IpAddress to = parcel.packet.destination();
  if (Router* const* const inner = realm->inside.find(to)) return come_in(**inner, parcel, now);
  if (realm->lan != nullptr && realm->lan->settings().has_inside(to)) return deliver(*realm, parcel, now);
  if (parcel.packet.hops() <= 1) {
    if (const auto source = inside_address(*realm, to)) {
      tell_from(realm, *source, time_exceeded(to, kInTransit), parcel.packet.bytes(), now);
    }
    return DropReason::hop_limit;
  }
  parcel.packet.decrement_hops();
  return go_out(*realm, parcel, now);
}

std::optional<DropReason> Internet::cross(Parcel& parcel, Instant now) {
  const Target* const target = routes_.find(parcel.packet.destination());
  if (target != nullptr && target->router != nullptr && (!target->for_services || parcel.from == nullptr)) {
    return come_in(*target->router, parcel, now);
  }
  if (parcel.from == nullptr) return DropReason::no_route;  // services do not talk to each other
  if (target != nullptr && target->service != nullptr) return serve(*target->service, parcel, now);
  const auto refused = to_egress(*parcel.from, parcel.mac, parcel.packet.bytes(), now);
  if (!refused) return std::nullopt;
  const auto source = parcel.from->outside(parcel.packet.destination());
  if (refused->answer && source) {
    tell_from(nullptr, *source, *refused->answer, parcel.packet.bytes(), now);
  }
  return refused->reason;
}

std::optional<DropReason> Internet::go_out(Router& router, Parcel& parcel, Instant now) {
  const IpAddress to = parcel.packet.destination();
  if (const auto dropped = router.translator.outbound(parcel.packet, now)) return dropped;
  show(router, Direction::in, parcel, std::nullopt, now);
  if (router.outside(to) == to) return come_in(router, parcel, now);
  return travel(router.beyond, parcel, now);
}

std::optional<DropReason> Internet::come_in(Router& router, Parcel& parcel, Instant now) {
  const Trip trip{trips_};
  if (trips_ > kMaxTrips) return DropReason::hop_limit;
  if (const auto dropped = admit(router, parcel, now)) {
    router.drops.add(*dropped);
    return dropped;
  }
  const IpAddress to = parcel.packet.destination();
  if (Router* const* const inner = router.inside.find(to)) return come_in(**inner, parcel, now);
  std::optional<DropReason> dropped = DropReason::no_route;
  if (router.lan != nullptr && router.lan->settings().has_inside(to)) dropped = deliver(router, parcel, now);
  if (dropped) router.drops.add(*dropped);
  return dropped;
}

std::optional<Internet::Place> Internet::find_guest(nat::Endpoint at, const nat::Endpoint& remote) const {
  const Target* const target = routes_.find(at.address);
  const Router* router = target == nullptr ? nullptr : target->router;
  for (unsigned trips = 0; router != nullptr && trips < kMaxTrips; ++trips) {
    const auto inside = router->translator.inside_of(nat::NatProtocol::tcp, at, remote);
    if (!inside) return std::nullopt;
    at = *inside;
    if (Router* const* const inner = router->inside.find(at.address)) {
      router = *inner;
    } else if (router->lan != nullptr && router->lan->settings().has_inside(at.address)) {
      return Place{router->network, at};
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<DropReason> Internet::admit(Router& router, Parcel& parcel, Instant now) {
  const auto dropped = [&](DropReason reason) {
    show(router, Direction::out, parcel, reason, now);
    return std::optional{reason};
  };
  if (vanishes(router, parcel.packet.source())) return dropped(DropReason::blackhole);
  if (parcel.packet.hops() <= 1) {
    if (const auto source = router.outside(parcel.packet.source())) {
      tell_from(router.beyond, *source, time_exceeded(*source, kInTransit), parcel.packet.bytes(), now);
    }
    return dropped(DropReason::hop_limit);
  }
  // Who looks on is told what became of the packet as it came.
  const auto before = observer_ == nullptr ? fail(DropReason::malformed) : pack(parcel.packet.bytes());
  parcel.packet.decrement_hops();
  const std::uint16_t outside_port = parcel.packet.destination_port();
  auto reason = router.translator.inbound(parcel.packet, now);
  if (!reason && router.mapper && !router.mapper->admits(outside_port, parcel.packet)) {
    reason = DropReason::nat_filtered;
  }
  if (before) show(router, Direction::out, *before, reason, now);
  return reason;
}

void Internet::show(const Router& router, Direction direction, const Parcel& parcel, std::optional<DropReason> dropped,
                    Instant now) {
  // What a carrier does is seen at the routers behind it.
  if (observer_ == nullptr || router.lan == nullptr) return;
  const MacAddress& own = router.lan->settings().mac;
  const bool leaves = direction == Direction::in;
  FrameBuilder frame{parcel.storage};
  frame.commit_payload(parcel.packet.bytes().size());
  frame.prepend_ethernet(leaves ? kBeyond : own, leaves ? own : kBeyond,
                         parcel.packet.is_v4() ? ethertype::kIpv4 : ethertype::kIpv6);
  observer_->on_frame(l2::kWanPort, router.network, direction, frame.bytes(), dropped, now);
}

std::optional<DropReason> Internet::deliver(Router& router, Parcel& parcel, Instant now) {
  const NetworkConfig& settings = router.lan->settings();
  const IpAddress to = parcel.packet.destination();
  if (is_undeliverable(settings, to)) return DropReason::no_service;
  const ByteView bytes = parcel.packet.bytes();
  if (bytes.size() > settings.mtu && !parcel.cut) {
    const auto v4 = Ipv4Packet::parse(bytes);
    if (!v4 || v4->dont_fragment() || v4->header_size() != Ipv4Packet::kMinHeaderSize) {
      if (const auto source = inside_address(router, to)) {
        tell_from(&router, *source, nat::answer_to(nat::HostError::too_big, to, settings.mtu), bytes, now);
      }
      return DropReason::oversize;
    }
  }
  if (const auto station = router.lan->station(to)) {
    put_frames(router, *station, parcel);
    return std::nullopt;
  }
  // Whoever has lost its connection and its place in the network is not looked for.
  if (is_reset(parcel.packet)) return DropReason::unresolved;
  hold(router, parcel, now);
  return std::nullopt;
}

void Internet::put_frames(Router& router, const MacAddress& to, const Parcel& parcel) {
  const NetworkConfig& settings = router.lan->settings();
  const ByteView packet = parcel.packet.bytes();
  const std::uint16_t type = parcel.packet.is_v4() ? ethertype::kIpv4 : ethertype::kIpv6;
  if (packet.size() <= settings.mtu) {
    FrameBuilder frame{parcel.storage};
    frame.commit_payload(packet.size());
    frame.prepend_ethernet(to, settings.mac, type);
    router.frames.push_back(frame.bytes());
    return touch(router);
  }
  const std::uint32_t identification = parcel.packet.is_v4() ? identifications_.next16() : identifications_.next32();
  std::size_t offset = 0;
  do {
    FrameBuilder frame{arena_.room(settings.mtu)};
    offset = nat::put_fragment(frame, packet, offset, settings.mtu, identification);
    frame.prepend_ethernet(to, settings.mac, type);
    if (!frame.ok()) return;
    arena_.keep(frame);
    router.frames.push_back(frame.bytes());
  } while (offset != 0);
  touch(router);
}

void Internet::touch(Router& router) {
  if (std::exchange(router.touched, true)) return;
  touched_.push_back(router.network);
}

std::optional<std::size_t> Internet::next_touched() {
  if (touched_.empty()) return std::nullopt;
  const std::size_t network = touched_.back();
  touched_.pop_back();
  if (Router* const router = this->router(network)) router->touched = false;
  return network;
}

void Internet::hold(Router& router, const Parcel& parcel, Instant now) {
  if (router.held.size() >= Router::kMaxHeld) router.held.pop_front();
  const ByteView bytes = parcel.packet.bytes();
  const IpAddress to = parcel.packet.destination();
  const bool asked = std::ranges::any_of(router.held, [&](const HeldPacket& held) { return held.to == to; });
  router.held.push_back({{bytes.begin(), bytes.end()}, to, now + Router::kAskEvery, now + Router::kHold, parcel.cut});
  if (asked) return;
  router.lan->ask_for(to);
  touch(router);
}

void Internet::retry_held(std::size_t network, Instant now) {
  Router& router = *routers_[network];
  std::erase_if(router.held, [&](HeldPacket& held) {
    if (const auto station = router.lan->station(held.to)) {
      if (auto parcel = pack(held.packet)) {
        parcel->cut = held.cut;
        put_frames(router, *station, *parcel);
      }
      return true;
    }
    if (now >= held.until) {
      router.drops.add(DropReason::unresolved);
      if (const auto source = inside_address(router, held.to)) {
        tell_from(&router, *source, nat::unreachable(held.to, nat::kHostUnreachable), held.packet, now);
      }
      return true;
    }
    if (now >= held.ask_again) {
      held.ask_again = now + Router::kAskEvery;
      router.lan->ask_for(held.to);
      touch(router);
    }
    return false;
  });
}

void Internet::tell_unfinished(Router& router, const nat::Reassembler::Unfinished& datagram, Instant now) {
  const auto source = inside_address(router, datagram.source);
  if (source) tell_from(&router, *source, time_exceeded(*source, kInReassembly), datagram.first, now);
}

}  // namespace vnet::network
