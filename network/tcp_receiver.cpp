#include "network/tcp_receiver.hpp"

#include <algorithm>
#include <cassert>

#include "packet/tcp.hpp"

namespace vnet::network {

bool TcpReceiver::in_window(std::uint32_t sequence) const noexcept {
  return !sequence_before(sequence, next_) && sequence_before(sequence, edge_);
}

bool TcpReceiver::missing() const noexcept { return sequence_before(next_, seen_); }

bool TcpReceiver::acceptable(std::uint32_t sequence, std::size_t length) const noexcept {
  if (sequence_before(edge_, sequence)) return false;
  const auto end = sequence + static_cast<std::uint32_t>(length);
  return length == 0 ? !sequence_before(sequence, next_) : sequence_before(next_, end);
}

TcpReceiver::Accepted TcpReceiver::accept(std::uint32_t sequence, ByteView payload, bool fin) noexcept {
  std::uint32_t end = sequence + static_cast<std::uint32_t>(payload.size());
  if (sequence_before(edge_, end)) end = edge_;
  if (sequence_before(seen_, end)) seen_ = end;
  // A segment from the future makes this difference wrap, and so exceed any payload.
  const std::size_t seen = next_ - sequence;
  if (finished_ || seen > payload.size()) return {};
  Accepted accepted{payload.subspan(seen), fin};
  const std::size_t room = edge_ - next_;
  if (accepted.fresh.size() > room) accepted = {accepted.fresh.first(room), false};
  next_ += static_cast<std::uint32_t>(accepted.fresh.size());
  unread_ += accepted.fresh.size();
  if (accepted.fin) {
    finished_ = true;
    ++next_;
    if (sequence_before(edge_, next_)) edge_ = next_;
  }
  return accepted;
}

void TcpReceiver::release(std::size_t count) noexcept {
  assert(count <= unread_);
  unread_ -= count;
}

void TcpReceiver::consume_kept(std::size_t count) noexcept {
  assert(count <= kept_.size());
  release(count);
  if (count == kept_.size()) {
    std::vector<std::uint8_t>{}.swap(kept_);
  } else {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

std::uint32_t TcpReceiver::possible_edge() const noexcept {
  assert(unread_ <= kWindow);
  return next_ + static_cast<std::uint32_t>(kWindow - unread_);
}

bool TcpReceiver::worth_an_update() const noexcept {
  const std::uint32_t possible = possible_edge();
  return sequence_before(edge_, possible) && possible - edge_ >= std::min(mss_, kWindow / 2);
}

std::uint16_t TcpReceiver::advertise() noexcept {
  if (worth_an_update()) edge_ = possible_edge();
  return static_cast<std::uint16_t>(edge_ - next_);
}

}  // namespace vnet::network
