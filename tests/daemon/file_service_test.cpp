// Files over HTTP: a server on a UNIX socket, as egress leads guests to it.
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "daemon/file_services.hpp"
#include "http/date.hpp"
#include "tests/daemon/config_testing.hpp"
#include "tests/http/http_testing.hpp"

namespace vnet::daemon {
namespace {

using http::test::get;
using http::test::Peer;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kModified = 1'700'000'000;

class FileServiceTest : public testing::Test {
 protected:
  FileServiceTest() {
    spdlog::set_level(spdlog::level::err);
    std::filesystem::create_directories(folder_.path("root/sub"));
    write("a.txt", "0123456789");
    serve();
  }

  static Service service(std::string name, ServiceKind kind, std::string root) {
    Service service;
    service.name = std::move(name);
    service.kind = kind;
    service.root = std::move(root);
    return service;
  }
  void serve(ServiceKind kind = ServiceKind::files) {
    const auto served = services_.serve({service("a.test", kind, folder_.path("root"))}, folder_.path());
    ASSERT_TRUE(served) << served.error();
  }
  void write(const std::string& name, std::string_view content) const {
    folder_.write("root/" + name, content);
    const timeval times[2] = {{kModified, 0}, {kModified, 0}};
    ASSERT_EQ(::utimes(folder_.path("root/" + name).c_str(), times), 0);
  }
  Peer connect() { return {loop_, services_.sockets().at("a.test")}; }
  std::string ask(std::string_view target, std::string_view fields = {}) { return connect().ask(get(target, fields)); }
  std::string tag_of(std::string_view target) {
    const std::string answer = ask(target);
    const std::size_t at = answer.find("ETag: ") + 6;
    return answer.substr(at, answer.find("\r\n", at) - at);
  }

  http::test::TempFolder folder_;
  http::test::PollLoop loop_;
  Instant now_{std::chrono::hours{1}};
  std::int64_t unix_time_ = kNow;
  FileServices services_{loop_, [this] { return now_; }, [this] { return unix_time_; }};
};

TEST_F(FileServiceTest, GivesAFileWithWhatIsKnownOfIt) {
  EXPECT_THAT(ask("/a.txt"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"),
                    HasSubstr("Content-Length: 10\r\n"), HasSubstr("Accept-Ranges: bytes\r\n"),
                    HasSubstr("Last-Modified: " + http::to_date(kModified) + "\r\n"),
                    HasSubstr("Date: " + http::to_date(kNow) + "\r\n"), HasSubstr("\r\nETag: \""),
                    HasSubstr("Cache-Control: no-cache\r\n"), EndsWith("\r\n\r\n0123456789")));
}

TEST_F(FileServiceTest, AnswersHeadWithoutTheFile) {
  EXPECT_THAT(connect().ask("HEAD /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Length: 10\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(FileServiceTest, AnEmptyFileIsAFile) {
  write("empty.json", "");
  EXPECT_THAT(ask("/empty.json"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Length: 0\r\n"),
                                        HasSubstr("application/json"), EndsWith("\r\n\r\n")));
}

TEST_F(FileServiceTest, NamesAreDecodedOnceAndNoFurther) {
  write("a b%20.txt", "odd");
  EXPECT_THAT(ask("/a%20b%2520.txt"), EndsWith("odd"));
  EXPECT_THAT(ask("/%61.txt"), EndsWith("0123456789"));
}

TEST_F(FileServiceTest, NothingAboveItsFolderIsThere) {
  folder_.write("secret", "secret");
  std::filesystem::create_symlink("../secret", folder_.path("root/link"));
  for (const char* target :
       {"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/../../secret", "/%2e%2e%2fsecret",
        "/sub/..%2f..%2fsecret", "//../secret", "/./a.txt", "/link", "/a.txt/", "/missing", "/sub%2f..%2fa.txt"}) {
    EXPECT_THAT(ask(target), AllOf(StartsWith("HTTP/1.1 404"), Not(HasSubstr(folder_.path())))) << target;
  }
  EXPECT_THAT(ask("/a%00.txt"), StartsWith("HTTP/1.1 400"));
}

TEST_F(FileServiceTest, OtherMethodsAreNotAllowed) {
  EXPECT_THAT(connect().ask("DELETE /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(connect().ask("PUT /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"),
              StartsWith("HTTP/1.1 405"));
  EXPECT_EQ(folder_.read("root/a.txt"), "0123456789");
}

TEST_F(FileServiceTest, GivesAPart) {
  EXPECT_THAT(ask("/a.txt", "Range: bytes=2-4\r\n"),
              AllOf(StartsWith("HTTP/1.1 206 Partial Content\r\n"), HasSubstr("Content-Range: bytes 2-4/10\r\n"),
                    HasSubstr("Content-Length: 3\r\n"), EndsWith("\r\n\r\n234")));
  EXPECT_THAT(ask("/a.txt", "Range: bytes=-2\r\n"), EndsWith("\r\n\r\n89"));
  EXPECT_THAT(ask("/a.txt", "Range: bytes=10-\r\n"),
              AllOf(StartsWith("HTTP/1.1 416"), HasSubstr("Content-Range: bytes */10\r\n")));
  EXPECT_THAT(ask("/a.txt", "Range: bytes=0-0, 2-2\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(FileServiceTest, GivesAPartOfTheSameVersionOnly) {
  const std::string tag = tag_of("/a.txt");
  EXPECT_THAT(ask("/a.txt", "Range: bytes=2-4\r\nIf-Range: " + tag + "\r\n"), StartsWith("HTTP/1.1 206"));
  write("a.txt", "abcdefghijk");
  EXPECT_THAT(ask("/a.txt", "Range: bytes=2-4\r\nIf-Range: " + tag + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), EndsWith("abcdefghijk")));
}

TEST_F(FileServiceTest, GivesNothingToWhoHasIt) {
  const std::string tag = tag_of("/a.txt");
  EXPECT_THAT(ask("/a.txt", "If-None-Match: " + tag + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 304 Not Modified\r\n"), HasSubstr("ETag: " + tag), EndsWith("\r\n\r\n")));
  EXPECT_THAT(ask("/a.txt", "If-Modified-Since: " + http::to_date(kModified) + "\r\n"), StartsWith("HTTP/1.1 304"));
  EXPECT_THAT(ask("/a.txt", "If-Modified-Since: " + http::to_date(kModified - 1) + "\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("/a.txt", "If-Match: \"x\"\r\n"), StartsWith("HTTP/1.1 412"));
}

TEST_F(FileServiceTest, AFileThatHasJustChangedHasAWeakTag_Rfc9110_8_8_1) {
  EXPECT_THAT(tag_of("/a.txt"), StartsWith("\""));
  unix_time_ = kModified + 1;
  EXPECT_THAT(tag_of("/a.txt"), StartsWith("W/\""));
}

TEST_F(FileServiceTest, AFolderIsShownByItsIndex) {
  write("sub/index.html", "<p>hello");
  EXPECT_THAT(ask("/sub/"), AllOf(HasSubstr("text/html"), HasSubstr("ETag"), EndsWith("<p>hello")));
  EXPECT_THAT(ask("/sub?x=1"), AllOf(StartsWith("HTTP/1.1 301"), HasSubstr("Location: /sub/?x=1\r\n")));
  EXPECT_THAT(ask("//sub"), HasSubstr("Location: /sub/\r\n")) << "and to no host of that name";
}

TEST_F(FileServiceTest, OrAsAListOfWhatIsInIt) {
  write("sub/<b> & \"c\".txt", "");
  std::filesystem::create_directory(folder_.path("root/sub/d"));
  const std::string page = ask("/sub/");
  EXPECT_THAT(page, AllOf(HasSubstr("<title>/sub/</title>"), HasSubstr("<a href=\"../\">../</a>"),
                          HasSubstr("<a href=\"%3Cb%3E%20%26%20%22c%22.txt\">&lt;b&gt; &amp; &quot;c&quot;.txt</a>"),
                          HasSubstr("<a href=\"d/\">d/</a>"), Not(HasSubstr("<b>"))));
  EXPECT_THAT(ask("/"), AllOf(HasSubstr("a.txt"), Not(HasSubstr("../"))));
}

TEST_F(FileServiceTest, ASeedHasFilesForEachInstanceAndNoLists) {
  serve(ServiceKind::cloud_init);
  write("meta-data", "instance-id: i\n");
  std::filesystem::create_directory(folder_.path("root/alice"));
  write("alice/user-data", "#cloud-config\n");
  EXPECT_THAT(ask("/meta-data"), AllOf(HasSubstr("text/plain"), EndsWith("instance-id: i\n")));
  EXPECT_THAT(ask("/alice/user-data"), EndsWith("#cloud-config\n"));
  EXPECT_THAT(ask("/vendor-data"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("/"), StartsWith("HTTP/1.1 404"));
}

TEST_F(FileServiceTest, AFileOfAnySizeIsReadAsTheClientTakesIt) {
  constexpr std::uint64_t kSize = std::uint64_t{6} << 30U;
  std::filesystem::resize_file(folder_.path("root/a.txt"), kSize);
  Peer peer = connect();
  peer.send(get("/a.txt"));
  EXPECT_TRUE(peer.read());
  EXPECT_THAT(ask("/a.txt", "Range: bytes=6442450940-\r\n"),
              AllOf(HasSubstr("Content-Range: bytes 6442450940-6442450943/6442450944\r\n"),
                    EndsWith("\r\n\r\n" + std::string(4, '\0'))));
  EXPECT_EQ(services_.connection_count(), 2U);
}

TEST_F(FileServiceTest, ALongFileComesWhole) {
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += std::to_string(i) + "\n";
  write("long", content);
  const std::string answer = ask("/long");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + content)) << answer.size();
}

TEST_F(FileServiceTest, AFileThatBecomesShorterEndsTheConnection) {
  std::filesystem::resize_file(folder_.path("root/a.txt"), 4'000'000);
  Peer peer = connect();
  peer.send(get("/a.txt"));
  std::filesystem::resize_file(folder_.path("root/a.txt"), 1'000);
  EXPECT_LT(peer.receive().size(), 4'000'000U);
  EXPECT_TRUE(peer.ended());
}

TEST_F(FileServiceTest, ASocketIsForThisUserAloneAndGoesWithItsService) {
  const std::string path = services_.sockets().at("a.test");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_TRUE(services_.serve({}, folder_.path()));
  EXPECT_NE(::stat(path.c_str(), &info), 0);
  EXPECT_TRUE(services_.sockets().empty());
  EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(FileServiceTest, WhatHasNotChangedGoesOn) {
  Peer peer = connect();
  EXPECT_THAT(peer.ask(get("/a.txt")), StartsWith("HTTP/1.1 200"));
  const std::string path = services_.sockets().at("a.test");
  std::filesystem::create_directory(folder_.path("other"));
  const Service same = service("a.test", ServiceKind::files, folder_.path("root"));
  ASSERT_TRUE(services_.serve({same, service("b.test", ServiceKind::files, folder_.path("other"))}, folder_.path()));
  EXPECT_THAT(peer.ask(get("/a.txt")), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(services_.sockets().at("a.test"), path);
  EXPECT_NE(services_.sockets().at("b.test"), path);
  ASSERT_TRUE(services_.serve({service("a.test", ServiceKind::files, folder_.path("other"))}, folder_.path()));
  EXPECT_THAT(ask("/a.txt"), StartsWith("HTTP/1.1 404"));
}

TEST_F(FileServiceTest, TwoDaemonsShareAFolderAndWhatOneLeftIsReplaced) {
  FileServices second{loop_, [this] { return now_; }, [this] { return unix_time_; }};
  const Service same = service("a.test", ServiceKind::files, folder_.path("root"));
  ASSERT_TRUE(second.serve({same}, folder_.path()));
  EXPECT_NE(second.sockets().at("a.test"), services_.sockets().at("a.test"));
  {
    const auto left = dgram::make_socket(SOCK_STREAM);
    ASSERT_TRUE(dgram::bind_replacing_stale(*left, folder_.path("files-2.sock")));
  }
  FileServices third{loop_, [this] { return now_; }, [this] { return unix_time_; }};
  ASSERT_TRUE(third.serve({same}, folder_.path()));
  EXPECT_EQ(third.sockets().at("a.test"), folder_.path("files-2.sock"));
}

TEST_F(FileServiceTest, AFolderWithoutRoomForASocketIsNamed) {
  const Service another = service("b.test", ServiceKind::files, folder_.path("root"));
  const auto too_long = services_.serve({another}, folder_.path(std::string(150, 'x')));
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error(), StartsWith("service b.test: "));
  EXPECT_FALSE(services_.serve({another}, folder_.path("missing")));
  EXPECT_THAT(ask("/a.txt"), StartsWith("HTTP/1.1 200")) << "and nothing has changed";
}

TEST_F(FileServiceTest, AClientThatTakesNothingIsLetGo) {
  std::filesystem::resize_file(folder_.path("root/a.txt"), 4'000'000);
  Peer peer = connect();
  peer.send(get("/a.txt"));
  EXPECT_EQ(services_.next_deadline(), now_ + FileServices::kStallTime);
  now_ += FileServices::kStallTime;
  services_.expire(now_);
  EXPECT_EQ(services_.connection_count(), 0U);
  EXPECT_EQ(services_.counters().timed_out, 1U);
}

}  // namespace
}  // namespace vnet::daemon
