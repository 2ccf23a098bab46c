// What the tests of http/ share: a server on virtual time, and a peer that speaks raw bytes.
#pragma once

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "http/server.hpp"
#include "tests/support/descriptors.hpp"
#include "tests/support/poll_loop.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::http::test {

using namespace std::chrono_literals;

using vnet::test::open_descriptors;
using vnet::test::PollLoop;
using vnet::test::TempFolder;

/// Raw bytes to and from a server that `loop` turns.
class Peer {
 public:
  Peer(PollLoop& loop, dgram::Fd fd) : loop_(loop), fd_(std::move(fd)) {}
  Peer(PollLoop& loop, const std::string& path) : Peer(loop, dgram::make_socket(SOCK_STREAM).value()) {
    EXPECT_EQ(dgram::connect_to(fd_, dgram::UnixAddress::from_path(path).value()), 0);
  }

  /// Writes, and lets the server do with it what it will.
  void send(std::string_view bytes) {
    write(bytes);
    loop_.settle();
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0 && errno != EAGAIN) return;  // the server has closed: a test that minds will notice
      if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
      if (!bytes.empty()) loop_.turn(1);
    }
  }
  void end() const { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.close(); }

  /// Takes what has come, at most `limit` bytes of it; true when something had.
  bool read(std::size_t limit = 1 << 20) {
    std::string buffer(limit, '\0');
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    ended_ = size == 0 || (size < 0 && errno != EAGAIN);
    if (size > 0) got_.append(buffer, 0, static_cast<std::size_t>(size));
    return size > 0;
  }
  /// All that comes until the server has nothing more to say; afterwards forgotten.
  std::string receive() {
    loop_.settle();
    while (read()) loop_.settle();
    return std::exchange(got_, {});
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  /// The server has ended its direction, or the connection. Ask after receive().
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  PollLoop& loop_;
  dgram::Fd fd_;
  std::string got_;
  bool ended_ = false;
};

inline std::string get(std::string_view target, std::string_view fields = {}) {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n";
}
inline std::string post(std::string_view body) {
  return "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string{body};
}

/// A body of `total` bytes that counts how it is used.
struct BodyLog {
  std::size_t produced = 0;
  bool destroyed = false;
};
class CountedBody final : public Body {
 public:
  CountedBody(BodyLog& log, std::size_t total, std::size_t piece = 16 * 1024)
      : log_(log), total_(total), piece_(piece) {}
  ~CountedBody() override { log_.destroyed = true; }
  More produce(std::string& out) override {
    const std::size_t count = std::min(piece_, total_ - log_.produced);
    out.append(count, 'x');
    log_.produced += count;
    return log_.produced == total_ ? More::no : More::yes;
  }

 private:
  BodyLog& log_;
  std::size_t total_;
  std::size_t piece_;
};

/// A server at a path, whose handler a test sets.
class ServerTest : public testing::Test {
 protected:
  ServerTest() { open({}); }

  void open(ServerOptions options) {
    server_.reset();
    auto opened = Server::listen(
        path_, std::move(options), loop_, [this] { return now_; },
        [this](Request& request) { return handler_(request); });
    ASSERT_TRUE(opened) << opened.error().to_string();
    server_ = std::move(*opened);
  }
  [[nodiscard]] Peer connect() {
    Peer peer{loop_, path_};
    loop_.settle();
    return peer;
  }
  /// Lets time pass, stopping at every deadline as an event loop would.
  void pass(Duration time) {
    const Instant end = now_ + time;
    while (server_->next_deadline() <= end) {
      now_ = std::max(now_, server_->next_deadline());
      server_->expire(now_);
      loop_.settle();
    }
    now_ = end;
  }

  static Response echo(Request& request) {
    Response response;
    response.type = "text/plain";
    response.body = request.method + " " + request.target + " [" + request.body + "]";
    return response;
  }

  TempFolder folder_;
  std::string path_ = folder_.path("control.sock");
  PollLoop loop_;
  Instant now_{1000s};
  std::function<Response(Request&)> handler_ = echo;
  BodyLog log_;  ///< outlives the bodies that the server still has at the end
  std::unique_ptr<Server> server_;
};

}  // namespace vnet::http::test
