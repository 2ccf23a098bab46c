#include "dgram/batch.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace vnet::dgram {
namespace {

iovec iovec_of(ByteView frame) noexcept {
  return {const_cast<std::uint8_t*>(frame.data()), frame.size()};  // sendmsg does not write through it
}

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;
#endif

}  // namespace

struct ReceiveBatch::Headers {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_un, kBatch> senders{};
};

ReceiveBatch::ReceiveBatch()
    : slots_(std::make_unique_for_overwrite<std::uint8_t[]>(kBatch * kSlotBytes)),
      headers_(std::make_unique<Headers>()) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    headers_->vectors[i] = {slots_.get() + i * kSlotBytes, kSlotBytes};
    headers_->messages[i].msg_hdr.msg_iov = &headers_->vectors[i];
    headers_->messages[i].msg_hdr.msg_iovlen = 1;
  }
}

ReceiveBatch::~ReceiveBatch() = default;

int ReceiveBatch::receive(int fd, bool with_senders) noexcept {
  for (std::size_t i = 0; i < kBatch; ++i) {
    msghdr& header = headers_->messages[i].msg_hdr;
    header.msg_name = with_senders ? &headers_->senders[i] : nullptr;
    header.msg_namelen = with_senders ? sizeof(sockaddr_un) : 0;
  }
  const int count = recvmmsg(fd, headers_->messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
}

ByteView ReceiveBatch::frame(std::size_t i) const noexcept {
  return {slots_.get() + i * kSlotBytes, headers_->messages[i].msg_len};
}

bool ReceiveBatch::truncated(std::size_t i) const noexcept {
  return (headers_->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

UnixAddress ReceiveBatch::sender(std::size_t i) const noexcept {
  return {headers_->senders[i], headers_->messages[i].msg_hdr.msg_namelen};
}

std::string_view ReceiveBatch::sender_name(std::size_t i) const noexcept {
  constexpr std::size_t kOffset = offsetof(sockaddr_un, sun_path);
  const socklen_t size = headers_->messages[i].msg_hdr.msg_namelen;
  if (size <= kOffset) return {};
  // The kernel counts the terminator of a path; an abstract name begins with a zero byte and has none.
  const std::string_view all{headers_->senders[i].sun_path, size - kOffset};
  if (all.front() == '\0') return all.size() > 1 ? all : std::string_view{};
  return all.back() == '\0' ? all.substr(0, all.size() - 1) : all;
}

SendResult send_batch(int fd, std::span<const ByteView> frames, const UnixAddress* to) noexcept {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> vectors;
  SendResult result;
  while (result.sent < frames.size()) {
    const std::size_t count = std::min(kBatch, frames.size() - result.sent);
    for (std::size_t i = 0; i < count; ++i) {
      assert(!frames[result.sent + i].empty());
      vectors[i] = iovec_of(frames[result.sent + i]);
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      if (to != nullptr) {
        messages[i].msg_hdr.msg_name = const_cast<sockaddr_un*>(&to->address);
        messages[i].msg_hdr.msg_namelen = to->size;
      }
    }
    const int done = sendmmsg(fd, messages.data(), static_cast<unsigned>(count), kSendFlags);
    if (done < 0) {
      result.error = errno;
      return result;
    }
    result.sent += static_cast<std::size_t>(done);
    if (static_cast<std::size_t>(done) < count) {
      // Fewer than asked without an error: the next call tells why.
      continue;
    }
  }
  return result;
}

}  // namespace vnet::dgram
