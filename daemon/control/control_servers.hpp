// ControlServers: where the control API listens: a UNIX socket for this user alone, and TCP where somebody asked for it
// and has a token.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/config.hpp"
#include "daemon/control/api.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "http/server.hpp"

namespace vnet::daemon {

class ControlServers {
 public:
  /// Clients of each listener.
  static constexpr std::size_t kMaxClients = 64;
  /// Streams that wait are asked this often whether they have a word to keep the connection alive.
  static constexpr Duration kWakeInterval = std::chrono::seconds{15};

  ControlServers(dgram::Poller& poller, std::function<Instant()> clock) : poller_(poller), clock_(std::move(clock)) {}

  /// Begins to listen. A listener that is given is used instead of a new one; `owns_file`: its socket file goes with
  /// us. The error is a sentence.
  [[nodiscard]] Result<void, std::string> open(const Listen& listen, Api& api, dgram::Fd unix_listener = {},
                                               bool owns_file = false, dgram::Fd tcp_listener = {});

  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);
  /// There is something new for clients that wait.
  void wake();

  [[nodiscard]] http::ServerCounters counters() const;
  [[nodiscard]] std::size_t client_count() const;
  [[nodiscard]] int unix_fd() const noexcept { return unix_ ? unix_->listener_fd() : -1; }
  [[nodiscard]] int tcp_fd() const noexcept { return tcp_ ? tcp_->listener_fd() : -1; }
  /// Whether the UNIX socket's file is ours to remove.
  [[nodiscard]] bool owns_file() const noexcept { return unix_ && unix_->owns_file(); }
  /// A successor listens now.
  void disown();

 private:
  dgram::Poller& poller_;
  std::function<Instant()> clock_;
  Instant next_wake_{};  ///< of streams that have nothing to say
  std::unique_ptr<http::Server> unix_;
  std::unique_ptr<http::Server> tcp_;
};

/// The token in a file: its first line. It must have at least 128 bits if it is random: 32 hexadecimal digits, or 22
/// characters of base64url; and nobody but the owner may be able to read the file. The error is a sentence.
[[nodiscard]] Result<std::string, std::string> read_token(const std::string& path);

}  // namespace vnet::daemon
