#include "daemon/recorder.hpp"

#include <utility>

namespace vnet::daemon {
namespace {

/// How long the two clocks are trusted to run alike: the wall's is adjusted now and then.
constexpr Duration kSynchronization = std::chrono::seconds{1};

}  // namespace

Recorder::Recorder(const network::Fabric& fabric, std::unique_ptr<capture::Writer> writer)
    : fabric_(fabric), writer_(std::move(writer)) {
  for (std::size_t i = 0; i < fabric_.network_count(); ++i) {
    const network::NetworkConfig& config = fabric_.network_config(i);
    writer_->add_interface(id_of(l2::kGatewayPort, i), config.name + "-gateway",
                           "gateway of network " + config.name + ", " + config.mac.to_string());
  }
  for (std::size_t i = 0; i < fabric_.nic_slots(); ++i) {
    const l2::PortId port{static_cast<std::uint32_t>(i)};
    if (fabric_.nic(port).in_use) announce(port);
  }
}

capture::InterfaceId Recorder::id_of(l2::PortId port, std::size_t network) const noexcept {
  const std::size_t id = port == l2::kGatewayPort ? network : fabric_.network_count() + index(port);
  return capture::InterfaceId{static_cast<std::uint32_t>(id)};
}

void Recorder::announce(l2::PortId port) {
  const network::NicConfig& nic = fabric_.nic(port).config;
  writer_->add_interface(id_of(port, nic.network), nic.name,
                         nic.mac.to_string() + " on network " + fabric_.network_config(nic.network).name);
}

capture::WallTime Recorder::wall_time(Instant now) {
  if (synchronized_ == Instant::min() || now - synchronized_ >= kSynchronization) {
    synchronized_ = now;
    wall_at_sync_ = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  return wall_at_sync_ + (now - synchronized_);
}

void Recorder::on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                        std::optional<DropReason> dropped, Instant now) {
  const auto way = direction == network::Direction::in ? capture::Direction::inbound : capture::Direction::outbound;
  writer_->record(id_of(port, network), way, frame, wall_time(now), dropped);
}

void Recorder::on_event(l2::PortId port, const network::Event& event) {
  const network::Nic& nic = fabric_.nic(port);
  if (event.kind == network::EventKind::nic_added) announce(port);
  writer_->note(id_of(port, nic.config.network), std::string{to_string(event.kind)} + ": " + event.detail,
                wall_time(event.at));
}

std::optional<std::string> Recorder::take_error() {
  if (reported_ || !writer_->stopped()) return std::nullopt;
  reported_ = true;
  return writer_->error();
}

}  // namespace vnet::daemon
