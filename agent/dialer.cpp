#include "agent/dialer.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/json.hpp"

namespace vnet::agent {

void Dialer::dial(const char* reason, Millis now) {
  if (address_.family == 0) return;
  reason_ = reason;
  held_ = false;
  connect(now);
}

void Dialer::drop() {
  if (fd_ < 0) return;
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(fd_);
  fd_ = -1;
  connected_ = false;
  out_.clear();
}

void Dialer::connect(Millis now) {
  drop();
  ++dials_;
  next_ = now + kDialTime;
  fd_ = ::socket(address_.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_storage to{};
  socklen_t size = 0;
  if (address_.family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, address_.bytes.data(), sizeof in.sin_addr);
    std::memcpy(&to, &in, size = sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port_);
    std::memcpy(&in.sin6_addr, address_.bytes.data(), sizeof in.sin6_addr);
    std::memcpy(&to, &in, size = sizeof in);
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), size) != 0 && errno != EINPROGRESS) lost(now);
}

void Dialer::lost(Millis now) {
  const bool was_connected = connected_;
  drop();
  if (was_connected) reason_ = "connection lost";
  next_ = was_connected ? now : now + kDialEvery;
}

void Dialer::tend(Millis now) {
  if (now >= next_) connect(now);
}

void Dialer::greet() {
  out_ = R"({"event":"hello",)" + members_ + R"(,"dial":)" + std::to_string(dials_) + R"(,"reason":)" +
         quoted(reason_) + "}\n";
}

void Dialer::report(std::string event) {
  if (address_.family == 0) return;
  if (events_.size() >= kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

void Dialer::flush(Millis now) {
  while (!held_ && out_.empty() && !events_.empty()) {
    out_ = events_.front() + "\n";
    events_.pop_front();
  }
  if (out_.empty()) return;
  const ssize_t size = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
  if (size > 0) out_.erase(0, static_cast<std::size_t>(size));
  if (size < 0 && errno != EAGAIN && errno != EINTR) lost(now);
}

void Dialer::on_ready(bool readable, bool writable, Millis now) {
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof error;
    if (!writable && !readable) return;
    if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return lost(now);
    connected_ = true;
    next_ = kNoTime;
    const int on = 1;
    const int idle_s = 5;
    ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    greet();
  }
  if (readable) {
    std::array<char, 4096> ignored;
    const ssize_t size = ::recv(fd_, ignored.data(), ignored.size(), 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return lost(now);
  }
  flush(now);
}

}  // namespace vnet::agent
