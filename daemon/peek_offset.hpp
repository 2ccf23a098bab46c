// Whether this kernel keeps a peek offset for TCP (SO_PEEK_OFF: Linux 6.9 for IPv4, a little later for IPv6), found out
// by trying all that daemon/stream_peek.hpp leans on, because a version number says nothing of what was backported.
#pragma once

#include <string_view>

namespace vnet::daemon {

/// For which families.
struct PeekOffset {
  bool ipv4 = false;
  bool ipv6 = false;
};
[[nodiscard]] PeekOffset probe_peek_offset();
/// For the log.
[[nodiscard]] std::string_view to_string(PeekOffset has) noexcept;

}  // namespace vnet::daemon
