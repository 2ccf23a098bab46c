#include "daemon/hub.hpp"

#include <algorithm>
#include <utility>

namespace vnet::daemon {
namespace {

/// How often the NICs' own sockets are asked whether their peers are there. A peer that was killed leaves its file
/// behind and says nothing; until it is noticed its successor is refused.
constexpr Duration kProbeInterval = std::chrono::seconds{1};

}  // namespace

Hub::Hub(network::Fabric& fabric, EventLoop& loop, Notice notice)
    : fabric_(fabric), loop_(loop), notice_(std::move(notice)), watch_(loop), now_(loop.now()) {}

Hub::~Hub() = default;

std::uint32_t Hub::add_origin(Origin origin) {
  origins_.push_back(std::move(origin));
  return static_cast<std::uint32_t>(origins_.size() - 1);
}

dgram::SystemResult<void> Hub::listen_dgram(std::string path, std::size_t network) {
  const auto origin = add_origin({network::AttachmentKind::shared_path, network, path});
  auto opened = dgram::SharedPath::open(std::move(path), origin, loop_, watch_, *this, batch_);
  if (!opened) return fail(opened.error());
  shared_.push_back(std::move(*opened));
  return {};
}

dgram::SystemResult<void> Hub::listen_stream(std::string path, std::size_t network) {
  const auto origin = add_origin({network::AttachmentKind::stream, network, path});
  auto opened = dgram::StreamPath::open(std::move(path), origin, loop_, *this);
  if (!opened) return fail(opened.error());
  streams_.push_back(std::move(*opened));
  return {};
}

dgram::SystemResult<void> Hub::listen_own(std::string path, l2::PortId port) {
  const auto origin = add_origin({network::AttachmentKind::own_path, fabric_.nic(port).config.network, path, port});
  auto opened = dgram::OwnPath::open(std::move(path), origin, loop_, watch_, *this, batch_);
  if (!opened) return fail(opened.error());
  own_.push_back(std::move(*opened));
  next_probe_ = loop_.now() + kProbeInterval;
  return {};
}

dgram::SystemResult<void> Hub::attach(dgram::Fd fd, l2::PortId port) {
  const auto origin = add_origin({network::AttachmentKind::passed_fd, fabric_.nic(port).config.network, {}, port});
  auto adopted = dgram::OwnPath::adopt(std::move(fd), origin, loop_, watch_, *this, batch_);
  if (!adopted) return fail(adopted.error());
  own_.push_back(std::move(*adopted));
  now_ = loop_.now();
  // An end of a pair is connected already: frames may flow before the NIC has sent any.
  (void)plug_in(*own_.back(), {});
  return {};
}

std::vector<std::string> Hub::describe() const {
  std::vector<std::string> lines;
  for (const auto& path : shared_) {
    lines.push_back("socket " + path->path() + ": send buffer " + std::to_string(path->buffers().send) +
                    ", receive buffer " + std::to_string(path->buffers().receive) + " bytes");
  }
  return lines;
}

Result<l2::PortId, DropReason> Hub::find_port(const dgram::Client& client, std::span<const ByteView> frames) const {
  const Origin& origin = origins_[client.origin()];
  if (origin.port != l2::kNoPort) return origin.port;
  // The first frame that may be a NIC's; those before it are refused with the rest of the batch by the fabric.
  DropReason reason = DropReason::runt;
  for (const ByteView frame : frames) {
    if (frame.size() < kEthernetHeaderSize) continue;
    const auto port = fabric_.admit(MacAddress::load(frame.data() + MacAddress::kSize), origin.network, now_);
    if (port || port.error() != DropReason::source_group) return port;
    reason = port.error();
  }
  return fail(reason);
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
    old->tag = dgram::Client::kUntagged;
    fabric_.detach(port, "another client has taken its place", now_);
  }
  clients_[slot] = &client;
  client.tag = index(port);
  fabric_.attach(port, origins_[client.origin()].kind, client.peer(), now_);
}

std::vector<KnownClient> Hub::known_clients() const {
  std::vector<KnownClient> known;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const dgram::Client* const client = clients_[i];
    if (client == nullptr) continue;
    const Origin& origin = origins_[client->origin()];
    const MacAddress& mac = fabric_.nic(l2::PortId{static_cast<std::uint32_t>(i)}).config.mac;
    if (origin.kind == network::AttachmentKind::shared_path) known.push_back({origin.path, client->peer(), mac});
    if (origin.kind != network::AttachmentKind::own_path) continue;
    const auto own = std::ranges::find_if(own_, [client](const auto& path) { return path.get() == client; });
    if (own != own_.end()) known.push_back({origin.path, (*own)->remote(), mac});
  }
  return known;
}

void Hub::recall(const KnownClient& known) {
  now_ = loop_.now();
  for (const auto& path : own_) {
    if (path->path() != known.socket || !path->recall(known.peer)) continue;
    const l2::PortId port = origins_[path->origin()].port;
    attach_client(*path, port);
    fabric_.introduce(port, now_);
    return;
  }
  for (const auto& path : shared_) {
    if (path->path() != known.socket) continue;
    dgram::Client* const client = path->recall(known.peer);
    if (client == nullptr) return;
    const auto port = fabric_.admit(known.mac, origins_[client->origin()].network, now_);
    // Without a port the client stays known to its socket, and is admitted or refused when it sends.
    if (!port || fabric_.nic(*port).is_attached()) return;
    attach_client(*client, *port);
    fabric_.introduce(*port, now_);
    return;
  }
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
    dgram::Client* const client = index(port) < clients_.size() ? clients_[index(port)] : nullptr;
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

void Hub::on_gone(dgram::Client& client, std::string_view cause) {
  const std::uint32_t tag = std::exchange(client.tag, dgram::Client::kUntagged);
  if (tag == dgram::Client::kUntagged || clients_[tag] != &client) return;
  clients_[tag] = nullptr;
  fabric_.detach(l2::PortId{tag}, cause, loop_.now());
}

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
    for (const auto& path : own_) path->probe();
  }
  fabric_.expire(now_);
  flush();
}

}  // namespace vnet::daemon
