// Paths and what may be in their way, the watch on paths, and the bounded queue.
#include "dgram/socket.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "dgram/frame_queue.hpp"
#include "dgram/path_watch.hpp"
#include "dgram_testing.hpp"

namespace vnet::dgram::test {
namespace {

using testing::HasSubstr;

class Bind : public testing::Test {
 protected:
  SystemResult<void> bind(int type = SOCK_DGRAM) {
    fd = make_socket(type).value();
    return bind_replacing_stale(fd, at);
  }
  void expect_refused(int code) {
    const auto result = bind();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code);
    EXPECT_THAT(result.error().to_string(), HasSubstr(at));
  }
  TempFolder folder;
  std::string at = folder / "vnet.sock";
  Fd fd;
};

TEST_F(Bind, MakesTheSocketFile) {
  ASSERT_TRUE(bind());
  struct stat info {};
  ASSERT_EQ(::stat(at.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
}

TEST_F(Bind, ASocketFileThatNobodyListensOnIsReplaced) {
  Guest{at}.close();
  ASSERT_TRUE(bind());
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
}

TEST_F(Bind, AStaleStreamSocketIsReplacedByADatagramSocketAndTheOtherWayRound) {
  ASSERT_TRUE(bind(SOCK_STREAM));
  fd.close();
  ASSERT_TRUE(bind(SOCK_DGRAM));
  fd.close();
  ASSERT_TRUE(bind(SOCK_STREAM));
}

TEST_F(Bind, ASocketThatAnswersIsLeftAlone) {
  const Guest live{at};
  expect_refused(EADDRINUSE);
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "still yours"), 0);
  EXPECT_THAT(live.receive(), testing::ElementsAre("still yours"));
}

TEST_F(Bind, AStreamSocketThatListensIsLeftAlone) {
  const Fd live = make_socket(SOCK_STREAM).value();
  ASSERT_TRUE(bind_replacing_stale(live, at));
  ASSERT_EQ(::listen(live.get(), 1), 0);
  expect_refused(EADDRINUSE);
}

TEST_F(Bind, ASocketThatIsConnectedToAnotherIsLeftAlone) {
  const Guest live{at};
  const Guest other{folder / "other"};
  ASSERT_EQ(live.connect(folder / "other"), 0);
  expect_refused(EADDRINUSE);
}

TEST_F(Bind, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream{at} << "precious";
  expect_refused(EADDRINUSE);
  std::string content;
  std::ifstream{at} >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(Bind, AFolderOrALinkIsLeftAlone) {
  std::filesystem::create_directory(at);
  expect_refused(EADDRINUSE);
  std::filesystem::remove(at);
  std::filesystem::create_symlink(folder / "elsewhere", at);
  expect_refused(EADDRINUSE);
}

TEST_F(Bind, APathThatIsTooLongIsRefusedWithItsLimit) {
  at = folder / std::string(kMaxPath, 'x');
  const auto result = bind();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ENAMETOOLONG);
  EXPECT_THAT(result.error().to_string(), HasSubstr("at most " + std::to_string(kMaxPath)));
}

TEST_F(Bind, TheLongestPathWorks) {
  at = folder / "";
  at += std::string(kMaxPath - at.size(), 'x');
  ASSERT_TRUE(bind());
  const Guest alice{folder / "alice"};
  EXPECT_EQ(alice.send_to(at, "hello"), 0);
}

TEST_F(Bind, AFolderThatDoesNotExistIsNamed) {
  at = folder / "nowhere/vnet.sock";
  expect_refused(ENOENT);
}

TEST(Sockets, AreNonBlockingAndNotInherited) {
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const Fd fd = make_socket(type).value();
    EXPECT_NE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST(Sockets, AnFdMovesAndIsClosedOnce) {
  Fd first = make_socket(SOCK_DGRAM).value();
  const int number = first.get();
  Fd second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), number);
  second.close();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

class PathWatchTest : public testing::Test {
 protected:
  PathWatchTest() { std::ofstream{at} << "x"; }
  int add() {
    return watch.add(at, [this] { ++calls; });
  }
  TempFolder folder;
  const std::string at = folder / "file";
  PollLoop loop;
  PathWatch watch{loop};
  int calls = 0;
};

TEST_F(PathWatchTest, CallsOnceWhenTheFileIsUnlinked) {
  ASSERT_GE(add(), 0);
  ::unlink(at.c_str());
  std::ofstream{at} << "another";
  ::unlink(at.c_str());
  loop.settle();
  EXPECT_EQ(calls, 1);
}

TEST_F(PathWatchTest, CallsWhenTheFileIsRenamed) {
  ASSERT_GE(add(), 0);
  std::filesystem::rename(at, folder / "other");
  loop.settle();
  EXPECT_EQ(calls, 1);
}

TEST_F(PathWatchTest, CallsEverybodyWhoAskedForOneFile) {
  const int first = add();
  ASSERT_GE(add(), 0);
  ASSERT_GE(add(), 0);
  watch.remove(first);
  ::unlink(at.c_str());
  loop.settle();
  EXPECT_EQ(calls, 2);
}

TEST_F(PathWatchTest, AskingNoMoreEndsIt) {
  watch.remove(add());
  ::unlink(at.c_str());
  loop.settle();
  EXPECT_EQ(calls, 0);
}

TEST_F(PathWatchTest, ACallbackMayAskAgain) {
  ASSERT_GE(watch.add(at, [this] { EXPECT_GE(add(), 0); }), 0);
  ASSERT_EQ(::chmod(at.c_str(), 0600), 0);
  loop.settle();
  EXPECT_EQ(calls, 0);
  ::unlink(at.c_str());
  loop.settle();
  EXPECT_EQ(calls, 1);
}

TEST_F(PathWatchTest, AFileThatIsNotThereCannotBeWatched) {
  EXPECT_EQ(watch.add(folder / "none", [] {}), -1);
}

TEST(FrameQueue, IsBoundedInFramesAndGivesThemBackInOrder) {
  FrameQueue queue;
  for (std::size_t i = 0; i < FrameQueue::kMaxFrames; ++i) ASSERT_TRUE(queue.push(as_bytes(std::to_string(i))));
  EXPECT_FALSE(queue.push(as_bytes("one more")));
  for (std::size_t i = 0; i < FrameQueue::kMaxFrames; ++i) {
    ASSERT_EQ(as_text(queue[0]), std::to_string(i));
    queue.pop();
  }
  EXPECT_TRUE(queue.empty());
}

TEST(FrameQueue, IsBoundedInBytes) {
  FrameQueue queue;
  const std::string frame(65'000, 'x');
  std::size_t count = 0;
  while (queue.push(as_bytes(frame))) ++count;
  EXPECT_EQ(count, FrameQueue::kMaxBytes / 65'000);
  queue.pop();
  EXPECT_TRUE(queue.push(as_bytes(frame)));
}

TEST(SocketFileTest, AFileOfAnotherOrOneThatWasLeftToASuccessorStays) {
  const TempFolder folder;
  const std::string at = folder / "socket";
  const Guest guest{at};
  {
    const SocketFile foreign = SocketFile::of_another(at);
    EXPECT_FALSE(foreign.owned());
    EXPECT_EQ(foreign.path(), at);
    SocketFile left{at};
    EXPECT_TRUE(left.owned());
    left.disown();
  }
  EXPECT_TRUE(std::filesystem::exists(at));
}

TEST(PassedEnd, IsJudgedByWhatItIs) {
  for (const int type : {SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET}) {
    const auto pair = make_pair(type).value();
    EXPECT_EQ(type_of_passed_end(pair.first).value(), type);
  }
  const auto code = [](const Fd& fd) { return type_of_passed_end(fd).error().code; };
  EXPECT_EQ(code(Fd{}), ENOTSOCK);
  EXPECT_EQ(code(Fd{::socket(AF_INET, SOCK_DGRAM, 0)}), EAFNOSUPPORT);
  EXPECT_EQ(code(make_socket(SOCK_DGRAM).value()), ENOTCONN);
}

TEST(InheritedSocket, MustBeOfTheTypeAndListenIfItIsAStream) {
  const auto code = [](const Fd& fd, int type) {
    const auto fits = check_inherited(fd, type);
    return fits ? 0 : fits.error().code;
  };
  const TempFolder folder;
  const Fd stream = make_socket(SOCK_STREAM).value();
  ASSERT_TRUE(bind_replacing_stale(stream, folder / "stream"));
  EXPECT_EQ(code(stream, SOCK_STREAM), EINVAL);
  ASSERT_EQ(::listen(stream.get(), 1), 0);
  EXPECT_EQ(code(stream, SOCK_STREAM), 0);
  EXPECT_EQ(code(stream, SOCK_DGRAM), EPROTOTYPE);
  EXPECT_EQ(code(make_socket(SOCK_DGRAM).value(), SOCK_DGRAM), 0);
  EXPECT_EQ(code(Fd{::socket(AF_INET, SOCK_DGRAM, 0)}, SOCK_DGRAM), EAFNOSUPPORT);
  EXPECT_EQ(code(Fd{}, SOCK_DGRAM), ENOTSOCK);
}

}  // namespace
}  // namespace vnet::dgram::test
