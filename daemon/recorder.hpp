// Recorder: a capture that observes the fabric. It names the interfaces (one for each NIC, one for each gateway) and
// translates: ports to interface ids, the loop's time to the wall's, events to notes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/fabric.hpp"
#include "network/observer.hpp"
#include "pcap/writer.hpp"

namespace vnet::daemon {

class Recorder final : public network::FrameObserver {
 public:
  /// `writer` is fresh. All NICs that the fabric has are announced at once, others as they appear.
  Recorder(const network::Fabric& fabric, std::unique_ptr<capture::Writer> writer);

  void on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                std::optional<DropReason> dropped, Instant now) override;
  void on_event(l2::PortId port, const network::Event& event) override;

  /// Why the capture ended early; said once.
  [[nodiscard]] std::optional<std::string> take_error();
  [[nodiscard]] const capture::Writer& writer() const noexcept { return *writer_; }

 private:
  [[nodiscard]] capture::InterfaceId id_of(l2::PortId port, std::size_t network) const noexcept;
  [[nodiscard]] capture::WallTime wall_time(Instant now);
  void announce(l2::PortId port);

  const network::Fabric& fabric_;
  std::unique_ptr<capture::Writer> writer_;
  Instant synchronized_ = Instant::min();
  capture::WallTime wall_at_sync_{};
  bool reported_ = false;
};

}  // namespace vnet::daemon
