#include "daemon/ready_notice.hpp"

#include <cstdlib>
#include <string>

#include "dgram/batch.hpp"
#include "dgram/socket.hpp"

namespace vnet::daemon {

void notify_ready() {
  const char* const target = std::getenv("NOTIFY_SOCKET");
  if (target == nullptr) return;
  const auto socket = dgram::make_socket(SOCK_DGRAM);
  auto address = dgram::UnixAddress::from_path(target);
  if (!socket || !address) return;
  if (target[0] == '@') {
    // The abstract namespace: a zero byte in front, and no terminator.
    address->address.sun_path[0] = '\0';
    --address->size;
  }
  const ByteView message = as_bytes("READY=1");
  (void)dgram::send_batch(socket->get(), {&message, 1}, &*address);
}

}  // namespace vnet::daemon
