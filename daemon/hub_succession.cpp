// Clients and sockets that outlive the hub: those that are found again after a restart, and those that are handed to a
// successor while frames flow.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/hub.hpp"

namespace vnet::daemon {

using dgram::Fd;
using dgram::SocketFile;
using dgram::SystemError;
using dgram::SystemResult;

namespace {

SocketFile file_of(const HandedSocket& handed) {
  return handed.owns_file ? SocketFile{handed.path} : SocketFile::of_another(handed.path);
}

SystemError no_nic(const HandedSocket& handed) {
  return {"the NIC" + (handed.mac ? " " + handed.mac->to_string() : std::string{}) + " of an inherited socket " +
              handed.path,
          ENOENT};
}

}  // namespace

std::vector<KnownClient> Hub::known_clients() const {
  std::vector<KnownClient> known;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const dgram::Client* const client = clients_[i];
    if (client == nullptr || client->remote().empty()) continue;
    const MacAddress& mac = fabric_.nic(l2::PortId{static_cast<std::uint32_t>(i)}).config.mac;
    known.push_back({origins_.at(client->origin()).path, std::string{client->remote()}, mac});
  }
  return known;
}

void Hub::recall(const KnownClient& known) {
  now_ = loop_.now();
  const l2::PortId port = fabric_.find(known.mac);
  const auto own = own_.find(index(port));
  if (own != own_.end() && own->second->path() == known.socket) {
    if (own->second->recall(known.peer)) reattach(*own->second, port);
    return;
  }
  const auto shared = std::ranges::find(shared_, known.socket, [](const auto& open) { return open->path(); });
  if (shared != shared_.end()) recall_shared(**shared, known, false);
}

void Hub::recall_shared(dgram::SharedPath& path, const KnownClient& known, bool same_socket) {
  dgram::Client* const client = path.recall(known.peer, same_socket);
  if (client == nullptr) return;
  // Without a port the client stays known to its socket, and is admitted or refused when it sends.
  if (const auto port = fabric_.admit(known.mac, origins_.at(path.origin()).network, now_)) reattach(*client, *port);
}

/// Takes a client for the NIC that it was before, if no other has become it meanwhile.
void Hub::reattach(dgram::Client& client, l2::PortId port) {
  if (fabric_.nic(port).is_attached()) return;
  attach_client(client, port);
  fabric_.introduce(port, now_);
}

std::vector<HandedSocket> Hub::hand_over() const {
  using Kind = HandedSocket::Kind;
  std::vector<HandedSocket> all;
  std::unordered_map<std::uint32_t, std::size_t> shared;  // by origin: where it is in `all`
  const auto add = [&](Kind kind, const auto& socket) {
    const Origin& origin = origins_.at(socket.origin());
    HandedSocket handed{.kind = kind, .path = origin.path, .network = origin.network};
    if (origin.port != l2::kNoPort) {
      handed.network = fabric_.nic(origin.port).config.network;
      handed.mac = origin.mac;
    }
    return all.insert(all.end(), std::move(handed));
  };
  const auto add_client = [&](Kind kind, const dgram::Client& client) {
    dgram::ClientState state = client.state();
    const auto handed = add(kind, client);
    handed->fd = state.fd;
    handed->peer = kind == Kind::own ? client.remote() : client.peer();
    handed->attached = client.tag != dgram::Client::kUntagged;
    handed->pending_in = std::move(state.pending_in);
    handed->pending_out = std::move(state.pending_out);
    return handed;
  };
  const auto add_path = [&](Kind kind, const auto& path) {
    const auto handed = add(kind, path);
    handed->fd = path.fd();
    handed->owns_file = path.file().owned();
  };
  for (const auto& path : shared_) {
    shared[path->origin()] = all.size();
    add_path(Kind::dgram, *path);
  }
  for (const auto& path : streams_) add_path(Kind::stream, *path);
  for (const auto& [port, path] : own_) add_client(Kind::own, *path)->owns_file = path->file().owned();
  for (const auto& path : streams_) {
    for (const dgram::Client* const client : path->clients()) {
      const auto handed = add_client(Kind::connection, *client);
      if (handed->attached) handed->mac = fabric_.nic(l2::PortId{client->tag}).config.mac;
    }
  }
  for (const auto& [port, client] : passed_) add_client(Kind::passed, *client);
  for (const dgram::Client* const client : clients_) {
    const auto path = client != nullptr ? shared.find(client->origin()) : shared.end();
    if (path == shared.end()) continue;
    all[path->second].clients.push_back(
        {all[path->second].path, std::string{client->remote()}, fabric_.nic(l2::PortId{client->tag}).config.mac});
  }
  return all;
}

void Hub::disown() {
  for (const auto& path : shared_) path->file().disown();
  for (const auto& path : streams_) path->file().disown();
  for (const auto& [port, path] : own_) path->file().disown();
  clients_.clear();
  troubled_.clear();
  passed_.clear();
  own_.clear();
  streams_.clear();
  shared_.clear();
  origins_.clear();
  next_probe_ = kNever;
}

SystemResult<void> Hub::take_over(const HandedSocket& handed, Fd fd) {
  if (!fd) return fail(SystemError{"an inherited socket " + handed.path + " without a descriptor", EBADF});
  now_ = loop_.now();
  switch (handed.kind) {
    case HandedSocket::Kind::dgram: {
      if (auto opened = open_dgram(file_of(handed), handed.network, std::move(fd)); !opened) return opened;
      for (const KnownClient& known : handed.clients) recall_shared(*shared_.back(), known, true);
      return {};
    }
    case HandedSocket::Kind::stream: return open_stream(file_of(handed), handed.network, std::move(fd));
    case HandedSocket::Kind::own: return take_over_own(handed, std::move(fd));
    case HandedSocket::Kind::connection: return take_over_connection(handed, std::move(fd));
    case HandedSocket::Kind::passed: return take_over_passed(handed, std::move(fd));
  }
  return fail(SystemError{"an inherited socket of an unknown kind", EINVAL});
}

SystemResult<void> Hub::take_over_own(const HandedSocket& handed, Fd fd) {
  const l2::PortId port = handed.mac ? fabric_.find(*handed.mac) : l2::kNoPort;
  if (port == l2::kNoPort) return fail(no_nic(handed));
  if (auto opened = open_own(file_of(handed), port, std::move(fd)); !opened) return opened;
  dgram::OwnPath& path = *own_.at(index(port));
  if (handed.attached && path.connected()) reattach(path, port);
  return {};
}

SystemResult<void> Hub::take_over_connection(const HandedSocket& handed, Fd fd) {
  const auto path = std::ranges::find(streams_, handed.path, [](const auto& open) { return open->path(); });
  if (path == streams_.end()) return fail(SystemError{"the path of an inherited connection, " + handed.path, ENOENT});
  const auto client = (*path)->resume(std::move(fd), {-1, handed.pending_in, handed.pending_out});
  if (!client) return fail(client.error());
  if (!handed.mac || !handed.attached) return {};
  // Without a port it is admitted or refused when it sends.
  if (const auto port = fabric_.admit(*handed.mac, handed.network, now_)) reattach(**client, *port);
  return {};
}

SystemResult<void> Hub::take_over_passed(const HandedSocket& handed, Fd fd) {
  const auto port = handed.mac ? fabric_.admit(*handed.mac, handed.network, now_) : fail(DropReason::not_member);
  if (!port) return fail(no_nic(handed));
  if (passed_.contains(index(*port))) return fail(SystemError{"a second descriptor for one NIC", EEXIST});
  auto client = adopt(std::move(fd), *port, {-1, handed.pending_in, handed.pending_out});
  if (!client) return fail(client.error());
  const auto added = passed_.emplace(index(*port), std::move(*client)).first;
  if (handed.attached) reattach(*added->second, *port);
  return {};
}

}  // namespace vnet::daemon
