// Sockets from a service manager, in a child process of whose descriptors and environment the test is in charge.
#include "daemon/socket_activation.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using vnet::test::TempFolder;

/// Runs `act` in a child. False: it returned false, or ended otherwise.
bool in_child(const std::function<bool()>& act) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(act() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Puts descriptors where a service manager puts them, and says so as it does.
void offer(const std::vector<int>& fds, pid_t pid = ::getpid()) {
  constexpr int kFirst = 3;
  constexpr int kAside = 200;
  const int count = static_cast<int>(fds.size());
  for (int i = 0; i < count; ++i) ::dup2(fds[static_cast<std::size_t>(i)], kAside + i);
  for (int i = 0; i < count; ++i) ::dup2(kAside + i, kFirst + i);
  ::setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "a:b:c", 1);
}

int bound(int type, const std::string& path) {
  dgram::Fd fd = dgram::make_socket(type).value();
  EXPECT_TRUE(dgram::bind_replacing_stale(fd, path));
  EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd.get(), 8) == 0);
  return fd.release();
}

class SocketActivation : public testing::Test {
 protected:
  const TempFolder folder_;
  const std::string d_ = folder_.path("d.sock");
  const std::string s_ = folder_.path("s.sock");
};

TEST_F(SocketActivation, EachSocketIsClaimedOnceByItsPathAndType) {
  EXPECT_TRUE(in_child([&] {
    offer({bound(SOCK_DGRAM, d_), bound(SOCK_STREAM, s_)});
    InheritedSockets sockets = InheritedSockets::take();
    if (sockets.unclaimed() != std::vector<std::string>{d_, s_}) return false;
    if (sockets.claim(d_, SOCK_STREAM) || sockets.claim(folder_.path("x"), SOCK_DGRAM)) return false;
    const dgram::Fd dgram = sockets.claim(d_, SOCK_DGRAM);
    const dgram::Fd stream = sockets.claim(s_, SOCK_STREAM);
    return dgram.get() == 3 && stream.get() == 4 && !sockets.claim(d_, SOCK_DGRAM) && sockets.unclaimed().empty();
  }));
}

TEST_F(SocketActivation, NoChildTakesThemAgain) {
  EXPECT_TRUE(in_child([&] {
    offer({bound(SOCK_DGRAM, d_)});
    const InheritedSockets sockets = InheritedSockets::take();
    const bool closes = (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 && (::fcntl(3, F_GETFL) & O_NONBLOCK) != 0;
    return closes && std::getenv("LISTEN_PID") == nullptr && std::getenv("LISTEN_FDS") == nullptr &&
           std::getenv("LISTEN_FDNAMES") == nullptr;
  }));
}

TEST_F(SocketActivation, WhatIsMeantForAnotherProcessIsLeftAlone) {
  EXPECT_TRUE(in_child([&] {
    offer({bound(SOCK_DGRAM, d_)}, ::getppid());
    {
      const InheritedSockets sockets = InheritedSockets::take();
      if (!sockets.unclaimed().empty()) return false;
    }
    return ::fcntl(3, F_GETFD) >= 0;
  }));
}

TEST_F(SocketActivation, WithoutTheVariablesOrWithNonsenseThereIsNothing) {
  EXPECT_TRUE(in_child([] {
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    return InheritedSockets::take().unclaimed().empty();
  }));
  for (const char* const count : {"", "-1", "x", "99999999999", "1x"}) {
    EXPECT_TRUE(in_child([count] {
      ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
      ::setenv("LISTEN_FDS", count, 1);
      return InheritedSockets::take().unclaimed().empty();
    })) << count;
  }
}

TEST_F(SocketActivation, WhatNobodyClaimsIsNamedAndClosed) {
  EXPECT_TRUE(in_child([&] {
    offer({bound(SOCK_DGRAM, d_), ::open("/dev/null", O_RDONLY), ::socket(AF_UNIX, SOCK_STREAM, 0)});
    {
      const InheritedSockets sockets = InheritedSockets::take();
      if (sockets.unclaimed() != std::vector<std::string>{d_, "descriptor 4", "descriptor 5"}) return false;
    }
    return ::fcntl(3, F_GETFD) < 0 && ::fcntl(4, F_GETFD) < 0;
  }));
  EXPECT_TRUE(folder_.has("d.sock")) << "the file is the service manager's";
}

}  // namespace
}  // namespace vnet::daemon
