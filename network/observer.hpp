// FrameObserver: sees every frame on every port, with what became of it. Captures are observers.
#pragma once

#include <cstdint>
#include <optional>

#include "network/event.hpp"
#include "packet/bytes.hpp"
#include "packet/drop_reason.hpp"
#include "packet/time.hpp"
#include "switch/port.hpp"

namespace vnet::network {

/// As seen from the switch: `in` came from the NIC (or the gateway, or the router), `out` goes to it.
enum class Direction : std::uint8_t { in, out };

class FrameObserver {
 public:
  virtual ~FrameObserver() = default;
  /// `port` may be l2::kGatewayPort, of the network with index `network`, or l2::kWanPort, the outside of its router,
  /// where an Ethernet header is put in front of packets that have none. The frame is borrowed for the call.
  virtual void on_frame(l2::PortId port, std::size_t network, Direction direction, ByteView frame,
                        std::optional<DropReason> dropped, Instant now) = 0;
  /// Something happened to the NIC at `port`, before any later frame of it is seen; or, where `port` is
  /// l2::kGatewayPort, to the network that the event names. What is removed is still there during the call.
  virtual void on_event(l2::PortId port, const Event& event) = 0;
};

}  // namespace vnet::network
