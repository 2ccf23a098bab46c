// Facts about TCP sockets on Linux that daemon/stream_peek.cpp is built on. When a kernel changes one of them, this is
// where it shows, and the comment says what leans on it. Nothing of ours is under test, so the calls are the kernel's.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#endif

namespace {

#if defined(__linux__)

/// A connection over the loopback: `ours` reads, `theirs` writes.
class Connection {
 public:
  explicit Connection(int family) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_storage address{};
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    std::memcpy(&address, family == AF_INET ? static_cast<const void*>(&v4) : &v6, size);
    auto* at = reinterpret_cast<sockaddr*>(&address);
    const int listener = ::socket(family, SOCK_STREAM, 0);
    if (::bind(listener, at, size) == 0 && ::listen(listener, 1) == 0 && ::getsockname(listener, at, &size) == 0) {
      theirs = ::socket(family, SOCK_STREAM, 0);
      if (::connect(theirs, at, size) == 0) ours = ::accept(listener, nullptr, nullptr);
    }
    ::close(listener);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (ours >= 0) ::close(ours);
    if (theirs >= 0) ::close(theirs);
  }

  void write(std::string_view text, int flags = 0) const {
    ASSERT_EQ(::send(theirs, text.data(), text.size(), flags), static_cast<ssize_t>(text.size()));
  }
  void abort() {
    const linger at_once{1, 0};
    ::setsockopt(theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(theirs);
    theirs = -1;
  }
  /// Waits for the loopback, which in practice has delivered before the sender's call returns.
  [[nodiscard]] short wait(short events = POLLIN) const {
    pollfd entry{ours, events, 0};
    return ::poll(&entry, 1, 10'000) == 1 ? entry.revents : short{0};
  }
  /// What is there; "" at the end; "errno N".
  [[nodiscard]] std::string receive(std::size_t size, int flags) const {
    std::string text(size, '\0');
    const ssize_t count = ::recv(ours, text.data(), size, flags | MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN ? "EAGAIN" : errno == ECONNRESET ? "ECONNRESET" : std::to_string(errno);
    return text.substr(0, static_cast<std::size_t>(count));
  }
  [[nodiscard]] std::string peek(std::size_t size) const { return receive(size, MSG_PEEK); }
  [[nodiscard]] ssize_t discard(std::size_t size) const {
    return ::recv(ours, nullptr, size, MSG_TRUNC | MSG_DONTWAIT);
  }
  [[nodiscard]] bool set_offset(int offset) const {
    return ::setsockopt(ours, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0;
  }
  [[nodiscard]] int offset() const {
    int value = -2;
    socklen_t size = sizeof value;
    ::getsockopt(ours, SOL_SOCKET, SO_PEEK_OFF, &value, &size);
    return value;
  }

  int ours = -1;
  int theirs = -1;
};

class TcpPeek : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (connection.ours < 0) GTEST_SKIP() << "no loopback of this family";
  }
  Connection connection{GetParam()};
};

/// Where the kernel has a peek offset for this family: IPv4 since 6.9, IPv6 a little later.
class TcpPeekOffset : public TcpPeek {
 protected:
  void SetUp() override {
    TcpPeek::SetUp();
    if (connection.ours >= 0 && !connection.set_offset(0)) GTEST_SKIP() << "no SO_PEEK_OFF for TCP here";
  }
};

std::string family_name(const testing::TestParamInfo<int>& info) { return info.param == AF_INET ? "IPv4" : "IPv6"; }
INSTANTIATE_TEST_SUITE_P(Families, TcpPeek, testing::Values(AF_INET, AF_INET6), family_name);
INSTANTIATE_TEST_SUITE_P(Families, TcpPeekOffset, testing::Values(AF_INET, AF_INET6), family_name);

// Why one peek after the other needs no setsockopt, and an earlier offset only one.
TEST_P(TcpPeekOffset, EachPeekGoesOnWhereTheLastEndedAndAnOffsetMaySetItBack) {
  connection.write("abc");
  connection.write("defghi");
  ASSERT_NE(connection.wait(), 0);
  EXPECT_EQ(connection.peek(2), "ab");
  EXPECT_EQ(connection.peek(4), "cdef");
  EXPECT_EQ(connection.offset(), 6);
  ASSERT_TRUE(connection.set_offset(1));
  EXPECT_EQ(connection.peek(3), "bcd");
  EXPECT_EQ(connection.offset(), 4);
}

// Why consuming needs neither a buffer nor a setsockopt.
TEST_P(TcpPeekOffset, DiscardingMovesTheOffsetBackByWhatWasDiscardedAndNotBelowZero) {
  connection.write("abcdefghi");
  ASSERT_NE(connection.wait(), 0);
  EXPECT_EQ(connection.peek(6), "abcdef");
  EXPECT_EQ(connection.discard(4), 4);
  EXPECT_EQ(connection.offset(), 2);
  EXPECT_EQ(connection.peek(1), "g");
  ASSERT_TRUE(connection.set_offset(0));
  EXPECT_EQ(connection.discard(3), 3);
  EXPECT_EQ(connection.offset(), 0);
  EXPECT_EQ(connection.peek(9), "hi");
}

// Why "drained" is what EAGAIN says, and why nothing is to be set right after it.
TEST_P(TcpPeekOffset, AtTheEndOfWhatIsThereItSaysEagainAndTheOffsetStays) {
  connection.write("abc");
  ASSERT_NE(connection.wait(), 0);
  EXPECT_EQ(connection.peek(9), "abc");
  EXPECT_EQ(connection.peek(9), "EAGAIN");
  EXPECT_EQ(connection.offset(), 3);
  connection.write("de");
  EXPECT_EQ(connection.peek(9), "de");
}

// Why the other side's end is seen while all that it sent is unread.
TEST_P(TcpPeekOffset, AtTheEndOfAFinishedStreamItSaysZeroWithAllOfItUnread) {
  connection.write("abc");
  ::shutdown(connection.theirs, SHUT_WR);
  ASSERT_NE(connection.wait(POLLRDHUP) & POLLRDHUP, 0);
  EXPECT_EQ(connection.peek(9), "abc");
  EXPECT_EQ(connection.peek(9), "");
  EXPECT_EQ(connection.peek(9), "");
  EXPECT_EQ(connection.offset(), 3);
  ASSERT_TRUE(connection.set_offset(1));
  EXPECT_EQ(connection.peek(9), "bc") << "again, as for a retransmission";
}

// Why an error is kept by us once seen, and what has come before it can still be given to the guest.
TEST_P(TcpPeekOffset, AResetLeavesWhatHasComeAndIsToldOnceAtItsEnd) {
  connection.write("abc");
  ASSERT_NE(connection.wait(), 0);
  connection.abort();
  ASSERT_NE(connection.wait(POLLRDHUP) & POLLERR, 0);
  EXPECT_EQ(connection.peek(2), "ab");
  EXPECT_EQ(connection.peek(2), "c");
  EXPECT_EQ(connection.peek(2), "ECONNRESET");
  EXPECT_EQ(connection.peek(2), "") << "and then looks like an orderly end";
  EXPECT_EQ(connection.discard(3), 3);
}

// Why a short peek is not the end of what is there once EPOLLPRI has been seen, and why consuming is a loop.
TEST_P(TcpPeekOffset, StopsShortOfAnUrgentByteThatIsInline) {
  const int on = 1;
  ASSERT_EQ(::setsockopt(connection.ours, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), 0);
  connection.write("abc", MSG_OOB);
  connection.write("def");
  EXPECT_NE(connection.wait(POLLPRI) & POLLPRI, 0);
  EXPECT_EQ(connection.peek(9), "ab");
  EXPECT_EQ(connection.peek(9), "cdef");
  EXPECT_EQ(connection.discard(5), 2);
  EXPECT_EQ(connection.discard(3), 3);
  EXPECT_EQ(connection.offset(), 1);
  EXPECT_EQ(connection.peek(9), "EAGAIN");
}

/// One descriptor watched as daemon/edge_poll.cpp does.
class Edges {
 public:
  explicit Edges(int fd) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  Edges(const Edges&) = delete;
  Edges& operator=(const Edges&) = delete;
  ~Edges() { ::close(epoll_); }
  /// 0: nothing has happened since the last time.
  [[nodiscard]] std::uint32_t take() const {
    epoll_event event{};
    return ::epoll_wait(epoll_, &event, 1, 0) == 1 ? event.events : 0;
  }

 private:
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

// Why data can be left in the kernel until the guest has acknowledged it, without a wake for it.
TEST_P(TcpPeek, AnEdgeIsForWhatComesNotForWhatLies) {
  const Edges edges{connection.ours};
  EXPECT_EQ(edges.take(), EPOLLOUT);
  EXPECT_EQ(edges.take(), 0U);
  connection.write("abc");
  EXPECT_EQ(edges.take(), EPOLLIN | EPOLLOUT) << "all that is so is told, not only what is new";
  EXPECT_EQ(connection.peek(9), "abc");
  EXPECT_EQ(edges.take(), 0U);
  connection.write("d");
  EXPECT_EQ(edges.take(), EPOLLIN | EPOLLOUT) << "with the first three still unread";
  ::shutdown(connection.theirs, SHUT_WR);
  EXPECT_EQ(edges.take(), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
  EXPECT_EQ(connection.discard(4), 4);
  EXPECT_EQ(edges.take(), 0U) << "reading makes none";
  connection.abort();
  EXPECT_EQ(edges.take(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
}

// Why `writable` follows a send that fell short, and only that.
TEST_P(TcpPeek, ThereIsAnEdgeForRoomOnlyAfterASendFellShort) {
  const Edges edges{connection.ours};
  EXPECT_EQ(edges.take(), EPOLLOUT);
  std::array<char, 65'536> block{};
  const auto fill = [&] {
    std::size_t sent = 0;
    for (ssize_t count = 0; count >= 0; sent += static_cast<std::size_t>(count)) {
      count = ::send(connection.ours, block.data(), block.size(), MSG_DONTWAIT);
      if (count < 0) break;
    }
    return sent;
  };
  ASSERT_EQ(::send(connection.ours, block.data(), 100, MSG_DONTWAIT), 100);
  ASSERT_EQ(::recv(connection.theirs, block.data(), 100, MSG_WAITALL), 100);
  EXPECT_EQ(edges.take(), 0U) << "the acknowledgement alone";
  const std::size_t sent = fill();
  EXPECT_EQ(edges.take(), 0U);
  std::size_t read = 0;
  while (read < sent) {
    const ssize_t count = ::recv(connection.theirs, block.data(), block.size(), 0);
    ASSERT_GT(count, 0);
    read += static_cast<std::size_t>(count);
  }
  EXPECT_EQ(connection.wait(POLLOUT), POLLOUT);
  EXPECT_EQ(edges.take(), EPOLLOUT);
}

#else

TEST(TcpPeek, IsAboutLinux) { GTEST_SKIP() << "SO_PEEK_OFF and epoll are Linux's"; }

#endif

}  // namespace
