#include "dgram/datagram_sender.hpp"

#include <cerrno>

namespace vnet::dgram {
namespace {

bool is_full(int code) noexcept { return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS || code == EINTR; }

/// Errors of one frame, not of the receiver.
bool is_about_the_frame(int code) noexcept { return code == EMSGSIZE || code == ENOMEM; }

}  // namespace

std::size_t DatagramSender::send_some(std::span<const ByteView> frames, std::uint32_t tag, Delivery& delivery) {
  std::size_t done = 0;
  while (done < frames.size()) {
    const auto rest = frames.subspan(done);
    const SendResult result = credit_ != nullptr ? credit_->send(fd_, rest, to_) : send_batch(fd_, rest);
    for (std::size_t i = 0; i < result.sent; ++i) delivery.delivered(tag, frames[done + i], std::nullopt);
    done += result.sent;
    if (result.error == 0 || is_full(result.error)) break;
    if (!is_about_the_frame(result.error)) {
      lost_ = result.error;
      break;
    }
    delivery.delivered(tag, frames[done++], DropReason::send_failed);
  }
  return done;
}

void DatagramSender::send(std::span<const ByteView> frames, std::uint32_t tag, Delivery& delivery) {
  std::size_t done = 0;
  if (queue_.empty() && lost_ == 0) done = send_some(frames, tag, delivery);
  // What a lost receiver did not get waits as well: its successor may be there already.
  for (; done < frames.size(); ++done) {
    if (!queue_.push(frames[done])) delivery.delivered(tag, frames[done], DropReason::queue_full);
  }
}

void DatagramSender::drain(std::uint32_t tag, Delivery& delivery) {
  while (!queue_.empty() && lost_ == 0) {
    std::array<ByteView, kBatch> views;
    const std::size_t count = std::min(queue_.size(), kBatch);
    for (std::size_t i = 0; i < count; ++i) views[i] = queue_[i];
    const std::size_t done = send_some(std::span{views}.first(count), tag, delivery);
    for (std::size_t i = 0; i < done; ++i) queue_.pop();
    if (done < count) break;
  }
}

}  // namespace vnet::dgram
