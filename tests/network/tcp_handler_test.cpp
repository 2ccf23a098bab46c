// What a service may do from inside of its callbacks, and what it sees of it.
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {
namespace {

TEST(TcpHandler, MayAbortWhileItReads) {
  struct Angry : Recorder {
    TcpServer* server = nullptr;
    std::size_t on_data(ConnectionId id, ByteView, Instant) override {
      server->abort(id);
      return 0;
    }
  } angry;
  Bench bench;
  angry.server = &bench.server;
  bench.server.listen(7, angry);
  bench.flow.local_port = 7;
  bench.connect();
  bench.in({.seq = 1, .ack = 1, .flags = kAck | kFin, .data = "x"});
  bench.expect(1, 3, kRst | kAck);
  bench.expect_silence();
  EXPECT_EQ(angry.closed, 1);
  EXPECT_EQ(angry.ended, 0);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(TcpHandler, ResumeDoesNotReenterAHandlerThatIsReading) {
  struct Eager : Recorder {
    TcpServer* server = nullptr;
    int depth = 0;
    std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override {
      EXPECT_EQ(++depth, 1);
      server->resume(id, now);
      --depth;
      return Recorder::on_data(id, bytes, now);
    }
  } eager;
  Bench bench;
  eager.server = &bench.server;
  bench.server.listen(7, eager);
  bench.flow.local_port = 7;
  bench.connect();
  eager.appetite = 2;
  bench.in({.seq = 1, .ack = 1, .data = "abc"});
  bench.in({.seq = 4, .ack = 1, .data = "def"});
  EXPECT_EQ(eager.received, "ab");
  eager.appetite = SIZE_MAX;
  bench.server.resume(eager.ids.back(), bench.now);
  EXPECT_EQ(eager.received, "abcdef");
}

TEST(TcpHandler, AbortFromOutsideIsSettledAtOnce) {
  Bench bench;
  const ConnectionId id = bench.connect();
  bench.server.abort(id);
  bench.expect(1, 1, kRst | kAck);
  EXPECT_FALSE(bench.say("gone"));
  EXPECT_LE(bench.server.next_deadline(), bench.now);
  bench.wait(0s);
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(TcpHandler, MayCloseWhileItReadsWhatWasKept) {
  struct Leaver : Recorder {
    TcpServer* server = nullptr;
    std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override {
      if (appetite == 0) return 0;
      server->close(id, now);
      return Recorder::on_data(id, bytes, now);
    }
  } leaver;
  Bench bench;
  leaver.server = &bench.server;
  bench.server.listen(7, leaver);
  bench.flow.local_port = 7;
  bench.connect();
  leaver.appetite = 0;
  bench.in({.seq = 1, .ack = 1, .data = "kept and then read"});
  bench.out.clear();
  leaver.appetite = 4;
  bench.server.resume(leaver.ids.back(), bench.now);
  EXPECT_EQ(leaver.received, "kept");
  bench.expect(1, 19, kAck | kFin);
  bench.expect_silence();
}

}  // namespace
}  // namespace vnet::network::test
