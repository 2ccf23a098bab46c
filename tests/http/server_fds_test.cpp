// Descriptors that ride along with requests.
#include <fcntl.h>

#include "http/sockets.hpp"
#include "http_testing.hpp"

namespace vnet::http::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class FdTest : public ServerTest {
 protected:
  FdTest() {
    handler_ = [this](Request& request) {
      counts_.push_back(request.fds.size());
      if (keep_) kept_ = std::move(request.fds);
      return echo(request);
    };
  }
  /// Sends with `count` copies of one descriptor attached.
  void send_with(const Peer& peer, std::string_view bytes, std::size_t count) {
    const std::vector<int> fds(count, null_.get());
    ASSERT_EQ(http::send(borrow(peer), bytes, fds).count, bytes.size());
  }
  /// The peer's descriptor, as a new one.
  static dgram::Fd borrow(const Peer& peer) { return dgram::Fd{::fcntl(peer.fd(), F_DUPFD_CLOEXEC, 0)}; }

  dgram::Fd null_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  std::vector<std::size_t> counts_;
  bool keep_ = false;
  std::vector<dgram::Fd> kept_;
};

TEST_F(FdTest, come_with_their_request_and_close_on_exec) {
  keep_ = true;
  Peer peer = connect();
  send_with(peer, post("attach"), 1);
  EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 200"));
  ASSERT_EQ(kept_.size(), 1U);
  EXPECT_EQ(::fcntl(kept_[0].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::write(kept_[0].get(), "x", 1), 1);
}

TEST_F(FdTest, come_with_the_request_even_when_it_is_sent_in_parts) {
  Peer peer = connect();
  const std::string request = post("attach");
  peer.send(request.substr(0, 10));
  send_with(peer, request.substr(10, 20), 2);
  loop_.settle();
  peer.send(request.substr(30));
  EXPECT_THAT(counts_, ElementsAre(2U));
}

TEST_F(FdTest, go_to_none_but_the_request_that_they_were_sent_with) {
  Peer peer = connect();
  peer.write(get("/1"));
  send_with(peer, get("/2"), 1);
  peer.write(get("/3"));
  send_with(peer, get("/4"), kMaxFds);
  send_with(peer, get("/5"), 3);
  peer.receive();
  EXPECT_THAT(counts_, ElementsAre(0U, 1U, 0U, kMaxFds, 3U));
}

TEST_F(FdTest, are_closed_when_the_handler_does_not_keep_them) {
  Peer peer = connect();
  peer.ask(get("/"));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    send_with(peer, get("/"), kMaxFds);
    peer.receive();
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_THAT(counts_, testing::SizeIs(21));
}

TEST_F(FdTest, beyond_the_limit_are_refused_and_do_not_leak) {
  const std::size_t before = open_descriptors();
  {
    Peer peer = connect();
    const std::vector<int> fds(kMaxFds, null_.get());
    peer.send("GET / HT");
    send_with(peer, "TP", kMaxFds);
    loop_.settle();
    send_with(peer, "/1.1\r\n", 1);
    EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 400"));
    EXPECT_TRUE(peer.ended());
  }
  loop_.settle();
  EXPECT_EQ(server_->connection_count(), 0U);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(FdTest, beyond_the_limit_in_one_message_are_refused_and_do_not_leak) {
  const std::size_t before = open_descriptors();
  {
    Peer peer = connect();
    union {
      cmsghdr align;
      char bytes[CMSG_SPACE((kMaxFds + 1) * sizeof(int))];
    } control{};
    std::string text = get("/");
    iovec vector{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN((kMaxFds + 1) * sizeof(int));
    const std::vector<int> fds(kMaxFds + 1, null_.get());
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
    ASSERT_EQ(::sendmsg(peer.fd(), &message, 0), static_cast<ssize_t>(text.size()));
    EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 400"));
  }
  loop_.settle();
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(counts_.empty());
}

TEST_F(FdTest, of_a_malformed_or_unfinished_request_do_not_leak) {
  const std::size_t before = open_descriptors();
  {
    Peer malformed = connect();
    send_with(malformed, "GET / HTTP/1.1\r\n\r\n", 3);
    EXPECT_THAT(malformed.receive(), StartsWith("HTTP/1.1 400"));
    Peer unfinished = connect();
    send_with(unfinished, "GET / HT", 3);
    loop_.settle();
  }
  loop_.settle();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(FdTest, that_come_while_a_refused_client_is_drained_do_not_leak) {
  Peer peer = connect();
  peer.send("GET / HTTP/1.1\r\n\r\n");
  peer.receive();
  const std::size_t before = open_descriptors();
  send_with(peer, "more", 3);
  loop_.settle();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ServerTest, turns_clients_away_when_no_descriptor_is_left_without_spinning) {
  std::vector<dgram::Fd> hoard;
  Peer before = connect();
  dgram::Fd late = dgram::make_socket(SOCK_STREAM).value();
  while (dgram::Fd fd{::dup(0)}) hoard.push_back(std::move(fd));
  ASSERT_EQ(dgram::connect_to(late, dgram::UnixAddress::from_path(path_).value()), 0);
  loop_.settle();
  hoard.clear();
  EXPECT_EQ(server_->counters().refused_limit, 1U);
  EXPECT_THAT(before.ask(get("/")), HasSubstr("GET / []"));
  EXPECT_THAT(connect().ask(get("/")), HasSubstr("GET / []"));
}

}  // namespace
}  // namespace vnet::http::test
