// Vnetd: the running program, its parts in the order in which they are made.
//
//     loop      libuv, time, signals
//     fabric    the networks and NICs, without I/O
//     leases    what was given before, from the state folder
//     hub       the sockets, joined to the fabric's ports; who was plugged in before is looked for
//     recorder  the capture, if one is asked for
//
// Between two batches `after_batch` carries what is not frames across the edge: events to the log, lease changes to
// the journal, DNS queries to the host's resolvers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/client_store.hpp"
#include "daemon/config.hpp"
#include "daemon/event_loop.hpp"
#include "daemon/hub.hpp"
#include "daemon/lease_store.hpp"
#include "daemon/log.hpp"
#include "daemon/name_forwarding.hpp"
#include "daemon/recorder.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

class Vnetd {
 public:
  /// Opens everything; throws std::runtime_error with a sentence that names what could not be opened.
  Vnetd(Config config, const std::string& runtime_folder);
  ~Vnetd();

  /// Serves until SIGINT or SIGTERM.
  void run();

 private:
  void make_socket_folder(const std::string& runtime_folder) const;
  void open_leases();
  void open_capture();
  void open_sockets();
  void recall_clients();
  void commit_leases();
  void after_batch();
  void announce() const;
  [[nodiscard]] Moment moment() const;
  [[nodiscard]] Instant next_deadline() const;

  Config config_;
  EventLoop loop_;
  network::Fabric fabric_;
  EventLogger event_logger_;
  std::unique_ptr<LeaseStore> leases_;
  std::unique_ptr<ClientStore> clients_;
  std::unique_ptr<Recorder> recorder_;
  Hub hub_;
  NameForwarding names_;
};

}  // namespace vnet::daemon
