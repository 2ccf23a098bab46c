// Length-framed records over stream sockets: framing, slow readers, and streams that are broken.
#include "dgram/stream.hpp"

#include "dgram_testing.hpp"

namespace vnet::dgram::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string record(std::string_view frame) {
  std::array<std::uint8_t, 4> prefix;
  store_be(prefix.data(), static_cast<std::uint32_t>(frame.size()));
  return std::string{as_text(prefix)} + std::string{frame};
}

class StreamGuest {
 public:
  explicit StreamGuest(const std::string& path, int receive_buffer = 0) : fd_(make_socket(SOCK_STREAM).value()) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    EXPECT_EQ(connect_to(fd_, UnixAddress::from_path(path).value()), 0);
  }
  void write(std::string_view bytes) const {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// Reads what is there; true when something was.
  bool read() {
    std::vector<char> buffer(1 << 20);
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    closed = size == 0;
    if (size > 0) bytes_.append(buffer.data(), static_cast<std::size_t>(size));
    return size > 0;
  }
  /// The frames that have come whole.
  [[nodiscard]] std::vector<std::string> frames() {
    while (read()) {
    }
    std::vector<std::string> result;
    while (bytes_.size() >= 4) {
      const std::size_t length = load_be<std::uint32_t>(as_bytes(bytes_).data());
      if (bytes_.size() < 4 + length) break;
      result.push_back(bytes_.substr(4, length));
      bytes_.erase(0, 4 + length);
    }
    return result;
  }
  void close() { fd_.close(); }
  bool closed = false;

 private:
  Fd fd_;
  std::string bytes_;
};

class StreamPathTest : public testing::Test {
 protected:
  StreamPathTest() { path_ = StreamPath::open(at, 0, loop, board, buffer).value(); }
  TempFolder folder;
  const std::string at = folder / "stream.sock";
  PollLoop loop;
  FakeSwitch board;
  StreamBuffer buffer;
  std::unique_ptr<StreamPath> path_;
};

TEST_F(StreamPathTest, RecordsAreFramesBothWays) {
  StreamGuest alice{at};
  alice.write(record("one") + record("two"));
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:one", "0:two"));
  board.tell(0, {"three", "four"});
  EXPECT_THAT(alice.frames(), ElementsAre("three", "four"));
  EXPECT_EQ(board.sent, 2U);
}

TEST_F(StreamPathTest, ARecordMayComeAByteAtATime) {
  const StreamGuest alice{at};
  for (const char byte : record("hello")) {
    alice.write({&byte, 1});
    loop.settle();
  }
  EXPECT_THAT(board.heard, ElementsAre("0:hello"));
}

TEST_F(StreamPathTest, EveryConnectionIsAClientOfItsOwn) {
  StreamGuest alice{at};
  StreamGuest bob{at};
  alice.write(record("a"));
  loop.settle();
  bob.write(record("b"));
  loop.settle();
  EXPECT_EQ(path_->client_count(), 2U);
  EXPECT_THAT(board.heard, ElementsAre("0:a", "1:b"));
  board.tell(1, {"for bob"});
  EXPECT_THAT(alice.frames(), IsEmpty());
  EXPECT_THAT(bob.frames(), ElementsAre("for bob"));
}

TEST_F(StreamPathTest, ARecordOfLengthZeroIsCountedAndSkipped) {
  const StreamGuest alice{at};
  alice.write(record("") + record("a") + record("") + record(""));
  loop.settle();
  EXPECT_EQ(board.refused[DropReason::stream_length], 3U);
  EXPECT_THAT(board.heard, ElementsAre("0:a"));
  EXPECT_THAT(board.gone, IsEmpty());
}

TEST_F(StreamPathTest, ALengthOfFourGigabytesEndsTheConnection) {
  StreamGuest alice{at};
  alice.write(record("last words") + std::string{"\xff\xff\xff\xff more", 9});
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:last words"));
  EXPECT_EQ(board.refused[DropReason::stream_length], 1U);
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_THAT(board.notices, SizeIs(1));
  EXPECT_EQ(path_->client_count(), 0U);
  (void)alice.read();
  EXPECT_TRUE(alice.closed);
}

TEST_F(StreamPathTest, TheLargestFramePassesAndALargerOneDoesNot) {
  const StreamGuest alice{at};
  const std::string frame(kMaxFrameSize, 'x');
  alice.write(record(frame));
  loop.settle();
  EXPECT_THAT(board.heard, ElementsAre("0:" + frame));
  alice.write(record(std::string(kMaxFrameSize + 1, 'x')).substr(0, 100));
  loop.settle();
  EXPECT_EQ(path_->client_count(), 0U);
}

TEST_F(StreamPathTest, AClosedConnectionIsGone) {
  StreamGuest alice{at};
  alice.write(record("hello"));
  loop.settle();
  alice.close();
  loop.settle();
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(path_->client_count(), 0U);
}

TEST_F(StreamPathTest, WhatTheSwitchAnswersToAClientThatHasLeftIsDetached) {
  board.echo = true;
  StreamGuest alice{at};
  alice.write(record("hello"));
  alice.close();
  loop.settle();
  EXPECT_EQ(board.dropped_out[DropReason::detached], 1U);
  EXPECT_THAT(board.gone, ElementsAre(0U));
}

TEST_F(StreamPathTest, ASlowReaderLosesWholeFramesAndNeverHalfOfOne) {
  StreamGuest slow{at};
  slow.write(record("hello"));
  loop.settle();
  // Lengths that fall out of step with every buffer, and a content that tells which frame it is.
  std::vector<std::string> sent;
  for (int i = 0; i < 6000; ++i) {
    sent.push_back(std::string(static_cast<std::size_t>(1000 + i % 977), static_cast<char>('a' + i % 26)));
    board.tell(0, {sent.back()});
  }
  const std::uint64_t dropped = board.dropped_out[DropReason::queue_full];
  EXPECT_GT(dropped, 0U);
  std::vector<std::string> received;
  for (int turn = 0; turn < 1000 && received.size() < 6000 - dropped; ++turn) {
    for (std::string& frame : slow.frames()) received.push_back(std::move(frame));
    loop.settle();
  }
  ASSERT_EQ(received.size(), 6000 - dropped);
  for (std::size_t i = 0; i < received.size(); ++i) ASSERT_EQ(received[i], sent[i]) << i;
  EXPECT_EQ(board.sent, received.size());
  board.tell(0, {"well again"});
  EXPECT_THAT(slow.frames(), ElementsAre("well again"));
}

TEST_F(StreamPathTest, ADiscardDropsWholeFramesAndFinishesTheHalfSentOne) {
  StreamGuest slow{at};
  slow.write(record("hello"));
  loop.settle();
  // Large frames, of which the kernel takes a part.
  std::uint64_t sent = 0;
  for (; path_->clients().front()->state().pending_out.empty(); ++sent) {
    ASSERT_LT(sent, 1000U);
    board.tell(0, {std::string(60'000, 'x')});
  }
  board.tell(0, {"waits", "waits too"});
  board.clients[0]->discard(DropReason::link_down, board);
  EXPECT_EQ(board.dropped_out[DropReason::link_down], 2U);
  std::size_t received = 0;
  for (int turn = 0; turn < 100; ++turn) {
    for (const std::string& frame : slow.frames()) {
      EXPECT_EQ(frame, std::string(60'000, 'x'));
      ++received;
    }
    loop.settle();
  }
  EXPECT_EQ(received, sent);
  board.tell(0, {"in step"});
  EXPECT_THAT(slow.frames(), ElementsAre("in step"));
}

TEST_F(StreamPathTest, APullHearsAllThatWasSentEvenByOneThatHasLeft) {
  StreamGuest alice{at};
  alice.write(record("hello"));
  loop.settle();
  for (int i = 0; i < 100; ++i) alice.write(record("more"));
  board.clients[0]->pull();
  EXPECT_THAT(board.take_heard(), SizeIs(101));
  alice.write(record("last"));
  alice.close();
  board.clients[0]->pull();
  EXPECT_THAT(board.take_heard(), ElementsAre("0:last"));
  EXPECT_THAT(board.gone, ElementsAre(0U));
  EXPECT_EQ(path_->client_count(), 0U);
}

TEST_F(StreamPathTest, AConnectionThatIsHungUpIsClosedWithoutAWordToTheSwitch) {
  StreamGuest alice{at};
  alice.write(record("hello"));
  loop.settle();
  board.clients[0]->hang_up();
  EXPECT_EQ(path_->client_count(), 0U);
  EXPECT_THAT(board.gone, IsEmpty());
  (void)alice.read();
  EXPECT_TRUE(alice.closed);
  EXPECT_EQ(loop.size(), 1U);
}

TEST_F(StreamPathTest, WhatWaitsForOneThatLeavesIsCounted) {
  StreamGuest slow{at};
  slow.write(record("hello"));
  loop.settle();
  std::uint64_t told = 0;
  for (; board.dropped_out.total() == 0; ++told) board.tell(0, {std::string(1000, 'x')});
  slow.close();
  loop.settle();
  EXPECT_GT(board.dropped_out[DropReason::detached], 0U);
  EXPECT_EQ(board.sent + board.dropped_out.total(), told);
}

TEST_F(StreamPathTest, WhenItIsClosedNothingIsWatchedAnyMore) {
  const StreamGuest alice{at};
  loop.settle();
  EXPECT_EQ(loop.size(), 2U);
  path_.reset();
  EXPECT_EQ(loop.size(), 0U);
}

std::vector<std::string> texts(const std::vector<ByteView>& frames) {
  std::vector<std::string> result;
  for (const ByteView frame : frames) result.emplace_back(as_text(frame));
  return result;
}

TEST(StreamDecoder, EveryWayToCutAStreamInTwoGivesTheSameFrames) {
  const std::string stream = record("one") + record("") + record(std::string(300, 'x')) + record("4");
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    StreamDecoder decoder;
    std::vector<std::string> all;
    for (const std::string_view piece :
         {std::string_view{stream}.substr(0, cut), std::string_view{stream}.substr(cut)}) {
      // A copy of its own, so that a view that outlives its piece is found by the sanitizer.
      const std::vector<std::uint8_t> bytes(piece.begin(), piece.end());
      std::vector<ByteView> frames;
      ASSERT_TRUE(decoder.feed(bytes, frames));
      for (std::string& text : texts(frames)) all.push_back(std::move(text));
    }
    ASSERT_THAT(all, ElementsAre("one", std::string(300, 'x'), "4")) << "cut at " << cut;
    ASSERT_EQ(decoder.take_empty(), 1U);
  }
}

TEST(StreamDecoder, AWholeFrameIsAViewOfTheInput) {
  const std::string stream = record("whole");
  StreamDecoder decoder;
  std::vector<ByteView> frames;
  ASSERT_TRUE(decoder.feed(as_bytes(stream), frames));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].data(), as_bytes(stream).data() + 4);
}

TEST(StreamDecoder, ABrokenStreamStaysBroken) {
  StreamDecoder decoder;
  std::vector<ByteView> frames;
  EXPECT_FALSE(decoder.feed(as_bytes(std::string_view{"\xff\xff\xff\xff", 4}), frames));
  EXPECT_FALSE(decoder.feed(as_bytes(record("fine")), frames));
  EXPECT_THAT(frames, IsEmpty());
}

TEST(StreamDecoder, ALyingPrefixCutInTwoIsFoundToo) {
  StreamDecoder decoder;
  std::vector<ByteView> frames;
  EXPECT_TRUE(decoder.feed(as_bytes(std::string_view{"\xff\xff", 2}), frames));
  EXPECT_FALSE(decoder.feed(as_bytes(std::string_view{"\xff\xff", 2}), frames));
}

}  // namespace
}  // namespace vnet::dgram::test
