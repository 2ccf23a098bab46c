// ReadCredit: how much a client may have unread of what one socket sends to many.
//
// A client that has connected itself to our shared path hears that socket only, so all such clients are sent to
// through it. On Linux a datagram is charged to its sender's buffer until it is read: one client that does not read
// would in time hold the whole buffer, and nobody else could be sent anything. So each gets a share, and must have
// read before it gets more. The kernel does not tell who has read what; but a descriptor that travels with a datagram
// is closed when a reader that wants no descriptors takes the datagram. So now and then a frame carries the write end
// of a pipe, and when its read end says "hung up", everything up to that frame has been read.
//
// A reader that keeps the descriptors (none is known) is not starved: when nothing at all is unread of what the socket
// has sent, every share is whole again. Elsewhere than on Linux a datagram is charged to its receiver, and credit is
// unlimited.
#pragma once

#include <functional>
#include <span>

#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"

namespace vnet::dgram {

class ReadCredit final : public Watched {
 public:
  /// What a datagram is charged beyond its bytes: the kernel's buffer head and rounding, generously.
  static constexpr std::size_t kOverheadBytes = 1024;

  /// `on_return` is called when credit has come back. The poller outlives this.
  ReadCredit(Poller& poller, std::function<void()> on_return) : poller_(poller), on_return_(std::move(on_return)) {}
  ~ReadCredit() override { drop_token(); }

  /// The client's share, in bytes. At least one frame is always allowed when nothing is unread.
  void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }

  /// Sends what the credit allows, in order, like `send_batch`; the error is EAGAIN when it allowed no more.
  SendResult send(int fd, std::span<const ByteView> frames, const UnixAddress& to);

  /// Nothing is unread any more: all that the socket sent was read, or the client has begun anew.
  void reset() noexcept {
    drop_token();
    unread_ = 0;
  }

  void on_ready(bool readable, bool writable) override;

 private:
  [[nodiscard]] static std::size_t charge(ByteView frame) noexcept { return frame.size() + kOverheadBytes; }
  [[nodiscard]] std::size_t allowed(std::span<const ByteView> frames) const noexcept;
  [[nodiscard]] SendResult send_with_token(int fd, ByteView frame, const UnixAddress& to);
  void drop_token() noexcept;

  Poller& poller_;
  std::function<void()> on_return_;
  std::size_t limit_ = 0;
  std::size_t unread_ = 0;   ///< bytes charged and not known to be read
  std::size_t covered_ = 0;  ///< of these, what the token under way stands for
  Fd token_;                 ///< the read end of the pipe whose write end travels
};

}  // namespace vnet::dgram
