#include "adapter/vm/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vnet::adapter {
namespace {

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
}

/// In the child. `report` is closed by a successful exec, and told errno by any other.
[[noreturn]] void become(const std::vector<char*>& arguments, std::span<const int> inherited, int output, int report,
                         pid_t parent) {
  ::setpgid(0, 0);
  reset_signals();
#if defined(__linux__)
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  for (const int fd : inherited) ::fcntl(fd, F_SETFD, 0);
  ::execvp(arguments[0], arguments.data());
  const int error = errno;
  (void)!::write(report, &error, sizeof error);
  ::_exit(127);
}

/// The keeper: calls nothing but system calls, since it is forked from a program that may have threads.
[[noreturn]] void keep(int rope, pid_t group) {
  const int kept[] = {rope};
  close_others(kept);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
  const bool joined = ::setpgid(0, group) == 0;
  char byte = 0;
  while (::read(rope, &byte, 1) < 0 && errno == EINTR) {
  }
  if (joined) ::kill(0, SIGKILL);
  ::_exit(0);
}

}  // namespace

void close_others(std::span<const int> kept) {
#if defined(SYS_close_range)
  // A gap at a time: a limit of a million descriptors is no reason to close a million.
  unsigned first = 3;
  while (true) {
    constexpr unsigned kAll = ~0U;
    unsigned next = kAll;  // the least of those that are kept, from `first` on
    for (const int fd : kept) {
      if (fd >= 0 && static_cast<unsigned>(fd) >= first) next = std::min(next, static_cast<unsigned>(fd));
    }
    if (next > first && ::syscall(SYS_close_range, first, next == kAll ? kAll : next - 1, 0) != 0) break;
    if (next == kAll) return;
    first = next + 1;
  }
#endif
  const long most = std::clamp(::sysconf(_SC_OPEN_MAX), 256L, 65536L);
  for (int fd = 3; fd < most; ++fd) {
    if (std::find(kept.begin(), kept.end(), fd) == kept.end()) ::close(fd);
  }
}

dgram::SystemResult<Process> Process::start(const std::vector<std::string>& command, std::span<const int> inherited,
                                            int output) {
  const auto failed = [&] { return fail(dgram::SystemError{"start " + command.front(), errno}); };
  int report[2] = {-1, -1};
  int rope[2] = {-1, -1};
  if (::pipe(report) != 0) return failed();
  const dgram::Fd report_in{report[0]};
  dgram::Fd report_out{report[1]};
  if (::pipe(rope) != 0) return failed();
  dgram::Fd rope_in{rope[0]};
  dgram::Fd rope_out{rope[1]};
  for (const int fd : {report[0], report[1], rope[0], rope[1]}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);

  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return failed();
  if (child == 0) become(arguments, inherited, output, report[1], parent);
  ::setpgid(child, child);  // here too: whoever comes first
  report_out.close();
  int error = 0;
  ssize_t size = 0;
  while ((size = ::read(report[0], &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (size == static_cast<ssize_t>(sizeof error)) {
    ::waitpid(child, nullptr, 0);
    errno = error;
    return failed();
  }
  const pid_t keeper = ::fork();
  if (keeper == 0) {
    reset_signals();
    keep(rope[0], child);
  }
  return Process{child, keeper, std::move(rope_out)};
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), keeper_(std::exchange(other.keeper_, -1)), rope_(std::move(other.rope_)) {}

Process::~Process() { kill(); }

std::optional<std::string> Process::ended() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  let_keeper_go();
  if (WIFSIGNALED(status)) return "was ended by signal " + std::to_string(WTERMSIG(status));
  return "ended with code " + std::to_string(WEXITSTATUS(status));
}

void Process::kill() noexcept {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(std::exchange(pid_, -1), nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  let_keeper_go();
}

void Process::let_keeper_go() noexcept {
  rope_.close();
  if (keeper_ > 0) ::waitpid(std::exchange(keeper_, -1), nullptr, 0);
}

}  // namespace vnet::adapter
