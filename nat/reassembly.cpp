#include "nat/reassembly.hpp"

#include <algorithm>
#include <utility>

#include "packet/checksum.hpp"
#include "packet/icmp_error.hpp"
#include "packet/ip_fragment.hpp"
#include "packet/transport.hpp"

namespace vnet::nat {
namespace {

constexpr std::size_t kMaxPacket = 65'535;

std::uint64_t hash_of(const SipHashKey& key, const IpAddress& source, const IpAddress& destination,
                      std::uint64_t rest) noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&source)) {
    const std::uint32_t to = std::get<Ipv4Address>(destination).to_u32();
    return siphash(std::array{std::uint64_t{v4->to_u32()} << 32U | to, rest}, key);
  }
  const std::uint8_t* const from = std::get<Ipv6Address>(source).octets().data();
  const std::uint8_t* const to = std::get<Ipv6Address>(destination).octets().data();
  return siphash(std::array{load_be<std::uint64_t>(from), load_be<std::uint64_t>(from + 8), load_be<std::uint64_t>(to),
                            load_be<std::uint64_t>(to + 8), rest},
                 key);
}

/// Whether what begins with `data` is surely no ICMP error.
bool may_be_answered(const IpAddress& source, std::uint8_t protocol, ByteView data) noexcept {
  constexpr std::uint8_t kInformational = 0x80;
  switch (protocol) {
    case ip_protocol::kTcp:
    case ip_protocol::kUdp: return true;
    case ip_protocol::kIcmp: return data[0] == icmp_type::kEchoRequest;
    case ip_protocol::kIcmp6: return (data[0] & kInformational) != 0;
    default: return is_v4(source);
  }
}

/// The header of a packet that was cut becomes that of the whole one.
void restore_ipv4(ByteSpan packet, std::size_t header_size) noexcept {
  store_be(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
  store_be(packet.data() + 6, std::uint16_t{0});
  store_be(packet.data() + 10, std::uint16_t{0});
  store_be(packet.data() + 10, checksum(packet.first(header_size)));
}

}  // namespace

std::size_t Reassembler::KeyHash::operator()(const Key& of) const noexcept {
  return hash_of(key, of.source, of.destination, std::uint64_t{of.protocol} << 32U | of.identification);
}

std::size_t Reassembler::SourceHash::operator()(const IpAddress& of) const noexcept { return hash_of(key, of, of, 0); }

Reassembler::Outcome<Ipv4Packet> Reassembler::handle(const MacAddress& mac, const Ipv4Packet& packet, Instant now) {
  Fragment fragment;
  fragment.key = {packet.source(), packet.destination(), packet.identification(), packet.protocol()};
  fragment.mac = mac;
  fragment.headers = packet.bytes().first(packet.header_size());
  fragment.next_header = packet.protocol();
  fragment.offset = packet.fragment_offset();
  fragment.more = packet.more_fragments();
  fragment.data = packet.payload();
  const auto whole = add(fragment, now);
  if (!whole) return fail(whole.error());
  if (whole->empty()) return std::optional<Ipv4Packet>{};
  const auto parsed = Ipv4Packet::parse(*whole);
  if (!parsed) return fail(DropReason::malformed);
  return std::optional{*parsed};
}

Reassembler::Outcome<Ipv6Packet> Reassembler::handle(const MacAddress& mac, const Ipv6Packet& packet, Instant now) {
  const auto header = Ipv6Fragment::parse(packet);
  if (!header) return fail(DropReason::malformed);
  Fragment fragment;
  fragment.key = {packet.source(), packet.destination(), header->identification(), 0};
  fragment.mac = mac;
  fragment.headers = header->headers();
  fragment.per_packet = Ipv6Packet::kHeaderSize + Ipv6Fragment::kHeaderSize;
  fragment.next_header_at = header->next_header_at();
  fragment.next_header = header->next_header();
  fragment.offset = header->offset();
  fragment.more = header->more_fragments();
  fragment.data = header->data();
  const auto whole = header->is_atomic() ? take_atomic(fragment) : add(fragment, now);
  if (!whole) return fail(whole.error());
  if (whole->empty()) return std::optional<Ipv6Packet>{};
  const auto parsed = Ipv6Packet::parse(*whole);
  // One that was cut twice, or whose chain of headers is too long only now.
  if (!parsed || parsed->is_fragment()) return fail(DropReason::malformed);
  return std::optional{*parsed};
}

Result<ByteView, DropReason> Reassembler::add(const Fragment& fragment, Instant now) {
  const std::size_t size = fragment.headers.size() - fragment.per_packet + fragment.end();
  if (fragment.data.empty() || size > kMaxPacket || (fragment.more && fragment.data.size() % 8 != 0)) {
    return fail(DropReason::malformed);
  }
  const Place place = find_or_begin(fragment, now);
  Datagram& datagram = *place;
  if (datagram.condemned) return fail(DropReason::malformed);
  if (is_duplicate(datagram, fragment)) return ByteView{};
  const bool contradicted = contradicts(datagram, fragment);
  if (contradicted || datagram.pieces.size() >= limits_.fragments) {
    condemn(datagram);
    return fail(contradicted ? DropReason::malformed : DropReason::egress_limit);
  }
  const std::size_t cost =
      kPieceCost + fragment.data.size() + (fragment.offset == 0 ? fragment.headers.size() : std::size_t{0});
  if (!make_room(cost, &datagram)) {
    evict(place);
    return fail(DropReason::egress_limit);
  }
  datagram.cost += cost;
  bytes_ += cost;
  store(datagram, fragment);
  if (datagram.length != datagram.received) return ByteView{};
  return finish(place);
}

Reassembler::Place Reassembler::find_or_begin(const Fragment& fragment, Instant now) {
  if (const auto known = by_key_.find(fragment.key); known != by_key_.end()) {
    if (deadline(*known->second) > now) return known->second;
    ++counters_.timed_out;
    remove(known->second);
  }
  Queue& queue = queue_of(fragment.key.source);
  if (const auto own = by_source_.find(fragment.key.source);
      own != by_source_.end() && own->second >= limits_.per_source) {
    evict(std::ranges::find_if(queue, [&](const Datagram& other) { return other.key.source == fragment.key.source; }));
  }
  if (size() >= limits_.datagrams) evict(*oldest(nullptr));
  const Place place = queue.insert(queue.end(), Datagram{});
  place->key = fragment.key;
  place->mac = fragment.mac;
  place->began = now;
  by_key_.emplace(fragment.key, place);
  ++by_source_[fragment.key.source];
  return place;
}

bool Reassembler::is_duplicate(const Datagram& datagram, const Fragment& fragment) noexcept {
  const auto at = std::ranges::lower_bound(datagram.pieces, fragment.offset, {}, &Piece::offset);
  return at != datagram.pieces.end() && at->offset == fragment.offset && std::ranges::equal(at->data, fragment.data) &&
         fragment.more == (datagram.length != fragment.end());
}

bool Reassembler::contradicts(const Datagram& datagram, const Fragment& fragment) noexcept {
  const auto& pieces = datagram.pieces;
  const auto next = std::ranges::lower_bound(pieces, fragment.offset, {}, &Piece::offset);
  if (next != pieces.end() && next->offset < fragment.end()) return true;
  if (next != pieces.begin() && std::prev(next)->end() > fragment.offset) return true;
  if (datagram.length) return !fragment.more || fragment.end() > *datagram.length;
  return !fragment.more && next != pieces.end();
}

void Reassembler::store(Datagram& datagram, const Fragment& fragment) {
  const auto next = std::ranges::lower_bound(datagram.pieces, fragment.offset, {}, &Piece::offset);
  datagram.pieces.insert(next, {fragment.offset, {fragment.data.begin(), fragment.data.end()}});
  datagram.received += fragment.data.size();
  if (!fragment.more) datagram.length = fragment.end();
  if (fragment.offset != 0) return;
  datagram.headers.assign(fragment.headers.begin(), fragment.headers.end());
  datagram.per_packet = fragment.per_packet;
  datagram.next_header_at = fragment.next_header_at;
  datagram.next_header = fragment.next_header;
}

Result<ByteView, DropReason> Reassembler::finish(Place place) {
  Datagram& datagram = *place;
  const bool ipv4 = is_v4(datagram.key.source);
  const std::size_t headers = datagram.headers.size() - (ipv4 ? 0 : Ipv6Fragment::kHeaderSize);
  // The header of fragment zero may be longer than those that were looked at before.
  if (datagram.headers.size() - datagram.per_packet + datagram.received > kMaxPacket) {
    condemn(datagram);
    return fail(DropReason::malformed);
  }
  std::vector<std::uint8_t> whole;
  whole.reserve(headers + datagram.received);
  whole.insert(whole.end(), datagram.headers.begin(), datagram.headers.begin() + static_cast<std::ptrdiff_t>(headers));
  for (const Piece& piece : datagram.pieces) whole.insert(whole.end(), piece.data.begin(), piece.data.end());
  if (ipv4) {
    restore_ipv4(whole, headers);
  } else {
    store_be(whole.data() + 4, static_cast<std::uint16_t>(whole.size() - Ipv6Packet::kHeaderSize));
    whole[datagram.next_header_at] = datagram.next_header;
  }
  remove(place);
  return keep(std::move(whole));
}

/// Not one of those that wait: what waits under its identification is none of its business.
Result<ByteView, DropReason> Reassembler::take_atomic(const Fragment& fragment) {
  const std::size_t headers = fragment.headers.size() - Ipv6Fragment::kHeaderSize;
  if (!make_room(headers + fragment.data.size() + kPieceCost, nullptr)) return fail(DropReason::egress_limit);
  std::vector<std::uint8_t> whole(fragment.headers.begin(),
                                  fragment.headers.begin() + static_cast<std::ptrdiff_t>(headers));
  whole.insert(whole.end(), fragment.data.begin(), fragment.data.end());
  store_be(whole.data() + 4, static_cast<std::uint16_t>(whole.size() - Ipv6Packet::kHeaderSize));
  whole[fragment.next_header_at] = fragment.next_header;
  return keep(std::move(whole));
}

ByteView Reassembler::keep(std::vector<std::uint8_t> whole) {
  ++counters_.completed;
  whole_cost_ += whole.size() + kPieceCost;
  bytes_ += whole.size() + kPieceCost;
  return whole_.emplace_back(std::move(whole));
}

bool Reassembler::make_room(std::size_t cost, const Datagram* except) {
  while (bytes_ + cost > limits_.bytes) {
    const auto place = oldest(except);
    if (!place) return false;
    evict(*place);
  }
  return true;
}

std::optional<Reassembler::Place> Reassembler::oldest(const Datagram* except) {
  std::optional<Place> found;
  for (Queue& queue : waiting_) {
    Place first = queue.begin();
    if (first != queue.end() && &*first == except) ++first;
    if (first != queue.end() && (!found || first->began < (*found)->began)) found = first;
  }
  return found;
}

/// Its place is kept, so that what still comes of it is known.
void Reassembler::condemn(Datagram& datagram) {
  ++counters_.condemned;
  bytes_ -= std::exchange(datagram.cost, 0);
  datagram.condemned = true;
  datagram.headers = {};
  datagram.pieces = {};
}

void Reassembler::evict(Place place) {
  ++counters_.evicted;
  remove(place);
}

void Reassembler::remove(Place place) {
  bytes_ -= place->cost;
  const auto own = by_source_.find(place->key.source);
  if (--own->second == 0) by_source_.erase(own);
  by_key_.erase(place->key);
  queue_of(place->key.source).erase(place);
}

void Reassembler::end_batch() noexcept {
  whole_.clear();
  bytes_ -= std::exchange(whole_cost_, 0);
}

Instant Reassembler::next_deadline() const noexcept {
  Instant next = kNever;
  for (const Queue& queue : waiting_) {
    if (!queue.empty()) next = std::min(next, deadline(queue.front()));
  }
  return next;
}

void Reassembler::expire(Instant now, const std::function<void(const Unfinished&)>& tell) {
  for (Queue& queue : waiting_) {
    while (!queue.empty() && deadline(queue.front()) <= now) {
      const Datagram& datagram = queue.front();
      ++counters_.timed_out;
      if (!datagram.headers.empty() &&
          may_be_answered(datagram.key.source, datagram.next_header, datagram.pieces.front().data)) {
        std::vector<std::uint8_t> first = datagram.headers;
        const ByteView data = datagram.pieces.front().data;
        const ByteView quoted = data.first(std::min(data.size(), max_quote(datagram.key.source)));
        first.insert(first.end(), quoted.begin(), quoted.end());
        tell({datagram.mac, datagram.key.source, first});
      }
      remove(queue.begin());
    }
  }
}

void Reassembler::forget(const MacAddress& mac) {
  for (Queue& queue : waiting_) {
    for (Place place = queue.begin(); place != queue.end();) {
      const Place next = std::next(place);
      if (place->mac == mac) remove(place);
      place = next;
    }
  }
}

}  // namespace vnet::nat
