#include "network/services/echo_service.hpp"

#include <algorithm>

namespace vnet::network {

bool EchoService::handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant /*now*/) {
  if (datagram.to.port != kPort) return false;
  if (datagram.from.port >= kFirstClientPort) output.send({datagram.to, datagram.from, datagram.payload});
  return true;
}

std::size_t EchoTcp::on_data(ConnectionId id, ByteView bytes, Instant now) {
  const std::size_t count = std::min(bytes.size(), server_.send_room(id));
  return count != 0 && server_.send(id, {bytes.first(count)}, now) ? count : 0;
}

}  // namespace vnet::network
