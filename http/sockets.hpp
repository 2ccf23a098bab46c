// The room's system calls: listening, asking who a peer is, and moving bytes and descriptors. Nothing here blocks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dgram/socket.hpp"
#include "packet/ip_address.hpp"

namespace vnet::http {

/// A listening socket whose file only its owner may open, from the moment at which it appears.
[[nodiscard]] dgram::SystemResult<dgram::Fd> listen_unix(const std::string& path);
/// `port` 0: the system chooses.
[[nodiscard]] dgram::SystemResult<dgram::Fd> listen_tcp(const IpAddress& address, std::uint16_t port);
/// The port that a listener is bound to; 0 where it is no TCP socket.
[[nodiscard]] std::uint16_t local_port(const dgram::Fd& fd);
/// The next connection, non-blocking and close-on-exec; no descriptor: errno says why.
[[nodiscard]] dgram::Fd accept_from(const dgram::Fd& listener);

/// The peer on a UNIX connection is this process's effective user, or root.
[[nodiscard]] bool is_same_user(const dgram::Fd& fd);
/// The peer is gone altogether, as opposed to one that has only ended its own direction. A TCP peer that has gone looks
/// like the latter until something is sent to it.
[[nodiscard]] bool is_hung_up(const dgram::Fd& fd);
/// Something is there to be read, the end of the stream included.
[[nodiscard]] bool has_input(const dgram::Fd& fd);

/// What came of a read or a write.
struct Transfer {
  enum class Kind : std::uint8_t {
    moved,    ///< `count` bytes, at least one
    blocked,  ///< not now
    ended,    ///< a read: the peer sends no more
    failed,   ///< `code` is errno
  };
  Kind kind = Kind::moved;
  std::size_t count = 0;
  int code = 0;
  bool too_many_fds = false;  ///< a read: more descriptors came along than fit; those are closed
};

/// Reads, and appends descriptors that came with the bytes to `fds`: close-on-exec, at most kMaxFds of them.
[[nodiscard]] Transfer receive(const dgram::Fd& fd, std::span<char> into, std::vector<dgram::Fd>& fds);
/// Reads where no descriptors are expected; those that come are closed.
[[nodiscard]] Transfer receive(const dgram::Fd& fd, std::span<char> into);
/// Writes; `fds` go with the first byte.
[[nodiscard]] Transfer send(const dgram::Fd& fd, std::string_view bytes, std::span<const int> fds = {});

}  // namespace vnet::http
