// Facts about AF_UNIX datagram sockets on Linux that dgram/ is built on. When a kernel changes one of them, this is
// where it shows, and the comment says what leans on it. Nothing of ours is under test, so the calls are the kernel's.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#endif

namespace {

#if defined(__linux__)

/// A socket bound to a file in a folder of its own.
class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    std::string folder = "/tmp/vnet-platform-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return;
    folder_ = folder;
    name_.sun_family = AF_UNIX;
    std::strcpy(name_.sun_path, (folder_ + "/s").c_str());  // some thirty bytes
    bound_ = ::bind(fd_, address(), sizeof name_) == 0;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    ::close(fd_);
    ::unlink(name_.sun_path);
    ::rmdir(folder_.c_str());
  }

  [[nodiscard]] bool bound() const { return bound_; }
  [[nodiscard]] int fd() const { return fd_; }
  void connect(const Socket& to) const { ASSERT_EQ(::connect(fd_, to.address(), sizeof name_), 0); }
  /// 0, or errno.
  [[nodiscard]] int send_to(const Socket& to) const {
    return ::sendto(fd_, kFrame, sizeof kFrame, 0, to.address(), sizeof name_) < 0 ? errno : 0;
  }
  [[nodiscard]] int send() const { return ::send(fd_, kFrame, sizeof kFrame, 0) < 0 ? errno : 0; }
  [[nodiscard]] bool writable() const {
    pollfd entry{fd_, POLLOUT, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
  }
  bool receive() const {
    char buffer[2048];
    return ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT) >= 0;
  }
  [[nodiscard]] const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&name_); }

 private:
  static constexpr char kFrame[1514] = {};
  int fd_;
  std::string folder_;
  sockaddr_un name_{};
  bool bound_ = false;
};

/// Datagrams that one unconnected receiver holds: one more than the system's setting, which is 10 by default.
int queue_limit() {
  int setting = 0;
  std::ifstream{"/proc/sys/net/unix/max_dgram_qlen"} >> setting;
  return setting + 1;
}

class UnixDatagram : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ours.bound() && guest.bound() && other.bound());
    if (queue_limit() <= 1 || queue_limit() > 64)
      GTEST_SKIP() << "net.unix.max_dgram_qlen is unknown or unusually large";
  }
  Socket ours;
  Socket guest;
  Socket other;
};

// Why a shared path is a last resort for bursts, and why a socket is drained before anything else is done.
TEST_F(UnixDatagram, AnUnconnectedReceiverHoldsElevenDatagramsForAllItsSendersTogether) {
  int taken = 0;
  while (taken < 1000 && guest.send_to(ours) == 0) ++taken;
  EXPECT_EQ(taken, queue_limit());
  EXPECT_EQ(other.send_to(ours), EAGAIN) << "another sender is refused as well";
}

// Why OwnPath connects itself to its peer.
TEST_F(UnixDatagram, MutuallyConnectedSocketsAreLimitedByTheirBuffersOnly) {
  guest.connect(ours);
  ours.connect(guest);
  int taken = 0;
  while (taken < 10'000 && guest.send() == 0) ++taken;
  EXPECT_GE(taken, 5 * queue_limit());
  EXPECT_FALSE(guest.writable()) << "and POLLOUT tells when there is room again";
}

// Why a restarted peer must be noticed: until then it is a third party.
TEST_F(UnixDatagram, AConnectedSocketRefusesEverybodyButItsPeer) {
  ours.connect(guest);
  EXPECT_EQ(other.send_to(ours), EPERM);
  EXPECT_EQ(guest.send_to(ours), 0);
}

// Why SharedPath answers vfkit through the shared socket.
TEST_F(UnixDatagram, AClientThatIsConnectedToUsHearsNoOtherSocketOfOurs) {
  guest.connect(ours);
  EXPECT_EQ(::connect(other.fd(), guest.address(), sizeof(sockaddr_un)), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ours.send_to(guest), 0);
}

// Why SharedPath gives each unconnected client a connected socket of its own: an unconnected one would spin.
TEST_F(UnixDatagram, PolloutOfAConnectedSenderFollowsTheReceiversQueue) {
  ours.connect(guest);
  while (ours.send() == 0) {
  }
  EXPECT_FALSE(ours.writable());
  EXPECT_TRUE(other.writable()) << "while one that sends by path is always told to try";
  EXPECT_EQ(other.send_to(guest), EAGAIN);
  for (int i = 0; i < queue_limit(); ++i) EXPECT_TRUE(guest.receive());
  EXPECT_TRUE(ours.writable());
}

// Why OwnPath can ask with a cheap repeated connect whether its peer is there.
TEST_F(UnixDatagram, ConnectingAgainToTheSamePeerLosesNothing) {
  ours.connect(guest);
  EXPECT_EQ(guest.send_to(ours), 0);
  ours.connect(guest);
  EXPECT_TRUE(ours.receive());
}

// Why OwnPath reads before it lets a peer go.
TEST_F(UnixDatagram, DissolvingAConnectionDiscardsWhatHasNotBeenRead) {
  ours.connect(guest);
  EXPECT_EQ(guest.send_to(ours), 0);
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  ASSERT_EQ(::connect(ours.fd(), &none, sizeof none), 0);
  EXPECT_FALSE(ours.receive());
}

#else

TEST(UnixDatagram, IsAboutLinux) { GTEST_SKIP() << "these are facts about the Linux kernel"; }

#endif

}  // namespace
