#include "daemon/vnetd.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "daemon/network_setup.hpp"
#include "daemon/os_random.hpp"
#include "daemon/ready_notice.hpp"

namespace vnet::daemon {
namespace {

void require(const dgram::SystemResult<void>& result) {
  if (!result) throw std::runtime_error(result.error().to_string());
}

void notice(std::string_view text) { spdlog::warn("{}", text); }

}  // namespace

Vnetd::Vnetd(Config config, const std::string& runtime_folder)
    : config_(std::move(config)),
      fabric_(network_configs(config_), nic_configs(config_), config_.seed.value_or(os_random()), os_random),
      hub_(fabric_, loop_, notice),
      names_(
          config_, fabric_, loop_, [this] { return loop_.now(); }, [this] { hub_.end_batch(); }, notice) {
  open_leases();
  open_capture();
  make_socket_folder(runtime_folder);
  open_sockets();
  recall_clients();
  hub_.before_send([this] { commit_leases(); });
  hub_.after_send([this] { after_batch(); });
  loop_.on_sleep([this] { return next_deadline(); });
  loop_.on_deadline([this] {
    hub_.expire();
    if (clients_ && loop_.now() >= clients_->next_deadline()) clients_->save(hub_.known_clients());
  });
  for (const int signal : {SIGINT, SIGTERM}) loop_.on_signal(signal, [this] { loop_.stop(); });
  loop_.on_signal(SIGUSR1, [this] { log_counters(fabric_, hub_.door_drops()); });
}

Vnetd::~Vnetd() = default;

void Vnetd::make_socket_folder(const std::string& runtime_folder) const {
  // Only our own default folder, and only when it is used: a path that somebody chose is theirs to protect.
  const auto is_inside = [&](const ListenEntry& entry) { return entry.path.starts_with(runtime_folder + "/"); };
  if (std::ranges::none_of(config_.listen.dgram, is_inside) && std::ranges::none_of(config_.listen.stream, is_inside)) {
    return;
  }
  if (::mkdir(runtime_folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    throw std::runtime_error("socket folder " + runtime_folder + ": " + std::strerror(errno));
  }
  struct stat info {};
  if (::lstat(runtime_folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::getuid()) {
    throw std::runtime_error("socket folder " + runtime_folder + ": it is not a folder of this user");
  }
  (void)::chmod(runtime_folder.c_str(), S_IRWXU);
}

void Vnetd::open_leases() {
  if (!config_.state) return;
  auto opened = LeaseStore::open(*config_.state, moment());
  if (!opened) throw std::runtime_error(opened.error());
  leases_ = std::move(*opened);
  for (const std::string& message : leases_->take_messages()) notice(message);
  for (const StoredLease& stored : leases_->leases(moment())) {
    for (std::size_t i = 0; i < fabric_.network_count(); ++i) {
      network::AddressService* const addresses = fabric_.gateway(i).addresses();
      if (addresses == nullptr || fabric_.network_config(i).name != stored.network) continue;
      (void)addresses->restore(stored.lease, loop_.now());
    }
  }
  spdlog::info("state folder {}: {} leases", *config_.state, leases_->size());
}

void Vnetd::open_capture() {
  if (!config_.capture) return;
  capture::Options options;
  options.path = config_.capture->file;
  options.filter = config_.capture->filter;
  options.snaplen = config_.capture->snaplen;
  options.rotate_bytes = std::uint64_t{config_.capture->rotate_mb} << 20U;
  options.keep = config_.capture->keep;
  options.application = "vnetd " VNET_VERSION;
  auto writer = capture::Writer::create(std::move(options));
  if (!writer) throw std::runtime_error(writer.error());
  recorder_ = std::make_unique<Recorder>(fabric_, std::move(*writer));
  fabric_.set_observer(recorder_.get());
}

void Vnetd::open_sockets() {
  for (const ListenEntry& entry : config_.listen.dgram) {
    require(hub_.listen_dgram(entry.path, network_index(config_, entry.network)));
  }
  for (const ListenEntry& entry : config_.listen.stream) {
    require(hub_.listen_stream(entry.path, network_index(config_, entry.network)));
  }
  for (const Nic& nic : config_.nics) {
    if (nic.dgram) require(hub_.listen_own(*nic.dgram, fabric_.find(nic.mac)));
  }
}

void Vnetd::recall_clients() {
  if (!config_.state) return;
  clients_ = std::make_unique<ClientStore>(*config_.state);
  for (const KnownClient& known : clients_->load()) hub_.recall(known);
  if (const auto error = clients_->take_error()) notice(*error);
}

void Vnetd::run() {
  announce();
  loop_.run();
  spdlog::info("asked to stop");
  log_counters(fabric_, hub_.door_drops());
  fabric_.set_observer(nullptr);
}

void Vnetd::announce() const {
  for (const std::string& line : hub_.describe()) spdlog::info("{}", line);
  for (const ListenEntry& entry : config_.listen.dgram) {
    std::fprintf(stderr,
                 "network %s at %s\n"
                 "  QEMU   -netdev dgram,id=n0,local.type=unix,local.path=/tmp/vm1.sock,remote.type=unix,remote.path=%s"
                 " -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01\n"
                 "  vfkit  --device virtio-net,unixSocketPath=%s,mac=52:54:00:00:00:01\n",
                 entry.network.c_str(), entry.path.c_str(), entry.path.c_str(), entry.path.c_str());
  }
  for (const ListenEntry& entry : config_.listen.stream) {
    std::fprintf(stderr,
                 "network %s at %s\n"
                 "  QEMU   -netdev stream,id=n0,server=off,addr.type=unix,addr.path=%s"
                 " -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01\n",
                 entry.network.c_str(), entry.path.c_str(), entry.path.c_str());
  }
  for (const Nic& nic : config_.nics) {
    if (nic.dgram) std::fprintf(stderr, "NIC %s at %s\n", nic.name.c_str(), nic.dgram->c_str());
  }
  std::fputs("vnetd ready\n", stderr);
  notify_ready();
}

Moment Vnetd::moment() const {
  const auto unix_time = std::chrono::system_clock::now().time_since_epoch();
  return {loop_.now(), std::chrono::duration_cast<std::chrono::milliseconds>(unix_time).count()};
}

void Vnetd::commit_leases() {
  for (std::size_t i = 0; i < fabric_.network_count(); ++i) {
    network::AddressService* const addresses = fabric_.gateway(i).addresses();
    if (addresses == nullptr || !addresses->has_changes()) continue;
    const auto changes = addresses->take_changes();
    if (!leases_) continue;
    for (const dhcp::LeaseEvent& change : changes) leases_->note(fabric_.network_config(i).name, change, moment());
  }
  if (leases_ && leases_->has_work()) leases_->commit(moment());
}

void Vnetd::after_batch() {
  names_.pump();
  // A question that could not be sent may have been answered with an error at once.
  if (!fabric_.transmit().empty()) hub_.end_batch();
  if (!fabric_.events().empty()) {
    for (const network::Event& event : fabric_.events().take()) {
      event_logger_.log(event);
      const bool plugged = event.kind == network::EventKind::nic_attached;
      if (clients_ && (plugged || event.kind == network::EventKind::nic_detached)) clients_->change(event.at);
    }
  }
  if (leases_) {
    for (const std::string& message : leases_->take_messages()) notice(message);
  }
  if (clients_) {
    if (const auto error = clients_->take_error()) notice(*error);
  }
  if (recorder_) {
    if (const auto error = recorder_->take_error()) spdlog::error("capture ended: {}", *error);
  }
}

Instant Vnetd::next_deadline() const {
  Instant next = hub_.next_deadline();
  if (clients_) next = std::min(next, clients_->next_deadline());
  return leases_ ? std::min(next, leases_->next_deadline()) : next;
}

}  // namespace vnet::daemon
