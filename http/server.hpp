// An HTTP/1.1 server (RFC 9112) in the owner's event loop: a UNIX socket, a listening socket that somebody else made,
// or a TCP socket with a token.
//
// It never blocks, and does a bounded amount of work whenever the poller calls it (see connection.hpp). Errors that it
// finds by itself are application/problem+json: 400, 401, 408, 413, 417, 431, 501, 503, 505; the connection ends then.
// HTTP/1.0 clients get one answer per connection.
//
// Not supported: TLS, content codings, trailers, upgrades but by Response::hand_over.
// Limits: those of ServerOptions, and kAcceptsPerTurn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "http/connection.hpp"
#include "http/message.hpp"
#include "http/server_options.hpp"
#include "packet/ip_address.hpp"
#include "packet/time.hpp"

namespace vnet::http {

/// Connections taken in before others have their turn.
inline constexpr int kAcceptsPerTurn = 16;

class Server final : public dgram::Watched {
 public:
  using Opened = dgram::SystemResult<std::unique_ptr<Server>>;
  using Clock = std::function<Instant()>;

  /// Listens at a path, whose file (mode 0600) is removed with the server. A file that nobody listens on is replaced.
  [[nodiscard]] static Opened listen(std::string path, ServerOptions options, dgram::Poller& poller, Clock clock,
                                     Handler handler);
  /// Takes over a socket that listens already. `path` is for people; no file is removed.
  [[nodiscard]] static Opened adopt(dgram::Fd listening, std::string path, ServerOptions options, dgram::Poller& poller,
                                    Clock clock, Handler handler);
  /// `options.token` must not be empty: who reaches the address is nobody's secret. `port` 0: the system chooses.
  [[nodiscard]] static Opened listen_tcp(const IpAddress& address, std::uint16_t port, ServerOptions options,
                                         dgram::Poller& poller, Clock clock, Handler handler);
  ~Server() override;

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);
  /// Streams that said Body::More::wait, and answers that were put off, are asked for again, each in a turn of its own.
  /// May be called at any time.
  void wake();

  /// The path, or address and port.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The port that a TCP server listens on.
  [[nodiscard]] std::uint16_t port() const;
  /// The listening socket, to be passed to another process.
  [[nodiscard]] int listener_fd() const noexcept { return fd_.get(); }
  [[nodiscard]] bool owns_file() const noexcept { return file_.owned(); }
  /// An adopted socket's file is ours from now on, and removed with the server.
  void own_file() { file_ = dgram::SocketFile{name_}; }
  /// Leaves the file to whoever listens next: it stays when this server ends.
  void disown_file() noexcept { file_.disown(); }

  [[nodiscard]] const ServerCounters& counters() const noexcept { return context_.counters; }
  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

 private:
  Server(dgram::Fd fd, std::string name, dgram::SocketFile file, ServerOptions options, dgram::Poller& poller,
         Clock clock, Handler handler);

  void take_in(dgram::Fd fd);
  void end(int number);
  /// After a failed accept: whether a connection was waiting for a descriptor and has been closed.
  [[nodiscard]] bool turn_away();
  /// Ends the connection that has been idle for longest. False: none is idle.
  [[nodiscard]] bool make_room();

  dgram::SocketFile file_;
  std::string name_;
  dgram::Fd fd_;
  dgram::Fd spare_;  ///< given up for a moment to turn a connection away when the process has no descriptor left
  ConnectionContext context_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;  ///< by descriptor
};

}  // namespace vnet::http
