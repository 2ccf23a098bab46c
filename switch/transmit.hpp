// What is to be sent when the present batch ends: for each port the frames to put on it, in order.
//
// The forwarder adds views; nothing is copied, so a flood to a thousand ports is a thousand views of one buffer.
// A view must stay valid until `clear()`. Whoever owns the sockets (or a simulation) walks `touched()`, sends each
// port's batch in one call, and clears. Batches keep their capacity: after the first rounds nothing is allocated.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "packet/bytes.hpp"
#include "switch/port.hpp"

namespace vnet::l2 {

class Transmit {
 public:
  /// Queues `frame` for `port`. The frame's bytes are borrowed until `clear()`.
  void add(PortId port, ByteView frame) {
    const std::size_t at = index(port);
    if (at >= batches_.size()) batches_.resize(at + 1);
    if (batches_[at].empty()) touched_.push_back(port);
    batches_[at].push_back(frame);
  }

  /// The ports that have frames, in the order in which they got their first.
  [[nodiscard]] std::span<const PortId> touched() const noexcept { return touched_; }
  [[nodiscard]] std::span<const ByteView> frames(PortId port) const noexcept { return batches_[index(port)]; }
  [[nodiscard]] bool empty() const noexcept { return touched_.empty(); }

  /// Takes back what is queued for `port`, for example because it leaves. The frames are the caller's to count.
  [[nodiscard]] std::vector<ByteView> take_back(PortId port) {
    if (index(port) >= batches_.size() || batches_[index(port)].empty()) return {};
    std::erase(touched_, port);
    return std::exchange(batches_[index(port)], {});
  }

  void clear() noexcept {
    for (const PortId port : touched_) batches_[index(port)].clear();
    touched_.clear();
  }

 private:
  std::vector<std::vector<ByteView>> batches_;
  std::vector<PortId> touched_;
};

}  // namespace vnet::l2
