// What the host's errno means to a flow: the one place where the one becomes the other.
#pragma once

#include "nat/host_socket.hpp"

namespace vnet::daemon {

/// `code` is errno of a failed call, or a socket's pending error.
[[nodiscard]] nat::HostError host_error(int code) noexcept;

/// Takes the socket's pending error: 0, or errno.
[[nodiscard]] int pending_error(int fd) noexcept;

}  // namespace vnet::daemon
