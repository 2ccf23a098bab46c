// How sockets, attachments and NICs come, change and go. All of this happens between two batches.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/hub.hpp"

namespace vnet::daemon {

using dgram::Fd;
using dgram::SocketFile;
using dgram::SystemError;
using dgram::SystemResult;
using network::AttachmentKind;

std::uint32_t Hub::add_origin(Origin origin) {
  origins_.emplace(next_origin_, std::move(origin));
  return next_origin_++;
}

SystemResult<void> Hub::listen_dgram(std::string path, std::size_t network, Fd inherited) {
  return open_dgram(SocketFile::of_another(std::move(path)), network, std::move(inherited));
}

SystemResult<void> Hub::listen_stream(std::string path, std::size_t network, Fd inherited) {
  return open_stream(SocketFile::of_another(std::move(path)), network, std::move(inherited));
}

SystemResult<void> Hub::listen_own(std::string path, l2::PortId port, Fd inherited) {
  return open_own(SocketFile::of_another(std::move(path)), port, std::move(inherited));
}

SystemResult<void> Hub::open_dgram(SocketFile file, std::size_t network, Fd inherited) {
  const std::string path = file.path();
  const auto origin = add_origin({AttachmentKind::shared_path, network, path});
  auto opened = inherited ? dgram::SharedPath::inherit(std::move(inherited), std::move(file), origin, loop_, watch_,
                                                       *this, batch_)
                          : dgram::SharedPath::open(path, origin, loop_, watch_, *this, batch_);
  if (!opened) {
    origins_.erase(origin);
    return fail(opened.error());
  }
  shared_.push_back(std::move(*opened));
  return {};
}

SystemResult<void> Hub::open_stream(SocketFile file, std::size_t network, Fd inherited) {
  const std::string path = file.path();
  const auto origin = add_origin({AttachmentKind::stream, network, path});
  auto opened = inherited ? dgram::StreamPath::inherit(std::move(inherited), std::move(file), origin, loop_, *this,
                                                       stream_buffer_)
                          : dgram::StreamPath::open(path, origin, loop_, *this, stream_buffer_);
  if (!opened) {
    origins_.erase(origin);
    return fail(opened.error());
  }
  streams_.push_back(std::move(*opened));
  return {};
}

SystemResult<void> Hub::open_own(SocketFile file, l2::PortId port, Fd inherited) {
  const std::string path = file.path();
  const network::NicConfig& nic = fabric_.nic(port).config;
  if (own_.contains(index(port))) return fail(SystemError{"NIC " + nic.name + " and its socket " + path, EEXIST});
  const auto origin = add_origin({AttachmentKind::own_path, nic.network, path, port, nic.mac});
  auto opened =
      inherited ? dgram::OwnPath::inherit(std::move(inherited), std::move(file), origin, loop_, watch_, *this, batch_)
                : dgram::OwnPath::open(path, origin, loop_, watch_, *this, batch_);
  if (!opened) {
    origins_.erase(origin);
    return fail(opened.error());
  }
  own_.emplace(index(port), std::move(*opened));
  next_probe_ = std::min<Instant>(next_probe_, loop_.now() + kProbeInterval);
  return {};
}

bool Hub::close_dgram(std::string_view path, std::string_view cause) {
  const auto found = std::ranges::find(shared_, path, [](const auto& open) { return std::string_view{open->path()}; });
  if (found == shared_.end()) return false;
  drop_clients((*found)->origin(), cause);
  origins_.erase((*found)->origin());
  shared_.erase(found);
  flush();
  return true;
}

bool Hub::close_stream(std::string_view path, std::string_view cause) {
  const auto found = std::ranges::find(streams_, path, [](const auto& open) { return std::string_view{open->path()}; });
  if (found == streams_.end()) return false;
  drop_clients((*found)->origin(), cause);
  origins_.erase((*found)->origin());
  streams_.erase(found);
  flush();
  return true;
}

void Hub::drop_clients(std::uint32_t origin, std::string_view cause) {
  now_ = loop_.now();
  const auto is_one = [&](std::size_t i) { return clients_[i] != nullptr && clients_[i]->origin() == origin; };
  // A client may turn out to be gone while another is heard for the last time: each is looked up anew.
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (is_one(i)) clients_[i]->pull();
  }
  flush();
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!is_one(i)) continue;
    clients_[i]->discard(DropReason::detached, *this);
    unplug(*clients_[i], cause);
  }
}

bool Hub::close_own(l2::PortId port, std::string_view cause) {
  if (!own_.contains(index(port))) return false;
  pull(port);
  drop_own(port, cause);
  flush();
  return true;
}

void Hub::drop_own(l2::PortId port, std::string_view cause) {
  const auto found = own_.find(index(port));
  if (found == own_.end()) return;
  hang_up(*found->second, cause);
  origins_.erase(found->second->origin());
  own_.erase(found);
  if (own_.empty()) next_probe_ = kNever;
}

bool Hub::listens(std::string_view path) const {
  const auto is_there = [path](const auto& open) { return open->path() == path; };
  return std::ranges::any_of(shared_, is_there) || std::ranges::any_of(streams_, is_there) ||
         std::ranges::any_of(own_, [&](const auto& entry) { return is_there(entry.second); });
}

SystemResult<void> Hub::attach(Fd fd, l2::PortId port) {
  auto adopted = adopt(std::move(fd), port, {});
  if (!adopted) return fail(adopted.error());
  pull(port);
  end_attachments(port, "another descriptor was passed");
  // A pair is connected already: frames may flow before the NIC has sent any.
  attach_client(*passed_.insert_or_assign(index(port), std::move(*adopted)).first->second, port);
  flush();
  return {};
}

SystemResult<std::unique_ptr<dgram::Client>> Hub::adopt(Fd fd, l2::PortId port, const dgram::ClientState& state) {
  const auto type = dgram::type_of_passed_end(fd);
  if (!type) return fail(type.error());
  const network::NicConfig& nic = fabric_.nic(port).config;
  const auto origin = add_origin({AttachmentKind::passed_fd, nic.network, {}, port, nic.mac});
  const auto ended = [this, origin, slot = index(port)] {
    origins_.erase(origin);
    passed_.erase(slot);
  };
  const auto refused = [&](const SystemError& error) {
    origins_.erase(origin);
    return fail(error);
  };
  if (*type != SOCK_STREAM) {
    auto end = dgram::OwnPath::adopt(std::move(fd), origin, loop_, watch_, *this, batch_, ended);
    if (!end) return refused(end.error());
    return std::unique_ptr<dgram::Client>{std::move(*end)};
  }
  if (const auto ready = dgram::adopt(fd); !ready) return refused(ready.error());
  std::string name = "fd " + std::to_string(fd.get());
  auto end = std::make_unique<dgram::StreamConnection>(std::move(fd), std::move(name), origin, loop_, *this,
                                                       stream_buffer_, ended);
  if (!end->resume(state)) return refused({"the state of a passed stream", EINVAL});
  return std::unique_ptr<dgram::Client>{std::move(end)};
}

bool Hub::detach(l2::PortId port, std::string_view cause) {
  pull(port);
  const bool attached = client_of(port) != nullptr || passed_.contains(index(port));
  end_attachments(port, cause);
  flush();
  return attached;
}

void Hub::forget(l2::PortId port, std::string_view cause) {
  pull(port);
  end_attachments(port, cause);
  drop_own(port, cause);
  flush();
}

void Hub::set_link(l2::PortId port, bool up, std::string_view cause) {
  change(port, [&] { fabric_.set_link(port, up, cause, now_); });
}

void Hub::change(l2::PortId port, const std::function<void()>& act) {
  pull(port);
  const std::size_t network = fabric_.nic(port).config.network;
  act();
  const network::NicConfig& now = fabric_.nic(port).config;
  if (dgram::Client* const client = client_of(port)) {
    if (now.network != network) client->discard(DropReason::detached, *this);
    if (!now.link_up) client->discard(DropReason::link_down, *this);
  }
  flush();
}

/// What the client at `port` has sent already is judged now.
void Hub::pull(l2::PortId port) {
  now_ = loop_.now();
  if (dgram::Client* const client = client_of(port)) client->pull();
  flush();
}

void Hub::end_attachments(l2::PortId port, std::string_view cause) {
  if (dgram::Client* const client = client_of(port)) hang_up(*client, cause);
  // One that another client has taken the NIC from would take it back.
  if (const auto passed = passed_.find(index(port)); passed != passed_.end()) hang_up(*passed->second, cause);
}

void Hub::hang_up(dgram::Client& client, std::string_view cause) {
  client.discard(DropReason::detached, *this);
  unplug(client, cause);
  client.hang_up();
}

}  // namespace vnet::daemon
