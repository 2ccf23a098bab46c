// Links with impairments: what a NIC sends waits between the door and the forwarder, what it is sent in front of its
// socket. None of this is on the way of a frame between two NICs whose links have none.
//
// What waits is counted when it is known what has become of it: as taken in, or as dropped. The second one of a
// duplicated frame counts as a frame.
#include <algorithm>
#include <cassert>

#include "network/fabric.hpp"

namespace vnet::network {

void Fabric::update_link(l2::PortId port, Instant now) {
  Nic& nic = at(port);
  const l2::Impairments wanted = l2::compose(nic.config.impair, network_of(nic).config.impair);
  if (nic.impaired) {
    nic.impaired->up.change(wanted.up, now);
    nic.impaired->down.change(wanted.down, now);
    next_delayed_ = std::min(next_delayed_, now);  // to look at it anew
  } else if (!wanted.is_none()) {
    // By its address, so that its frames fare the same whatever other NICs there are.
    nic.impaired = std::make_unique<l2::ImpairedLink>(wanted, mix64(nic.config.mac.to_u64(), seed_));
    impaired_.push_back(port);
  }
}

void Fabric::update_links(std::size_t network, Instant now) {
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    const bool is_here = nics_[i].in_use && nics_[i].config.network == network;
    if (is_here) update_link(l2::PortId{static_cast<std::uint32_t>(i)}, now);
  }
}

void Fabric::impair_network(std::size_t network, const l2::Impairments& impair, std::string_view cause, Instant now) {
  assert(has_network(network));
  networks_[network]->config.impair = impair;
  update_links(network, now);
  tell(l2::kGatewayPort, {EventKind::network_changed,
                          now,
                          networks_[network]->config.name,
                          {},
                          std::nullopt,
                          {},
                          "impair: " + std::string{cause}});
}

void Fabric::drop_delayed(l2::PortId port, DropReason reason, Instant now) {
  Nic& nic = at(port);
  if (!nic.impaired) return;
  for (const ByteView frame : nic.impaired->up.take_all(delayed_)) refuse(port, frame, reason, now);
  for (const ByteView frame : nic.impaired->down.take_all(delayed_)) sent(port, frame, reason, now);
}

/// The NIC leaves its network.
void Fabric::end_link(l2::PortId port, Instant now) {
  if (!at(port).impaired) return;
  drop_delayed(port, DropReason::detached, now);
  at(port).impaired.reset();
  std::erase(impaired_, port);
}

void Fabric::receive_impaired(l2::PortId from, std::span<const ByteView> frames, Instant now) {
  Nic& nic = at(from);
  Network& network = network_of(nic);
  for (const ByteView frame : frames) {
    std::optional<DropReason> dropped = check(nic, network, frame);
    if (dropped) {
      nic.counters.drops_in.add(*dropped);
    } else {
      dropped = offer_up(from, frame, now);
    }
    if (observer_ != nullptr) observer_->on_frame(from, nic.config.network, Direction::in, frame, dropped, now);
  }
  next_delayed_ = std::min(next_delayed_, nic.impaired->up.next_deadline());
  forward_from_gateway(network, now);
}

std::optional<DropReason> Fabric::offer_up(l2::PortId from, ByteView frame, Instant now) {
  const auto outcome = at(from).impaired->up.offer(frame, now, delayed_);
  std::optional<DropReason> dropped = outcome.dropped();
  if (dropped) at(from).counters.drops_in.add(*dropped);
  for (const ByteView passed : outcome.passed()) dropped = accept(from, passed, now);
  return dropped;
}

std::optional<DropReason> Fabric::accept(l2::PortId from, ByteView frame, Instant now) {
  Nic& nic = at(from);
  const auto dropped = forward(from, network_of(nic), frame, now);
  if (dropped) {
    nic.counters.drops_in.add(*dropped);
  } else {
    ++nic.counters.frames_in;
    nic.counters.bytes_in += frame.size();
  }
  return dropped;
}

void Fabric::flood_impaired(l2::PortId from, const Network& network, ByteView frame, Instant now) {
  for (const l2::PortId port : network.live) {
    if (port == from) continue;
    if (at(port).impaired) {
      deliver_impaired(port, frame, now);
    } else {
      queue(port, frame);
    }
  }
}

void Fabric::deliver_impaired(l2::PortId to, ByteView frame, Instant now) {
  l2::ImpairmentQueue& down = at(to).impaired->down;
  const auto outcome = down.offer(frame, now, delayed_);
  if (const auto dropped = outcome.dropped()) sent(to, frame, *dropped, now);
  for (const ByteView passed : outcome.passed()) queue(to, passed);
  next_delayed_ = std::min(next_delayed_, down.next_deadline());
}

void Fabric::expire_impaired(Instant now) {
  for (const l2::PortId from : impaired_) {
    Nic& nic = at(from);
    bool any = false;
    while (const auto frame = nic.impaired->up.take_due(now, delayed_)) {
      any = true;
      const auto dropped = accept(from, *frame, now);
      if (dropped && observer_ != nullptr) {
        observer_->on_frame(from, nic.config.network, Direction::in, *frame, dropped, now);
      }
    }
    if (any) forward_from_gateway(network_of(nic), now);
  }
  // After all that they were to get from the others.
  next_delayed_ = kNever;
  for (const l2::PortId to : impaired_) {
    l2::ImpairedLink& link = *at(to).impaired;
    while (const auto frame = link.down.take_due(now, delayed_)) queue(to, *frame);
    next_delayed_ = std::min({next_delayed_, link.up.next_deadline(), link.down.next_deadline()});
  }
  std::erase_if(impaired_, [this](l2::PortId port) {
    if (!at(port).impaired->is_idle()) return false;
    at(port).impaired.reset();
    return true;
  });
}

}  // namespace vnet::network
