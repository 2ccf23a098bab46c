#include "network/services/stun_tcp.hpp"

#include <algorithm>
#include <array>

namespace vnet::network {

void StunTcp::on_open(ConnectionId id, const TcpFlow& flow, Instant /*now*/) { streams_[id].flow = flow; }

void StunTcp::on_closed(ConnectionId id, Instant /*now*/) { streams_.erase(id); }

std::size_t StunTcp::on_data(ConnectionId id, ByteView bytes, Instant now) {
  Stream& stream = streams_.at(id);
  std::size_t taken = 0;
  // Also when the connection has been closed on the way there is no room, and no more is taken.
  while (taken < bytes.size() && server_.send_room(id) >= StunService::kMaxAnswer) {
    taken += take(id, stream, bytes.subspan(taken), now);
  }
  return taken;
}

std::size_t StunTcp::take(ConnectionId id, Stream& stream, ByteView bytes, Instant now) {
  std::vector<std::uint8_t>& partial = stream.partial;
  const std::size_t before = partial.size();
  const auto gather = [&](std::size_t size) {
    const std::size_t count = std::min(size - partial.size(), bytes.size() - (partial.size() - before));
    const ByteView piece = bytes.subspan(partial.size() - before, count);
    partial.insert(partial.end(), piece.begin(), piece.end());
    return partial.size() == size;
  };
  if (before < stun::kHeaderSize && !gather(stun::kHeaderSize)) return partial.size() - before;
  const std::size_t size = stun::framed_size(partial);
  if (!stun::can_be_message(partial) || size > kMaxRequest) {
    server_.close(id, now);
    return bytes.size();
  }
  if (!gather(size)) return partial.size() - before;
  std::array<std::uint8_t, StunService::kMaxAnswer> room;
  const TcpFlow& flow = stream.flow;
  const ByteView answer =
      service_.answer_stream(partial, {flow.local, flow.local_port}, {flow.remote, flow.remote_port}, room);
  if (!answer.empty() && !server_.send(id, {answer}, now)) server_.abort(id);
  partial.clear();
  return size - before;
}

void StunTcp::on_sent(ConnectionId id, Instant now) { server_.resume(id, now); }

void StunTcp::on_end(ConnectionId id, Instant now) { server_.close(id, now); }

}  // namespace vnet::network
