// Many messages for one system call: recvmmsg and sendmmsg, which Linux has; elsewhere a loop does the same.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

namespace vnet::dgram {

/// Datagrams for one system call: beyond 64 the gain is lost in the noise, and latency grows.
inline constexpr std::size_t kBatch = 64;

#if defined(__linux__)
using ::mmsghdr;
using ::recvmmsg;
using ::sendmmsg;
#else
// What Linux's recvmmsg and sendmmsg fill in for each message.
struct mmsghdr {
  msghdr msg_hdr;
  unsigned msg_len;
};

inline int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, void*) noexcept {
  unsigned done = 0;
  for (; done < count; ++done) {
    const ssize_t size = ::recvmsg(fd, &messages[done].msg_hdr, flags);
    if (size < 0) break;
    messages[done].msg_len = static_cast<unsigned>(size);
  }
  return done > 0 ? static_cast<int>(done) : -1;
}

inline int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  unsigned done = 0;
  while (done < count && ::sendmsg(fd, &messages[done].msg_hdr, flags) >= 0) ++done;
  return done > 0 ? static_cast<int>(done) : -1;
}
#endif

}  // namespace vnet::dgram
