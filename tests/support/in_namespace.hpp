// Runs a part of a test in a network namespace of its own, in a child process, so that the host's network is left
// alone.
#pragma once

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace vnet::test {

inline bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file{path};
  file << text;
  file.close();
  return !file.fail();
}

/// Of an interface in the namespace of the caller.
inline bool set_up(const char* interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const bool done = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return done;
}

/// False: the system does not permit it.
inline bool enter_namespace() {
  const std::string uid = std::to_string(::getuid());
  const std::string gid = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
    (void)write_file("/proc/self/setgroups", "deny");
    return write_file("/proc/self/uid_map", "0 " + uid + " 1") && write_file("/proc/self/gid_map", "0 " + gid + " 1") &&
           set_up("lo");
  }
  return ::unshare(CLONE_NEWNET) == 0 && set_up("lo");
}

/// Fails the test where `body` fails; skips it where there is no namespace to be had, or `body` says so with false.
template <typename Body>
void in_namespace(Body body) {
  constexpr int kSkip = 77;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool ran = enter_namespace() && body();
    std::fflush(nullptr);
    std::_Exit(testing::Test::HasFailure() ? 1 : ran ? 0 : kSkip);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kSkip) GTEST_SKIP() << "no network namespace or device in it to be had here";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see what the child has said above";
}

}  // namespace vnet::test
