// The way of frames between clients and the fabric.
#include "daemon/hub.hpp"

#include <algorithm>
#include <utility>

namespace vnet::daemon {

Hub::Hub(network::Fabric& fabric, EventLoop& loop, Notice notice)
    : fabric_(fabric), loop_(loop), notice_(std::move(notice)), watch_(loop), now_(loop.now()) {}

Hub::~Hub() = default;

std::vector<std::string> Hub::describe() const {
  std::vector<std::string> lines;
  for (const auto& path : shared_) {
    lines.push_back("socket " + path->path() + ": send buffer " + std::to_string(path->buffers().send) +
                    ", receive buffer " + std::to_string(path->buffers().receive) + " bytes");
  }
  return lines;
}

Result<l2::PortId, DropReason> Hub::find_port(const dgram::Client& client, std::span<const ByteView> frames) {
  const Origin& origin = origins_.at(client.origin());
  if (origin.port != l2::kNoPort) {
    const network::Nic& nic = fabric_.nic(origin.port);
    if (!nic.in_use || nic.config.mac != origin.mac) return fail(DropReason::not_member);
    return origin.port;
  }
  // The first frame that may be a NIC's; those before it are refused with the rest of the batch by the fabric.
  DropReason reason = DropReason::runt;
  for (const ByteView frame : frames) {
    if (frame.size() < kEthernetHeaderSize) continue;
    const MacAddress source = MacAddress::load(frame.data() + MacAddress::kSize);
    release(source, client);
    const auto port = fabric_.admit(source, origin.network, now_);
    if (port || port.error() != DropReason::source_group) return port;
    reason = port.error();
  }
  return fail(reason);
}

/// A hypervisor that was killed, or that has only closed its socket, leaves its file and says nothing. Who comes after
/// it takes nothing from anybody, in whatever network, and is not to wait for the next probe.
void Hub::release(const MacAddress& mac, const dgram::Client& newcomer) {
  const l2::PortId port = fabric_.find(mac);
  dgram::Client* const old = port == l2::kNoPort ? nullptr : client_of(port);
  if (old == nullptr || !old->yields_to(newcomer)) return;
  old->discard(DropReason::detached, *this);
  unplug(*old, "the client's socket is gone");
}

bool Hub::plug_in(dgram::Client& client, std::span<const ByteView> frames) {
  const auto port = find_port(client, frames);
  if (!port || !fabric_.may_move(*port, now_)) {
    refuse_all(frames, port ? DropReason::mac_flapping : port.error());
    return false;
  }
  attach_client(client, *port);
  return true;
}

void Hub::attach_client(dgram::Client& client, l2::PortId port) {
  const auto slot = static_cast<std::size_t>(index(port));
  if (slot >= clients_.size()) clients_.resize(slot + 1);
  if (dgram::Client* const old = clients_[slot]) {
    old->discard(DropReason::detached, *this);
    unplug(*old, "another client has taken its place");
  }
  clients_[slot] = &client;
  client.tag = index(port);
  fabric_.attach(port, origins_.at(client.origin()).kind, client.peer(), now_);
}

void Hub::unplug(dgram::Client& client, std::string_view cause) {
  const std::uint32_t tag = std::exchange(client.tag, dgram::Client::kUntagged);
  if (tag == dgram::Client::kUntagged || clients_[tag] != &client) return;
  clients_[tag] = nullptr;
  fabric_.detach(l2::PortId{tag}, cause, loop_.now());
}

dgram::Client* Hub::client_of(l2::PortId port) const noexcept {
  return index(port) < clients_.size() ? clients_[index(port)] : nullptr;
}

void Hub::refuse_all(std::span<const ByteView> frames, DropReason reason) { door_drops_.add(reason, frames.size()); }

void Hub::on_frames(dgram::Client& client, std::span<const ByteView> frames) {
  now_ = loop_.now();
  if (client.tag == dgram::Client::kUntagged && !plug_in(client, frames)) return;
  fabric_.receive(l2::PortId{client.tag}, frames, now_);
}

void Hub::on_refused(dgram::Client* client, ByteView bytes, DropReason reason) {
  if (client != nullptr && client->tag != dgram::Client::kUntagged) {
    fabric_.refuse(l2::PortId{client->tag}, bytes, reason, now_);
  } else {
    door_drops_.add(reason);
  }
}

void Hub::end_batch() { flush(); }

void Hub::flush() {
  if (commit_) commit_();
  for (const l2::PortId port : fabric_.transmit().touched()) {
    dgram::Client* const client = client_of(port);
    const auto frames = fabric_.transmit().frames(port);
    if (client != nullptr) {
      client->send(frames, *this);
    } else {
      for (const ByteView frame : frames) fabric_.sent(port, frame, DropReason::detached, now_);
    }
  }
  fabric_.end_batch();
  settle();
  if (after_) after_();
}

void Hub::settle() {
  for (dgram::Listener* const listener : std::exchange(troubled_, {})) listener->settle();
}

void Hub::delivered(std::uint32_t tag, ByteView frame, std::optional<DropReason> dropped) {
  if (tag != dgram::Client::kUntagged) fabric_.sent(l2::PortId{tag}, frame, dropped, now_);
}

void Hub::on_gone(dgram::Client& client, std::string_view cause) { unplug(client, cause); }

Instant Hub::next_deadline() const {
  Instant next = std::min(fabric_.next_deadline(), next_probe_);
  for (const auto& path : shared_) next = std::min(next, path->next_deadline());
  return next;
}

void Hub::expire() {
  now_ = loop_.now();
  for (const auto& path : shared_) path->expire(now_);
  if (now_ >= next_probe_) {
    next_probe_ = now_ + kProbeInterval;
    for (const auto& [port, path] : own_) path->probe();
  }
  fabric_.expire(now_);
  flush();
}

}  // namespace vnet::daemon
