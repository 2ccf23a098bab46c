#include "adapter/poll_loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

namespace vnet::adapter {
namespace {

struct Waiting final : dgram::Watched {
  void on_ready(bool readable, bool writable) override {
    if (readable) ++reads;
    if (writable) ++writes;
    if (then) then();
  }
  int reads = 0;
  int writes = 0;
  std::function<void()> then;
};

class PollLoopTest : public ::testing::Test {
 protected:
  PollLoopTest() : pair_(*dgram::make_pair(SOCK_DGRAM)) {}
  void turn() { ASSERT_TRUE(loop_.turn(Instant{})); }

  std::pair<dgram::Fd, dgram::Fd> pair_;
  PollLoop loop_;
  Waiting waiting_;
};

TEST_F(PollLoopTest, OnlyWhatIsAskedForIsTold) {
  ASSERT_EQ(::write(pair_.second.get(), "x", 1), 1);
  loop_.watch(pair_.first.get(), false, false, waiting_);
  turn();
  EXPECT_EQ(waiting_.reads + waiting_.writes, 0);
  loop_.watch(pair_.first.get(), true, true, waiting_);
  turn();
  EXPECT_EQ(waiting_.reads, 1);
  EXPECT_EQ(waiting_.writes, 1);
  loop_.forget(pair_.first.get());
  turn();
  EXPECT_EQ(waiting_.reads, 1);
}

TEST_F(PollLoopTest, OneWhoIsForgottenByAnotherIsNotCalledAnyMore) {
  Waiting other;
  ASSERT_EQ(::write(pair_.first.get(), "x", 1), 1);
  ASSERT_EQ(::write(pair_.second.get(), "x", 1), 1);
  loop_.watch(pair_.first.get(), true, false, waiting_);
  loop_.watch(pair_.second.get(), true, false, other);
  waiting_.then = [&] { loop_.forget(pair_.second.get()); };
  turn();
  EXPECT_EQ(waiting_.reads, 1);
  EXPECT_EQ(other.reads, 0);
}

TEST_F(PollLoopTest, AnErrorIsToldAsReadableToWhoAskedForNothing) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const dgram::Fd reader{ends[0]};
  loop_.watch(reader.get(), false, false, waiting_);
  ::close(ends[1]);
  turn();
  EXPECT_EQ(waiting_.reads, 1);
}

TEST_F(PollLoopTest, ItWaitsUntilTheDeadlineAndNotLess) {
  const Instant deadline = PollLoop::now() + std::chrono::milliseconds{3};
  ASSERT_TRUE(loop_.turn(deadline));
  EXPECT_GE(PollLoop::now(), deadline);
}

}  // namespace
}  // namespace vnet::adapter
