// How the daemon begins: folders, leases, sockets, captures and the API are opened, each with an error that names it;
// or taken over from the daemon that ran before.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "daemon/network_setup.hpp"
#include "daemon/ready_notice.hpp"
#include "daemon/vnetd.hpp"

namespace vnet::daemon {
namespace {

void require(const dgram::SystemResult<void>& result) {
  if (!result) throw std::runtime_error(result.error().to_string());
}

bool is_in(const Config& config, const Forward& forward) {
  return std::ranges::any_of(config.networks, [&](const Network& network) {
    return std::ranges::find(network.forwards, forward) != network.forwards.end();
  });
}

}  // namespace

void Vnetd::start(Startup& startup) {
  for (const std::string& text : startup.notices) spdlog::warn("{}", text);
  make_socket_folder(startup.now);
  try {
    open_leases();
    if (startup.predecessor) inherit(startup);
    open_sockets(startup);
    open_forwards(startup);
    open_services(startup);
    open_assign(startup);
    if (!startup.predecessor) recall_clients(startup);
    if (!startup.predecessor) open_control(startup);
    open_captures(startup);
    operations_.resume(startup.changes);
    for (const std::string& name : startup.inherited.unclaimed()) {
      throw std::runtime_error("inherited socket " + name + ": it is not at a path of the configuration");
    }
    if (startup.predecessor) succeed(startup);
  } catch (...) {
    // The predecessor goes on with its sockets: their files are not to go with us.
    if (startup.predecessor) hub_.disown();
    if (startup.predecessor) forwards_.disown();
    if (startup.predecessor) control_.disown();
    throw;
  }
}

void Vnetd::make_socket_folder(const Config& config) const {
  // Only our own default folder, and only when it is used: a path that somebody chose is theirs to protect.
  const std::string& folder = source_.runtime_folder();
  const auto is_inside = [&](const std::string& path) { return path.starts_with(folder + "/"); };
  const auto leads_inside = [&](const auto& entry) { return is_inside(entry.path); };
  if (!is_inside(config.listen.control) && std::ranges::none_of(config.listen.dgram, leads_inside) &&
      std::ranges::none_of(config.listen.stream, leads_inside) &&
      std::ranges::none_of(config.listen.assign, leads_inside) && std::ranges::none_of(config.services, serves_files)) {
    return;
  }
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    throw std::runtime_error("socket folder " + folder + ": " + std::strerror(errno));
  }
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::getuid()) {
    throw std::runtime_error("socket folder " + folder + ": it is not a folder of this user");
  }
  (void)::chmod(folder.c_str(), S_IRWXU);
}

void Vnetd::open_leases() {
  if (!state_) return;
  auto opened = LeaseStore::open(*state_, moment());
  if (!opened) throw std::runtime_error(opened.error());
  leases_ = std::move(*opened);
  for (const std::string& message : leases_->take_messages()) spdlog::warn("{}", message);
  for (const StoredLease& stored : leases_->leases(moment())) restore_lease(stored);
  spdlog::info("state folder {}: {} leases", *state_, leases_->size());
  runtime_ = std::make_unique<RuntimeStore>(*state_);
}

void Vnetd::restore_lease(const StoredLease& stored) {
  const auto network = fabric_.find_network(stored.network);
  if (!network) return;
  network::AddressService* const addresses = fabric_.gateway(*network).addresses();
  if (addresses != nullptr) (void)addresses->restore(stored.lease, loop_.now());
}

void Vnetd::open_captures(const Startup& startup) {
  if (!startup.now.capture) return;
  // What a predecessor has recorded is not to be lost; a new start begins a new file.
  const bool resume = startup.predecessor.has_value();
  if (auto id = captures_.start(configured_capture(*startup.now.capture), resume); !id) {
    throw std::runtime_error(id.error());
  }
}

void Vnetd::open_sockets(Startup& startup) {
  InheritedSockets& inherited = startup.inherited;
  for (const ListenEntry& entry : startup.now.listen.dgram) {
    if (hub_.listens(entry.path)) continue;  // a predecessor's
    const std::size_t network = network_index(startup.now, entry.network);
    require(hub_.listen_dgram(entry.path, network, inherited.claim(entry.path, SOCK_DGRAM)));
  }
  for (const ListenEntry& entry : startup.now.listen.stream) {
    if (hub_.listens(entry.path)) continue;
    const std::size_t network = network_index(startup.now, entry.network);
    require(hub_.listen_stream(entry.path, network, inherited.claim(entry.path, SOCK_STREAM)));
  }
  for (const Nic& nic : startup.now.nics) {
    if (nic.dgram && !hub_.listens(*nic.dgram))
      require(hub_.listen_own(*nic.dgram, fabric_.find(nic.mac), inherited.claim(*nic.dgram, SOCK_DGRAM)));
  }
}

void Vnetd::open_forwards(Startup& startup) {
  const auto inherited = [&](const Forward& forward) {
    return startup.predecessor ? std::move(startup.predecessor->forwards[forward_key(forward)]) : dgram::Fd{};
  };
  for (std::size_t i = 0; i < startup.now.networks.size(); ++i) {
    for (const Forward& forward : startup.now.networks[i].forwards) {
      const auto opened = forwards_.open(i, forward, inherited(forward));
      if (opened) continue;
      const std::string place = "/networks/" + std::to_string(i) + "/forwards: " + opened.error().to_string();
      // One that was added at run time is not worth the whole switch.
      if (is_in(startup.file, forward)) throw std::runtime_error(place);
      spdlog::warn("{}", place);
    }
  }
}

void Vnetd::open_services(const Startup& startup) {
  if (auto served = services_.serve(startup.now.services); !served) throw std::runtime_error(served.error());
  if (!startup.predecessor) return;
  // The timeline goes on where it was, and so must what it has switched off.
  for (const std::string& name : startup.predecessor->services_down) {
    (void)services_.set_up(name, false, "it was down before the take-over");
  }
}

void Vnetd::open_assign(Startup& startup) {
  const auto claim = [&](const std::string& path) { return startup.inherited.claim(path, SOCK_STREAM); };
  for (const AssignServer::Problem& problem : assign_.serve(startup.now.listen.assign, claim)) {
    if (problem.fatal) throw std::runtime_error(problem.text);
    spdlog::warn("{}; guests cannot ask there", problem.text);
  }
}

/// What is wrong is told, and the rest goes on.
void Vnetd::serve_assign() {
  for (const AssignServer::Problem& problem : assign_.serve(config().listen.assign))
    spdlog::warn("{}; guests cannot ask there", problem.text);
}

void Vnetd::open_control(Startup& startup) {
  const Listen& listen = startup.now.listen;
  if (auto opened = control_.open(listen, api_, startup.inherited.claim(listen.control, SOCK_STREAM)); !opened) {
    throw std::runtime_error(opened.error());
  }
}

void Vnetd::recall_clients(const Startup& startup) {
  if (!startup.now.state) return;
  clients_ = std::make_unique<ClientStore>(*startup.now.state);
  for (const KnownClient& known : clients_->load()) hub_.recall(known);
  if (const auto error = clients_->take_error()) spdlog::warn("{}", *error);
}

void Vnetd::announce() const {
  for (const std::string& line : hub_.describe()) spdlog::info("{}", line);
  spdlog::info("{}", sockets_.describe());
  for (const ListenEntry& entry : config().listen.dgram) {
    std::fprintf(stderr,
                 "network %s at %s\n"
                 "  QEMU   -netdev dgram,id=n0,local.type=unix,local.path=/tmp/vm1.sock,remote.type=unix,remote.path=%s"
                 " -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01\n"
                 "  vfkit  --device virtio-net,unixSocketPath=%s,mac=52:54:00:00:00:01\n",
                 entry.network.c_str(), entry.path.c_str(), entry.path.c_str(), entry.path.c_str());
  }
  for (const ListenEntry& entry : config().listen.stream) {
    std::fprintf(stderr,
                 "network %s at %s\n"
                 "  QEMU   -netdev stream,id=n0,server=off,addr.type=unix,addr.path=%s"
                 " -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01\n",
                 entry.network.c_str(), entry.path.c_str(), entry.path.c_str());
  }
  for (const Nic& nic : config().nics) {
    if (nic.dgram) std::fprintf(stderr, "NIC %s at %s\n", nic.name.c_str(), nic.dgram->c_str());
  }
  std::fprintf(stderr, "control at %s\n", config().listen.control.c_str());
  std::fputs("vnetd ready\n", stderr);
  notify_ready();
}

}  // namespace vnet::daemon
