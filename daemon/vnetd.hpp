// Vnetd: the running program, its parts in the order in which they are made.
//
//     loop        libuv, time, signals
//     sockets     of the host, for what guests exchange with the world
//     fabric      the networks and NICs, without I/O
//     leases      what was given before, from the state folder
//     hub         the sockets, joined to the fabric's ports; who was plugged in before is looked for
//     forwards    sockets of the host that lead to guests
//     services    of the simulated internet, those that end in the host included
//     captures    those that the configuration names, and those that somebody asks for
//     operations  what can be changed while all this runs
//     timeline    what the configuration has happen by itself
//     assign      the sockets at which guests ask for their address without the network
//     control     the API, through which people and programs ask for it
//
// Between two batches `after_batch` carries what is not frames across the edge: events to the log and to those who
// follow them, lease changes to the journal, DNS queries to the host's resolvers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/assign_server.hpp"
#include "daemon/assignments.hpp"
#include "daemon/captures.hpp"
#include "daemon/client_store.hpp"
#include "daemon/config.hpp"
#include "daemon/control/api.hpp"
#include "daemon/control/control_servers.hpp"
#include "daemon/drop_watch.hpp"
#include "daemon/event_backlog.hpp"
#include "daemon/event_loop.hpp"
#include "daemon/forwards.hpp"
#include "daemon/host_sockets.hpp"
#include "daemon/hub.hpp"
#include "daemon/lease_store.hpp"
#include "daemon/log.hpp"
#include "daemon/name_forwarding.hpp"
#include "daemon/operations.hpp"
#include "daemon/runtime_store.hpp"
#include "daemon/services.hpp"
#include "daemon/startup.hpp"
#include "daemon/timeline.hpp"
#include "daemon/wall_time.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

class Vnetd : private HostListener {
 public:
  /// Opens everything; throws std::runtime_error with a sentence that names what could not be opened.
  explicit Vnetd(Startup startup);
  ~Vnetd() override;

  /// Serves until SIGINT or SIGTERM, or until a successor has taken over.
  void run();

 private:
  void start(Startup& startup);
  void listen_to_signals();
  void make_socket_folder(const Config& config) const;
  void open_leases();
  void restore_lease(const StoredLease& stored);
  void open_captures(const Startup& startup);
  void open_sockets(Startup& startup);
  void open_forwards(Startup& startup);
  void open_services(const Startup& startup);
  void open_assign(Startup& startup);
  void serve_assign();
  void open_control(Startup& startup);
  void recall_clients(const Startup& startup);
  void inherit(Startup& startup);
  void succeed(const Startup& startup);

  void on_host(nat::FlowId flow, nat::HostEvents events) override;
  void on_host_batch_end() override;

  void commit_leases();
  void after_batch();
  void publish(const network::Event& event, const Moment& at);
  void on_deadline();
  void look_at_captures(Instant now);
  void run_timeline();
  [[nodiscard]] Outcome<Reloaded> reload();
  void hand_over();
  [[nodiscard]] Result<void, std::string> pass_on(const dgram::Fd& connection);

  void announce() const;
  [[nodiscard]] const Config& config() const noexcept { return operations_.config(); }
  [[nodiscard]] Moment moment() const;
  [[nodiscard]] Instant next_deadline() const;

  ConfigSource source_;
  EventLoop loop_;
  mutable WallClock wall_clock_;
  SystemSockets sockets_;
  network::Fabric fabric_;
  EventBacklog events_;
  EventLogger event_logger_;
  DropWatch drop_watch_;
  std::optional<std::string> state_;  ///< the state folder
  std::unique_ptr<LeaseStore> leases_;
  std::unique_ptr<RuntimeStore> runtime_;
  std::unique_ptr<ClientStore> clients_;
  Hub hub_;
  NameForwarding names_;
  Forwards forwards_;
  Services services_;
  Captures captures_;
  Operations operations_;
  Timeline timeline_;
  Assignments assignments_;
  AssignServer assign_;
  Api api_;
  ControlServers control_;
  std::unique_ptr<WaitingSuccessor> successor_;
  bool expiring_ = false;  ///< timers are served, not frames
};

}  // namespace vnet::daemon
