// Network namespaces: entering one, and naming the one that we are in (network_namespaces(7), setns(2)).
//
// Whoever enters stays. Nothing else that the program uses is bound to a network namespace: a UNIX socket with a path
// is found through the file system alone (only abstract addresses belong to a namespace), and so are devices. Going
// back would also need a right over the old namespace that a user in a user namespace does not have.
#pragma once

#include <string>

#include "dgram/socket.hpp"

namespace vnet::adapter {

/// `name` as `ip netns` shows it, or a path, which is whatever has a slash in it.
[[nodiscard]] std::string namespace_path(const std::string& name);

/// Puts the calling thread into the network namespace at `path`. Needs CAP_SYS_ADMIN there.
[[nodiscard]] dgram::SystemResult<void> enter_network_namespace(const std::string& path);

/// What tells the network namespace at `path` from others of this machine while both exist: its number, as text. Empty
/// when there is none.
[[nodiscard]] std::string network_namespace_number(const std::string& path = "/proc/self/ns/net");

}  // namespace vnet::adapter
