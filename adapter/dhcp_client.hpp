// DhcpClient: a DHCP client of the system's, run for the interface in the network namespace that we are in.
//
// `udhcpc` is taken where there is one, else `dhclient`. It runs in the foreground, as our child, and renews the lease
// until it is ended. Neither knows of network namespaces: both write the name servers to /etc/resolv.conf, which would
// take the host's resolver away. So inside a namespace that we have entered, the client sees another file in its place:
// /etc/netns/NAME/resolv.conf where there is one, as with `ip netns exec`, else one that is thrown away.
// (A system with the `resolvconf` package is not protected by this.)
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::adapter {

/// Whose /etc/resolv.conf the client writes.
struct ResolverFile {
  bool shielded = false;  ///< not the one that we see
  std::string instead;    ///< shown in its place; empty: a new one that is gone with the client
};

class DhcpClient {
 public:
  /// The command line of the first client found in the folders of `path`, or nothing.
  [[nodiscard]] static std::optional<std::vector<std::string>> find(const std::string& interface,
                                                                    const std::string& path);
  [[nodiscard]] static dgram::SystemResult<DhcpClient> start(const std::vector<std::string>& command,
                                                             const ResolverFile& resolver);
  DhcpClient(DhcpClient&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
  DhcpClient& operator=(DhcpClient&&) = delete;
  /// Ends it, and waits at most a second for that.
  ~DhcpClient();

  /// To be called after SIGCHLD: how it has ended, in words, once it has.
  [[nodiscard]] std::optional<std::string> ended();

 private:
  explicit DhcpClient(pid_t process) noexcept : process_(process) {}
  pid_t process_ = -1;
};

}  // namespace vnet::adapter
