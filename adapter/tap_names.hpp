// The names that `vnet tap` chooses when it is not told: MAC address, socket paths. Pure functions of what they are
// given.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "packet/mac_address.hpp"

namespace vnet::adapter {

/// The longest name of a network interface, in bytes (Linux: IFNAMSIZ less the terminator).
inline constexpr std::size_t kMaxInterfaceName = 15;

/// Why Linux would not take `name` for an interface, or an empty text when it would. A `%` is refused although Linux
/// takes it: it makes a pattern of the name, and the interface would be called something else.
[[nodiscard]] std::string interface_name_problem(std::string_view name);

/// The same address for the same interface on every start, and another one for every other: a hash of the three,
/// locally administered and unicast (IEEE 802, 8.2). `host` is the machine id or the host name, `network_namespace` its
/// name, or its number when it has none.
[[nodiscard]] MacAddress derive_mac(std::string_view host, std::string_view network_namespace, std::string_view name);

/// Where the client's own socket may be bound: beside the switch's, where the switch's user can reach it; else in
/// `xdg_runtime_dir`; else in /tmp. Paths that are too long for a socket are left out.
[[nodiscard]] std::vector<std::string> own_paths(std::string_view switch_path, std::string_view name, pid_t process,
                                                 const char* xdg_runtime_dir);

}  // namespace vnet::adapter
