// The way of a frame through the fabric. This is the hot path: it allocates nothing, logs nothing, copies nothing.
#include <algorithm>
#include <cassert>
#include <utility>

#include "network/fabric.hpp"
#include "packet/ethernet.hpp"

namespace vnet::network {

void Fabric::receive(l2::PortId from, std::span<const ByteView> frames, Instant now) {
  Nic& nic = at(from);
  if (nic.impaired) return receive_impaired(from, frames, now);
  Network& network = network_of(nic);
  for (const ByteView frame : frames) {
    std::optional<DropReason> dropped = check(nic, network, frame);
    if (!dropped) dropped = forward(from, network, frame, now);
    if (dropped) {
      nic.counters.drops_in.add(*dropped);
    } else {
      ++nic.counters.frames_in;
      nic.counters.bytes_in += frame.size();
    }
    if (observer_ != nullptr) observer_->on_frame(from, nic.config.network, Direction::in, frame, dropped, now);
  }
  forward_from_gateway(network, now);
}

std::optional<DropReason> Fabric::check(const Nic& nic, const Network& network, ByteView frame) const noexcept {
  if (frame.size() < kEthernetHeaderSize) return frame.empty() ? DropReason::empty : DropReason::runt;
  if (frame.size() > kEthernetHeaderSize + network.config.mtu) {
    const auto ethernet = EthernetFrame::parse(frame);
    if (frame.size() > kEthernetHeaderSize + network.config.mtu + ethernet->tag_bytes()) return DropReason::oversize;
  }
  if (!nic.config.link_up) return DropReason::link_down;
  if ((frame[6] & 1U) != 0) return DropReason::source_group;
  return std::nullopt;
}

std::optional<DropReason> Fabric::learn(l2::PortId from, Network& network, const MacAddress& source, Instant now) {
  using Learned = l2::MacTable::Learned;
  switch (network.table.learn(source, from, now)) {
    case Learned::known:
    case Learned::added: return std::nullopt;
    case Learned::moved: report(EventKind::mac_moved, from, {}, {}, now, source); return std::nullopt;
    case Learned::flapping_began:
      report(EventKind::mac_flapping, from, {}, "it moves too often", now, source);
      return DropReason::mac_flapping;
    case Learned::flapping: return source == network.config.mac ? DropReason::source_gateway : DropReason::mac_flapping;
    case Learned::full: return DropReason::too_many_macs;
  }
  return std::nullopt;
}

std::optional<DropReason> Fabric::forward(l2::PortId from, Network& network, ByteView frame, Instant now) {
  if (network.config.port_security && !network.guard.admits(frame, at(from).config.mac)) {
    return DropReason::source_foreign;
  }
  if (const auto refused = learn(from, network, MacAddress::load(frame.data() + 6), now)) return refused;
  const MacAddress destination = MacAddress::load(frame.data());
  if (destination.is_group()) {
    flood(from, network, frame, now);
    // The gateway is a station like any other: what it does not answer is no drop, since others have the frame.
    (void)to_gateway(from, network, frame, now);
    return std::nullopt;
  }
  const l2::PortId to = network.table.lookup(destination, now);
  if (to == l2::kGatewayPort) return to_gateway(from, network, frame, now);
  if (to == from) return DropReason::same_port;
  if (to == l2::kNoPort) {
    flood(from, network, frame, now);
  } else {
    deliver(to, network, frame, now);
  }
  return std::nullopt;
}

std::optional<DropReason> Fabric::to_gateway(l2::PortId from, Network& network, ByteView frame, Instant now) {
  const auto reason = network.gateway.handle(frame, now);
  if (observer_ != nullptr) {
    observer_->on_frame(l2::kGatewayPort, at(from).config.network, Direction::out, frame, reason, now);
  }
  return reason;
}

void Fabric::flood(l2::PortId from, const Network& network, ByteView frame, Instant now) {
  if (!impaired_.empty()) return flood_impaired(from, network, frame, now);
  for (const l2::PortId port : network.live) {
    if (port != from) queue(port, frame);
  }
}

void Fabric::queue(l2::PortId to, ByteView frame) {
  Nic& nic = at(to);
  ++nic.backlog_frames;
  nic.backlog_bytes += frame.size();
  transmit_.add(to, frame);
}

void Fabric::deliver(l2::PortId to, Network& network, ByteView frame, Instant now) {
  const Nic& nic = at(to);
  assert(&network_of(nic) == &network);
  (void)network;
  if (nic.is_live()) {
    if (nic.impaired) return deliver_impaired(to, frame, now);
    queue(to, frame);
  } else {
    account(to, frame, nic.config.link_up ? DropReason::detached : DropReason::link_down, now);
  }
}

void Fabric::forward_from_gateway(Network& network, Instant now) {
  note_batch(network);
  // Egress has noted what the guests sent, and borrows their frames until now.
  if (network.egress) end_egress_batch(network, now);
  if (internet_.holds(network.number)) internet_.retry_held(network.number, now);
  forward_outbox(network, network.gateway.outbox(), now);
  if (network.egress) forward_from_egress(network, now);
  forward_internet(now);
}

/// A batch concerns few networks of many.
void Fabric::note_batch(Network& network) {
  if (!std::exchange(network.in_batch, true)) batch_.push_back(network.number);
}

/// Of a network that is joined to the internet, the way leads through its router.
void Fabric::forward_from_egress(Network& network, Instant now) {
  Outbox& outbox = network.egress->outbox();
  if (!network.config.wan) return forward_outbox(network, outbox, now);
  for (const ByteView frame : outbox.frames()) {
    if (!internet_.from_egress(network.number, frame, now)) forward_frames(network, {&frame, 1}, now);
  }
  outbox.taken();
}

/// What has come through the internet for any network.
void Fabric::forward_internet(Instant now) {
  while (const auto number = internet_.next_touched()) {
    if (!has_network(*number)) continue;
    Network& network = *networks_[*number];
    note_batch(network);
    forward_outbox(network, network.gateway.outbox(), now);
    std::vector<ByteView>& frames = internet_.frames(*number);
    forward_frames(network, frames, now);
    frames.clear();
  }
}

void Fabric::forward_outbox(Network& network, Outbox& outbox, Instant now) {
  forward_frames(network, outbox.frames(), now);
  outbox.taken();
}

void Fabric::forward_frames(Network& network, std::span<const ByteView> frames, Instant now) {
  for (const ByteView frame : frames) {
    if (observer_ != nullptr) {
      observer_->on_frame(l2::kGatewayPort, network.number, Direction::in, frame, std::nullopt, now);
    }
    const MacAddress destination = MacAddress::load(frame.data());
    const l2::PortId to = destination.is_group() ? l2::kNoPort : network.table.lookup(destination, now);
    if (to == l2::kNoPort) {
      flood(l2::kGatewayPort, network, frame, now);
    } else if (to != l2::kGatewayPort) {
      deliver(to, network, frame, now);
    }
  }
}

void Fabric::refuse(l2::PortId from, ByteView frame, DropReason reason, Instant now) {
  Nic& nic = at(from);
  nic.counters.drops_in.add(reason);
  if (observer_ != nullptr) observer_->on_frame(from, nic.config.network, Direction::in, frame, reason, now);
}

void Fabric::sent(l2::PortId port, ByteView frame, std::optional<DropReason> dropped, Instant now) {
  Nic& nic = at(port);
  nic.backlog_frames -= std::min<std::size_t>(nic.backlog_frames, 1);
  nic.backlog_bytes -= std::min(nic.backlog_bytes, frame.size());
  account(port, frame, dropped, now);
}

void Fabric::account(l2::PortId port, ByteView frame, std::optional<DropReason> dropped, Instant now) {
  Nic& nic = at(port);
  if (dropped) {
    nic.counters.drops_out.add(*dropped);
  } else {
    ++nic.counters.frames_out;
    nic.counters.bytes_out += frame.size();
  }
  if (observer_ != nullptr) observer_->on_frame(port, nic.config.network, Direction::out, frame, dropped, now);
}

void Fabric::on_upstream(std::size_t network, std::uint64_t handle, ByteView message, Instant now) {
  if (!has_network(network)) return;
  networks_[network]->gateway.on_upstream(handle, message, now);
  forward_from_gateway(*networks_[network], now);
}

void Fabric::on_upstream_error(std::size_t network, std::uint64_t handle, Instant now) {
  if (!has_network(network)) return;
  networks_[network]->gateway.on_upstream_error(handle, now);
  forward_from_gateway(*networks_[network], now);
}

void Fabric::end_batch() {
  transmit_.clear();
  delayed_.end_batch();
  internet_.end_batch();
  for (const std::size_t number : batch_) {
    if (!has_network(number)) continue;
    Network& network = *networks_[number];
    network.in_batch = false;
    network.gateway.outbox().clear();
    if (network.egress) network.egress->outbox().clear();
  }
  batch_.clear();
}

}  // namespace vnet::network
