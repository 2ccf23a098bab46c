#include "daemon/recorder.hpp"

#include <utility>

namespace vnet::daemon {
namespace {

/// How long the two clocks are trusted to run alike: the wall's is adjusted now and then.
constexpr Duration kSynchronization = std::chrono::seconds{1};

/// Ports and networks come and go, so their ids interleave, by the remainder of a division by three.
capture::InterfaceId id_of(l2::PortId port, std::size_t network) noexcept {
  std::size_t id = 3 * std::size_t{index(port)};
  if (port == l2::kGatewayPort) id = 3 * network + 1;
  if (port == l2::kWanPort) id = 3 * network + 2;
  return capture::InterfaceId{static_cast<std::uint32_t>(id)};
}

}  // namespace

Recorder::Recorder(const network::Fabric& fabric, std::unique_ptr<capture::Writer> writer)
    : fabric_(fabric), writer_(std::move(writer)) {
  for (std::size_t i = 0; i < fabric_.network_count(); ++i) {
    if (fabric_.has_network(i)) announce_gateway(i);
  }
  for (std::size_t i = 0; i < fabric_.nic_slots(); ++i) {
    const l2::PortId port{static_cast<std::uint32_t>(i)};
    if (fabric_.nic(port).in_use) announce(port);
  }
}

void Recorder::announce_gateway(std::size_t network) {
  const network::NetworkConfig& config = fabric_.network_config(network);
  writer_->add_interface(id_of(l2::kGatewayPort, network), config.name + "-gateway",
                         "gateway of network " + config.name + ", " + config.mac.to_string());
  outsides_.erase(network);
  announce_outside(network);
}

/// A network may be joined to the internet at any time.
void Recorder::announce_outside(std::size_t network) {
  const network::NetworkConfig& config = fabric_.network_config(network);
  if (!config.wan || !outsides_.insert(network).second) return;
  writer_->add_interface(id_of(l2::kWanPort, network), config.name + "-wan",
                         "outside of the router of network " + config.name + "; its Ethernet headers are made up");
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
  using network::EventKind;
  if (port == l2::kGatewayPort) {
    const auto network = fabric_.find_network(event.network);
    if (event.kind == EventKind::network_added && network) announce_gateway(*network);
    if (event.kind == EventKind::network_changed && network) announce_outside(*network);
    return;
  }
  // A NIC that has another name or network from now on is another interface in the file.
  const bool renamed = event.kind == EventKind::nic_moved || event.kind == EventKind::nic_changed;
  if (event.kind == EventKind::nic_added || renamed) announce(port);
  writer_->note(id_of(port, fabric_.nic(port).config.network),
                std::string{to_string(event.kind)} + ": " + event.detail(), wall_time(event.at));
}

}  // namespace vnet::daemon
