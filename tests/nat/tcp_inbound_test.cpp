#include "nat/tcp_inbound.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "packet/random.hpp"

namespace vnet::nat {
namespace {

constexpr std::uint32_t kIsn = 0xffff'fff0;  // wraps soon
constexpr std::size_t kMss = 1000;
using Order = TcpInbound::Order;

/// Takes as much as it is told to.
class Sink final : public TcpSocket {
 public:
  Result<std::size_t, HostError> send(std::span<const ByteView> pieces) override {
    if (broken) return fail(HostError::reset);
    std::size_t taken = 0;
    for (const ByteView piece : pieces) {
      EXPECT_FALSE(piece.empty());
      const std::size_t count = std::min(piece.size(), room);
      received += as_text(piece.first(count));
      room -= count;
      taken += count;
    }
    return taken;
  }
  Result<Peeked, HostError> peek(std::size_t, std::span<const ByteSpan>) override { return Peeked{}; }
  void consume(std::size_t) override {}
  void shut_down() override {}
  void reset() override {}
  std::optional<HostError> take_error() override { return std::nullopt; }

  std::size_t room = SIZE_MAX;
  bool broken = false;
  std::string received;
};

/// The guest's stream: every position has its byte.
std::string stream(std::size_t from, std::size_t size) {
  std::string result(size, ' ');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>((from + i) * 167U >> 3U);
  return result;
}

/// Positions count from 0; frames die at the end of a batch, as real ones do.
class Inbound : public testing::Test {
 protected:
  Inbound() { in.open(kIsn, true, kMss); }

  Order add(std::size_t at, std::size_t size, bool fin = false) {
    std::string& frame = frames_.emplace_back(stream(at, size));
    return in.accept(kIsn + 1 + static_cast<std::uint32_t>(at), as_bytes(frame), fin, pieces_);
  }
  void end_batch() {
    if (!in.drained()) {
      const auto flushed = in.flush(sink, pieces_);
      ASSERT_TRUE(flushed.has_value());
    }
    EXPECT_TRUE(pieces_.empty());
    for (std::string& frame : frames_) std::fill(frame.begin(), frame.end(), '!');
    frames_.clear();
  }
  void expect_received(std::size_t size) {
    EXPECT_EQ(sink.received.size(), size);
    EXPECT_TRUE(sink.received == stream(0, size));
  }
  [[nodiscard]] std::uint32_t next() const { return in.next() - kIsn - 1; }

  WindowBudget budget{1U << 24U};
  Sink sink;
  TcpInbound in{budget};

 private:
  std::deque<std::string> frames_;
  std::vector<ByteView> pieces_;
};

TEST_F(Inbound, PassesABatchOnWithoutACopy) {
  EXPECT_EQ(add(0, 1000), Order::in_order);
  EXPECT_EQ(add(1000, 500), Order::in_order);
  end_batch();
  expect_received(1500);
  EXPECT_EQ(next(), 1500U);
  EXPECT_EQ(in.capacity(), 0U);
}

TEST_F(Inbound, KeepsWhatComesEarlyUntilTheHoleIsFilled) {
  EXPECT_EQ(add(1000, 1000), Order::early);
  EXPECT_EQ(add(3000, 1000), Order::early);
  end_batch();
  expect_received(0);
  EXPECT_EQ(in.sack_blocks().size(), 2U);
  EXPECT_EQ(in.sack_blocks()[0], (SequenceRange{kIsn + 3001, kIsn + 4001}));  // the latest first
  EXPECT_EQ(add(0, 1000), Order::in_order);
  end_batch();
  expect_received(2000);
  EXPECT_EQ(add(2000, 1000), Order::in_order);
  end_batch();
  expect_received(4000);
  EXPECT_TRUE(in.sack_blocks().empty());
  EXPECT_EQ(in.capacity(), 0U) << "the ring is given back";
}

TEST_F(Inbound, TakesOnlyWhatIsNewOfAnOverlap) {
  add(0, 1000);
  EXPECT_EQ(add(500, 1000), Order::in_order);
  EXPECT_EQ(add(200, 300), Order::old);
  add(2000, 500);
  add(1900, 300);
  EXPECT_EQ(add(1400, 600), Order::in_order);
  end_batch();
  expect_received(2500);
}

TEST_F(Inbound, OneSegmentThatFillsSeveralHolesBringsAllThatWasEarly) {
  add(500, 100);
  add(800, 700);
  EXPECT_EQ(add(0, 1000), Order::in_order);
  EXPECT_EQ(next(), 1500U);
  end_batch();
  expect_received(1500);
}

TEST_F(Inbound, MixesPiecesAndKeptBytesInOneBatch) {
  add(1000, 1000);
  end_batch();
  sink.room = 700;
  add(0, 500);
  add(500, 500);
  add(2000, 1000);
  end_batch();
  expect_received(700);
  add(3000, 1000);
  sink.room = 900;
  end_batch();
  expect_received(1600);
  sink.room = SIZE_MAX;
  end_batch();
  expect_received(4000);
}

TEST_F(Inbound, KeepsAllThatTheHostDoesNotTakeAndClosesTheWindow) {
  sink.room = 0;
  for (std::size_t at = 0; at + 1000 <= TcpInbound::kFirstWindow; at += 1000) {
    EXPECT_TRUE(in.acceptable(kIsn + 1 + static_cast<std::uint32_t>(at), 1000));
    add(at, 1000);
    end_batch();
    (void)in.advertise();
  }
  add(65'000, 1000);  // its last part is beyond the window
  end_batch();
  EXPECT_EQ(next(), TcpInbound::kFirstWindow);
  EXPECT_EQ(in.advertise(), 0U);
  EXPECT_FALSE(in.worth_an_update());
  EXPECT_EQ(budget.left(), std::size_t{1} << 24U) << "a host that takes nothing is no reason for a larger window";
  sink.room = 500;
  end_batch();
  EXPECT_FALSE(in.worth_an_update()) << "no silly windows";
  EXPECT_EQ(in.advertise(), 0U);
  sink.room = 5000;
  end_batch();
  EXPECT_TRUE(in.worth_an_update());
  EXPECT_EQ(in.advertise(), 5500U >> TcpInbound::kWindowScale);
  sink.room = SIZE_MAX;
  end_batch();
  expect_received(TcpInbound::kFirstWindow);
}

TEST_F(Inbound, ARingThatGrowsKeepsWhatItHolds) {
  add(30'000, 30'000);  // the ring is there, for 65,536 bytes
  add(0, 20'000);
  end_batch();
  (void)in.advertise();  // the window has doubled, the edge moves
  EXPECT_EQ(in.capacity(), 65'536U);
  add(60'000, 60'000);  // joins what is there to a stretch longer than the ring
  end_batch();
  EXPECT_EQ(in.capacity(), 131'072U);
  sink.room = 5000;
  add(20'000, 10'000);
  end_batch();
  expect_received(25'000);
  sink.room = SIZE_MAX;
  end_batch();
  expect_received(120'000);
}

TEST(TcpInbound, ARingThatGrowsReadsNothingBehindItself) {
  WindowBudget budget{1U << 24U};
  TcpInbound in{budget};
  in.open(45'499, true, kMss);
  Sink sink;
  std::string frame;
  std::vector<ByteView> pieces;
  const auto add = [&](std::uint32_t at, std::size_t size) {
    frame = stream(at, size);
    in.accept(45'500 + at, as_bytes(frame), false, pieces);
    EXPECT_TRUE(in.drained() || in.flush(sink, pieces).has_value());
    (void)in.advertise();
  };
  add(20'000, 40'000);  // begins near the end of the ring, as this stream's numbers fall
  add(0, 19'000);
  add(60'000, 65'480);
  add(19'000, 1000);
  EXPECT_TRUE(sink.received == stream(0, 125'480));
}

TEST_F(Inbound, TheWindowGrowsWithTheGuestsUseOfItWithinTheBudget) {
  std::size_t at = 0;
  for (int batch = 0; batch < 12; ++batch) {
    const std::size_t window = std::size_t{in.advertise()} << TcpInbound::kWindowScale;
    for (std::size_t sent = 0; sent + 10'000 <= window; sent += 10'000, at += 10'000) add(at, 10'000);
    end_batch();
  }
  EXPECT_EQ(std::size_t{in.advertise()} << TcpInbound::kWindowScale, TcpInbound::kMaxWindow);
  EXPECT_EQ(budget.left(), (std::size_t{1} << 24U) - TcpInbound::kMaxWindow + TcpInbound::kFirstWindow);
  EXPECT_EQ(sink.received.size(), at);
  EXPECT_EQ(in.capacity(), 0U);
}

TEST(TcpInbound, GivesItsPartOfTheBudgetBack) {
  WindowBudget budget{100'000};
  {
    TcpInbound in{budget};
    in.open(kIsn, true, kMss);
    Sink sink;
    std::vector<ByteView> pieces;
    const std::string frame(30'000, 'x');
    in.accept(kIsn + 1, as_bytes(frame), false, pieces);
    EXPECT_TRUE(in.flush(sink, pieces).has_value());
    EXPECT_LT(budget.left(), 100'000U);
  }
  EXPECT_EQ(budget.left(), 100'000U);
}

TEST(TcpInbound, WithoutScalingTheWindowStaysAsItIs) {
  WindowBudget budget{1U << 24U};
  TcpInbound in{budget};
  in.open(kIsn, false, kMss);
  Sink sink;
  std::vector<ByteView> pieces;
  const std::string frame(60'000, 'x');
  in.accept(kIsn + 1, as_bytes(frame), false, pieces);
  EXPECT_EQ(in.advertise(), 5535U);
  EXPECT_TRUE(in.flush(sink, pieces).has_value());
  EXPECT_EQ(in.advertise(), 65'535U);
  EXPECT_EQ(budget.left(), std::size_t{1} << 24U);
}

TEST_F(Inbound, TheEndCountsOnceAllBeforeItHasCome) {
  add(1000, 500, true);
  end_batch();
  EXPECT_FALSE(in.finished());
  EXPECT_EQ(next(), 0U);
  add(0, 1000);
  EXPECT_TRUE(in.finished());
  EXPECT_EQ(next(), 1501U);
  end_batch();
  expect_received(1500);
}

TEST_F(Inbound, AnEndBeforeWhatHasComeIsNotBelieved) {
  add(2000, 1000);
  add(0, 500, true);
  EXPECT_FALSE(in.finished());
  add(500, 1500);
  end_batch();
  expect_received(3000);
  add(3000, 10, true);
  EXPECT_TRUE(in.finished());
}

TEST_F(Inbound, AnEndAtTheEdgeIsTaken) {
  sink.room = 0;
  add(0, TcpInbound::kFirstWindow, true);
  end_batch();
  EXPECT_TRUE(in.finished());
  EXPECT_EQ(in.advertise(), 0U);
}

// RFC 9293, 3.10.7.4: which segments may be looked at.
TEST_F(Inbound, AcceptsSegmentsWithinTheWindow_Rfc9293_3_10_7_4) {
  const auto acceptable = [&](std::int64_t at, std::size_t size) {
    return in.acceptable(kIsn + 1 + static_cast<std::uint32_t>(at), size);
  };
  EXPECT_TRUE(acceptable(0, 0));
  EXPECT_TRUE(acceptable(0, 1000));
  EXPECT_FALSE(acceptable(-1, 0));
  EXPECT_FALSE(acceptable(-1, 1));
  EXPECT_TRUE(acceptable(-1, 2));
  EXPECT_TRUE(acceptable(65'534, 1000));
  EXPECT_TRUE(acceptable(65'535, 1)) << "a probe of the window's end";
  EXPECT_FALSE(acceptable(65'537, 0));
  EXPECT_TRUE(acceptable(-10, 100'000)) << "all of the window and more";
  EXPECT_FALSE(acceptable(1 << 30, 10));
}

TEST_F(Inbound, AnErrorOfTheHostIsPassedOn) {
  sink.broken = true;
  std::vector<ByteView> pieces;
  const std::string frame(100, 'x');
  in.accept(kIsn + 1, as_bytes(frame), false, pieces);
  const auto flushed = in.flush(sink, pieces);
  ASSERT_FALSE(flushed.has_value());
  EXPECT_EQ(flushed.error(), HostError::reset);
}

/// Any order, any overlap, any pace of the host: the stream arrives, and what was promised is never taken back.
TEST(TcpInbound, DeliversTheStreamInOrderWhateverComes) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random{seed};
    WindowBudget budget{random.below(2'000'000)};
    TcpInbound in{budget};
    const auto isn = static_cast<std::uint32_t>(random.chance(0.5) ? 0U - random.below(200'000) : random.next());
    const std::size_t size = random.below(400'000);
    const std::string all = stream(0, size);
    in.open(isn, random.chance(0.7), 536);
    Sink sink;
    std::uint32_t edge = isn + 1 + TcpInbound::kFirstWindow;
    for (int batch = 0; batch < 20'000 && !(in.finished() && in.drained()); ++batch) {
      std::vector<ByteView> pieces;
      std::deque<std::string> frames;
      for (std::uint32_t n = random.below(12); n > 0; --n) {
        const std::uint32_t next = std::min(in.next() - isn - 1, static_cast<std::uint32_t>(size));
        const std::uint32_t ahead = random.chance(0.6) ? 0 : random.below(edge - in.next() + 1);
        const std::uint32_t at = random.chance(0.1) ? next - std::min(next, random.below(3000)) : next + ahead;
        if (at > size) continue;
        std::string& frame = frames.emplace_back(all.substr(at, 1 + random.below(random.chance(0.1) ? 60'000 : 3000)));
        const bool fin = at + frame.size() == size;
        if (!in.acceptable(isn + 1 + at, frame.size() + (fin ? 1 : 0))) continue;
        in.accept(isn + 1 + at, as_bytes(frame), fin, pieces);
      }
      sink.room = random.chance(0.4) ? 0 : random.below(random.chance(0.3) ? 200'000 : 4000);
      const bool flushed = in.drained() || in.flush(sink, pieces).has_value();
      ASSERT_TRUE(flushed);
      ASSERT_LE(in.capacity(), 2 * TcpInbound::kMaxWindow);
      (void)in.advertise();
      ASSERT_TRUE(!sequence_before(in.next(), edge) || in.acceptable(edge - 1, 1)) << "a promise taken back";
      // Where the edge is now; one number beyond it is still looked at.
      while (!in.finished() && in.acceptable(edge + 1, 1) && edge - in.next() < TcpInbound::kMaxWindow) ++edge;
      for (const SequenceRange& block : in.sack_blocks()) {
        ASSERT_TRUE(sequence_before(in.next(), block.begin) && sequence_before(block.begin, block.end));
      }
    }
    sink.room = SIZE_MAX;
    ASSERT_TRUE(in.finished());
    ASSERT_EQ(sink.received.size(), size);
    ASSERT_TRUE(sink.received == all);
  }
}

}  // namespace
}  // namespace vnet::nat
