// GuestWire: the way of egress's frames to the guests, and how many of them may go.
//
// Frames are built in place in the network's outbox. Two things limit them: the room left in the outbox for this turn,
// and the queue of the port that a guest is behind. Egress never fills a port's queue itself: what would not fit waits
// where it is, in the host's sockets, and the host's network slows its sender down. So nothing is lost on a link that
// has no impairments.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/ethernet.hpp"
#include "packet/frame_builder.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/outbox.hpp"

namespace vnet::nat {

/// The network's guests: where they are, and how many frames a port of theirs can take now without dropping any.
class GuestPorts {
 public:
  virtual ~GuestPorts() = default;
  /// Nothing: nobody knows where that address is, or its NIC is down.
  [[nodiscard]] virtual std::optional<MacAddress> locate(const IpAddress& guest) const = 0;
  [[nodiscard]] virtual std::size_t frames(const MacAddress& guest, std::size_t frame_bytes) const = 0;
};

class GuestWire {
 public:
  /// The references outlive this. `own` is the source of all frames.
  GuestWire(const MacAddress& own, Outbox& outbox, const GuestPorts& ports) noexcept
      : own_(own), outbox_(outbox), ports_(&ports) {}
  void reconfigure(const MacAddress& own, const GuestPorts& ports) noexcept {
    own_ = own;
    ports_ = &ports;
    left_.clear();
  }

  /// Storage for up to `count` frames to `guest`, each for `payload` bytes behind its headers, in `storage`, which has
  /// at least `count` places. Returns for how many there is room.
  [[nodiscard]] std::size_t reserve(const MacAddress& guest, std::size_t count, std::size_t payload,
                                    std::span<ByteSpan> storage) {
    const std::size_t each = FrameBuilder::kHeadroom + payload;
    count = std::min({count, turn_room() / each, left(guest, payload)});
    if (count == 0) return 0;
    const ByteSpan room = outbox_.room(count * each - FrameBuilder::kHeadroom);
    for (std::size_t i = 0; i < count; ++i) storage[i] = room.subspan(i * each, each);
    return count;
  }
  /// Whether the port's queue has room for a frame, whatever the outbox has.
  [[nodiscard]] bool port_has_room(const MacAddress& guest, std::size_t payload) { return left(guest, payload) != 0; }
  [[nodiscard]] bool has_room(const MacAddress& guest, std::size_t payload) {
    return turn_room() != 0 && port_has_room(guest, payload);
  }

  /// Storage for a frame that goes whatever the queue says: an acknowledgment, an error. May be empty.
  [[nodiscard]] ByteSpan room(std::size_t payload) { return outbox_.room(payload); }

  /// Queues a finished IP packet; frames of one reservation in the order of their storage.
  void send(FrameBuilder& frame, const MacAddress& guest, bool ipv4) {
    frame.prepend_ethernet(guest, own_, ipv4 ? ethertype::kIpv4 : ethertype::kIpv6);
    outbox_.send(frame);
    for (Left& entry : left_) {
      if (entry.guest == guest && entry.frames > 0) --entry.frames;
    }
  }

 private:
  /// Bytes for one turn; what answers need beyond it is there.
  static constexpr std::size_t kTurnBytes = 512 * 1024;

  struct Left {
    MacAddress guest;
    std::size_t frames = 0;
  };

  [[nodiscard]] std::size_t turn_room() const noexcept { return kTurnBytes - std::min(kTurnBytes, outbox_.used()); }

  /// What is queued in this turn counts before the ports know of it; an empty outbox begins a new turn.
  [[nodiscard]] std::size_t left(const MacAddress& guest, std::size_t payload) {
    if (outbox_.frames().empty()) left_.clear();
    const auto found = std::ranges::find(left_, guest, &Left::guest);
    if (found != left_.end()) return found->frames;
    left_.push_back({guest, ports_->frames(guest, payload)});
    return left_.back().frames;
  }

  MacAddress own_;
  Outbox& outbox_;
  const GuestPorts* ports_;
  std::vector<Left> left_;
};

}  // namespace vnet::nat
