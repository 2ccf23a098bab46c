// Facts about inotify that PathWatch is built on (Linux only).
#include <gtest/gtest.h>

#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#endif

namespace {

#if defined(__linux__)

class Inotify : public testing::Test {
 protected:
  void SetUp() override {
    if (watcher < 0) GTEST_SKIP() << "no inotify instance to be had";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, (folder + "/s").c_str());
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ASSERT_GE(::inotify_add_watch(watcher, name.sun_path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF), 0);
  }
  void TearDown() override {
    ::close(watcher);
    ::close(socket);
    ::unlink(name.sun_path);
    ::rmdir(folder.c_str());
  }
  /// All that has happened since the last call.
  unsigned take_events() const {
    alignas(inotify_event) std::array<char, 4096> buffer;
    unsigned mask = 0;
    const ssize_t size = ::read(watcher, buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      mask |= event.mask;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
    return mask;
  }

  int watcher = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::string folder = "/tmp/vnet-platform-XXXXXX";
  sockaddr_un name{};
};

// A client that ends unlinks its file while its socket is still open: deletion itself comes later, if at all.
TEST_F(Inotify, UnlinkingABoundSocketShowsAsAnAttributeChangeAtOnce) {
  EXPECT_EQ(take_events(), 0U);
  ASSERT_EQ(::unlink(name.sun_path), 0);
  EXPECT_NE(take_events() & (IN_ATTRIB | IN_DELETE_SELF), 0U);
}

TEST_F(Inotify, RenamingABoundSocketShows) {
  const std::string other = folder + "/t";
  ASSERT_EQ(::rename(name.sun_path, other.c_str()), 0);
  EXPECT_NE(take_events() & IN_MOVE_SELF, 0U);
  ::unlink(other.c_str());
}

TEST_F(Inotify, ClosingASocketWithoutUnlinkingItDoesNotShow) {
  ::close(socket);
  socket = -1;
  EXPECT_EQ(take_events(), 0U) << "hence the probes";
}

#else

TEST(Inotify, IsAboutLinux) { GTEST_SKIP() << "inotify is Linux's"; }

#endif

}  // namespace
