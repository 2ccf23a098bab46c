#include "network/services/discard_service.hpp"
#include "network/services/echo_service.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

const IpAddress kService = Ipv4Address{52, 52, 0, 7};
const IpAddress kVisitor = Ipv4Address{203, 0, 113, 7};

bool give(DatagramService& service, std::uint16_t from, std::uint16_t to, SentDatagrams& output) {
  return service.handle({{kVisitor, from}, {kService, to}, as_bytes("hello")}, output, Instant{});
}

TEST(EchoService, Rfc862ADatagramComesBack) {
  EchoService echo;
  SentDatagrams output;
  EXPECT_TRUE(give(echo, 40'000, 7, output));
  const Sent sent = output.take();
  EXPECT_EQ(sent.from, (nat::Endpoint{kService, 7}));
  EXPECT_EQ(sent.to, (nat::Endpoint{kVisitor, 40'000}));
  EXPECT_EQ(text_of(sent.payload), "hello");
}

TEST(EchoService, Rfc862AnEmptyDatagramComesBack) {
  EchoService echo;
  SentDatagrams output;
  EXPECT_TRUE(echo.handle({{kVisitor, 40'000}, {kService, 7}, {}}, output, Instant{}));
  EXPECT_TRUE(output.take().payload.empty());
}

TEST(EchoService, AnotherServersDatagramIsNotAnswered) {
  EchoService echo;
  SentDatagrams output;
  for (const std::uint16_t port : {std::uint16_t{7}, std::uint16_t{9}, std::uint16_t{19}, std::uint16_t{1023}}) {
    EXPECT_TRUE(give(echo, port, 7, output));
  }
  EXPECT_TRUE(output.sent.empty());
  EXPECT_TRUE(give(echo, 1024, 7, output));
  EXPECT_EQ(output.sent.size(), 1U);
}

TEST(EchoService, NobodyListensElsewhere) {
  EchoService echo;
  DiscardService discard;
  SentDatagrams output;
  EXPECT_FALSE(give(echo, 40'000, 9, output));
  EXPECT_FALSE(give(discard, 40'000, 7, output));
}

TEST(DiscardService, Rfc863NothingComesBack) {
  DiscardService discard;
  SentDatagrams output;
  EXPECT_TRUE(give(discard, 40'000, 9, output));
  EXPECT_TRUE(output.sent.empty());
}

class EchoTcpTest : public testing::Test {
 protected:
  EchoTcpTest() {
    bench.server.listen(EchoService::kPort, echo);
    bench.server.listen(DiscardService::kPort, discard);
  }

  Bench bench;
  EchoTcp echo{bench.server};
  DiscardTcp discard{bench.server};
};

TEST_F(EchoTcpTest, Rfc862AStreamComesBack) {
  StreamGuest guest{bench, 7};
  std::string text;
  std::string heard;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(i * 7), static_cast<char>('a' + i % 26));
    text += piece;
    guest.say(piece);
    heard += guest.hear();
  }
  EXPECT_EQ(heard, text);
  EXPECT_FALSE(guest.closed());
}

TEST_F(EchoTcpTest, Rfc862AfterTheGuestsEndComesAllThenOurs) {
  StreamGuest guest{bench, 7};
  guest.say("one two three");
  guest.end();
  EXPECT_EQ(guest.hear(), "one two three");
  EXPECT_TRUE(guest.closed());
  EXPECT_FALSE(guest.reset());
}

// A guest that sends and does not read fills what we may hold for it, then its own window; when it reads, all is there.
TEST_F(EchoTcpTest, AGuestThatDoesNotReadIsSlowedDownAndLosesNothing) {
  bench.flow.local_port = 7;
  bench.connect(0);
  std::string said;
  std::uint32_t window = 65'535;
  while (window >= 1000 && said.size() < 1'000'000) {
    const std::string piece(1000, static_cast<char>('a' + said.size() / 1000 % 26));
    bench.in({.seq = static_cast<std::uint32_t>(1 + said.size()), .ack = 1, .window = 0, .data = piece});
    said += piece;
    window = bench.out.empty() ? window : bench.out.back().window;
    bench.out.clear();
  }
  EXPECT_LT(said.size(), TcpSender::kBufferLimit + 70'000);
  EXPECT_GT(said.size(), TcpSender::kBufferLimit);
  const auto next = static_cast<std::uint32_t>(1 + said.size());
  bench.in({.seq = next, .ack = 1, .flags = kAck | kFin, .window = 0});
  bench.out.clear();
  std::string heard;
  std::uint32_t end = 0;
  for (int turn = 0; turn < 2000 && end == 0; ++turn) {
    bench.in({.seq = next + 1, .ack = static_cast<std::uint32_t>(1 + heard.size()), .window = 65'535});
    while (!bench.out.empty()) {
      const Line line = bench.take();
      if (line.seq == 1 + heard.size()) heard += line.data;
      if ((line.flags & kFin) != 0) end = line.seq + static_cast<std::uint32_t>(line.data.size());
    }
    bench.wait(10ms);
  }
  EXPECT_EQ(heard, said);
  EXPECT_EQ(end, 1 + said.size());
}

TEST_F(EchoTcpTest, Rfc863AStreamIsTakenAndNotAnswered) {
  StreamGuest guest{bench, 9};
  for (int i = 0; i < 200; ++i) {
    guest.say(std::string(1400, 'x'));
    EXPECT_EQ(guest.hear(), "");
  }
  guest.end();
  EXPECT_EQ(guest.hear(), "");
  EXPECT_TRUE(guest.closed());
}

}  // namespace
}  // namespace vnet::network::test
