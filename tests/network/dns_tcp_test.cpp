#include "network/dns_tcp.hpp"

#include <memory>

#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

std::string framed(std::string_view message) {
  std::string text{static_cast<char>(message.size() / 256), static_cast<char>(message.size() % 256)};
  return text.append(message);
}

/// A query of `size` bytes that one can tell from others.
std::string query(char name, std::size_t size = DnsTcp::kMinMessageSize) { return std::string(size, name); }

class DnsTcpTest : public testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 853;  // the bench's own recorder has 53

  DnsTcpTest() {
    bench.flow.local_port = kPort;
    bench.server.listen(kPort, dns);
    bench.connect();
  }

  void in(std::string_view bytes) {
    bench.in({.seq = next, .ack = acked, .data = std::string{bytes}});
    next += static_cast<std::uint32_t>(bytes.size());
  }
  /// All that the server has sent since, acknowledged.
  std::string replies() {
    std::string text;
    while (!bench.out.empty()) text += bench.take().data;
    acked += static_cast<std::uint32_t>(text.size());
    if (!text.empty()) bench.in({.seq = next, .ack = acked});
    return text;
  }

  Bench bench;
  std::vector<std::string> queries;
  ConnectionId id{};
  bool echo = false;
  std::uint32_t next = 1;
  std::uint32_t acked = 1;
  DnsTcp dns{bench.server, [this](ConnectionId from, const TcpFlow& flow, ByteView message, Instant now) {
               EXPECT_EQ(flow, bench.flow);
               id = from;
               queries.emplace_back(as_text(message));
               if (echo) dns.answer(from, message, now);
             }};
};

TEST_F(DnsTcpTest, AnswersAQueryWithPrefixAndMessageInOneSegment) {
  echo = true;
  in(framed(query('a')));
  bench.expect(1, 15, kAck | kPsh, framed(query('a')));
  bench.expect_silence();
}

TEST_F(DnsTcpTest, ReassemblesAQueryThatComesByteByByte) {
  for (const char byte : framed(query('a', 300))) in({&byte, 1});
  EXPECT_EQ(queries, std::vector{query('a', 300)});
}

TEST_F(DnsTcpTest, SplitsQueriesThatCameInOneSegment) {
  in(framed(query('a')) + framed(query('b', 20)) + framed(query('c')).substr(0, 5));
  EXPECT_EQ(queries, (std::vector{query('a'), query('b', 20)}));
  in(framed(query('c')).substr(5) + framed(query('d')));
  EXPECT_EQ(queries, (std::vector{query('a'), query('b', 20), query('c'), query('d')}));
}

TEST_F(DnsTcpTest, Rfc7766AnswersInAnyOrder) {
  in(framed(query('a')) + framed(query('b')));
  EXPECT_TRUE(dns.answer(id, as_bytes(query('B')), bench.now));
  EXPECT_TRUE(dns.answer(id, as_bytes(query('A')), bench.now));
  EXPECT_EQ(replies(), framed(query('B')) + framed(query('A')));
}

TEST_F(DnsTcpTest, TakesAndGivesTheLargestMessage) {
  echo = true;
  const std::string largest = query('x', DnsTcp::kMaxMessageSize);
  const std::string text = framed(largest);
  std::string reply;
  for (std::size_t at = 0; at < text.size(); at += 1400) {
    in(std::string_view{text}.substr(at, 1400));
    reply += replies();
  }
  for (std::string more = replies(); !more.empty(); more = replies()) reply += more;
  EXPECT_EQ(queries, std::vector{largest});
  EXPECT_EQ(reply, text);
}

TEST_F(DnsTcpTest, Rfc7766AnswersWhatWasAskedBeforeTheGuestsFin) {
  in(framed(query('a')) + framed(query('b')));
  bench.in({.seq = next, .ack = 1, .flags = kAck | kFin});
  bench.out.clear();
  EXPECT_TRUE(dns.answer(id, as_bytes(query('A')), bench.now));
  EXPECT_EQ(int{bench.take().flags}, kAck | kPsh);
  dns.abandon(id, bench.now);
  EXPECT_EQ(int{bench.take().flags}, kAck | kFin);
}

TEST_F(DnsTcpTest, ClosesAtOnceWhenTheGuestEndsWithNothingOpen) {
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin});
  bench.expect(1, 2, kAck | kFin);
  bench.in({.seq = 2, .ack = 2});
  EXPECT_EQ(dns.stream_count(), 0U);
}

TEST_F(DnsTcpTest, AMessageShorterThanAHeaderEndsTheConnection) {
  in(std::string(2, '\0') + framed(query('a')));
  EXPECT_TRUE(queries.empty());
  EXPECT_NE(bench.take().flags & kFin, 0);
}

TEST_F(DnsTcpTest, PipeliningIsSlowedDownAndNothingIsLost) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += framed(query(static_cast<char>('0' + i % 10), 100));
  in(text);
  EXPECT_EQ(queries.size(), DnsTcp::kMaxInFlight);
  for (std::size_t i = 0; i < 100; ++i) {
    ASSERT_LT(i, queries.size());
    EXPECT_TRUE(dns.answer(id, as_bytes(queries[i]), bench.now));
  }
  EXPECT_EQ(queries.size(), 100U);
  EXPECT_EQ(replies(), text);
}

TEST_F(DnsTcpTest, AGuestThatDoesNotReadIsNotReadFrom) {
  echo = true;
  bench.in({.seq = next, .ack = 1, .window = 0});
  std::string text;
  for (int i = 0; i < 200; ++i) text += framed(query('q', 1000));
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    bench.in({.seq = static_cast<std::uint32_t>(1 + at), .ack = 1, .window = 0, .data = text.substr(at, 1000)});
  }
  EXPECT_GT(queries.size(), 60U);
  EXPECT_LE(queries.size() * 1002, TcpSender::kBufferLimit);
  EXPECT_EQ(dns.stream_count(), 1U);
  EXPECT_EQ(bench.out.back().window, 0) << "the receive window is full in its turn";
}

TEST_F(DnsTcpTest, AnAnswerThatFindsNoRoomEndsTheConnection) {
  bench.in({.seq = next, .ack = 1, .window = 0});
  in(framed(query('a')) + framed(query('b')) + framed(query('c')));
  const std::string largest = query('x', DnsTcp::kMaxMessageSize);
  EXPECT_TRUE(dns.answer(id, as_bytes(largest), bench.now));
  EXPECT_TRUE(dns.answer(id, as_bytes(largest), bench.now));
  bench.out.clear();
  EXPECT_FALSE(dns.answer(id, as_bytes(largest), bench.now));
  EXPECT_EQ(int{bench.take().flags}, kRst | kAck);
  bench.wait(0s);
  EXPECT_EQ(dns.stream_count(), 0U);
  EXPECT_FALSE(dns.answer(id, as_bytes(query('x')), bench.now)) << "a late answer is dropped";
  dns.abandon(id, bench.now);
}

TEST_F(DnsTcpTest, ALateAnswerAfterAnIdleCloseIsDropped) {
  in(framed(query('a')));
  bench.wait(10s);
  bench.in({.seq = next, .ack = 2, .flags = kAck | kFin});
  bench.out.clear();
  EXPECT_FALSE(dns.answer(id, as_bytes(query('A')), bench.now));
  bench.expect_silence();
}

}  // namespace
}  // namespace vnet::network::test
