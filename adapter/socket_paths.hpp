// Where vnetd's sockets are when nobody says: the same rule as vnetd's, seen from inside a user namespace too.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace vnet::adapter {

/// Where the socket `file` may be, most likely first: in `xdg_runtime_dir` when that is an absolute path, else in the
/// folders of `/tmp` named after `users`. Null: the variable is not set.
[[nodiscard]] std::vector<std::string> default_socket_paths(std::string_view file, const char* xdg_runtime_dir,
                                                            const std::vector<uid_t>& users);

/// The user ids that a user may have chosen a folder's name by: the one that this process has, and, from
/// /proc/self/uid_map's text, the one that stands for it outside of a user namespace (`unshare -r` shows a user as 0).
[[nodiscard]] std::vector<uid_t> user_ids(uid_t inside, std::string_view uid_map);

/// The first of these paths that exists for this process, else the most likely one.
[[nodiscard]] std::string find_socket(std::string_view file);

}  // namespace vnet::adapter
