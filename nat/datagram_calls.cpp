#include "nat/datagram_calls.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vnet::nat {
namespace {

/// Batches of the socket's that one forward is given in a turn.
constexpr int kBatchesPerForward = 4;

}  // namespace

std::size_t DatagramCalls::EndpointHash::operator()(const Endpoint& of) const noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&of.address)) {
    return siphash(std::array{std::uint64_t{v4->to_u32()} << 16U | of.port}, key);
  }
  const std::uint8_t* const v6 = std::get<Ipv6Address>(of.address).octets().data();
  return siphash(std::array{load_be<std::uint64_t>(v6), load_be<std::uint64_t>(v6 + 8), std::uint64_t{of.port}}, key);
}

DatagramCalls::DatagramCalls(SipHashKey key, Duration idle, Guests& guests) noexcept
    : hash_{key}, idle_(idle), guests_(guests), by_seen_(16, KeyHash{hash_}) {}

void DatagramCalls::open(FlowId id, const Endpoint& guest, std::unique_ptr<DatagramSocket> socket) {
  Forward& forward = forwards_[id];
  forward.guest = guest;
  forward.socket = std::move(socket);
  forward.by_client = decltype(forward.by_client)(16, hash_);
}

void DatagramCalls::close(FlowId id) {
  const auto found = forwards_.find(id);
  if (found == forwards_.end()) return;
  while (!found->second.calls.empty()) end_oldest(found->second);
  forwards_.erase(found);
}

void DatagramCalls::end_if(const std::function<bool(const IpAddress&)>& over) {
  for (auto& [id, forward] : forwards_) {
    if (!over(forward.guest.address)) continue;
    while (!forward.calls.empty()) end_oldest(forward);
  }
}

bool DatagramCalls::waits(FlowId id) const {
  const auto found = forwards_.find(id);
  return found != forwards_.end() && found->second.lost;
}

DatagramCalls::Counters DatagramCalls::counters(FlowId id) const {
  const auto found = forwards_.find(id);
  return found == forwards_.end() ? Counters{} : found->second.counters;
}

void DatagramCalls::end_oldest(Forward& forward) {
  const Call& oldest = forward.calls.front();
  by_seen_.erase({forward.guest, oldest.seen});
  forward.by_client.erase(oldest.client);
  forward.calls.pop_front();
}

void DatagramCalls::use(Forward& forward, Calls::iterator call, Instant now) {
  call->used = now;
  forward.calls.splice(forward.calls.end(), forward.calls, call);
}

/// As whom the guest sees this client; begins a call where there is none.
std::optional<Endpoint> DatagramCalls::seen_by(FlowId id, Forward& forward, const Endpoint& client, Instant now) {
  if (const auto known = forward.by_client.find(client); known != forward.by_client.end()) {
    use(forward, known->second, now);
    return known->second->seen;
  }
  const auto seen = guests_.seen_as(client, forward.guest);
  if (!seen || by_seen_.contains({forward.guest, *seen})) {
    ++forward.counters.refused;
    return std::nullopt;
  }
  if (forward.calls.size() >= kMaxCalls) end_oldest(forward);
  ++forward.counters.calls;
  const auto call = forward.calls.insert(forward.calls.end(), {client, *seen, now});
  forward.by_client.emplace(client, call);
  by_seen_.emplace(Key{forward.guest, *seen}, Place{id, call});
  look_at_ = std::min(look_at_, now + idle_);
  return seen;
}

bool DatagramCalls::handle(const Endpoint& guest, const Endpoint& to, ByteView payload, std::uint8_t ttl, Instant now) {
  const auto found = by_seen_.find({guest, to});
  if (found == by_seen_.end()) return false;
  const Place place = found->second;
  Forward& forward = forwards_.at(place.forward);
  use(forward, place.call, now);
  forward.out.push_back({place.call->client, payload, ttl});
  touch(place.forward, forward);
  return true;
}

void DatagramCalls::touch(FlowId id, Forward& forward) {
  if (forward.touched) return;
  forward.touched = true;
  touched_.push_back(id);
}

void DatagramCalls::on_host(FlowId id, HostEvents events) {
  const auto found = forwards_.find(id);
  if (found == forwards_.end()) return;
  found->second.readable = found->second.readable || events.readable;
  found->second.failed = found->second.failed || events.failed;
  touch(id, found->second);
}

void DatagramCalls::end_batch(Instant now) {
  for (const FlowId id : std::exchange(waiting_, {})) {
    if (const auto found = forwards_.find(id); found != forwards_.end()) touch(id, found->second);
  }
  for (const FlowId id : std::exchange(touched_, {})) {
    const auto found = forwards_.find(id);
    if (found == forwards_.end()) continue;
    Forward& forward = found->second;
    forward.touched = false;
    send_out(forward);
    if (std::exchange(forward.failed, false)) {
      while (forward.socket->take_error()) {
      }
    }
    if (forward.readable) receive(id, forward, now);
  }
}

void DatagramCalls::send_out(Forward& forward) {
  for (std::span<const OutDatagram> left = forward.out; !left.empty();) {
    const std::size_t sent = forward.socket->send(left).count;
    left = left.subspan(std::min(sent + 1, left.size()));  // behind those that went stands one that is lost
  }
  forward.out.clear();
}

void DatagramCalls::receive(FlowId id, Forward& forward, Instant now) {
  const auto mac = guests_.locate(forward.guest.address);
  forward.lost = !mac;
  for (int batch = 0; mac && batch < kBatchesPerForward && guests_.has_room(*mac); ++batch) {
    const auto datagrams = forward.socket->receive();
    forward.readable = !datagrams.empty();
    if (datagrams.empty()) return;
    for (const InDatagram& datagram : datagrams) {
      const auto seen = seen_by(id, forward, datagram.from, now);
      if (seen) guests_.deliver(*seen, forward.guest, *mac, datagram.payload);
    }
  }
  waiting_.push_back(id);
}

Instant DatagramCalls::next_deadline() const {
  for (const FlowId id : waiting_) {
    const auto found = forwards_.find(id);
    if (found == forwards_.end()) continue;
    const auto mac = guests_.locate(found->second.guest.address);
    if (mac && guests_.has_room(*mac)) return kAtOnce;
  }
  return look_at_;
}

void DatagramCalls::expire(Instant now) {
  if (now >= look_at_) {
    look_at_ = kNever;
    for (auto& [id, forward] : forwards_) {
      while (!forward.calls.empty() && forward.calls.front().used + idle_ <= now) end_oldest(forward);
      if (!forward.calls.empty()) look_at_ = std::min(look_at_, forward.calls.front().used + idle_);
    }
  }
  end_batch(now);
}

}  // namespace vnet::nat
