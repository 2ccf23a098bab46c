// Answers that are put off until it is known what they are.
#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// What a test has to say, and when.
struct Drawer {
  std::optional<Response> answer;
  bool destroyed = false;
  int asked = 0;
  std::function<void()> while_asked = [] {};
};
class DrawerAnswer final : public Later {
 public:
  explicit DrawerAnswer(Drawer& drawer) : drawer_(drawer) {}
  ~DrawerAnswer() override { drawer_.destroyed = true; }
  std::optional<Response> take() override {
    ++drawer_.asked;
    std::optional<Response> answer = std::exchange(drawer_.answer, std::nullopt);
    std::exchange(drawer_.while_asked, [] {})();
    return answer;
  }

 private:
  Drawer& drawer_;
};

class LaterTest : public ServerTest {
 protected:
  LaterTest() {
    handler_ = [this](Request& request) {
      if (request.target == "/now") return echo(request);
      Response response;
      response.status = 500;  // nobody is to see this
      response.body = "not yet";
      response.later = std::make_unique<DrawerAnswer>(drawer_);
      return response;
    };
  }
  std::string wake_and_receive(Peer& peer, Response answer) {
    drawer_.answer = std::move(answer);
    server_->wake();
    return peer.receive();
  }
  static Response text(int status, std::string body) {
    Response response;
    response.status = status;
    response.type = "text/plain";
    response.body = std::move(body);
    return response;
  }
  Drawer drawer_;
};

TEST_F(LaterTest, sends_nothing_before_the_answer_is_there_and_then_all_of_it) {
  Peer peer = connect();
  EXPECT_EQ(peer.ask(get("/")), "");
  EXPECT_EQ(drawer_.asked, 1);
  EXPECT_EQ(wake_and_receive(peer, text(404, "gone")),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
            "Cache-Control: no-store\r\n\r\ngone");
  EXPECT_TRUE(drawer_.destroyed);
  EXPECT_THAT(peer.ask(get("/now")), EndsWith("GET /now []"));
}

TEST_F(LaterTest, an_answer_that_is_there_when_first_asked_for_needs_no_wake_up) {
  drawer_.answer = text(200, "here");
  EXPECT_THAT(connect().ask(get("/")), EndsWith("\r\n\r\nhere"));
}

TEST_F(LaterTest, costs_nothing_while_it_waits) {
  Peer peer = connect();
  peer.ask(get("/"));
  EXPECT_FALSE(loop_.turn(0));
  EXPECT_EQ(server_->next_deadline(), kNever);
  pass(1h);
  EXPECT_EQ(drawer_.asked, 1);
  server_->wake();  // news for somebody else
  EXPECT_EQ(peer.receive(), "");
  EXPECT_EQ(drawer_.asked, 2);
  EXPECT_THAT(wake_and_receive(peer, text(200, "still here")), EndsWith("still here"));
}

TEST_F(LaterTest, does_not_lose_a_wake_up_that_comes_while_it_is_asked) {
  Peer peer = connect();
  drawer_.while_asked = [this] {
    drawer_.answer = text(200, "woken");
    server_->wake();
  };
  EXPECT_THAT(peer.ask(get("/")), EndsWith("woken"));
}

TEST_F(LaterTest, the_answer_may_be_a_stream) {
  Peer peer = connect();
  peer.ask(get("/"));
  Response streamed;
  streamed.stream = std::make_unique<CountedBody>(log_, 100, 26);
  EXPECT_THAT(wake_and_receive(peer, std::move(streamed)),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("chunked"), HasSubstr("\r\n1a\r\nxxx"),
                    EndsWith("\r\n0\r\n\r\n")));
  EXPECT_TRUE(log_.destroyed);
}

TEST_F(LaterTest, a_head_request_gets_the_head_that_the_answer_has) {
  Peer peer = connect();
  EXPECT_EQ(peer.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), "");
  EXPECT_THAT(wake_and_receive(peer, text(403, "no")),
              AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("Content-Length: 2\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(LaterTest, an_http10_client_gets_it_and_the_end) {
  Peer peer = connect();
  peer.ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(wake_and_receive(peer, text(200, "bye")), AllOf(HasSubstr("Connection: close"), EndsWith("bye")));
  EXPECT_TRUE(peer.ended());
}

TEST_F(LaterTest, pipelined_requests_are_answered_behind_it) {
  Peer peer = connect();
  EXPECT_EQ(peer.ask(get("/") + get("/now")), "");
  EXPECT_THAT(wake_and_receive(peer, text(200, "first")), AllOf(HasSubstr("\r\n\r\nfirst"), EndsWith("GET /now []")));
}

TEST_F(LaterTest, another_client_is_served_meanwhile) {
  Peer peer = connect();
  peer.ask(get("/"));
  EXPECT_THAT(connect().ask(get("/now")), EndsWith("GET /now []"));
  EXPECT_FALSE(drawer_.destroyed);
}

TEST_F(LaterTest, is_destroyed_as_soon_as_the_client_goes) {
  Peer peer = connect();
  peer.ask(get("/"));
  peer.close();
  loop_.settle();
  EXPECT_TRUE(drawer_.destroyed);
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(LaterTest, is_destroyed_with_the_server) {
  Peer peer = connect();
  peer.ask(get("/"));
  server_.reset();
  EXPECT_TRUE(drawer_.destroyed);
  EXPECT_THAT(peer.receive(), IsEmpty());
}

TEST_F(LaterTest, a_second_putting_off_is_not_taken) {
  Peer peer = connect();
  peer.ask(get("/"));
  Drawer other;
  Response again = text(200, "enough");
  again.later = std::make_unique<DrawerAnswer>(other);
  EXPECT_THAT(wake_and_receive(peer, std::move(again)), AllOf(EndsWith("enough"), Not(HasSubstr("500"))));
  EXPECT_EQ(other.asked, 0);
}

}  // namespace
}  // namespace vnet::http::test
