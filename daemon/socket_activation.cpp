#include "daemon/socket_activation.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

constexpr int kFirstFd = 3;
constexpr std::uint32_t kMaxFds = 4096;

std::uint32_t number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : parse_number(text, 0, 0x7fff'ffffU).value_or(0);
}

std::string path_of(int fd) {
  dgram::UnixAddress address;
  address.size = sizeof address.address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.address), &address.size) != 0) return {};
  if (address.address.sun_family != AF_UNIX) return {};
  return std::string{address.name()};
}

}  // namespace

InheritedSockets InheritedSockets::take() {
  InheritedSockets sockets;
  const bool ours = number_in("LISTEN_PID") == static_cast<std::uint32_t>(::getpid());
  const std::uint32_t count = ours ? std::min(number_in("LISTEN_FDS"), kMaxFds) : 0;
  for (const char* const variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  for (std::uint32_t i = 0; i < count; ++i) {
    Socket socket{dgram::Fd{kFirstFd + static_cast<int>(i)}, {}, 0};
    socklen_t size = sizeof socket.type;
    if (::getsockopt(socket.fd.get(), SOL_SOCKET, SO_TYPE, &socket.type, &size) != 0) socket.type = 0;
    socket.path = path_of(socket.fd.get());
    (void)dgram::adopt(socket.fd);
    sockets.sockets_.push_back(std::move(socket));
  }
  return sockets;
}

dgram::Fd InheritedSockets::claim(const std::string& path, int type) {
  for (Socket& socket : sockets_) {
    if (socket.fd && socket.path == path && socket.type == type) return std::move(socket.fd);
  }
  return {};
}

std::vector<std::string> InheritedSockets::unclaimed() const {
  std::vector<std::string> names;
  for (const Socket& socket : sockets_) {
    if (socket.fd) names.push_back(socket.path.empty() ? "descriptor " + std::to_string(socket.fd.get()) : socket.path);
  }
  return names;
}

}  // namespace vnet::daemon
