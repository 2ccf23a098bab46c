// A child program that cannot outlive us, however we end.
//
// Three ropes, because each has an end at which it tears. The kernel kills the child when its parent dies
// (PR_SET_PDEATHSIG; Linux only, and lost over a change of credentials). A keeper, a process that holds one end of a
// pipe of ours and does nothing else, kills the child's whole process group when the pipe ends; the keeper is in that
// group itself, so the group's number is nobody else's as long as it lives. And the destructor kills.
//
// The child is in a process group of its own: Ctrl-C in the terminal is ours to answer, by ending it in order.
// The keeper also ends what the child has left in its group, such as a shell that it started.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::adapter {

/// In a child: of the descriptors beyond the standard three, everything but what is to be kept. System calls only.
void close_others(std::span<const int> kept);

class Process {
 public:
  /// Starts `command` (found by PATH) with the descriptors `inherited`, which keep their numbers; stdin is /dev/null,
  /// stdout and stderr are `output`. To be called by the main thread. That the program cannot be executed is told here.
  [[nodiscard]] static dgram::SystemResult<Process> start(const std::vector<std::string>& command,
                                                          std::span<const int> inherited, int output);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  /// Kills it.
  ~Process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// How it has ended, once; nothing while it runs.
  [[nodiscard]] std::optional<std::string> ended();
  [[nodiscard]] bool running() const noexcept { return pid_ > 0; }
  /// With SIGKILL, and waits for its end.
  void kill() noexcept;

 private:
  Process(pid_t child, pid_t keeper, dgram::Fd rope) : pid_(child), keeper_(keeper), rope_(std::move(rope)) {}
  void let_keeper_go() noexcept;

  pid_t pid_;
  pid_t keeper_;
  dgram::Fd rope_;
};

}  // namespace vnet::adapter
