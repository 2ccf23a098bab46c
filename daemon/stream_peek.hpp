// StreamPeek: reads a stream socket at any offset behind the last byte consumed, as often as need be.
//
// What the guest has not acknowledged must be there to be sent again. With SO_PEEK_OFF it stays in the kernel's buffer:
// `recvmsg(MSG_PEEK)` copies into the frames, the kernel's offset goes on by what was copied and falls by what is
// consumed, so that a call to set it is needed only to go back, or on again after that; consuming (MSG_TRUNC) copies
// nothing. The sender's window is then exactly what the guest's acknowledgements leave of the kernel's buffer.
// TCP has the option since Linux 6.9, IPv6 a little later: daemon/peek_offset.hpp tries it out.
//
// Without it, and for UNIX sockets, where MSG_TRUNC consumes nothing, bytes are read into a buffer of ours when there
// is room in the frames for them and not before, and copied from there. The buffer holds ByteRing::kCapacity; when it
// is full of what the guest has not acknowledged, a peek behind its end returns nothing and does not say "drained".
//
// What it costs, in milliseconds of CPU per GiB read into pieces of 1,448 bytes from a loopback connection that nobody
// else uses (Linux 6.18, median of 11), 64 KiB at a time: recvmsg alone 85, the kernel's peek with consuming 99, our
// buffer 93; 256 KiB at a time: 45, 56, 58. So time decides nothing; memory and an honest window do.
//
// Bytes that precede the stream (a PROXY protocol header) are in that buffer from the start, in both cases.
//
// Urgent data stays in its place in the stream, without its mark (RFC 6093).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "daemon/byte_ring.hpp"
#include "packet/bytes.hpp"

namespace vnet::daemon {

class StreamPeek {
 public:
  enum class Keep : bool {
    here,    ///< in a buffer of ours
    kernel,  ///< in the kernel's
  };
  struct Got {
    std::size_t bytes = 0;
    int error = 0;         ///< errno, behind the bytes
    bool drained = false;  ///< there is no more now
    bool ended = false;    ///< there will never be more
  };

  /// `fd` is borrowed. `prefix` is at most ByteRing::kCapacity.
  StreamPeek(int fd, Keep keep, ByteView prefix = {});

  [[nodiscard]] Got peek(std::size_t offset, std::span<const ByteSpan> rooms);
  void consume(std::size_t count);

  /// The poller has seen that the other side has ended its half: all that it sent is in the kernel's buffer.
  void note_end() noexcept { end_seen_ = true; }
  /// The poller has seen an urgent byte: from now on a short read may have stopped at its mark.
  void note_urgent() noexcept { urgent_seen_ = true; }

 private:
  class Rooms;
  void read_ahead(std::size_t wanted, Got& got);
  void peek_kernel(std::size_t offset, Rooms& rooms, Got& got);
  [[nodiscard]] bool goes_on(ssize_t count, std::size_t asked, Got& got) const noexcept;

  int fd_;
  Keep keep_;
  bool end_seen_ = false;
  bool urgent_seen_ = false;
  std::int64_t kernel_offset_ = -1;  ///< where the kernel's next peek begins; -1: not set yet
  ByteRing front_;                   ///< what comes before the bytes in the kernel
};

}  // namespace vnet::daemon
