// One connection: handshake, data both ways, closing, and segments that do not belong.
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

TEST(Rfc9293, ThreeWayHandshakeAnnouncesMssAndWindow) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn, .mss = 1460});
  const Line answer = bench.take();
  EXPECT_EQ(int{answer.flags}, kSyn | kAck);
  EXPECT_EQ(answer.ack, 1U);
  EXPECT_EQ(answer.mss, 1460);
  EXPECT_EQ(answer.window, TcpReceiver::kWindow);
  EXPECT_EQ(bench.handler.opened, 0);
  bench.in({.seq = 1, .ack = 1});
  EXPECT_EQ(bench.handler.opened, 1);
  bench.expect_silence();
}

TEST(Rfc9293, WorksOverIpv6WithItsOwnMss) {
  Bench bench{{}, ipv6_flow()};
  bench.in({.seq = 0, .flags = kSyn});
  EXPECT_EQ(bench.take().mss, 1440);
  bench.in({.seq = 1, .ack = 1, .data = "six"});
  EXPECT_EQ(bench.handler.received, "six");
  bench.expect(1, 4, kAck);
}

TEST(Rfc9293, HandshakeWithAWrongAcknowledgmentIsReset) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 1, .ack = 77});
  bench.expect(77, 0, kRst);
  EXPECT_EQ(bench.handler.opened, 0);
  bench.in({.seq = 1, .ack = 1});
  EXPECT_EQ(bench.handler.opened, 1);
}

TEST(Rfc9293, RepeatedSynIsAnsweredAgain) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.expect(0, 1, kSyn | kAck);
  EXPECT_EQ(bench.server.connection_count(), 1U);
}

TEST(Rfc9293, NewSynDuringTheHandshakeReturnsToListen) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.in({.seq = 500, .flags = kSyn});
  bench.expect_silence();
  EXPECT_EQ(bench.server.connection_count(), 0U);
  bench.in({.seq = 500, .flags = kSyn});
  bench.expect(0, 501, kSyn | kAck);
}

TEST(Rfc6298, SynAckIsRepeatedWithBackoffAndThenForgotten) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(999ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(2s);
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(4s);
  bench.expect(0, 1, kSyn | kAck);
  bench.wait(8s);
  bench.expect_silence();
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.server.next_deadline(), kNever);
  EXPECT_EQ(bench.handler.closed, 0);
}

TEST(Rfc9293, DataIsDeliveredAndAcknowledged) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .data = "hello "});
  bench.expect(1, 7, kAck);
  bench.in({.seq = 7, .ack = 1, .data = "world"});
  bench.expect(1, 12, kAck);
  EXPECT_EQ(bench.handler.received, "hello world");
}

TEST(Rfc9293, AnswerCarriesTheAcknowledgment) {
  struct Echo : Recorder {
    TcpServer* server = nullptr;
    std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override {
      EXPECT_TRUE(server->send(id, {as_bytes("re: "), bytes}, now));
      return bytes.size();
    }
  } echo;
  Bench bench;
  echo.server = &bench.server;
  bench.server.listen(7, echo);
  bench.flow.local_port = 7;
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .data = "ping"});
  bench.expect(1, 5, kAck | kPsh, "re: ping");
  bench.expect_silence();
}

TEST(Rfc9293, DuplicateDataIsAcknowledgedAndNotDeliveredTwice) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .data = "once"});
  bench.in({.seq = 1, .ack = 1, .data = "once"});
  bench.expect(1, 5, kAck);
  bench.expect(1, 5, kAck);
  EXPECT_EQ(bench.handler.received, "once");
}

TEST(Rfc9293, OverlapIsTrimmedAtTheFront) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .data = "abcd"});
  bench.in({.seq = 3, .ack = 1, .data = "cdEF"});
  EXPECT_EQ(bench.handler.received, "abcdEF");
  bench.expect(1, 5, kAck);
  bench.expect(1, 7, kAck);
}

TEST(Rfc9293, SegmentFromTheFutureIsAnsweredWithADuplicateAck) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  bench.expect(1, 1, kAck);
  EXPECT_EQ(bench.handler.received, "");
  bench.in({.seq = 1, .ack = 1, .data = "abcdef"});
  bench.expect(1, 7, kAck);
  EXPECT_EQ(bench.handler.received, "abcdef");
}

TEST(Rfc9293, DataBeyondTheWindowIsTrimmedAndItsFinWithIt) {
  Bench bench;
  bench.connect();
  bench.handler.appetite = 0;
  const std::string most(TcpReceiver::kWindow - 2, 'x');
  bench.in({.seq = 1, .ack = 1, .data = most});
  bench.take();
  bench.in({.seq = 1 + static_cast<std::uint32_t>(most.size()), .ack = 1, .flags = kAck | kFin, .data = "1234"});
  const Line line = bench.take();
  EXPECT_EQ(line.ack, 1 + TcpReceiver::kWindow);
  EXPECT_EQ(line.window, 0);
  EXPECT_EQ(bench.handler.ended, 0);
}

TEST(Rfc9293, WindowClosesWhenTheServiceDoesNotReadAndOpensWhenItResumes) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.handler.appetite = 10;
  bench.in({.seq = 1, .ack = 1, .data = std::string(TcpReceiver::kWindow, 'x')});
  EXPECT_EQ(bench.handler.received.size(), 10U);
  const Line full = bench.take();
  EXPECT_EQ(full.ack, 1 + TcpReceiver::kWindow);
  EXPECT_EQ(full.window, 0) << "ten bytes are not worth an update (RFC 9293, 3.8.6.2.2)";
  bench.in({.seq = 1 + TcpReceiver::kWindow, .ack = 1, .data = "p"});
  EXPECT_EQ(bench.take().window, 0) << "a probe is answered";
  bench.handler.appetite = SIZE_MAX;
  bench.server.resume(id, bench.now);
  EXPECT_EQ(bench.handler.received.size(), TcpReceiver::kWindow);
  EXPECT_EQ(bench.take().window, TcpReceiver::kWindow);
  bench.expect_silence();
}

TEST(Rfc9293, GuestClosesFirst) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin, .data = "bye"});
  bench.expect(1, 5, kAck);
  EXPECT_EQ(bench.handler.ended, 1);
  EXPECT_TRUE(bench.say("half-closed")) << "it may still read";
  bench.expect(1, 5, kAck | kPsh, "half-closed");
  bench.server.close(id, bench.now);
  bench.expect(12, 5, kAck | kFin);
  EXPECT_FALSE(bench.say("late"));
  bench.in({.seq = 5, .ack = 13});
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 0U) << "no TIME-WAIT for the side that closes second";
}

TEST(Rfc9293, WeCloseFirstAndWaitOutTimeWait) {
  Bench bench;
  const ConnectionId id = bench.connect();
  EXPECT_TRUE(bench.say("done"));
  bench.server.close(id, bench.now);
  bench.expect(1, 1, kAck | kPsh, "done");
  bench.expect(5, 1, kAck | kFin);
  bench.in({.seq = 1, .ack = 6});
  EXPECT_EQ(bench.handler.closed, 0);
  bench.in({.seq = 1, .ack = 6, .flags = kAck | kFin});
  bench.expect(6, 2, kAck);
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.in({.seq = 1, .ack = 6, .flags = kAck | kFin});
  bench.expect(6, 2, kAck);
  bench.wait(5s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.handler.closed, 1);
  bench.expect_silence();
}

TEST(Rfc9293, SimultaneousClose) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.close(id, bench.now);
  bench.expect(1, 1, kAck | kFin);
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin});
  bench.expect(2, 2, kAck);
  EXPECT_EQ(bench.handler.closed, 0);
  bench.in({.seq = 2, .ack = 2});
  EXPECT_EQ(bench.handler.closed, 1);
  bench.wait(5s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc9293, FinIsRepeatedUntilItIsAcknowledged) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.close(id, bench.now);
  bench.expect(1, 1, kAck | kFin);
  bench.wait(1s);
  bench.expect(1, 1, kAck | kFin);
  bench.wait(2s);
  bench.expect(1, 1, kAck | kFin);
  bench.in({.seq = 1, .ack = 2, .flags = kAck | kFin});
  bench.expect(2, 2, kAck);
  EXPECT_EQ(bench.handler.closed, 1);
}

TEST(Rfc9293, NewConnectionReplacesTimeWaitWithALaterSequence) {
  Bench bench;
  const ConnectionId id = bench.connect();
  EXPECT_TRUE(bench.say(std::string(1000, 'x')));
  bench.server.close(id, bench.now);
  bench.in({.seq = 1, .ack = 1002, .flags = kAck | kFin});
  bench.out.clear();
  bench.in({.seq = 1, .flags = kSyn});
  bench.expect(1002, 2, kAck);
  const std::uint32_t before = bench.server_isn();
  bench.in({.seq = 2, .flags = kSyn});
  bench.expect(0, 3, kSyn | kAck);
  EXPECT_EQ(bench.server.connection_count(), 1U);
  EXPECT_GT(bench.server_isn() - before, 1001U) << "behind all that the old connection sent";
}

TEST(Rfc9293, ARepeatedFinRestartsTimeWait) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.close(id, bench.now);
  bench.in({.seq = 1, .ack = 2, .flags = kAck | kFin});
  bench.wait(3s);
  bench.in({.seq = 1, .ack = 2, .flags = kAck | kFin});
  bench.wait(4s);
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.wait(1s);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc9293, DataAfterOurCloseIsAcknowledgedAndDropped) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.close(id, bench.now);
  bench.expect(1, 1, kAck | kFin);
  bench.in({.seq = 1, .ack = 1, .data = "crossed"});
  bench.expect(2, 8, kAck);
  EXPECT_EQ(bench.handler.received, "");
}

TEST(Rfc5961, ResetTakesTheExactSequenceNumber) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 0, .flags = kRst});
  bench.expect_silence();
  bench.in({.seq = 1 + TcpReceiver::kWindow, .flags = kRst});
  bench.expect_silence();
  bench.in({.seq = 100, .flags = kRst});
  bench.expect(1, 1, kAck);
  EXPECT_EQ(bench.handler.closed, 0);
  bench.in({.seq = 1, .flags = kRst});
  bench.expect_silence();
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc5961, SynIntoAConnectionIsChallengedAndTheGuestsResetBelieved) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 70'000, .flags = kSyn});
  bench.expect(1, 1, kAck);
  bench.in({.seq = 1, .flags = kRst});
  EXPECT_EQ(bench.server.connection_count(), 0U);
  bench.in({.seq = 70'000, .flags = kSyn});
  bench.expect(0, 70'001, kSyn | kAck);
}

TEST(Rfc5961, AcknowledgmentOfWhatWasNeverSentIsChallengedAndItsDataDropped) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .ack = 2, .data = "evil"});
  bench.expect(1, 1, kAck);
  bench.wait(1s);
  bench.in({.seq = 1, .ack = 0x8000'0000, .data = "evil"});
  bench.expect(1, 1, kAck);
  EXPECT_EQ(bench.handler.received, "");
}

TEST(Rfc5961, ChallengesAreRateLimited) {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 100; ++i) bench.in({.seq = 100, .flags = kRst});
  EXPECT_EQ(bench.out.size(), 1U);
  bench.wait(500ms);
  bench.in({.seq = 100, .flags = kRst});
  EXPECT_EQ(bench.out.size(), 2U);
}

TEST(Rfc9293, SegmentWithoutAckIsDropped) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 1, .flags = 0, .data = "no ack"});
  bench.expect_silence();
  EXPECT_EQ(bench.handler.received, "");
}

TEST(TcpConnection, KeepaliveProbeIsAnswered) {
  Bench bench;
  bench.connect();
  bench.in({.seq = 0, .ack = 1});
  bench.expect(1, 1, kAck);
}

}  // namespace
}  // namespace vnet::network::test
