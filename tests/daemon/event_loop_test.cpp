// The loop: deadlines are met and not early, descriptors are served until they are forgotten, signals arrive.
#include "daemon/event_loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace vnet::daemon {
namespace {

using namespace std::chrono_literals;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends_) ::close(end);
  }
  void write(char byte) const { EXPECT_EQ(::write(ends_[1], &byte, 1), 1); }
  void read() const {
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }

 private:
  std::array<int, 2> ends_{};
};

class Callback final : public dgram::Watched {
 public:
  explicit Callback(std::function<void(bool, bool)> what) : what_(std::move(what)) {}
  void on_ready(bool readable, bool writable) override { what_(readable, writable); }

 private:
  std::function<void(bool, bool)> what_;
};

TEST(EventLoop, MeetsADeadlineAndNotEarly) {
  EventLoop loop;
  const Instant due = loop.now() + 15ms;
  loop.on_sleep([&] { return due; });
  loop.on_deadline([&] {
    if (loop.now() >= due) loop.stop();
  });
  loop.run();
  EXPECT_GE(loop.now(), due);
}

TEST(EventLoop, ADeadlineThatMovesForwardIsMet) {
  EventLoop loop;
  Instant due = loop.now() + 1h;
  const Pipe pipe;
  Callback hurry{[&](bool, bool) {
    pipe.read();
    due = loop.now();
  }};
  loop.watch(pipe.reader(), true, false, hurry);
  loop.on_sleep([&] { return due; });
  loop.on_deadline([&] { loop.stop(); });
  pipe.write('x');
  loop.run();
  SUCCEED() << "an hour early";
}

TEST(EventLoop, ServesADescriptorAsLongAsItIsReady) {
  EventLoop loop;
  const Pipe pipe;
  int calls = 0;
  Callback reader{[&](bool readable, bool writable) {
    EXPECT_TRUE(readable);
    EXPECT_FALSE(writable);
    pipe.read();
    if (++calls == 3) loop.stop();
  }};
  loop.watch(pipe.reader(), true, false, reader);
  for (const char byte : {'a', 'b', 'c'}) pipe.write(byte);
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST(EventLoop, AWatcherMayForgetItselfAndAnotherMayTakeItsPlace) {
  EventLoop loop;
  const Pipe pipe;
  Callback second{[&](bool, bool writable) {
    EXPECT_TRUE(writable);
    loop.stop();
  }};
  Callback first{[&](bool, bool) {
    loop.forget(pipe.writer());
    loop.watch(pipe.writer(), false, true, second);
  }};
  loop.watch(pipe.writer(), false, true, first);
  loop.run();
  loop.forget(pipe.writer());
  loop.forget(pipe.writer());
}

TEST(EventLoop, WatchingAgainReplacesWhatIsWaitedFor) {
  EventLoop loop;
  const Pipe pipe;
  Callback wrong{[](bool, bool) { FAIL() << "it was replaced"; }};
  Callback right{[&](bool, bool) { loop.stop(); }};
  loop.watch(pipe.writer(), false, true, wrong);
  loop.watch(pipe.writer(), false, true, right);
  loop.run();
}

TEST(EventLoop, CallsForASignal) {
  EventLoop loop;
  int calls = 0;
  loop.on_signal(SIGUSR2, [&] {
    ++calls;
    loop.stop();
  });
  ASSERT_EQ(::raise(SIGUSR2), 0);
  loop.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace vnet::daemon
