#include "dgram/read_credit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vnet::dgram {

void ReadCredit::drop_token() noexcept {
  if (!token_) return;
  poller_.forget(token_.get());
  token_.close();
  covered_ = 0;
}

#if defined(__linux__)

std::size_t ReadCredit::allowed(std::span<const ByteView> frames) const noexcept {
  std::size_t unread = unread_;
  std::size_t count = 0;
  while (count < frames.size() && (unread == 0 || unread + charge(frames[count]) <= limit_)) {
    unread += charge(frames[count++]);
  }
  return count;
}

SendResult ReadCredit::send(int fd, std::span<const ByteView> frames, const UnixAddress& to) {
  const std::size_t count = allowed(frames);
  if (count == 0) return {0, EAGAIN};
  std::size_t cost = 0;
  for (const ByteView frame : frames.first(count)) cost += charge(frame);
  // Half a share ahead of its end, so that a client that reads never waits for its credit.
  const bool with_token = !token_ && (unread_ + cost) * 2 >= limit_;
  SendResult result = send_batch(fd, frames.first(with_token ? count - 1 : count), &to);
  for (const ByteView frame : frames.first(result.sent)) unread_ += charge(frame);
  if (with_token && result.error == 0) {
    const SendResult last = send_with_token(fd, frames[count - 1], to);
    result.sent += last.sent;
    result.error = last.error;
  }
  if (result.error == 0 && count < frames.size()) result.error = EAGAIN;
  return result;
}

SendResult ReadCredit::send_with_token(int fd, ByteView frame, const UnixAddress& to) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return send_batch(fd, {&frame, 1}, &to);
  Fd read_end{ends[0]};
  const Fd write_end{ends[1]};
  iovec vector{const_cast<std::uint8_t*>(frame.data()), frame.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_name = const_cast<sockaddr_un*>(&to.address);
  message.msg_namelen = to.size;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
  if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    // Too many descriptors under way: the frame matters more than the token.
    return errno == ETOOMANYREFS ? send_batch(fd, {&frame, 1}, &to) : SendResult{0, errno};
  }
  unread_ += charge(frame);
  covered_ = unread_;
  token_ = std::move(read_end);
  poller_.watch(token_.get(), true, false, *this);
  return {1, 0};
}

void ReadCredit::on_ready(bool, bool) {
  const std::size_t read = covered_;
  drop_token();
  unread_ -= std::min(unread_, read);
  on_return_();
}

#else

SendResult ReadCredit::send(int fd, std::span<const ByteView> frames, const UnixAddress& to) {
  return send_batch(fd, frames, &to);
}

void ReadCredit::on_ready(bool, bool) {}

#endif

}  // namespace vnet::dgram
