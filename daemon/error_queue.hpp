// A datagram socket's error queue: what the network has answered to what was sent, each with the datagram it is about.
//
// Linux keeps the ICMP errors that came for a socket with IP_RECVERR (IPv6: IPV6_RECVERR). With each it also leaves an
// error in the socket that the next send or receive answers with once, whatever that is about; see HostDatagram.
// What our own system refuses is in the queue too, but `send` has told it already, so it is passed over.
// Elsewhere there is no such queue and nothing is heard of a datagram's fate.
#pragma once

#include <optional>

#include "nat/host_socket.hpp"
#include "packet/bytes.hpp"

namespace vnet::daemon {

/// Asks the system to keep errors of this socket. `family` is AF_INET or AF_INET6.
void keep_errors(int fd, int family) noexcept;

/// The next error; its payload, cut to `room`, is what was behind the header of IP, and of UDP where that was there.
[[nodiscard]] std::optional<nat::DatagramError> take_queued_error(int fd, ByteSpan room) noexcept;

}  // namespace vnet::daemon
