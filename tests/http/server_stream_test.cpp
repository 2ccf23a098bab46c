// Bodies made piece by piece, and sockets that are given away.
#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// Gives what a test has put into `ready`, and waits when that is nothing.
struct Tap {
  std::string ready;
  bool last = false;
  bool destroyed = false;
  int asked = 0;
  std::function<void()> while_asked = [] {};
};
class TapBody final : public Body {
 public:
  explicit TapBody(Tap& tap) : tap_(tap) {}
  ~TapBody() override { tap_.destroyed = true; }
  More produce(std::string& out) override {
    ++tap_.asked;
    out += std::exchange(tap_.ready, {});
    std::exchange(tap_.while_asked, [] {})();
    return tap_.last ? More::no : More::wait;
  }

 private:
  Tap& tap_;
};

class StreamTest : public ServerTest {
 protected:
  StreamTest() {
    handler_ = [this](Request&) {
      Response response;
      response.type = "text/event-stream";
      response.stream = std::make_unique<TapBody>(tap_);
      return response;
    };
  }
  std::string wake_and_receive(Peer& peer, std::string text) {
    tap_.ready = std::move(text);
    server_->wake();
    return peer.receive();
  }
  Tap tap_;
};

TEST_F(StreamTest, a_stream_of_known_length_is_not_chunked) {
  handler_ = [this](Request&) {
    Response response{.headers = {{"Cache-Control", "no-cache"}}};
    response.stream = std::make_unique<CountedBody>(log_, 100'000);
    response.length = 100'000;
    return response;
  };
  Peer peer = connect();
  const std::string answer = peer.ask(get("/"));
  EXPECT_THAT(answer, AllOf(HasSubstr("Content-Length: 100000\r\n"), HasSubstr("Cache-Control: no-cache\r\n"),
                            Not(HasSubstr("chunked")), Not(HasSubstr("no-store"))));
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n"), 100'004U);
  EXPECT_TRUE(log_.destroyed);
  EXPECT_THAT(peer.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 100000\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(peer.ask("GET / HTTP/1.0\r\n\r\n"), HasSubstr("Content-Length: 100000\r\n"));
}

TEST_F(StreamTest, nothing_is_sent_beyond_its_length) {
  handler_ = [this](Request&) {
    Response response;
    response.stream = std::make_unique<CountedBody>(log_, 100'000);
    response.length = 20'000;
    return response;
  };
  Peer peer = connect();
  const std::string answer = peer.ask(get("/"));
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n"), 20'004U);
  EXPECT_TRUE(log_.destroyed);
  EXPECT_FALSE(peer.ended());
}

TEST_F(StreamTest, one_that_ends_before_its_length_ends_the_connection) {
  handler_ = [this](Request&) {
    Response response;
    response.stream = std::make_unique<CountedBody>(log_, 100);
    response.length = 101;
    return response;
  };
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/1")), EndsWith("xxxx"));
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(StreamTest, an_empty_stream_of_known_length_is_an_answer) {
  handler_ = [this](Request&) {
    Response response;
    response.stream = std::make_unique<CountedBody>(log_, 0);
    response.length = 0;
    return response;
  };
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/")), AllOf(HasSubstr("Content-Length: 0\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(peer.ask(get("/")), HasSubstr("200 OK"));
}

TEST_F(StreamTest, sends_pieces_as_chunks_when_there_are_any) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/")), AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"), Not(HasSubstr("Content-Length")),
                                        EndsWith("\r\n\r\n")));
  EXPECT_EQ(wake_and_receive(peer, "hello"), "5\r\nhello\r\n");
  EXPECT_EQ(wake_and_receive(peer, ""), "");
  tap_.last = true;
  EXPECT_EQ(wake_and_receive(peer, std::string(26, 'x')), "1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(tap_.destroyed);
  handler_ = echo;
  EXPECT_THAT(peer.ask(get("/next")), EndsWith("GET /next []"));
}

TEST_F(StreamTest, sends_raw_pieces_to_http10_until_it_closes) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask("GET / HTTP/1.0\r\n\r\n"), AllOf(HasSubstr("Connection: close"), Not(HasSubstr("chunked"))));
  EXPECT_EQ(wake_and_receive(peer, "hello"), "hello");
  tap_.last = true;
  EXPECT_EQ(wake_and_receive(peer, "bye"), "bye");
  EXPECT_TRUE(peer.ended());
}

TEST_F(StreamTest, gives_only_the_head_to_a_head_request) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("\r\n\r\n"));
  EXPECT_TRUE(tap_.destroyed);
  EXPECT_EQ(tap_.asked, 0);
}

TEST_F(StreamTest, costs_nothing_while_it_waits) {
  Peer peer = connect();
  peer.ask(get("/"));
  EXPECT_FALSE(loop_.turn(0));
  const int asked = tap_.asked;
  EXPECT_EQ(server_->next_deadline(), kNever);
  pass(1h);
  EXPECT_EQ(tap_.asked, asked);
  EXPECT_EQ(wake_and_receive(peer, "still here"), "a\r\nstill here\r\n");
}

TEST_F(StreamTest, does_not_lose_a_wake_up_that_comes_while_it_is_asked) {
  Peer peer = connect();
  peer.ask(get("/"));
  tap_.while_asked = [this] {
    tap_.ready = "b";
    server_->wake();
  };
  EXPECT_EQ(wake_and_receive(peer, "a"), "1\r\na\r\n1\r\nb\r\n");
}

TEST_F(StreamTest, is_destroyed_as_soon_as_the_client_goes) {
  Peer peer = connect();
  peer.ask(get("/"));
  peer.close();
  loop_.settle();
  EXPECT_TRUE(tap_.destroyed);
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(StreamTest, goes_on_for_a_client_that_has_only_ended_its_direction) {
  Peer peer = connect();
  peer.ask(get("/"));
  peer.end();
  loop_.settle();
  EXPECT_FALSE(loop_.turn(0)) << "the end of input must not keep the loop busy";
  EXPECT_EQ(wake_and_receive(peer, "hello"), "5\r\nhello\r\n");
  peer.close();
  wake_and_receive(peer, "nobody hears this");
  EXPECT_TRUE(tap_.destroyed);
}

TEST_F(StreamTest, is_not_kept_busy_by_a_request_that_is_already_waiting) {
  Peer peer = connect();
  peer.ask(get("/"));
  peer.send(get("/2"));
  EXPECT_FALSE(loop_.turn(0));
  tap_.last = true;
  EXPECT_THAT(wake_and_receive(peer, ""), AllOf(StartsWith("0\r\n\r\nHTTP/1.1 200"), EndsWith("0\r\n\r\n")));
}

TEST_F(StreamTest, is_destroyed_with_the_server) {
  Peer peer = connect();
  peer.ask(get("/"));
  server_.reset();
  EXPECT_TRUE(tap_.destroyed);
}

TEST_F(ServerTest, makes_a_long_list_no_faster_than_it_is_read) {
  BodyLog& log = log_;
  constexpr std::size_t kTotal = 64 << 20;
  handler_ = [&](Request&) {
    Response response;
    response.stream = std::make_unique<CountedBody>(log, kTotal);
    return response;
  };
  Peer reader = connect();
  Peer other = connect();
  reader.send(get("/list"));
  std::size_t taken = 0;
  std::size_t ahead = 0;
  while (!log.destroyed) {
    ASSERT_TRUE(reader.read(256 * 1024));
    taken += 256 * 1024;
    loop_.settle();
    if (log.produced > taken) ahead = std::max(ahead, log.produced - taken);
  }
  EXPECT_EQ(log.produced, kTotal);
  EXPECT_LT(ahead, 2U << 20U) << "what the kernel's buffers hold, and one piece";
  handler_ = echo;
  EXPECT_THAT(other.ask(get("/")), EndsWith("GET / []"));
}

TEST_F(ServerTest, serves_others_between_the_pieces_of_a_list) {
  BodyLog& log = log_;
  handler_ = [&](Request& request) {
    if (request.target != "/list") return echo(request);
    Response response;
    response.stream = std::make_unique<CountedBody>(log, 100 * 1024);
    return response;
  };
  Peer reader = connect();
  Peer other = connect();
  reader.write(get("/list"));
  other.write(get("/"));
  loop_.turn(0);
  EXPECT_LE(log.produced, 16U * 1024);
  ASSERT_TRUE(other.read());
  EXPECT_FALSE(log.destroyed);
}

TEST_F(ServerTest, cuts_off_a_reader_of_a_list_that_takes_nothing) {
  BodyLog& log = log_;
  handler_ = [&](Request&) {
    Response response;
    response.stream = std::make_unique<CountedBody>(log, 64 << 20);
    return response;
  };
  Peer peer = connect();
  peer.send(get("/list"));
  for (int i = 0; i < 29; ++i) {
    pass(1s);
    server_->wake();  // news for other streams is no progress of this one
    loop_.settle();
  }
  EXPECT_FALSE(log.destroyed);
  pass(1s);
  EXPECT_TRUE(log.destroyed);
  EXPECT_EQ(server_->counters().timed_out, 1U);
}

class HandOverTest : public ServerTest {
 protected:
  HandOverTest() {
    handler_ = [this](Request& request) {
      if (request.target != "/take") return echo(request);
      Response response;
      response.status = status_;
      response.type.clear();
      if (status_ == 101) response.headers = {{"Connection", "upgrade"}, {"Upgrade", "vnet"}};
      response.hand_over = [this](dgram::Fd fd, std::string rest) {
        fd_ = std::move(fd);
        rest_ = std::move(rest);
      };
      return response;
    };
  }
  int status_ = 101;
  dgram::Fd fd_;
  std::string rest_;
};

TEST_F(HandOverTest, gives_the_socket_away_with_what_was_read_behind_the_request) {
  Peer peer = connect();
  EXPECT_EQ(peer.ask(get("/take", "Connection: upgrade\r\nUpgrade: vnet\r\n") + "first bytes"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: vnet\r\n\r\n");
  ASSERT_TRUE(fd_);
  EXPECT_EQ(rest_, "first bytes");
  EXPECT_EQ(server_->connection_count(), 0U);
  EXPECT_FALSE(loop_.watches(fd_.get()));
  server_.reset();
  ASSERT_EQ(::send(fd_.get(), "raw", 3, 0), 3);
  EXPECT_EQ(peer.receive(), "raw");
  EXPECT_FALSE(peer.ended());
}

TEST_F(HandOverTest, announces_a_raw_stream_by_closing) {
  status_ = 200;
  EXPECT_EQ(connect().ask(get("/take")), "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(fd_);
  EXPECT_THAT(rest_, IsEmpty());
}

TEST_F(HandOverTest, keeps_the_socket_of_a_head_request) {
  Peer peer = connect();
  peer.ask("HEAD /take HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(fd_);
}

TEST_F(HandOverTest, comes_after_the_answers_to_earlier_requests) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/1") + get("/take")), AllOf(HasSubstr("GET /1 []"), EndsWith("Upgrade: vnet\r\n\r\n")));
  EXPECT_TRUE(fd_);
}

}  // namespace
}  // namespace vnet::http::test
