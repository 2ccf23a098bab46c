#include "daemon/control/control_servers.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/problem.hpp"

namespace vnet::daemon {
namespace {

constexpr std::size_t kMinBits = 128;
constexpr std::size_t kMaxToken = 512;

/// What a random token of these characters would hold.
std::size_t bits_of(std::string_view token) {
  const auto is_hex = [](unsigned char c) { return std::isxdigit(c) != 0; };
  return token.size() * (std::ranges::all_of(token, is_hex) ? 4 : 6);
}

bool is_token_character(unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; }

}  // namespace

Result<std::string, std::string> read_token(const std::string& path) {
  const dgram::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return fail("token file " + path + ": " + std::strerror(errno));
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail("token file " + path + ": others may read or write it; chmod 600 it, and make a new token");
  }
  std::array<char, kMaxToken + 1> bytes{};
  const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
  if (size < 0) return fail("token file " + path + ": " + std::strerror(errno));
  std::string token{bytes.data(), static_cast<std::size_t>(size)};
  token.erase(std::min(token.find_first_of("\r\n"), token.size()));
  if (token.size() > kMaxToken || !std::ranges::all_of(token, is_token_character) || bits_of(token) < kMinBits) {
    return fail("token file " + path + ": " +
                found_expected("a first line of " + std::to_string(token.size()) + " characters",
                               "at least 128 random bits, as 32 or more hexadecimal digits or 22 or more characters of "
                               "base64url (openssl rand -hex 16 makes one)"));
  }
  return token;
}

Result<void, std::string> ControlServers::open(const Listen& listen, Api& api, dgram::Fd unix_listener, bool owns_file,
                                               dgram::Fd tcp_listener) {
  const http::Handler handler = [&api](http::Request& request) { return api.handle(request); };
  http::ServerOptions options;
  options.max_connections = kMaxClients;
  auto opened = unix_listener
                    ? http::Server::adopt(std::move(unix_listener), listen.control, options, poller_, clock_, handler)
                    : http::Server::listen(listen.control, options, poller_, clock_, handler);
  if (!opened) return fail("control socket " + listen.control + ": " + opened.error().to_string());
  unix_ = std::move(*opened);
  if (owns_file) unix_->own_file();
  if (!listen.control_tcp) return {};
  auto token = read_token(listen.control_tcp->token_file);
  if (!token) return fail(std::move(token.error()));
  options.token = std::move(*token);
  options.same_user = false;
  const http::Handler over_tcp = [&api](http::Request& request) {
    if (request.path != std::vector<std::string>{"v1", "take-over"}) return api.handle(request);
    return problem(400, "a take-over passes descriptors, which needs the UNIX socket");
  };
  const Endpoint& address = listen.control_tcp->address;
  auto tcp = tcp_listener
                 ? http::Server::adopt(std::move(tcp_listener), to_string(address), options, poller_, clock_, over_tcp)
                 : http::Server::listen_tcp(address.address, address.port, options, poller_, clock_, over_tcp);
  if (!tcp) return fail("control address " + to_string(address) + ": " + tcp.error().to_string());
  tcp_ = std::move(*tcp);
  return {};
}

Instant ControlServers::next_deadline() const {
  Instant next = unix_ ? unix_->next_deadline() : kNever;
  if (tcp_) next = std::min(next, tcp_->next_deadline());
  if (client_count() > 0) next = std::min(next, next_wake_);
  return next;
}

void ControlServers::expire(Instant now) {
  if (unix_) unix_->expire(now);
  if (tcp_) tcp_->expire(now);
  if (client_count() == 0 || now < next_wake_) return;
  next_wake_ = now + kWakeInterval;
  wake();
}

void ControlServers::wake() {
  if (unix_) unix_->wake();
  if (tcp_) tcp_->wake();
}

http::ServerCounters ControlServers::counters() const {
  http::ServerCounters sum;
  for (const http::Server* const server : {unix_.get(), tcp_.get()}) {
    if (server == nullptr) continue;
    sum.requests += server->counters().requests;
    sum.refused_user += server->counters().refused_user;
    sum.refused_limit += server->counters().refused_limit;
  }
  return sum;
}

std::size_t ControlServers::client_count() const {
  return (unix_ ? unix_->connection_count() : 0) + (tcp_ ? tcp_->connection_count() : 0);
}

void ControlServers::disown() {
  if (unix_) unix_->disown_file();
}

}  // namespace vnet::daemon
