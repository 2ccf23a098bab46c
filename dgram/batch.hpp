// Many datagrams for one system call.
//
// `ReceiveBatch` owns the buffers that frames are received into; one serves all sockets, because a batch is consumed
// before the next is received. The buffers are as long as the longest frame and one more, so that a longer datagram
// shows by its truncation; pages that no frame has touched cost nothing. `send_batch` hands the kernel up to
// `kBatch` frames at once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dgram/many_messages.hpp"
#include "dgram/socket.hpp"
#include "packet/bytes.hpp"
#include "packet/ethernet.hpp"

namespace vnet::dgram {

class ReceiveBatch {
 public:
  /// Room for the largest frame and a byte that tells a longer one; a multiple of the cache line.
  static constexpr std::size_t kSlotBytes = (kMaxFrameSize + 1 + 63) / 64 * 64;

  ReceiveBatch();
  ~ReceiveBatch();
  ReceiveBatch(const ReceiveBatch&) = delete;
  ReceiveBatch& operator=(const ReceiveBatch&) = delete;

  /// Receives what is there, at most kBatch datagrams; 0 when nothing is, or -errno.
  /// `with_senders`: note who sent each, for a socket that many clients send to.
  int receive(int fd, bool with_senders) noexcept;

  [[nodiscard]] ByteView frame(std::size_t i) const noexcept;
  /// Longer than any frame: its end is lost.
  [[nodiscard]] bool truncated(std::size_t i) const noexcept;
  [[nodiscard]] UnixAddress sender(std::size_t i) const noexcept;
  [[nodiscard]] std::string_view sender_name(std::size_t i) const noexcept;

 private:
  struct Headers;
  std::unique_ptr<std::uint8_t[]> slots_;
  std::unique_ptr<Headers> headers_;
};

struct SendResult {
  std::size_t sent = 0;  ///< frames that the kernel took, from the first on
  int error = 0;         ///< why it took no more: 0, or errno
};

/// Sends frames in order until the kernel refuses one. `to` is null on a connected socket.
/// No empty datagram is ever sent: it would end a QEMU NIC's reception for good.
SendResult send_batch(int fd, std::span<const ByteView> frames, const UnixAddress* to = nullptr) noexcept;

}  // namespace vnet::dgram
