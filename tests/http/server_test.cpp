// The server over a real socket: one request after the other, and how a connection ends.
#include "http/server.hpp"

#include <sys/stat.h>

#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::size_t count_of(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST_F(ServerTest, answers_a_request) {
  Peer peer = connect();
  EXPECT_EQ(peer.ask(get("/v1/status")),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\nCache-Control: no-store\r\n\r\n"
            "GET /v1/status []");
  EXPECT_FALSE(peer.ended());
}

TEST_F(ServerTest, keeps_the_connection_for_the_next_request) {
  Peer peer = connect();
  for (int i = 0; i < 5; ++i)
    EXPECT_THAT(peer.ask(get("/" + std::to_string(i))), HasSubstr("GET /" + std::to_string(i)));
  EXPECT_EQ(server_->counters().requests, 5U);
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(ServerTest, understands_a_request_that_comes_byte_by_byte) {
  Peer peer = connect();
  for (const char c : post("hello")) peer.send({&c, 1});
  EXPECT_THAT(peer.receive(), EndsWith("POST /echo [hello]"));
}

TEST_F(ServerTest, answers_pipelined_requests_in_their_order) {
  Peer peer = connect();
  const std::string answers = peer.ask(get("/1") + post("two") + get("/3"));
  EXPECT_LT(answers.find("GET /1 []"), answers.find("POST /echo [two]"));
  EXPECT_THAT(answers, EndsWith("GET /3 []"));
  EXPECT_EQ(count_of(answers, "HTTP/1.1 200 OK"), 3U);
}

TEST_F(ServerTest, parses_no_further_request_while_an_answer_is_being_sent) {
  int handled = 0;
  handler_ = [&](Request&) {
    ++handled;
    return Response{.body = std::string(8 << 20, 'x')};
  };
  Peer peer = connect();
  peer.send(get("/1") + get("/2"));
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(count_of(peer.receive(), "HTTP/1.1 200"), 2U);
  EXPECT_EQ(handled, 2);
}

TEST_F(ServerTest, stops_reading_while_a_client_does_not) {
  Peer peer = connect();
  const std::string request = post(std::string(1000, 'a'));
  std::size_t sent = 0;
  for (int refused = 0; refused < 3 && sent < (64U << 20U);) {
    const ssize_t size = ::send(peer.fd(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    refused = size < 0 ? refused + 1 : 0;
    sent += size < 0 ? 0 : static_cast<std::size_t>(size);
    loop_.settle();
  }
  EXPECT_LT(sent, 8U << 20U);
}

TEST_F(ServerTest, gives_leave_to_send_a_body) {
  Peer peer = connect();
  const std::string head = "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(peer.ask(head), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(peer.ask("ab"), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("[ab]")));
  EXPECT_THAT(peer.ask(head + "cd"), AllOf(StartsWith("HTTP/1.1 "), EndsWith("[cd]")));
}

TEST_F(ServerTest, refuses_a_body_that_is_too_long_instead_of_asking_for_it) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask("POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(ServerTest, takes_chunked_bodies) {
  Peer peer = connect();
  EXPECT_THAT(
      peer.ask("PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
      EndsWith("PUT /x [abcde]"));
}

TEST_F(ServerTest, closes_when_asked_to) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/x", "Connection: close\r\n")), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("[]")));
  EXPECT_TRUE(peer.ended());
  peer.close();
  loop_.settle();
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(ServerTest, closes_after_an_answer_to_http10) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask("GET /x HTTP/1.0\r\n\r\n"), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("GET /x []")));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerTest, answers_a_head_request_without_the_body) {
  Peer peer = connect();
  const std::string answer = peer.ask("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, AllOf(HasSubstr("Content-Length: 9\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(peer.ask(get("/y")), EndsWith("GET /y []"));
}

TEST_F(ServerTest, sends_neither_body_nor_length_with_204) {
  handler_ = [](Request&) { return Response{.status = 204, .body = "ignored"}; };
  EXPECT_EQ(connect().ask(get("/")), "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n");
}

TEST_F(ServerTest, lets_no_header_value_begin_a_line_of_its_own) {
  handler_ = [](Request&) { return Response{.status = 201, .headers = {{"Location", "/a\r\nX-Evil: 1"}}}; };
  EXPECT_THAT(connect().ask(get("/")), AllOf(HasSubstr("Location: /a  X-Evil: 1\r\n"), Not(HasSubstr("\nX-Evil"))));
}

TEST_F(ServerTest, answers_a_client_that_has_ended_its_direction) {
  Peer peer = connect();
  peer.write(get("/1") + get("/2"));
  peer.end();
  EXPECT_EQ(count_of(peer.receive(), "HTTP/1.1 200"), 2U);
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(ServerTest, forgets_a_client_that_leaves_in_the_middle_of_a_request) {
  Peer peer = connect();
  peer.send("GET / HT");
  EXPECT_EQ(server_->connection_count(), 1U);
  peer.close();
  loop_.settle();
  EXPECT_EQ(server_->connection_count(), 0U);
  EXPECT_EQ(loop_.watched(), 1U);
}

TEST_F(ServerTest, explains_its_own_errors_as_problem_documents) {
  for (const auto& [request, status, title] : std::vector<std::tuple<std::string, int, std::string>>{
           {"GET / HTTP/1.1\r\n\r\n", 400, "Bad Request"},
           {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413, "Payload Too Large"},
           {get("/", "Expect: more\r\n"), 417, "Expectation Failed"},
           {"GET /" + std::string(20000, 'a'), 431, "Request Header Fields Too Large"},
           {"FROB / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "Not Implemented"},
           {"GET / HTTP/2.0\r\n\r\n", 505, "HTTP Version Not Supported"}}) {
    Peer peer = connect();
    const std::string answer = peer.ask(request);
    const std::string number = std::to_string(status);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + number + " " + title + "\r\n"));
    EXPECT_THAT(answer,
                AllOf(HasSubstr("Content-Type: application/problem+json\r\n"), HasSubstr("Connection: close\r\n"),
                      HasSubstr("{\"status\":" + number + ",\"title\":\"" + title + "\",\"detail\":\"")));
    EXPECT_TRUE(peer.ended());
  }
  EXPECT_EQ(server_->counters().requests, 0U);
  EXPECT_EQ(server_->counters().faults, 6U);
}

TEST_F(ServerTest, lets_a_client_finish_sending_what_it_refuses) {
  Peer peer = connect();
  const std::string body(2 << 20, 'a');
  peer.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(server_->connection_count(), 1U);
  pass(kLingerTime);
  EXPECT_EQ(server_->connection_count(), 0U);
}

TEST_F(ServerTest, does_a_bounded_amount_in_one_turn) {
  handler_ = [](Request&) { return Response{.body = std::string(1 << 20, 'x')}; };
  Peer peer = connect();
  peer.write(get("/"));
  loop_.turn(0);
  peer.read();
  const std::size_t before = loop_.turns();
  peer.receive();
  EXPECT_GE(loop_.turns() - before, ((1U << 20U) - kWriteBytes) / kWriteBytes);
}

TEST_F(ServerTest, opens_its_file_to_its_owner_only_and_removes_it) {
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  server_.reset();
  EXPECT_NE(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(ServerTest, leaves_a_disowned_file_for_its_successor) {
  dgram::Fd listener{::dup(server_->listener_fd())};
  server_->disown_file();
  server_.reset();
  auto adopted = Server::adopt(
      std::move(listener), path_, {}, loop_, [this] { return now_; }, echo);
  ASSERT_TRUE(adopted);
  EXPECT_THAT(connect().ask(get("/again")), EndsWith("GET /again []"));
  adopted->reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ServerTest, replaces_a_stale_file_and_no_living_one) {
  const auto open = [&](const std::string& path) {
    return Server::listen(
        path, {}, loop_, [this] { return now_; }, echo);
  };
  EXPECT_FALSE(open(path_));
  server_->disown_file();
  server_.reset();
  EXPECT_TRUE(open(path_));
  EXPECT_FALSE(open(folder_.path("missing/control.sock")));
  EXPECT_FALSE(open(folder_.path(std::string(200, 'x'))));
}

TEST_F(ServerTest, ends_with_connections_open) {
  Peer idle = connect();
  Peer busy = connect();
  busy.send("GET / HT");
  server_.reset();
  EXPECT_EQ(loop_.watched(), 0U);
  idle.receive();
  EXPECT_TRUE(idle.ended());
}

}  // namespace
}  // namespace vnet::http::test
