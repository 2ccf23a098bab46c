#include "daemon/host_error.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace vnet::daemon {

nat::HostError host_error(int code) noexcept {
  using nat::HostError;
  switch (code) {
    case ECONNREFUSED: return HostError::refused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return HostError::reset;
    case EHOSTUNREACH:
    case EHOSTDOWN: return HostError::host_unreachable;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL: return HostError::net_unreachable;
    case ETIMEDOUT: return HostError::timed_out;
    case EACCES:
    case EPERM: return HostError::prohibited;
    case EMSGSIZE: return HostError::too_big;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case EADDRINUSE:
    case EAGAIN: return HostError::no_resources;
    default: return HostError::other;
  }
}

int pending_error(int fd) noexcept {
  int code = 0;
  socklen_t size = sizeof code;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno;
}

}  // namespace vnet::daemon
