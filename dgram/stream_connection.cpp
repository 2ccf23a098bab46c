#include "dgram/stream_connection.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace vnet::dgram {
namespace {

constexpr std::size_t kFramesPerWrite = 64;

}  // namespace

StreamConnection::StreamConnection(Fd fd, std::string name, std::uint32_t origin, Poller& poller,
                                   Switchboard& switchboard, StreamBuffer& buffer, std::function<void()> ended)
    : Client(std::move(name), origin),
      fd_(std::move(fd)),
      poller_(poller),
      switchboard_(switchboard),
      buffer_(buffer),
      on_ended_(std::move(ended)) {
  enlarge_buffers(fd_, kBufferBytes);
  poller_.watch(fd_.get(), true, false, *this);
}

StreamConnection::~StreamConnection() { poller_.forget(fd_.get()); }

bool StreamConnection::resume(const ClientState& state) {
  if (state.pending_out.size() > StreamDecoder::kPrefixBytes + kMaxFrameSize) return false;
  std::vector<ByteView> frames;
  if (!decoder_.feed(as_bytes(state.pending_in), frames) || !frames.empty()) return false;
  const ByteView rest = as_bytes(state.pending_out);
  rest_.assign(rest.begin(), rest.end());
  update_watch();
  return true;
}

ClientState StreamConnection::state() const {
  return {fd_.get(), std::string{as_text(decoder_.partial())}, std::string{as_text(rest_)}};
}

void StreamConnection::send(std::span<const ByteView> frames, Delivery& delivery) {
  std::size_t done = 0;
  while (done < frames.size() && rest_.empty() && queue_.empty() && !ended_) {
    const std::size_t taken = write_some(frames.subspan(done), delivery);
    if (taken == 0) break;
    done += taken;
  }
  for (; done < frames.size(); ++done) {
    if (ended_) {
      delivery.delivered(tag, frames[done], DropReason::detached);
    } else if (!queue_.push(frames[done])) {
      delivery.delivered(tag, frames[done], DropReason::queue_full);
    }
  }
  update_watch();
}

void StreamConnection::discard(DropReason reason, Delivery& delivery) {
  queue_.abandon(tag, delivery, reason);
  update_watch();
}

void StreamConnection::on_ready(bool readable, bool writable) {
  busy_ = true;
  if (writable) drain();
  if (readable) read();
  update_watch();
  busy_ = false;
  settle();
}

void StreamConnection::pull() {
  busy_ = true;
  for (int turn = 0; turn < kBatchesPerPull; ++turn) {
    if (!read()) break;
  }
  busy_ = false;
  settle();
}

void StreamConnection::settle() {
  if (!ended_ || busy_) return;
  discard(DropReason::detached, switchboard_);
  switchboard_.on_gone(*this, "the connection was closed");
  hang_up();
}

void StreamConnection::hang_up() {
  const auto ended = std::move(on_ended_);
  ended();
}

/// Writes up to kFramesPerWrite frames with their prefixes; returns how many the kernel took, a last one in part.
std::size_t StreamConnection::write_some(std::span<const ByteView> frames, Delivery& delivery) {
  std::array<std::array<std::uint8_t, StreamDecoder::kPrefixBytes>, kFramesPerWrite> prefixes;
  std::array<iovec, 2 * kFramesPerWrite> vectors;
  const std::size_t count = std::min(frames.size(), kFramesPerWrite);
  for (std::size_t i = 0; i < count; ++i) {
    store_be(prefixes[i].data(), static_cast<std::uint32_t>(frames[i].size()));
    vectors[2 * i] = {prefixes[i].data(), prefixes[i].size()};
    vectors[2 * i + 1] = {const_cast<std::uint8_t*>(frames[i].data()), frames[i].size()};
  }
  std::size_t written = write(vectors.data(), 2 * count);
  std::size_t taken = 0;
  while (taken < count && written > 0) {
    const std::size_t record = prefixes[taken].size() + frames[taken].size();
    if (written < record) {
      keep_rest(prefixes[taken], frames[taken], written);
      written = record;
    }
    written -= record;
    delivery.delivered(tag, frames[taken++], std::nullopt);
  }
  return taken;
}

std::size_t StreamConnection::write(iovec* vectors, std::size_t count) {
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
#if defined(MSG_NOSIGNAL)
  const ssize_t size = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
#else
  const ssize_t size = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT);
#endif
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) end();
  return 0;
}

void StreamConnection::keep_rest(ByteView prefix, ByteView frame, std::size_t written) {
  rest_.assign(prefix.begin(), prefix.end());
  rest_.insert(rest_.end(), frame.begin(), frame.end());
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(written));
}

void StreamConnection::drain() {
  if (!rest_.empty()) {
    iovec vector{rest_.data(), rest_.size()};
    const std::size_t written = write(&vector, 1);
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(written));
  }
  while (rest_.empty() && !queue_.empty() && !ended_) {
    std::array<ByteView, kFramesPerWrite> views;
    const std::size_t count = std::min(queue_.size(), kFramesPerWrite);
    for (std::size_t i = 0; i < count; ++i) views[i] = queue_[i];
    const std::size_t taken = write_some(std::span{views}.first(count), switchboard_);
    for (std::size_t i = 0; i < taken; ++i) queue_.pop();
    if (taken < count) break;
  }
}

/// True when there may be more to read.
bool StreamConnection::read() {
  if (ended_) return false;
  const ssize_t size = ::recv(fd_.get(), buffer_.bytes.get(), StreamBuffer::kReadBytes, MSG_DONTWAIT);
  if (size <= 0) {
    if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) end();
    return false;
  }
  buffer_.frames.clear();
  const ByteView bytes{buffer_.bytes.get(), static_cast<std::size_t>(size)};
  const bool whole = decoder_.feed(bytes, buffer_.frames);
  for (std::uint64_t i = decoder_.take_empty(); i > 0; --i) {
    switchboard_.on_refused(this, {}, DropReason::stream_length);
  }
  if (!buffer_.frames.empty()) switchboard_.on_frames(*this, buffer_.frames);
  switchboard_.end_batch();
  if (whole) return true;
  switchboard_.on_refused(this, {}, DropReason::stream_length);
  switchboard_.on_notice(peer() + " sent a length beyond the largest frame; its connection is closed");
  end();
  return false;
}

void StreamConnection::end() {
  if (std::exchange(ended_, true) || busy_) return;
  switchboard_.on_trouble(*this);
}

void StreamConnection::update_watch() {
  const bool backlogged = !ended_ && (!rest_.empty() || !queue_.empty());
  if (backlogged == watching_writable_) return;
  watching_writable_ = backlogged;
  poller_.watch(fd_.get(), true, backlogged, *this);
}

}  // namespace vnet::dgram
