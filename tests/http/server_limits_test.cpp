// Who may ask the server, how many, and how slowly.
#include <sys/wait.h>

#include "http/sockets.hpp"
#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(ServerTest, answers_408_to_a_request_that_comes_too_slowly) {
  Peer peer = connect();
  pass(5s);
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
  for (int i = 0; i < 9; ++i) {
    pass(1s);
    peer.send("a");
  }
  EXPECT_THAT(peer.receive(), IsEmpty());
  pass(1s);
  EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 408"));
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(server_->counters().timed_out, 1U);
}

TEST_F(ServerTest, closes_an_idle_connection_without_a_word) {
  Peer fresh = connect();
  Peer used = connect();
  pass(59s);
  used.ask(get("/"));
  pass(1s);
  EXPECT_THAT(fresh.receive(), IsEmpty());
  EXPECT_TRUE(fresh.ended());
  EXPECT_EQ(server_->connection_count(), 1U);
  pass(59s);
  EXPECT_EQ(server_->connection_count(), 0U);
  EXPECT_EQ(server_->counters().timed_out, 0U);
  EXPECT_EQ(server_->next_deadline(), kNever);
}

TEST_F(ServerTest, cuts_off_a_client_that_takes_nothing) {
  handler_ = [](Request&) { return Response{.body = std::string(8 << 20, 'x')}; };
  Peer peer = connect();
  peer.send(get("/"));
  pass(29s);
  peer.read(1 << 20);
  loop_.settle();
  pass(29s);
  EXPECT_EQ(server_->connection_count(), 1U);
  pass(1s);
  EXPECT_EQ(server_->connection_count(), 0U);
  EXPECT_EQ(server_->counters().timed_out, 1U);
}

TEST_F(ServerTest, makes_room_by_ending_the_connection_that_is_idle_for_longest) {
  open({.max_connections = 3});
  Peer busy = connect();
  busy.send("GET / HT");
  Peer older = connect();
  pass(1s);
  Peer old = connect();
  pass(1s);
  older.ask(get("/"));
  Peer fresh = connect();
  EXPECT_THAT(fresh.ask(get("/x")), EndsWith("GET /x []"));
  old.receive();
  EXPECT_TRUE(old.ended());
  EXPECT_THAT(older.ask(get("/y")), EndsWith("GET /y []"));
  EXPECT_EQ(server_->counters().evicted, 1U);
}

TEST_F(ServerTest, answers_503_when_no_connection_is_idle) {
  open({.max_connections = 2});
  Peer one = connect();
  Peer two = connect();
  one.send("GET / HT");
  two.send("GET / HT");
  Peer three = connect();
  EXPECT_THAT(three.receive(), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("problem+json")));
  EXPECT_TRUE(three.ended());
  EXPECT_EQ(server_->counters().refused_limit, 1U);
  EXPECT_THAT(one.ask("TP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, does_not_take_a_request_that_waits_to_be_read_for_idleness) {
  open({.max_connections = 1});
  Peer first = connect();
  first.write(get("/first"));
  Peer second{loop_, path_};
  EXPECT_THAT(first.receive(), EndsWith("GET /first []"));
}

TEST_F(ServerTest, lets_in_no_other_user) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  // The folder and the file are opened to all: what keeps the child out is who it is.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  const auto talk_as = [&](uid_t uid) {
    const pid_t child = ::fork();
    if (child == 0) {
      char byte = 0;
      const dgram::Fd fd{::socket(AF_UNIX, SOCK_STREAM, 0)};
      if (::setuid(uid) != 0 || dgram::connect_to(fd, dgram::UnixAddress::from_path(path_).value()) != 0) ::_exit(2);
      const std::string request = get("/");
      ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
      ::_exit(::recv(fd.get(), &byte, 1, 0) == 1 ? 0 : 1);
    }
    int status = 0;
    bool over = false;
    EXPECT_TRUE(loop_.run_until([&] { return over = over || ::waitpid(child, &status, WNOHANG) == child; }));
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(talk_as(65534), 1);
  EXPECT_EQ(server_->counters().refused_user, 1U);
  EXPECT_EQ(talk_as(0), 0);
  EXPECT_EQ(server_->counters().accepted, 1U);
  open({.same_user = false});
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  EXPECT_EQ(talk_as(65534), 0);
}

TEST_F(ServerTest, wants_its_token) {
  open({.token = "0123456789abcdef"});
  for (const char* field :
       {"", "Authorization: Bearer 0123456789abcdeX\r\n", "Authorization: Bearer 0123456789abcde\r\n",
        "Authorization: Bearer 0123456789abcdef0\r\n", "Authorization: Basic 0123456789abcdef\r\n",
        "Authorization: Bearer\r\n", "Authorization:\r\n"}) {
    Peer peer = connect();
    EXPECT_THAT(peer.ask(get("/", field)),
                AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("WWW-Authenticate: Bearer\r\n")));
    EXPECT_TRUE(peer.ended());
  }
  EXPECT_EQ(server_->counters().requests, 0U);
  EXPECT_THAT(connect().ask(get("/", "Authorization: bearer 0123456789abcdef\r\n")), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, asks_for_the_token_before_it_takes_a_body) {
  open({.token = "secret"});
  Peer peer = connect();
  EXPECT_THAT(peer.ask("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"),
              StartsWith("HTTP/1.1 401"));
}

class TcpServerTest : public ServerTest, public testing::WithParamInterface<const char*> {};

TEST_P(TcpServerTest, answers_those_who_have_the_token) {
  auto opened = Server::listen_tcp(
      *parse_ip(GetParam()), 0, {.token = "secret"}, loop_, [this] { return now_; }, echo);
  if (!opened && opened.error().code == EADDRNOTAVAIL) GTEST_SKIP() << "no such address here";
  ASSERT_TRUE(opened) << opened.error().to_string();
  Server& server = **opened;
  EXPECT_THAT(server.name(), EndsWith(":" + std::to_string(server.port())));
  const auto dial = [&] {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(server.listener_fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    dgram::Fd fd{::socket(address.ss_family, SOCK_STREAM, 0)};
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    return Peer{loop_, std::move(fd)};
  };
  Peer stranger = dial();
  stranger.write(get("/"));
  std::string answer;
  EXPECT_TRUE(loop_.run_until([&] { return !(answer += stranger.receive()).empty(); }));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 401"));
  Peer friendly = dial();
  friendly.write(get("/x", "Authorization: Bearer secret\r\n"));
  answer.clear();
  EXPECT_TRUE(loop_.run_until([&] { return !(answer += friendly.receive()).empty(); }));
  EXPECT_THAT(answer, EndsWith("GET /x []"));
}

INSTANTIATE_TEST_SUITE_P(Loopback, TcpServerTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& test) { return test.index == 0 ? "v4" : "v6"; });

}  // namespace
}  // namespace vnet::http::test
