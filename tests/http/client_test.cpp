// The client: against our server in a thread of its own, and against peers that say what a test wants.
#include "http/client.hpp"

#include <fcntl.h>

#include <atomic>
#include <thread>

#include "http/sockets.hpp"
#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A server that runs until the test is over; its handler answers in that thread.
class ClientTest : public testing::Test {
 protected:
  ClientTest() {
    auto opened = Server::listen(
        path_, {.max_connections = 1, .max_body = 64 * 1024}, loop_, [] { return Instant{}; },
        [this](Request& request) { return answer(request); });
    server_ = std::move(opened.value());
    thread_ = std::thread{[this] {
      while (!stop_) loop_.turn(10);
      server_.reset();
    }};
  }
  ~ClientTest() override {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] Client connect() const { return std::move(Client::connect(path_, 10s).value()); }

  Response answer(Request& request) {
    Response response;
    if (request.path == std::vector<std::string>{"stream"}) {
      response.stream = std::make_unique<CountedBody>(log_, 300'000);
    } else if (request.path == std::vector<std::string>{"take"}) {
      response.status = request.parameter("raw") != nullptr ? 200 : 101;
      response.hand_over = [](dgram::Fd fd, const std::string& rest) {
        EXPECT_TRUE(http::send(fd, "raw " + rest).count > 0);
      };
    } else if (request.path == std::vector<std::string>{"write"}) {
      for (const dgram::Fd& fd : request.fds) EXPECT_EQ(::write(fd.get(), "hello", 5), 5);
      response.status = 204;
    } else {
      const std::string* const type = request.header("content-type");
      response.headers = {{"X-Kind", "echo"}};
      response.body = request.method + " " + request.target + " " + (type == nullptr ? "-" : *type) + " " +
                      std::to_string(request.body.size());
    }
    return response;
  }

  TempFolder folder_;
  std::string path_ = folder_.path("control.sock");
  PollLoop loop_;
  BodyLog log_;
  std::unique_ptr<Server> server_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string read_all(Client& client) {
  std::string all;
  std::vector<std::uint8_t> buffer(1000);
  while (true) {
    const auto size = client.read_body(buffer, 10s);
    EXPECT_TRUE(size) << size.error();
    if (!size || *size == 0) return all;
    all += as_text(ByteView{buffer}.first(*size));
  }
}

TEST_F(ClientTest, exchanges_one_request_after_the_other) {
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.exchange("PATCH", "/v1/nics/a", "{}");
    ASSERT_TRUE(reply) << reply.error();
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, "PATCH /v1/nics/a application/json 2");
    EXPECT_EQ(*reply->header("x-kind"), "echo");
  }
  EXPECT_EQ(client.exchange("GET", "/x").value().body, "GET /x - 0");
  EXPECT_EQ(client.exchange("HEAD", "/x").value().body, "");
  EXPECT_EQ(client.exchange("POST", "/x").value().body, "POST /x - 0");
}

TEST_F(ClientTest, sends_descriptors_along) {
  Client client = connect();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const dgram::Fd out{ends[0]};
  const dgram::Fd in{ends[1]};
  const std::vector<int> fds{in.get(), in.get()};
  EXPECT_EQ(client.exchange("POST", "/write", "{}", fds).value().status, 204);
  char text[11] = {};
  EXPECT_EQ(::read(out.get(), text, 10), 10);
  EXPECT_STREQ(text, "hellohello");
  EXPECT_FALSE(client.exchange("POST", "/write", "{}", std::vector<int>(kMaxFds + 1, in.get())));
}

TEST_F(ClientTest, reads_a_stream_piece_by_piece_and_then_goes_on) {
  Client client = connect();
  const auto head = client.begin("GET", "/stream", {{"Accept", "text/event-stream"}});
  ASSERT_TRUE(head) << head.error();
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(read_all(client), std::string(300'000, 'x'));
  EXPECT_TRUE(client.has_body());
  EXPECT_EQ(client.exchange("GET", "/x").value().status, 200);
}

TEST_F(ClientTest, sends_nothing_further_while_a_stream_is_unread) {
  Client client = connect();
  ASSERT_TRUE(client.begin("GET", "/stream"));
  EXPECT_FALSE(client.exchange("GET", "/x"));
}

TEST_F(ClientTest, reads_a_raw_stream_to_its_end) {
  Client client = connect();
  ASSERT_TRUE(client.begin("GET", "/take?raw=1"));
  EXPECT_EQ(read_all(client), "raw ");
  EXPECT_FALSE(client.exchange("GET", "/x"));
}

TEST_F(ClientTest, gives_the_connection_away_after_a_101) {
  Client client = connect();
  EXPECT_EQ(client.begin("GET", "/take", {{"Connection", "upgrade"}, {"Upgrade", "x"}}).value().status, 101);
  auto [fd, rest] = client.release();
  const dgram::Fd mine = std::move(fd);
  while (rest.size() < 4) {
    char buffer[16];
    const Transfer got = receive(mine, buffer);
    if (got.kind == Transfer::Kind::blocked) continue;
    ASSERT_EQ(got.kind, Transfer::Kind::moved);
    rest.append(buffer, got.count);
  }
  EXPECT_EQ(rest, "raw ");
  EXPECT_FALSE(client.exchange("GET", "/x"));
}

TEST_F(ClientTest, hears_why_a_long_body_was_refused) {
  Client client = connect();
  const auto reply = client.exchange("POST", "/x", std::string(8 << 20, 'a'));
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_EQ(reply->status, 413);
  EXPECT_FALSE(client.exchange("GET", "/x"));
}

TEST_F(ClientTest, hears_that_there_are_too_many_connections) {
  Client streaming = connect();
  ASSERT_TRUE(streaming.begin("GET", "/stream"));
  Client late = connect();
  const auto reply = late.exchange("GET", "/x");
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_EQ(reply->status, 503);
}

TEST(ClientConnect, says_why_it_cannot) {
  const TempFolder folder;
  const auto missing = Client::connect(folder.path("control.sock"), 1s);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_EQ(missing.error().to_string(), "connect to " + folder.path("control.sock") + ": No such file or directory");
  { const auto stale = listen_unix(folder.path("stale.sock")).value(); }
  EXPECT_EQ(Client::connect(folder.path("stale.sock"), 1s).error().code, ECONNREFUSED);
  EXPECT_EQ(Client::connect(std::string(200, 'x'), 1s).error().code, ENAMETOOLONG);
}

TEST(ClientConnect, gives_up_on_a_listener_that_accepts_nobody) {
  const TempFolder folder;
  const auto listener = listen_unix(folder.path("full.sock")).value();
  std::vector<dgram::Fd> waiting;
  int code = 0;
  while (code == 0) {
    waiting.push_back(dgram::make_socket(SOCK_STREAM).value());
    code = dgram::connect_to(waiting.back(), dgram::UnixAddress::from_path(folder.path("full.sock")).value());
  }
  EXPECT_EQ(Client::connect(folder.path("full.sock"), 20ms).error().code, ETIMEDOUT);
}

/// A client whose server has said all that it will say.
std::string error_after(std::string_view said, bool closes = true) {
  auto [ours, theirs] = dgram::make_pair(SOCK_STREAM).value();
  EXPECT_EQ(http::send(theirs, said).count, said.size());
  if (closes) ::shutdown(theirs.get(), SHUT_WR);
  Client client{std::move(ours), closes ? Duration{10s} : Duration{20ms}};
  const auto reply = client.exchange("GET", "/");
  return reply ? "none" : reply.error();
}

TEST(ClientErrors, name_what_went_wrong) {
  EXPECT_THAT(error_after("SSH-2.0-x\r\n\r\n"), HasSubstr("malformed"));
  EXPECT_THAT(error_after("HTTP/1.1 200 OK\r\n"), HasSubstr("ended before"));
  EXPECT_THAT(error_after("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), HasSubstr("in the middle"));
  EXPECT_THAT(error_after("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false), HasSubstr("in time"));
  EXPECT_EQ(error_after("HTTP/1.1 200 OK\r\n\r\nall"), "none");
}

TEST(ClientErrors, end_a_reply_that_is_too_long) {
  auto [ours, theirs] = dgram::make_pair(SOCK_STREAM).value();
  std::thread server{[fd = std::move(theirs)] {
    std::string bytes = "HTTP/1.1 200 OK\r\n\r\n" + std::string(64 * 1024, 'x');
    while (true) {
      const Transfer taken = http::send(fd, bytes);
      if (taken.kind == Transfer::Kind::failed) return;
      pollfd entry{fd.get(), POLLOUT, 0};
      ::poll(&entry, 1, 1000);
    }
  }};
  {
    Client client{std::move(ours), 60s};
    const auto reply = client.exchange("GET", "/");
    ASSERT_FALSE(reply);
    EXPECT_THAT(reply.error(), HasSubstr("longer than"));
  }
  server.join();
}

TEST(ClientErrors, do_not_wait_for_a_peer_that_takes_no_request) {
  auto [ours, theirs] = dgram::make_pair(SOCK_STREAM).value();
  Client client{std::move(ours), 20ms};
  EXPECT_THAT(client.exchange("POST", "/", std::string(8 << 20, 'a')).error(), HasSubstr("in time"));
}

TEST(ClientErrors, close_descriptors_that_a_server_sends) {
  auto [ours, theirs] = dgram::make_pair(SOCK_STREAM).value();
  const std::vector<int> fds{theirs.get()};
  const std::size_t before = open_descriptors();
  EXPECT_GT(http::send(theirs, "HTTP/1.1 204 No Content\r\n\r\n", fds).count, 0U);
  Client client{std::move(ours), 1s};
  EXPECT_EQ(client.exchange("GET", "/").value().status, 204);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace vnet::http::test
