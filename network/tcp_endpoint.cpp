#include "network/tcp_endpoint.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::network {
namespace {

bool can_have_connections(Ipv4Address address) noexcept {
  return !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
}
bool can_have_connections(const Ipv6Address& address) noexcept {
  return !address.is_unspecified() && !address.is_multicast();
}

/// RFC 9293, 3.9.2.3 (MUST-57, MUST-63): nothing from or to a group. Port 0 is reserved (RFC 6335, 6).
bool is_usable(const TcpFlow& flow) noexcept {
  const auto check = [](const auto& address) { return can_have_connections(address); };
  return flow.local.index() == flow.remote.index() && std::visit(check, flow.local) && std::visit(check, flow.remote) &&
         flow.local_port != 0 && flow.remote_port != 0;
}

}  // namespace

TcpServer::TcpServer(const TcpServerConfig& config, Random& random, TcpOutput& output)
    : config_(config),
      output_(output),
      sequence_key_{random.next(), random.next()},
      flows_(0, FlowHash{{random.next(), random.next()}}) {}

void TcpServer::listen(std::uint16_t port, TcpHandler& handler) {
  const bool added = handlers_.emplace(port, &handler).second;
  assert(added);
  (void)added;
}

TcpHandler* TcpServer::handler_of(std::uint16_t port) const {
  const auto found = handlers_.find(port);
  return found == handlers_.end() ? nullptr : found->second;
}

TcpVerdict TcpServer::handle(const TcpFlow& flow, const TcpSegment& segment, Instant now) {
  if (!is_usable(flow)) return TcpVerdict::bad_endpoint;
  std::uint32_t initial = initial_sequence(flow, sequence_key_, now);
  if (const auto known = flows_.find(flow); known != flows_.end()) {
    const auto at = connections_.find(known->second);
    if (!at->second.may_be_replaced_by(segment)) {
      at->second.handle(segment, now);
      settle(at, now);
      return TcpVerdict::handled;
    }
    if (sequence_before(initial, at->second.max_sequence() + 1)) initial = at->second.max_sequence() + 1;
    remove(at);
  }
  constexpr std::uint8_t kMask = TcpSegment::kSyn | TcpSegment::kAck | TcpSegment::kRst;
  const bool listening = handler_of(flow.local_port) != nullptr;
  if (listening && (segment.flags() & kMask) == TcpSegment::kSyn) return open(flow, segment, initial, now);
  // In LISTEN a segment without SYN, ACK or RST is dropped without an answer (RFC 9293, 3.10.7.2).
  if (!listening || (segment.flags() & kMask) != 0) refuse(flow, segment);
  return TcpVerdict::no_listener;
}

TcpVerdict TcpServer::open(const TcpFlow& flow, const TcpSegment& syn, std::uint32_t initial_sequence, Instant now) {
  if (!make_room(flow)) {
    ++counters_.limited;
    return TcpVerdict::limited;
  }
  ++counters_.accepted;
  const ConnectionId id{++last_id_};
  flows_.emplace(flow, id);
  const auto at = connections_
                      .try_emplace(id, id, flow, initial_sequence, syn, config_.mtu, config_.timeouts,
                                   *handler_of(flow.local_port), output_, now)
                      .first;
  note_deadline(at->second);
  return TcpVerdict::handled;
}

/// RFC 9293, 3.10.7.1, and 3.10.7.2 for what a listening port does not take.
void TcpServer::refuse(const TcpFlow& flow, const TcpSegment& segment) {
  ++counters_.refused;
  if (segment.has(TcpSegment::kRst)) return;
  if (segment.has(TcpSegment::kAck)) {
    output_.emit(flow, {segment.acknowledgment(), 0, TcpSegment::kRst, 0, 0}, {});
    return;
  }
  const auto length = static_cast<std::uint32_t>(segment.payload().size()) + (segment.has(TcpSegment::kSyn) ? 1U : 0U) +
                      (segment.has(TcpSegment::kFin) ? 1U : 0U);
  const auto flags = static_cast<std::uint8_t>(TcpSegment::kRst | TcpSegment::kAck);
  output_.emit(flow, {0, segment.sequence() + length, flags, 0, 0}, {});
}

bool TcpServer::make_room(const TcpFlow& flow) {
  std::size_t total = 0;
  std::size_t of_guest = 0;
  std::size_t half_open = 0;
  auto oldest = connections_.end();
  auto oldest_of_guest = connections_.end();
  for (auto at = connections_.begin(); at != connections_.end(); ++at) {
    const TcpConnection& connection = at->second;
    if (connection.state() == TcpState::time_wait) continue;
    const bool same_guest = connection.flow().remote == flow.remote;
    ++total;
    if (same_guest) ++of_guest;
    if (connection.state() != TcpState::syn_received) continue;
    ++half_open;
    if (oldest == connections_.end()) oldest = at;
    if (same_guest && oldest_of_guest == connections_.end()) oldest_of_guest = at;
  }
  const bool guest_is_full = of_guest >= config_.limits.per_guest;
  if (!guest_is_full && total < config_.limits.connections && half_open < config_.limits.half_open) return true;
  const auto victim = guest_is_full ? oldest_of_guest : oldest;
  if (victim == connections_.end()) return false;
  evict(victim);
  return true;
}

void TcpServer::expire(Instant now) {
  if (now < next_deadline()) return;
  deadline_ = kNever;
  for (auto at = connections_.begin(); at != connections_.end();) {
    if (now >= at->second.next_deadline()) at->second.expire(now);
    at = settle(at, now);
  }
}

void TcpServer::end_if(const std::function<bool(const TcpFlow&)>& over, bool tell, Instant now) {
  for (auto at = connections_.begin(); at != connections_.end();) {
    const bool ends = over(at->second.flow());
    if (ends) tell ? at->second.abort() : at->second.vanish();
    at = ends ? settle(at, now) : std::next(at);
  }
}

void TcpServer::for_each(const std::function<void(const TcpConnection&)>& see) const {
  for (const auto& [id, connection] : connections_) see(connection);
}

TcpServer::Connections::iterator TcpServer::settle(Connections::iterator at, Instant now) {
  TcpConnection& connection = at->second;
  connection.notify_closed(now);
  if (connection.state() == TcpState::closed) return remove(at);
  note_deadline(connection);
  const auto following = std::next(at);
  if (connection.state() == TcpState::time_wait) limit_time_wait();
  return following;
}

void TcpServer::limit_time_wait() {
  const auto waits = [](const auto& entry) { return entry.second.state() == TcpState::time_wait; };
  const auto count = std::count_if(connections_.begin(), connections_.end(), waits);
  if (static_cast<std::size_t>(count) > config_.limits.time_wait) {
    evict(std::find_if(connections_.begin(), connections_.end(), waits));
  }
}

TcpServer::Connections::iterator TcpServer::evict(Connections::iterator at) {
  ++counters_.evicted;
  return remove(at);
}

TcpServer::Connections::iterator TcpServer::remove(Connections::iterator at) {
  flows_.erase(at->second.flow());
  return connections_.erase(at);
}

void TcpServer::note_deadline(const TcpConnection& connection) noexcept {
  deadline_ = std::min(deadline_, connection.next_deadline());
}

bool TcpServer::send(ConnectionId id, std::initializer_list<ByteView> pieces, Instant now) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return false;
  const bool sent = at->second.send(pieces, now);
  note_deadline(at->second);
  return sent;
}

std::size_t TcpServer::send_room(ConnectionId id) const {
  const auto at = connections_.find(id);
  return at == connections_.end() ? 0 : at->second.send_room();
}

void TcpServer::resume(ConnectionId id, Instant now) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  at->second.resume(now);
  note_deadline(at->second);
}

void TcpServer::close(ConnectionId id, Instant now) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  at->second.close(now);
  note_deadline(at->second);
}

void TcpServer::abort(ConnectionId id) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  at->second.abort();
  note_deadline(at->second);
}

}  // namespace vnet::network
