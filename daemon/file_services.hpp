// FileServices: the services of files at work, each a server on a UNIX socket to which egress leads its guests.
//
// The sockets are in the runtime folder, for this user alone; their names mean nothing to anybody else, so the first
// number that is free is taken. One that an earlier daemon has left behind is replaced. A successor makes its own.
//
// Limits: those of ServerOptions, with kMaxConnections for each service. Each connection has a descriptor here beside
// its flow's, and one for the file while that is sent; where none is left the answer is 503.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/file_service.hpp"
#include "dgram/client.hpp"
#include "http/server.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

/// Whether the service is one of the files in a folder of the host.
[[nodiscard]] inline bool serves_files(const Service& service) noexcept {
  return service.kind == ServiceKind::files || service.kind == ServiceKind::cloud_init;
}

/// The paths of the sockets by which files are served, by the name of the service.
using FileSockets = std::map<std::string, std::string>;

class FileServices {
 public:
  static constexpr std::size_t kMaxConnections = 256;
  /// In which a client must take some of an answer: guests are stopped and go on.
  static constexpr Duration kStallTime = std::chrono::minutes{5};
  /// Names that are tried for one socket.
  static constexpr std::size_t kMaxTries = 4096;

  /// `poller` outlives this.
  FileServices(dgram::Poller& poller, http::Server::Clock clock, FileService::UnixTime time)
      : poller_(poller), clock_(std::move(clock)), time_(std::move(time)) {}

  /// Serves exactly those of these services that are of files; who is served already and has not changed goes on. The
  /// sockets are in `folder`, which is there. On an error, a sentence, nothing has changed.
  [[nodiscard]] Result<void, std::string> serve(const std::vector<Service>& services, const std::string& folder);
  [[nodiscard]] FileSockets sockets() const;

  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

  [[nodiscard]] http::ServerCounters counters() const;
  [[nodiscard]] std::size_t connection_count() const;

 private:
  struct Running {
    std::string root;
    ServiceKind kind{};
    std::unique_ptr<FileService> files;
    std::unique_ptr<http::Server> server;  ///< after what answers its requests
  };

  [[nodiscard]] Result<Running, std::string> start(const Service& service, const std::string& folder);

  dgram::Poller& poller_;
  http::Server::Clock clock_;
  FileService::UnixTime time_;
  std::map<std::string, Running> running_;  ///< by the service's name
};

}  // namespace vnet::daemon
