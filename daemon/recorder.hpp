// Recorder: one capture of the fabric. It names the interfaces (one for each NIC, one for each gateway) and translates:
// ports to interface ids, the loop's time to the wall's, events to notes.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "network/fabric.hpp"
#include "network/observer.hpp"
#include "pcap/writer.hpp"

namespace vnet::daemon {

class Recorder {
 public:
  /// `writer` is fresh. All NICs that the fabric has are announced at once, others as they appear.
  Recorder(const network::Fabric& fabric, std::unique_ptr<capture::Writer> writer);

  void on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                std::optional<DropReason> dropped, Instant now);
  void on_event(l2::PortId port, const network::Event& event);

  /// Ends it without waiting; it is to be kept until `stopped`.
  void stop() noexcept { writer_->stop(); }
  [[nodiscard]] bool stopped() const noexcept { return writer_->stopped(); }
  /// Why it ended by itself; empty if it did not.
  [[nodiscard]] std::string error() const { return writer_->error(); }
  [[nodiscard]] capture::Counters counters() const noexcept { return writer_->counters(); }

 private:
  [[nodiscard]] capture::WallTime wall_time(Instant now);
  void announce(l2::PortId port);
  void announce_gateway(std::size_t network);
  void announce_outside(std::size_t network);

  const network::Fabric& fabric_;
  std::unique_ptr<capture::Writer> writer_;
  Instant synchronized_ = Instant::min();
  capture::WallTime wall_at_sync_{};
  std::set<std::size_t> outsides_;  ///< networks whose routers' outsides have been announced
};

}  // namespace vnet::daemon
