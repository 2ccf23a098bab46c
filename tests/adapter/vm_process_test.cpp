#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "adapter/vm/process.hpp"

namespace vnet::adapter {
namespace {

using ::testing::HasSubstr;

constexpr int kLimitMs = 20'000;

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    out = dgram::Fd{ends[0]};
    in = dgram::Fd{ends[1]};
  }
  /// The next line, or what came before the end.
  std::string line() {
    std::string text;
    char byte = 0;
    pollfd polled{out.get(), POLLIN, 0};
    while (::poll(&polled, 1, kLimitMs) > 0 && ::read(out.get(), &byte, 1) == 1 && byte != '\n') text += byte;
    return text;
  }
  /// Whether everybody who could write has gone.
  bool ends() {
    std::array<char, 256> bytes{};
    pollfd polled{out.get(), POLLIN, 0};
    while (::poll(&polled, 1, kLimitMs) > 0) {
      if (::read(out.get(), bytes.data(), bytes.size()) <= 0) return true;
    }
    return false;
  }

  dgram::Fd out;
  dgram::Fd in;
};

std::string end_of(Process& process) {
  for (int i = 0; i < kLimitMs; ++i) {
    if (auto how = process.ended()) return *how;
    (void)::poll(nullptr, 0, 1);
  }
  return "it runs";
}

TEST(Process, RunsWithTheDescriptorsThatItIsGivenAndNoOthers) {
  Pipe output;
  Pipe inherited;
  const Pipe other;
  const int number = inherited.in.get();
  const int fds[] = {number};
  const std::string script = "echo hello >&" + std::to_string(number) + "; ls /proc/self/fd | tr '\\n' ' '";
  auto process = Process::start({"sh", "-c", script}, fds, output.in.get());
  ASSERT_TRUE(process.has_value()) << process.error().to_string();
  EXPECT_EQ(inherited.line(), "hello");
  EXPECT_EQ(end_of(*process), "ended with code 0");
  output.in.close();
  EXPECT_THAT(output.line(), ::testing::Not(HasSubstr(" " + std::to_string(other.in.get()) + " ")));
}

TEST(Process, AChildClosesAllButWhatItKeeps) {
  std::array<Pipe, 4> pipes;
  const std::array<int, 4> kept = {pipes[2].in.get(), -1, pipes[0].in.get(), pipes[2].in.get()};
  const pid_t child = ::fork();
  if (child == 0) {
    close_others(kept);
    std::string open;
    for (const Pipe& pipe : pipes) {
      open += ::fcntl(pipe.out.get(), F_GETFD) < 0 ? '-' : 'o';
      open += ::fcntl(pipe.in.get(), F_GETFD) < 0 ? '-' : 'o';
    }
    open += ::fcntl(STDERR_FILENO, F_GETFD) < 0 ? "-\n" : "o\n";
    ::_exit(::write(kept[0], open.data(), open.size()) < 0 ? 1 : 0);
  }
  EXPECT_EQ(pipes[2].line(), "-o---o--o");
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(Process, WhatCannotBeExecutedIsSaidAtOnce) {
  const Pipe output;
  const auto process = Process::start({"/no/such/program"}, {}, output.in.get());
  ASSERT_FALSE(process.has_value());
  EXPECT_EQ(process.error().code, ENOENT);
}

TEST(Process, TellsHowItEnded) {
  const Pipe output;
  auto first = Process::start({"sh", "-c", "exit 7"}, {}, output.in.get());
  EXPECT_EQ(end_of(*first), "ended with code 7");
  EXPECT_FALSE(first->running());
  auto second = Process::start({"sh", "-c", "kill -9 $$"}, {}, output.in.get());
  EXPECT_EQ(end_of(*second), "was ended by signal 9");
}

TEST(Process, IsKilledWithItsOwnerAndSoIsWhatItStarted) {
  Pipe output;
  {
    auto process = Process::start({"sh", "-c", "sleep 1000 & echo ready; wait"}, {}, output.in.get());
    ASSERT_TRUE(process.has_value());
    output.in.close();
    EXPECT_EQ(output.line(), "ready");
  }
  EXPECT_TRUE(output.ends()) << "the sleep holds the pipe, too";
}

/// An owner in a process of its own, to be killed. It says when the child is ready.
pid_t start_owner(int output, pid_t* child_out, const std::string& script) {
  int report[2] = {-1, -1};
  if (::pipe(report) != 0) std::abort();
  const pid_t owner = ::fork();
  if (owner == 0) {
    auto process = Process::start({"sh", "-c", script}, {}, output);
    const pid_t child = process->pid();
    if (::write(report[1], &child, sizeof child) != sizeof child) ::_exit(1);
    while (true) ::pause();
  }
  ::close(report[1]);
  const bool told = ::read(report[0], child_out, sizeof *child_out) == sizeof *child_out;
  ::close(report[0]);
  return told ? owner : -1;
}

TEST(Process, IsKilledWhenItsOwnerIsKilledAndSoIsWhatItStarted) {
  Pipe output;
  pid_t child = -1;
  const pid_t owner = start_owner(output.in.get(), &child, "sleep 1000 & echo ready; wait");
  ASSERT_GT(owner, 0);
  output.in.close();
  EXPECT_EQ(output.line(), "ready");
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(output.ends());
}

TEST(Process, AnInterruptAtTheTerminalIsNotItsOwn) {
  Pipe output;
  auto process = Process::start({"sh", "-c", "echo $$; exec sleep 1000"}, {}, output.in.get());
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(std::stoi(output.line()), process->pid());
  EXPECT_EQ(::getpgid(process->pid()), process->pid()) << "a group of its own";
  EXPECT_FALSE(process->ended().has_value());
}

}  // namespace
}  // namespace vnet::adapter
