#include "network/dns_tcp.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace vnet::network {

void DnsTcp::on_open(ConnectionId id, const TcpFlow& flow, Instant /*now*/) { streams_[id].flow = flow; }

void DnsTcp::on_closed(ConnectionId id, Instant /*now*/) { streams_.erase(id); }

/// Room for one largest answer must remain, so that an answer finds none only if several of that size come at once.
bool DnsTcp::may_read(ConnectionId id, const Stream& stream) const {
  return stream.in_flight < kMaxInFlight && server_.send_room(id) >= kPrefixSize + kMaxMessageSize;
}

std::size_t DnsTcp::on_data(ConnectionId id, ByteView bytes, Instant now) {
  Stream& stream = streams_.at(id);
  std::size_t taken = 0;
  while (taken < bytes.size() && may_read(id, stream)) taken += take(id, stream, bytes.subspan(taken), now);
  return taken;
}

std::size_t DnsTcp::take(ConnectionId id, Stream& stream, ByteView bytes, Instant now) {
  std::vector<std::uint8_t>& partial = stream.partial;
  std::size_t taken = 0;
  if (partial.empty() && bytes.size() >= kPrefixSize) {
    const std::size_t whole = kPrefixSize + load_be<std::uint16_t>(bytes.data());
    if (bytes.size() >= whole) {
      dispatch(id, stream, bytes.subspan(kPrefixSize, whole - kPrefixSize), now);
      return whole;
    }
  }
  const auto gather = [&](std::size_t size) {
    const std::size_t count = std::min(size - partial.size(), bytes.size() - taken);
    const ByteView piece = bytes.subspan(taken, count);
    partial.insert(partial.end(), piece.begin(), piece.end());
    taken += count;
    return partial.size() == size;
  };
  if (partial.size() < kPrefixSize && !gather(kPrefixSize)) return taken;
  if (gather(kPrefixSize + load_be<std::uint16_t>(partial.data()))) {
    const std::vector<std::uint8_t> message = std::exchange(partial, {});
    dispatch(id, stream, ByteView{message}.subspan(kPrefixSize), now);
  }
  return taken;
}

void DnsTcp::dispatch(ConnectionId id, Stream& stream, ByteView message, Instant now) {
  if (message.size() < kMinMessageSize) return server_.close(id, now);
  ++stream.in_flight;
  on_query_(id, stream.flow, message, now);
}

bool DnsTcp::answer(ConnectionId id, ByteView message, Instant now) {
  assert(message.size() <= kMaxMessageSize);
  const auto found = streams_.find(id);
  if (found == streams_.end()) return false;
  std::array<std::uint8_t, kPrefixSize> prefix;
  store_be(prefix.data(), static_cast<std::uint16_t>(message.size()));
  const bool sent = server_.send(id, {prefix, message}, now);
  if (!sent) server_.abort(id);
  settle(id, found->second, now);
  return sent;
}

void DnsTcp::abandon(ConnectionId id, Instant now) {
  const auto found = streams_.find(id);
  if (found != streams_.end()) settle(id, found->second, now);
}

void DnsTcp::settle(ConnectionId id, Stream& stream, Instant now) {
  assert(stream.in_flight > 0);
  --stream.in_flight;
  if (stream.ended && stream.in_flight == 0) {
    server_.close(id, now);
  } else {
    server_.resume(id, now);
  }
}

void DnsTcp::on_sent(ConnectionId id, Instant now) { server_.resume(id, now); }

void DnsTcp::on_end(ConnectionId id, Instant now) {
  Stream& stream = streams_.at(id);
  stream.ended = true;
  if (stream.in_flight == 0) server_.close(id, now);
}

}  // namespace vnet::network
