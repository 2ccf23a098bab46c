// What leaves toward the guest, and when: windows, loss, probes, time-outs.
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

std::string letters(std::size_t count) {
  std::string text(count, ' ');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

TEST(Rfc9293, SegmentsAreNoLongerThanTheGuestsMss) {
  Bench bench;
  bench.connect(65'535, 500);
  const std::string text = letters(1200);
  EXPECT_TRUE(bench.say(text));
  bench.expect(1, 1, kAck, text.substr(0, 500));
  bench.expect(501, 1, kAck, text.substr(500, 500));
  bench.expect(1001, 1, kAck | kPsh, text.substr(1000));
}

TEST(Rfc9293, WithoutAnMssOptionSegmentsCarry536Bytes) {
  Bench bench;
  bench.connect(65'535, 0);
  EXPECT_TRUE(bench.say(letters(1000)));
  EXPECT_EQ(bench.take().data.size(), 536U);
}

TEST(TcpSender, ATinyMssIsNotTakenAtItsWord) {
  Bench bench;
  bench.connect(65'535, 1);
  EXPECT_TRUE(bench.say(letters(1000)));
  EXPECT_EQ(bench.take().data.size(), TcpConnection::kMinMss);
}

TEST(Rfc6928, InitialWindowIsTenSegments) {
  Bench bench;
  bench.connect(65'535, 1000);
  EXPECT_TRUE(bench.say(letters(60'000)));
  EXPECT_EQ(bench.out.size(), 10U);
  bench.out.clear();
  bench.in({.seq = 1, .ack = 2001});
  EXPECT_EQ(bench.out.size(), 3U) << "two have left, and slow start adds one for the acknowledgment (RFC 5681)";
}

TEST(Rfc9293, TheGuestsWindowIsNotOverrun) {
  Bench bench;
  bench.connect(2000, 1000);
  EXPECT_TRUE(bench.say(letters(5000)));
  EXPECT_EQ(bench.out.size(), 2U);
  bench.out.clear();
  bench.in({.seq = 1, .ack = 1001, .window = 1000});
  bench.expect_silence();
  bench.in({.seq = 1, .ack = 2001, .window = 2000});
  EXPECT_EQ(bench.out.size(), 2U);
}

TEST(Rfc9293, AnOldSegmentDoesNotTakeTheWindowBack) {
  Bench bench;
  bench.connect(4000, 1000);
  bench.in({.seq = 1, .ack = 1, .window = 4000, .data = "x"});
  bench.in({.seq = 2, .ack = 1, .window = 4000, .data = "y"});
  bench.in({.seq = 1, .ack = 1, .window = 10, .data = "xyz"});
  EXPECT_EQ(bench.handler.received, "xyz");
  bench.out.clear();
  EXPECT_TRUE(bench.say(letters(4000)));
  EXPECT_EQ(bench.out.size(), 4U);
}

TEST(Rfc6298, LostDataIsRepeatedWithBackoff) {
  Bench bench;
  bench.connect();
  EXPECT_TRUE(bench.say("lost"));
  bench.expect(1, 1, kAck | kPsh, "lost");
  for (const Duration rto : {1s, 2s, 4s, 8s, 16s, 32s}) {
    bench.wait(rto - 1ms);
    bench.expect_silence();
    bench.wait(1ms);
    bench.expect(1, 1, kAck | kPsh, "lost");
  }
}

TEST(Rfc9293, AGuestThatAcknowledgesNothingIsResetAfterR2) {
  Bench bench;
  bench.connect();
  EXPECT_TRUE(bench.say("lost"));
  bench.wait(99s);
  bench.out.clear();
  EXPECT_EQ(bench.handler.closed, 0);
  bench.wait(1s);
  bench.expect(5, 1, kRst | kAck);
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(Rfc6298, AfterATimeoutTheRestFollowsTheAcknowledgments) {
  Bench bench;
  bench.connect(65'535, 1000);
  const std::string text = letters(3000);
  EXPECT_TRUE(bench.say(text));
  bench.out.clear();
  bench.wait(1s);
  bench.expect(1, 1, kAck, text.substr(0, 1000));
  bench.expect_silence();
  bench.in({.seq = 1, .ack = 1001});
  bench.expect(1001, 1, kAck, text.substr(1000, 1000));
  bench.expect(2001, 1, kAck | kPsh, text.substr(2000));
  bench.in({.seq = 1, .ack = 3001});
  bench.expect_silence();
}

TEST(Rfc5681, ThreeDuplicateAcksRepeatTheFirstSegment) {
  Bench bench;
  bench.connect(65'535, 1000);
  const std::string text = letters(5000);
  EXPECT_TRUE(bench.say(text));
  bench.out.clear();
  for (int i = 0; i < 2; ++i) bench.in({.seq = 1, .ack = 1});
  bench.expect_silence();
  bench.in({.seq = 1, .ack = 1});
  bench.expect(1, 1, kAck, text.substr(0, 1000));
  bench.expect_silence();
}

TEST(Rfc6582, APartialAcknowledgmentRepeatsTheNextHole) {
  Bench bench;
  bench.connect(65'535, 1000);
  const std::string text = letters(5000);
  EXPECT_TRUE(bench.say(text));
  for (int i = 0; i < 3; ++i) bench.in({.seq = 1, .ack = 1});
  bench.out.clear();
  bench.in({.seq = 1, .ack = 2001});
  bench.expect(2001, 1, kAck, text.substr(2000, 1000));
  bench.in({.seq = 1, .ack = 5001});
  bench.expect_silence();
}

TEST(Rfc5681, AWindowUpdateIsNoDuplicateAck) {
  Bench bench;
  bench.connect(5000, 1000);
  EXPECT_TRUE(bench.say(letters(5000)));
  bench.out.clear();
  for (std::uint16_t i = 1; i <= 5; ++i) bench.in({.seq = 1, .ack = 1, .window = static_cast<std::uint16_t>(5000 + i)});
  bench.expect_silence();
}

TEST(Rfc9293, AZeroWindowIsProbedWithBackoffAndOneByte) {
  Bench bench;
  bench.connect(0, 1000);
  const std::string text = letters(3000);
  EXPECT_TRUE(bench.say(text));
  bench.expect_silence();
  for (const Duration interval : {1s, 2s, 4s, 8s}) {
    bench.wait(interval);
    bench.expect(1, 1, kAck, text.substr(0, 1));
    bench.in({.seq = 1, .ack = 1, .window = 0});
    bench.expect_silence();
  }
  bench.in({.seq = 1, .ack = 1, .window = 3000});
  EXPECT_EQ(bench.out.size(), 3U);
  bench.expect(1, 1, kAck, text.substr(0, 1000));
}

TEST(Rfc9293, AProbedByteMayBeAccepted) {
  Bench bench;
  bench.connect(0, 1000);
  const std::string text = letters(1500);
  EXPECT_TRUE(bench.say(text));
  bench.wait(1s);
  bench.expect(1, 1, kAck, text.substr(0, 1));
  bench.in({.seq = 1, .ack = 2, .window = 4000});
  bench.expect(2, 1, kAck, text.substr(1, 1000));
  bench.expect(1002, 1, kAck | kPsh, text.substr(1001));
}

TEST(Rfc9293, AfterAProbeAcknowledgmentsStayInTheGuestsWindow) {
  Bench bench;
  bench.connect(0, 1000);
  EXPECT_TRUE(bench.say(letters(1500)));
  bench.wait(1s);
  bench.take();
  bench.in({.seq = 1, .ack = 1, .window = 0, .data = "more"});
  bench.expect(1, 5, kAck);
}

TEST(Rfc9293, ASillyWindowIsNotFilledUntilTheOverrideTimer) {
  Bench bench;
  bench.connect(4000, 1000);
  EXPECT_TRUE(bench.say(letters(4000)));
  bench.in({.seq = 1, .ack = 4001, .window = 100});
  bench.out.clear();
  const std::string text = letters(2000);
  EXPECT_TRUE(bench.say(text));
  bench.expect_silence();
  bench.wait(1s);
  bench.expect(4001, 1, kAck, text.substr(0, 100));
}

TEST(Rfc9293, AGuestThatKeepsItsWindowClosedIsResetInTheEnd) {
  Bench bench;
  bench.connect(0);
  EXPECT_TRUE(bench.say("never read"));
  for (int second = 0; second < 99; ++second) {
    bench.wait(1s);
    bench.in({.seq = 1, .ack = 1, .window = 0});
  }
  EXPECT_EQ(bench.handler.closed, 0);
  bench.wait(1s);
  EXPECT_EQ(bench.handler.closed, 1);
}

TEST(TcpSender, AFinFollowsTheDataHoweverLateItGoes) {
  Bench bench;
  const ConnectionId id = bench.connect(1000, 1000);
  EXPECT_TRUE(bench.say(letters(1500)));
  bench.server.close(id, bench.now);
  EXPECT_EQ(int{bench.take().flags}, kAck);
  bench.expect_silence();
  bench.in({.seq = 1, .ack = 1001, .window = 1000});
  bench.expect(1001, 1, kAck | kPsh | kFin, letters(1500).substr(1000));
}

TEST(TcpSender, ALostFinIsRepeatedWithItsData) {
  Bench bench;
  const ConnectionId id = bench.connect();
  EXPECT_TRUE(bench.say("end"));
  bench.server.close(id, bench.now);
  bench.out.clear();
  bench.wait(1s);
  bench.expect(1, 1, kAck | kPsh | kFin, "end");
  bench.in({.seq = 1, .ack = 5});
  bench.wait(1s);
  bench.expect_silence();
}

TEST(TcpSender, TakesALargestMessageTwiceAndNoMore) {
  Bench bench;
  const ConnectionId id = bench.connect(0);
  const std::string largest(65'537, 'x');
  EXPECT_TRUE(bench.say(largest));
  EXPECT_TRUE(bench.say(largest));
  EXPECT_EQ(bench.server.send_room(id), 0U);
  EXPECT_FALSE(bench.say("x"));
}

TEST(TcpSender, TheHandlerHearsOfRoom) {
  Bench bench;
  const ConnectionId id = bench.connect();
  EXPECT_TRUE(bench.say("abc"));
  EXPECT_EQ(bench.server.send_room(id), TcpSender::kBufferLimit - 3);
  bench.in({.seq = 1, .ack = 4});
  EXPECT_EQ(bench.handler.sent, 1);
  EXPECT_EQ(bench.server.send_room(id), TcpSender::kBufferLimit);
}

TEST(RtoEstimator, FollowsRfc6298) {
  RtoEstimator estimator;
  EXPECT_EQ(estimator.rto(), 1s);
  estimator.sample(2s);
  EXPECT_EQ(estimator.rto(), 6s) << "SRTT 2 s, RTTVAR 1 s";
  estimator.sample(2s);
  EXPECT_EQ(estimator.rto(), 5s) << "RTTVAR 0.75 s";
  for (int i = 0; i < 100; ++i) estimator.sample(1ms);
  EXPECT_EQ(estimator.rto(), RtoEstimator::kMin);
  for (int i = 0; i < 10; ++i) estimator.back_off();
  EXPECT_EQ(estimator.rto(), RtoEstimator::kMax);
}

TEST(Rfc6298, ALostSynAckSlowsTheDataDown) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn, .mss = 1000});
  bench.wait(1s);
  bench.out.clear();
  bench.in({.seq = 1, .ack = 1});
  EXPECT_TRUE(bench.say(letters(5000)));
  EXPECT_EQ(bench.out.size(), 1U) << "RFC 5681, 3.1: one segment";
  bench.out.clear();
  bench.wait(2999ms);
  bench.expect_silence();
  bench.wait(1ms);
  EXPECT_EQ(bench.out.size(), 1U) << "RFC 6298, 5.7: three seconds";
}

TEST(Rfc6298, ARepeatedSynAckIsNotMeasured) {
  Bench bench;
  bench.in({.seq = 0, .flags = kSyn});
  bench.wait(900ms);
  bench.in({.seq = 0, .flags = kSyn});
  bench.in({.seq = 1, .ack = 1});
  EXPECT_TRUE(bench.say("x"));
  bench.out.clear();
  bench.wait(1s);
  bench.expect(1, 1, kAck | kPsh, "x");
}

TEST(Rfc6582, DuplicateAcksAfterATimeoutBeginNoRecovery) {
  Bench bench;
  bench.connect(65'535, 1000);
  EXPECT_TRUE(bench.say(letters(5000)));
  bench.wait(1s);
  bench.out.clear();
  bench.in({.seq = 1, .ack = 1001});
  bench.out.clear();
  for (int i = 0; i < 5; ++i) bench.in({.seq = 1, .ack = 1001});
  bench.expect_silence();
}

TEST(Rfc6298, KarnsAlgorithmIgnoresRepeatedSegments) {
  Bench bench;
  bench.connect();
  EXPECT_TRUE(bench.say("x"));
  bench.wait(1s);
  bench.wait(1500ms);
  bench.in({.seq = 1, .ack = 2});
  bench.out.clear();
  // No sample came of it, so the backed-off value stands (5.5 and 5.7).
  EXPECT_TRUE(bench.say("y"));
  bench.take();
  bench.wait(1999ms);
  bench.expect_silence();
  bench.wait(1ms);
  bench.expect(2, 1, kAck | kPsh, "y");
}

}  // namespace
}  // namespace vnet::network::test
