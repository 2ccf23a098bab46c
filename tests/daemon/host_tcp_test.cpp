// Connections of SystemSockets over the loopback: IPv4 and IPv6, with what is unacknowledged kept by the kernel and by
// us.
#include "daemon/host_tcp.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/daemon/host_sockets_fixture.hpp"

namespace vnet::daemon {
namespace {

struct Variant {
  bool v6 = false;
  bool in_kernel = false;
};

std::string variant_name(const testing::TestParamInfo<Variant>& info) {
  return std::string{info.param.v6 ? "IPv6" : "IPv4"} + (info.param.in_kernel ? "PeekedInKernel" : "BufferedHere");
}

class HostTcpTest : public HostSocketsFixture, public testing::WithParamInterface<Variant> {
 protected:
  HostTcpTest() : HostSocketsFixture({GetParam().in_kernel, GetParam().in_kernel}) {}
  void SetUp() override {
    const PeekOffset has = probe_peek_offset();
    if (GetParam().in_kernel && !(GetParam().v6 ? has.ipv6 : has.ipv4)) GTEST_SKIP() << "no SO_PEEK_OFF for TCP here";
  }

  Call call() {
    Call call{next_flow(), nullptr, {}};
    auto socket = sockets_.connect(call.flow, {server_.address, server_.port});
    EXPECT_TRUE(socket.has_value());
    call.socket = std::move(*socket);
    call.far = server_.accept();
    EXPECT_TRUE(hears(call.flow, &Heard::writable));
    return call;
  }

  LoopbackServer server_{SOCK_STREAM, GetParam().v6};
};

INSTANTIATE_TEST_SUITE_P(Variants, HostTcpTest,
                         testing::Values(Variant{false, false}, Variant{false, true}, Variant{true, false},
                                         Variant{true, true}),
                         variant_name);

TEST_P(HostTcpTest, ConnectsAndSaysOnceThatItIsMade) {
  const Call call = this->call();
  EXPECT_EQ(call.send("ping"), 4U);
  EXPECT_EQ(receive(call.far, 4), "ping");
  transmit(call.far, "pong");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 9), "pong.");
  loop_.settle();
  EXPECT_EQ(heard_[call.flow].writable, 1);
  EXPECT_EQ(heard_[call.flow].readable, 1);
  EXPECT_EQ(heard_[call.flow].failed, 0);
}

TEST_P(HostTcpTest, ARefusalIsTold) {
  const nat::Endpoint nobody{server_.address, server_.port};
  server_.fd.close();
  const auto socket = sockets_.connect(FlowId{1}, nobody);
  if (!socket) {
    EXPECT_EQ(socket.error(), HostError::refused);
    return;
  }
  ASSERT_TRUE(hears(FlowId{1}, &Heard::failed));
  EXPECT_EQ(heard_[FlowId{1}].writable, 0);
  EXPECT_EQ((*socket)->take_error(), HostError::refused);
}

TEST_P(HostTcpTest, PeeksWithoutTakingAndConsumesWithoutLooking) {
  const Call call = this->call();
  transmit(call.far, "abcdefghij");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 4), "abcd");
  EXPECT_EQ(call.peek(4, 3), "efg");
  call.socket->consume(2);
  EXPECT_EQ(call.peek(5, 9), "hij.");
  call.socket->consume(6);
  EXPECT_EQ(call.peek(0, 9), "ij.");
  call.socket->consume(2);
  EXPECT_EQ(call.peek(0, 9), ".");
}

TEST_P(HostTcpTest, ShowsAgainWhatTheGuestHasLost) {
  const Call call = this->call();
  transmit(call.far, "abcdefghij");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 99), "abcdefghij.");
  EXPECT_EQ(call.peek(3, 2), "de");
  EXPECT_EQ(call.peek(0, 4), "abcd");
  transmit(call.far, "klm");
  ASSERT_TRUE(hears(call.flow, &Heard::readable)) << "though the last word was of what had been sent before";
  EXPECT_EQ(call.peek(10, 9), "klm.");
  call.socket->consume(13);
  EXPECT_EQ(call.peek(0, 9), ".");
}

TEST_P(HostTcpTest, FillsMoreRoomsThanOneSystemCallTakesOneAfterTheOther) {
  const Call call = this->call();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>('a' + i % 26);
  transmit(call.far, text);
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  std::string read(990, '\0');
  std::vector<ByteSpan> rooms;
  for (std::size_t i = 0; i < 330; ++i) {
    rooms.emplace_back(reinterpret_cast<std::uint8_t*>(read.data()) + 3 * i, 3);
    rooms.emplace_back();
  }
  const auto first = call.socket->peek(5, rooms);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->bytes, 990U);
  EXPECT_FALSE(first->drained);
  EXPECT_EQ(read, text.substr(5, 990));
  const auto second = call.socket->peek(900, rooms);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->bytes, 100U);
  EXPECT_TRUE(second->drained);
  EXPECT_EQ(read.substr(0, 100), text.substr(900));
}

TEST_P(HostTcpTest, NewDataIsToldWhileOldDataLiesUnacknowledged) {
  const Call call = this->call();
  std::string all;
  for (int i = 0; i < 5; ++i) {
    transmit(call.far, "data");
    all += "data";
    ASSERT_TRUE(hears(call.flow, &Heard::readable));
    EXPECT_EQ(call.peek(0, 99), all + ".");
    loop_.settle();
    EXPECT_EQ(heard_[call.flow].readable, i + 1) << "and nobody is woken by what lies there";
  }
}

TEST_P(HostTcpTest, WhoKnowsOfMoreIsNotTold) {
  const Call call = this->call();
  transmit(call.far, "abcdef");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 2), "ab") << "no more fits into the guest's window";
  transmit(call.far, "ghi");
  loop_.settle();
  EXPECT_EQ(heard_[call.flow].readable, 1);
  EXPECT_EQ(call.peek(2, 99), "cdefghi.");
  transmit(call.far, "j");
  EXPECT_TRUE(hears(call.flow, &Heard::readable));
}

TEST_P(HostTcpTest, TheirHalfEndsAndOursGoesOn) {
  const Call call = this->call();
  transmit(call.far, "last");
  ::shutdown(call.far.get(), SHUT_WR);
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  loop_.settle();
  EXPECT_EQ(call.peek(0, 2), "la");
  EXPECT_EQ(call.peek(2, 9), "st$");
  EXPECT_EQ(call.peek(4, 9), "$");
  EXPECT_EQ(call.peek(1, 2), "as") << "the end is behind";
  call.socket->consume(4);
  EXPECT_EQ(call.peek(0, 9), "$");
  EXPECT_EQ(call.send("still here"), 10U);
  EXPECT_EQ(receive(call.far, 10), "still here");
}

TEST_P(HostTcpTest, AnEndThatComesLaterIsTold) {
  const Call call = this->call();
  transmit(call.far, "last");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 9), "last.");
  ::shutdown(call.far.get(), SHUT_WR);
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(4, 9), "$");
}

TEST_P(HostTcpTest, OurHalfEndsBehindWhatWasSentAndTheirsGoesOn) {
  const Call call = this->call();
  EXPECT_EQ(call.send("last"), 4U);
  call.socket->shut_down();
  EXPECT_EQ(receive(call.far, 4), "last");
  char none = 0;
  EXPECT_EQ(::recv(call.far.get(), &none, 1, 0), 0);
  transmit(call.far, "still here");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 99), "still here.");
}

TEST_P(HostTcpTest, DestroyingItEndsItInOrder) {
  Call call = this->call();
  EXPECT_EQ(call.send("bye"), 3U);
  call.socket.reset();
  EXPECT_EQ(receive(call.far, 3), "bye");
  char none = 0;
  EXPECT_EQ(::recv(call.far.get(), &none, 1, 0), 0);
}

TEST_P(HostTcpTest, OurResetReachesThem) {
  Call call = this->call();
  call.socket->reset();
  call.socket.reset();
  char none = 0;
  EXPECT_EQ(::recv(call.far.get(), &none, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

void reset_far(Call& call) {
  const linger at_once{1, 0};
  ::setsockopt(call.far.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  call.far.close();
}

TEST_P(HostTcpTest, TheirResetIsToldAndWhatCameBeforeItIsThere) {
  Call call = this->call();
  transmit(call.far, "abc");
  reset_far(call);
  ASSERT_TRUE(hears(call.flow, &Heard::failed));
  EXPECT_EQ(call.socket->take_error(), HostError::reset);
  EXPECT_EQ(call.socket->take_error(), std::nullopt) << "it was taken";
  EXPECT_EQ(call.peek(0, 9), "abc");
  EXPECT_EQ(call.peek(3, 9), "!reset") << "and not an orderly end";
  const ByteView more = as_bytes("more");
  const auto sent = call.socket->send({&more, 1});
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error(), HostError::reset);
}

TEST_P(HostTcpTest, AResetThatAPeekMeetsFirstIsToldAllTheSame) {
  Call call = this->call();
  transmit(call.far, "abc");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  EXPECT_EQ(call.peek(0, 9), "abc.");
  reset_far(call);
  EXPECT_EQ(call.peek(3, 9), "!reset");
  EXPECT_TRUE(hears(call.flow, &Heard::failed));
  EXPECT_EQ(call.socket->take_error(), HostError::reset);
}

TEST_P(HostTcpTest, AnUrgentByteIsOneOfTheStream) {
  const Call call = this->call();
  transmit(call.far, "ab");
  ASSERT_EQ(::send(call.far.get(), "!", 1, MSG_OOB), 1);
  transmit(call.far, "cd");
  ASSERT_TRUE(hears(call.flow, &Heard::readable));
  loop_.settle();
  EXPECT_EQ(call.peek(0, 9), "ab!cd.");
  call.socket->consume(5);
  EXPECT_EQ(call.peek(0, 9), ".");
}

char byte_at(std::size_t i) { return static_cast<char>(i * 31 + i / 251); }

/// Sends of a long stream what the socket takes now.
class Feeder {
 public:
  Feeder(int fd, std::size_t total) : fd_(fd), total_(total) {}
  void feed() {
    std::array<char, 50'000> block{};
    for (ssize_t count = 1; count > 0 && sent_ < total_; sent_ += static_cast<std::size_t>(count)) {
      const std::size_t size = std::min(block.size(), total_ - sent_);
      for (std::size_t i = 0; i < size; ++i) block[i] = byte_at(sent_ + i);
      count = std::max<ssize_t>(::send(fd_, block.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
    }
    if (sent_ == total_) ::shutdown(fd_, SHUT_WR);
  }

 private:
  int fd_;
  std::size_t total_;
  std::size_t sent_ = 0;
};

TEST_P(HostTcpTest, ALongStreamComesWholeThroughAGuestThatAcknowledgesLate) {
  constexpr std::size_t kTotal = 8 * 1024 * 1024;
  constexpr std::size_t kWindow = 200'000;
  const Call call = this->call();
  Feeder feeder{call.far.get(), kTotal};
  std::vector<std::uint8_t> bytes(kWindow);
  std::size_t base = 0;    // consumed
  std::size_t peeked = 0;  // behind it
  bool ended = false;
  std::size_t wrong = 0;
  const auto read = [&] {
    while (!ended && peeked < kWindow) {
      const std::array<ByteSpan, 2> rooms{
          ByteSpan{bytes}.subspan(peeked, (kWindow - peeked) / 2),
          ByteSpan{bytes}.subspan(peeked + (kWindow - peeked) / 2, kWindow - peeked - (kWindow - peeked) / 2)};
      const auto got = call.socket->peek(peeked, rooms);
      ASSERT_TRUE(got.has_value());
      peeked += got->bytes;
      ended = got->ended;
      if (got->drained) return;
    }
  };
  for (int turn = 0; turn < 100'000 && !ended; ++turn) {
    feeder.feed();
    loop_.turn(0);
    read();
    if (peeked < kWindow && !ended && turn % 3 != 0) continue;
    // Some of it is acknowledged, and some of that which is not is sent again.
    const std::size_t count = ended ? peeked : peeked - peeked / 4;
    for (std::size_t i = 0; i < count; ++i) wrong += static_cast<char>(bytes[i]) != byte_at(base + i) ? 1U : 0U;
    call.socket->consume(count);
    base += count;
    peeked -= count;
    const ByteSpan room = ByteSpan{bytes}.first(peeked);
    const auto again = call.socket->peek(0, {&room, 1});
    ASSERT_TRUE(again.has_value());
    ASSERT_EQ(again->bytes, peeked);
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(base, kTotal);
  EXPECT_EQ(wrong, 0U);
}

TEST_P(HostTcpTest, ALongStreamGoesOutWholeToASlowReader) {
  constexpr std::size_t kTotal = 16 * 1024 * 1024;
  const Call call = this->call();
  std::string block(65'536, '\0');
  std::size_t sent = 0;
  std::size_t waits = 0;
  const auto send = [&] {
    while (sent < kTotal) {
      for (std::size_t i = 0; i < block.size(); ++i) block[i] = byte_at(sent + i);
      const std::size_t count = call.send(block);
      sent += count;
      if (count == block.size()) continue;
      ++waits;
      return;
    }
    call.socket->shut_down();
  };
  then_ = [&](FlowId) { send(); };
  send();
  std::size_t received = 0;
  std::size_t wrong = 0;
  std::array<char, 100'000> bytes{};
  while (true) {
    loop_.turn(0);
    const ssize_t count = ::recv(call.far.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count == 0) break;
    for (ssize_t i = 0; i < count; ++i) {
      wrong += bytes[static_cast<std::size_t>(i)] != byte_at(received + static_cast<std::size_t>(i)) ? 1U : 0U;
    }
    received += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  EXPECT_EQ(received, sent);
  EXPECT_GE(sent, kTotal);
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(waits, 0U);
}

TEST_P(HostTcpTest, ProbesAndWritesWithoutDelay) {
  const dgram::Fd near{::socket(GetParam().v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)};
  HostTcp::configure(near.get());
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(near.get(), level, name, &value, &size);
    return value;
  };
  EXPECT_NE(option(IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(option(SOL_SOCKET, SO_KEEPALIVE), 0);
#if defined(TCP_KEEPIDLE)
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), HostTcp::kKeepaliveIdleSeconds);
#endif
}

}  // namespace
}  // namespace vnet::daemon
