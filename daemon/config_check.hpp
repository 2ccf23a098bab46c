// Whether the values of a config go together: what no schema can say.
//
// An address that no host of its prefix may have, a range outside its prefix, a name that nothing has, two of
// what there may be one of, a socket path that the system would cut off. Every problem is at the JSON pointer
// of the member in the config file.
#pragma once

#include "daemon/config.hpp"

namespace vnet::daemon {

void check_config(const Config& config, Problems& problems);

/// Only the sockets: no path used twice, none longer than the system allows. Part of check_config, and to be asked
/// again when the command line has changed paths.
void check_sockets(const Config& config, Problems& problems);

/// The longest path of a UNIX socket, in bytes: what `sockaddr_un` holds less its terminator. 107 on Linux, 103 on
/// macOS.
[[nodiscard]] std::size_t max_socket_path_bytes() noexcept;

}  // namespace vnet::daemon
