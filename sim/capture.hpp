// Capture: what happened in a world as pcapng, for Wireshark: the fastest way to see why a test failed.
//
//     Capture capture{world};
//     ...
//     if (HasFailure()) std::ofstream{"failed.pcapng", std::ios::binary} << as_text(capture.bytes());
//
// Each host and each gateway is an interface of its own, so a frame is there as it was sent and once more as it
// arrived: `frame.interface_name == "alice"` shows one host's. A frame that a network dropped has the reason as its
// comment, as in `frame.comment contains "drop: blackhole"`. What a router did not let in is no frame of any network:
// it is missing at its receiver, and counted (Home::router). Times are virtual, from the beginning of the world.
//
// A world has one observer; the capture is that while it lives.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "network/observer.hpp"
#include "sim/world.hpp"

namespace vnet::sim {

class Capture final : network::FrameObserver {
 public:
  explicit Capture(World& world);
  ~Capture() override;
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// The whole file.
  [[nodiscard]] ByteView bytes() const noexcept { return file_; }

 private:
  void on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                std::optional<DropReason> dropped, Instant now) override;
  void on_event(l2::PortId /*port*/, const network::Event& /*event*/) override {}
  [[nodiscard]] std::uint32_t interface_of(l2::PortId port, std::size_t network);

  World& world_;
  Bytes file_;
  std::map<std::pair<l2::PortId, std::size_t>, std::uint32_t> interfaces_;
};

}  // namespace vnet::sim
