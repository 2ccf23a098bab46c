// DatagramSender: puts frames on a datagram socket for one receiver.
//
// What the kernel takes goes out at once, up to 64 frames a call. When the receiver's buffer is full the rest waits in
// a FrameQueue, and `backlogged()` asks the owner to call `drain` when the socket is writable. When the receiver is
// gone, `lost()` has the errno: the owner finds another way and calls `drain`, or calls `abandon`.
#pragma once

#include <span>

#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/frame_queue.hpp"
#include "dgram/read_credit.hpp"

namespace vnet::dgram {

class DatagramSender {
 public:
  /// Sends through `fd`, which stays the caller's, to the peer that it is connected to.
  void use(int fd) noexcept {
    fd_ = fd;
    credit_ = nullptr;
    lost_ = 0;
  }
  /// Sends through a socket that serves others as well: to `to`, and no more than `credit` allows.
  void use_shared(int fd, const UnixAddress& to, ReadCredit& credit) noexcept {
    fd_ = fd;
    to_ = to;
    credit_ = &credit;
    lost_ = 0;
  }

  void send(std::span<const ByteView> frames, std::uint32_t tag, Delivery& delivery);
  /// Sends what waits.
  void drain(std::uint32_t tag, Delivery& delivery);
  /// Gives up what waits.
  void abandon(std::uint32_t tag, Delivery& delivery, DropReason reason) { queue_.abandon(tag, delivery, reason); }

  [[nodiscard]] bool backlogged() const noexcept { return !queue_.empty(); }
  /// 0, or the errno that says that there is nobody to send to.
  [[nodiscard]] int lost() const noexcept { return lost_; }

 private:
  /// Sends as many as possible and returns how many need no more thought.
  std::size_t send_some(std::span<const ByteView> frames, std::uint32_t tag, Delivery& delivery);

  int fd_ = -1;
  UnixAddress to_;
  ReadCredit* credit_ = nullptr;
  FrameQueue queue_;
  int lost_ = 0;
};

}  // namespace vnet::dgram
