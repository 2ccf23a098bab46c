#include "dgram/stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace vnet::dgram {
namespace {

constexpr int kBacklog = 128;

Fd open_spare() { return Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

}  // namespace

SystemResult<std::unique_ptr<StreamPath>> StreamPath::open(std::string path, std::uint32_t origin, Poller& poller,
                                                           Switchboard& switchboard, StreamBuffer& buffer) {
  auto fd = make_socket(SOCK_STREAM);
  if (!fd) return fail(fd.error());
  if (const auto bound = bind_replacing_stale(*fd, path); !bound) return fail(bound.error());
  SocketFile file{path};
  if (::listen(fd->get(), kBacklog) != 0) return fail(SystemError{"listen " + path, errno});
  return std::unique_ptr<StreamPath>{
      new StreamPath(std::move(file), origin, std::move(*fd), poller, switchboard, buffer)};
}

SystemResult<std::unique_ptr<StreamPath>> StreamPath::inherit(Fd fd, SocketFile file, std::uint32_t origin,
                                                              Poller& poller, Switchboard& switchboard,
                                                              StreamBuffer& buffer) {
  if (const auto fits = check_inherited(fd, SOCK_STREAM); !fits) return fail(fits.error());
  return std::unique_ptr<StreamPath>{
      new StreamPath(std::move(file), origin, std::move(fd), poller, switchboard, buffer)};
}

StreamPath::StreamPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, Switchboard& switchboard,
                       StreamBuffer& buffer)
    : file_(std::move(file)),
      origin_(origin),
      fd_(std::move(fd)),
      poller_(poller),
      switchboard_(switchboard),
      buffer_(buffer),
      spare_(open_spare()) {
  poller_.watch(fd_.get(), true, false, *this);
}

StreamPath::~StreamPath() {
  connections_.clear();
  poller_.forget(fd_.get());
}

void StreamPath::on_ready(bool readable, bool) {
  while (readable) {
    Fd fd{::accept(fd_.get(), nullptr, nullptr)};
    if (!fd && !turn_away()) return;
    if (!fd) continue;
    if (connections_.size() >= kMaxClients || !adopt(fd)) {
      switchboard_.on_refused(nullptr, {}, DropReason::too_many_clients);
      continue;
    }
    add(std::move(fd));
  }
}

StreamConnection& StreamPath::add(Fd fd) {
  const int number = fd.get();
  std::string name = file_.path() + "#" + std::to_string(++accepted_);
  auto& connection = connections_[number];
  connection = std::make_unique<StreamConnection>(std::move(fd), std::move(name), origin_, poller_, switchboard_,
                                                  buffer_, [this, number] { connections_.erase(number); });
  return *connection;
}

SystemResult<Client*> StreamPath::resume(Fd fd, const ClientState& state) {
  const auto type = type_of_passed_end(fd);
  if (!type) return fail(type.error());
  if (*type != SOCK_STREAM) return fail(SystemError{"the connection at " + path() + " is no stream", EPROTOTYPE});
  if (connections_.size() >= kMaxClients) return fail(SystemError{"connections at " + path(), EMFILE});
  if (const auto adopted = adopt(fd); !adopted) return fail(adopted.error());
  StreamConnection& connection = add(std::move(fd));
  if (connection.resume(state)) return &connection;
  connection.hang_up();
  return fail(SystemError{"the state of a connection at " + path(), EINVAL});
}

std::vector<Client*> StreamPath::clients() const {
  std::vector<Client*> clients;
  for (const auto& [fd, connection] : connections_) clients.push_back(connection.get());
  return clients;
}

bool StreamPath::turn_away() {
  if ((errno != EMFILE && errno != ENFILE) || !spare_) return false;
  spare_.close();
  const Fd refused{::accept(fd_.get(), nullptr, nullptr)};
  spare_ = open_spare();
  if (!refused) return false;
  switchboard_.on_refused(nullptr, {}, DropReason::too_many_clients);
  return true;
}

}  // namespace vnet::dgram
