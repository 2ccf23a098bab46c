// Sockets that systemd (or whoever speaks its protocol, sd_listen_fds(3)) made and listens on for us, so that they are
// there before we are, and stay while we restart.
//
// They are told apart by the path that each is bound to, which must be a path of the configuration. Their files are not
// ours to remove.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::daemon {

class InheritedSockets {
 public:
  InheritedSockets() = default;
  /// Takes what the environment offers this process, and clears the variables, so that no child takes it again.
  [[nodiscard]] static InheritedSockets take();

  /// The socket bound to `path`, whose type is SOCK_DGRAM or SOCK_STREAM; none if there is no such.
  [[nodiscard]] dgram::Fd claim(const std::string& path, int type);
  /// What nobody has claimed, for people: a path, or what kind of descriptor it is.
  [[nodiscard]] std::vector<std::string> unclaimed() const;

 private:
  struct Socket {
    dgram::Fd fd;
    std::string path;
    int type = 0;
  };
  std::vector<Socket> sockets_;
};

}  // namespace vnet::daemon
