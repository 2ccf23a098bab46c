#include "daemon/stream_peek.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/socket_address.hpp"

namespace vnet::daemon {
namespace {

/// Pieces for one system call; frames are some 1,400 bytes.
constexpr std::size_t kPeekedPieces = 64;

ssize_t receive_into(int fd, iovec* pieces, std::size_t count, int flags) noexcept {
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
  return ::recvmsg(fd, &message, flags | MSG_DONTWAIT);
}

}  // namespace

/// The rooms that are still to be filled.
class StreamPeek::Rooms {
 public:
  explicit Rooms(std::span<const ByteSpan> rooms) noexcept : rooms_(rooms) {
    for (const ByteSpan& room : rooms) bytes_ += room.size();
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_ == 0; }

  struct Pieces {
    std::array<iovec, kPeekedPieces> vector;
    std::size_t count = 0;
    std::size_t bytes = 0;
  };
  void gather(Pieces& pieces) const noexcept {
    std::size_t skipped = filled_;
    for (std::size_t i = 0; i < rooms_.size() && pieces.count < kPeekedPieces; ++i) {
      const ByteSpan room = rooms_[i].subspan(std::exchange(skipped, 0));
      pieces.vector[pieces.count++] = {room.data(), room.size()};
      pieces.bytes += room.size();
    }
  }
  void filled(std::size_t count) noexcept {
    bytes_ -= count;
    filled_ += count;
    while (!rooms_.empty() && filled_ >= rooms_.front().size()) {
      filled_ -= rooms_.front().size();
      rooms_ = rooms_.subspan(1);
    }
  }
  /// Copies as much of `source` as there is room for.
  std::size_t copy(ByteView source) noexcept {
    const std::size_t before = bytes_;
    while (!source.empty() && !empty()) {
      const ByteSpan room = rooms_.front().subspan(filled_);
      const std::size_t count = std::min(room.size(), source.size());
      if (count != 0) std::memcpy(room.data(), source.data(), count);
      source = source.subspan(count);
      filled(count);
    }
    return before - bytes_;
  }

 private:
  std::span<const ByteSpan> rooms_;
  std::size_t filled_ = 0;  ///< bytes of the first
  std::size_t bytes_ = 0;
};

StreamPeek::StreamPeek(int fd, Keep keep, ByteView prefix) : fd_(fd), keep_(keep) {
  if (prefix.empty()) return;
  std::ranges::copy(prefix, front_.free(prefix.size())[0].begin());
  front_.filled(prefix.size());
}

StreamPeek::Got StreamPeek::peek(std::size_t offset, std::span<const ByteSpan> rooms) {
  Rooms left{rooms};
  Got got;
  if (keep_ == Keep::here) read_ahead(offset + left.bytes(), got);
  if (offset < front_.size()) {
    for (const ByteView piece : front_.held(offset)) got.bytes += left.copy(piece);
  }
  if (keep_ == Keep::kernel && !left.empty()) peek_kernel(offset + got.bytes - front_.size(), left, got);
  return got;
}

/// Whether more may be there after a call that was asked for `asked` bytes and returned `count`.
bool StreamPeek::goes_on(ssize_t count, std::size_t asked, Got& got) const noexcept {
  if (count < 0) {
    got.drained = errno == EAGAIN || errno == EWOULDBLOCK;
    if (!got.drained) got.error = errno;
    return false;
  }
  const auto size = static_cast<std::size_t>(count);
  if (size == asked || (size > 0 && urgent_seen_)) return true;
  got.drained = true;
  got.ended = size == 0 || end_seen_;
  return false;
}

void StreamPeek::read_ahead(std::size_t wanted, Got& got) {
  for (bool more = true; more && front_.size() < wanted && front_.room() > 0;) {
    const auto free = front_.free(std::min(wanted - front_.size(), front_.room()));
    std::array<iovec, 2> pieces{iovec{free[0].data(), free[0].size()}, iovec{free[1].data(), free[1].size()}};
    const ssize_t count = receive_into(fd_, pieces.data(), pieces.size(), 0);
    more = goes_on(count, free[0].size() + free[1].size(), got);
    front_.filled(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

#if defined(__linux__)

void StreamPeek::peek_kernel(std::size_t offset, Rooms& rooms, Got& got) {
  for (bool more = true; more && !rooms.empty();) {
    if (kernel_offset_ != static_cast<std::int64_t>(offset)) {
      set_option(fd_, SOL_SOCKET, SO_PEEK_OFF, static_cast<int>(offset));
      kernel_offset_ = static_cast<std::int64_t>(offset);
    }
    Rooms::Pieces pieces;
    rooms.gather(pieces);
    const ssize_t count = receive_into(fd_, pieces.vector.data(), pieces.count, MSG_PEEK);
    more = goes_on(count, pieces.bytes, got);
    if (count <= 0) return;
    const auto size = static_cast<std::size_t>(count);
    kernel_offset_ += count;
    offset += size;
    got.bytes += size;
    rooms.filled(size);
  }
}

void StreamPeek::consume(std::size_t count) {
  const std::size_t ours = std::min(count, front_.size());
  front_.drop(ours);
  for (count -= ours; count > 0;) {
    // Stops at an urgent mark, hence the loop.
    const ssize_t taken = ::recv(fd_, nullptr, count, MSG_TRUNC | MSG_DONTWAIT);
    assert(taken > 0);
    if (taken <= 0) return;
    count -= static_cast<std::size_t>(taken);
    if (kernel_offset_ >= 0) kernel_offset_ = std::max<std::int64_t>(kernel_offset_ - taken, 0);
  }
}

#else

void StreamPeek::peek_kernel(std::size_t, Rooms&, Got&) {}
void StreamPeek::consume(std::size_t count) { front_.drop(std::min(count, front_.size())); }

#endif

}  // namespace vnet::daemon
