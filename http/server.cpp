#include "http/server.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <tuple>
#include <utility>
#include <vector>

#include "http/response_writer.hpp"
#include "http/sockets.hpp"

namespace vnet::http {
namespace {

dgram::Fd open_spare() { return dgram::Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

}  // namespace

Server::Opened Server::listen(std::string path, ServerOptions options, dgram::Poller& poller, Clock clock,
                              Handler handler) {
  auto fd = listen_unix(path);
  if (!fd) return fail(fd.error());
  dgram::SocketFile file{path};
  return Opened{std::unique_ptr<Server>{new Server(std::move(*fd), std::move(path), std::move(file), std::move(options),
                                                   poller, std::move(clock), std::move(handler))}};
}

Server::Opened Server::adopt(dgram::Fd listening, std::string path, ServerOptions options, dgram::Poller& poller,
                             Clock clock, Handler handler) {
  if (const auto adopted = dgram::adopt(listening); !adopted) return fail(adopted.error());
  return Opened{std::unique_ptr<Server>{new Server(std::move(listening), std::move(path), {}, std::move(options),
                                                   poller, std::move(clock), std::move(handler))}};
}

Server::Opened Server::listen_tcp(const IpAddress& address, std::uint16_t port, ServerOptions options,
                                  dgram::Poller& poller, Clock clock, Handler handler) {
  assert(!options.token.empty());
  auto fd = http::listen_tcp(address, port);
  if (!fd) return fail(fd.error());
  options.same_user = false;
  const std::string host = vnet::to_string(address);
  const bool v6 = std::holds_alternative<Ipv6Address>(address);
  std::string name = (v6 ? "[" + host + "]" : host) + ":" + std::to_string(local_port(*fd));
  return Opened{std::unique_ptr<Server>{new Server(std::move(*fd), std::move(name), {}, std::move(options), poller,
                                                   std::move(clock), std::move(handler))}};
}

Server::Server(dgram::Fd fd, std::string name, dgram::SocketFile file, ServerOptions options, dgram::Poller& poller,
               Clock clock, Handler handler)
    : file_(std::move(file)),
      name_(std::move(name)),
      fd_(std::move(fd)),
      spare_(open_spare()),
      context_{.options = std::move(options),
               .poller = poller,
               .clock = std::move(clock),
               .handler = std::move(handler),
               .ended = [this](int number) { end(number); },
               .counters = {},
               .buffer = std::vector<char>(kReadBytes)} {
  context_.poller.watch(fd_.get(), true, false, *this);
}

Server::~Server() {
  // A stream that dies with its connection may still wake the others: there are none.
  std::exchange(connections_, {}).clear();
  context_.poller.forget(fd_.get());
}

void Server::end(int number) {
  // Out of the table first, for the same reason.
  const auto ended = connections_.extract(number);
}

void Server::on_ready(bool readable, bool) {
  for (int i = 0; readable && i < kAcceptsPerTurn; ++i) {
    dgram::Fd fd = accept_from(fd_);
    if (fd) {
      take_in(std::move(fd));
    } else if (!turn_away()) {
      return;
    }
  }
}

void Server::take_in(dgram::Fd fd) {
  if (context_.options.same_user && !is_same_user(fd)) {
    ++context_.counters.refused_user;
    return;
  }
  if (connections_.size() >= context_.options.max_connections && !make_room()) {
    ++context_.counters.refused_limit;
    const ResponseWriter writer{problem({503, "too many connections"}), {.persistent = false}};
    std::ignore = send(fd, writer.pending());  // an empty send buffer has room for it
    return;
  }
  ++context_.counters.accepted;
  const int number = fd.get();
  connections_[number] = std::make_unique<Connection>(context_, std::move(fd));
}

bool Server::turn_away() {
  if ((errno != EMFILE && errno != ENFILE) || !spare_) return false;
  spare_.close();
  const bool refused{accept_from(fd_)};
  spare_ = open_spare();
  if (refused) ++context_.counters.refused_limit;
  return refused;
}

bool Server::make_room() {
  auto longest = connections_.end();
  Instant earliest = kNever;
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    const auto since = it->second->idle_since();
    if (!since || *since >= earliest) continue;
    earliest = *since;
    longest = it;
  }
  if (longest == connections_.end()) return false;
  connections_.erase(longest);
  ++context_.counters.evicted;
  return true;
}

Instant Server::next_deadline() const {
  Instant next = kNever;
  for (const auto& [number, connection] : connections_) next = std::min(next, connection->next_deadline());
  return next;
}

void Server::expire(Instant now) {
  std::vector<int> over;
  for (const auto& [number, connection] : connections_) {
    if (!connection->expire(now)) over.push_back(number);
  }
  for (const int number : over) end(number);
}

void Server::wake() {
  for (const auto& [number, connection] : connections_) connection->wake();
}

std::uint16_t Server::port() const { return local_port(fd_); }

}  // namespace vnet::http
