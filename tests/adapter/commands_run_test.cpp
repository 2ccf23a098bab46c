// Commands that talk to a control API, from the decision to what is printed and the exit code.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "adapter/call.hpp"
#include "adapter/events.hpp"
#include "adapter/json.hpp"
#include "adapter/live_capture.hpp"
#include "adapter/top.hpp"
#include "fake_api.hpp"

namespace vnet::adapter {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

struct Ran {
  ExitCode code = ExitCode::ok;
  std::string out;
  std::string err;
};

Ran run(const std::string& path, std::vector<std::string> words) {
  words.insert(words.begin(), {"--control", path});
  const CommandLine line = parse_options(words, {"1.2.3", "/"});
  CaptureStdout();
  CaptureStderr();
  Ran ran;
  if (const auto* call = std::get_if<Call>(&line.command)) ran.code = run_call(line.common, *call);
  if (const auto* events = std::get_if<EventsOptions>(&line.command)) ran.code = run_events(line.common, *events);
  if (const auto* top = std::get_if<TopOptions>(&line.command)) ran.code = run_top(line.common, *top);
  if (const auto* capture = std::get_if<LiveCapture>(&line.command)) ran.code = run_live_capture(line.common, *capture);
  ran.out = GetCapturedStdout();
  ran.err = GetCapturedStderr();
  return ran;
}

TEST(RunCall, PrintsATableOrTheJson) {
  FakeApi api([](http::Request&) { return answer(R"([{"name":"lab","mtu":1500}])"); });
  EXPECT_THAT(run(api.path(), {"networks"}).out, HasSubstr("\nlab "));
  EXPECT_EQ(run(api.path(), {"networks", "--json"}).out, "[\n  {\n    \"name\": \"lab\",\n    \"mtu\": 1500\n  }\n]\n");
}

TEST(RunCall, AnEmptyListIsSaidOnStderrAndIsNoError) {
  FakeApi api([](http::Request&) { return answer("[]"); });
  const Ran ran = run(api.path(), {"leases"});
  EXPECT_EQ(ran.code, ExitCode::ok);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "no leases\n");
  EXPECT_EQ(run(api.path(), {"leases", "--json"}).out, "[]\n");
}

TEST(RunCall, ARefusalIsSaidWithItsArgument) {
  std::string method;
  std::string body;
  FakeApi api([&](http::Request& request) {
    method = request.method;
    body = request.body;
    return answer(R"({"status":422,"title":"","detail":"found \"x\"; expected a MAC address","pointer":"/mac"})", 422);
  });
  const Ran ran = run(api.path(), {"nic", "add", "carol", "--mac", "x"});
  EXPECT_EQ(ran.code, ExitCode::failed);
  EXPECT_EQ(ran.err, "vnet: --mac: found \"x\"; expected a MAC address\n");
  EXPECT_EQ(method, "POST");
  EXPECT_EQ(body, R"({"name":"carol","mac":"x"})");
}

TEST(RunCall, TheRawApiShowsErrorsToo) {
  FakeApi api([](http::Request&) { return answer(R"({"detail":"no"})", 404); });
  const Ran ran = run(api.path(), {"api", "GET", "/v1/x"});
  EXPECT_EQ(ran.code, ExitCode::failed);
  EXPECT_EQ(ran.out, "{\n  \"detail\": \"no\"\n}\n");
}

TEST(RunCall, ADocumentComesFromAFile) {
  std::string body;
  FakeApi api([&](http::Request& request) {
    body = request.body;
    return answer(R"({"nics":[{"name":"a","lease":"restored"}]})");
  });
  const std::string file = std::filesystem::path{api.path()}.parent_path() / "all.json";
  std::ofstream{file} << R"({"version":1,"nics":[]})";
  EXPECT_EQ(run(api.path(), {"restore", file}).out, "NIC  LEASE\na    restored\n");
  EXPECT_EQ(body, R"({"version":1,"nics":[]})");
  const Ran missing = run(api.path(), {"restore", file + ".not"});
  EXPECT_EQ(missing.code, ExitCode::failed);
  EXPECT_THAT(missing.err, HasSubstr("cannot read " + file + ".not: No such file"));
}

TEST(RunCall, ADaemonThatHasEndedIsSaid) {
  std::string path;
  {
    const FakeApi api([](http::Request&) { return answer("[]"); });
    path = api.path();
  }
  EXPECT_THAT(run(path, {"nics"}).err, HasSubstr("no vnetd at " + path));
  dgram::Fd stale = *dgram::make_socket(SOCK_STREAM);
  ASSERT_TRUE(dgram::bind_replacing_stale(stale, path));
  const Ran ran = run(path, {"nics"});
  EXPECT_EQ(ran.code, ExitCode::failed);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("is not running any more"), HasSubstr("start it again")));
}

http::Response stream(std::string text) {
  http::Response response = answer(std::move(text));
  response.type = "text/event-stream";
  return response;
}

TEST(RunEvents, WithoutFollowWhatIsRememberedIsTold) {
  std::string target;
  FakeApi api([&](http::Request& request) {
    target = request.target;
    return stream("id: 7\nevent: nic.link\ndata: {\"id\":7,\"event\":\"nic.link\"}\n\n");
  });
  const Ran ran = run(api.path(), {"events", "--json", "--kind", "nic.", "--nic", "a"});
  EXPECT_EQ(ran.code, ExitCode::ok);
  EXPECT_EQ(ran.out, "{\"id\":7,\"event\":\"nic.link\"}\n");
  EXPECT_EQ(target, "/v1/events?nic=a&kind=nic.&follow=false&since=0");
}

TEST(RunEvents, AFollowerGoesOnBehindTheLastWhenTheConnectionIsCut) {
  std::vector<std::string> asked;
  FakeApi api([&](http::Request& request) {
    const std::string* last = request.header("last-event-id");
    asked.push_back(request.target + " " + (last == nullptr ? "-" : *last));
    if (asked.size() == 1)
      return stream("id: 7\ndata: {\"id\":7,\"event\":\"nic.added\"}\n\nid: 8\ndata: {\"id\":8,\"eve");
    if (asked.size() == 2) {
      return stream("event: lost\ndata: {\"lost\":3}\n\nid: 12\ndata: {\"id\":12,\"event\":\"nic.removed\"}\n\n");
    }
    return answer(R"({"detail":"enough","pointer":""})", 404);
  });
  const Ran ran = run(api.path(), {"events", "--follow", "--json"});
  EXPECT_EQ(ran.code, ExitCode::failed);
  EXPECT_EQ(
      ran.out,
      "{\"id\":7,\"event\":\"nic.added\"}\n{\"lost\":3,\"event\":\"lost\"}\n{\"id\":12,\"event\":\"nic.removed\"}\n");
  EXPECT_THAT(asked, ElementsAre("/v1/events -", "/v1/events 7", "/v1/events 12"));
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("is gone; waiting for it"), HasSubstr("connected again"), HasSubstr("vnet: enough\n")));
}

TEST(RunCapture, WritesWhatComesToTheFile) {
  std::string target;
  FakeApi api([&](http::Request& request) {
    target = request.target;
    if (request.parameter("filter") != nullptr) return answer(R"({"detail":"syntax error","pointer":""})", 422);
    http::Response response = answer(std::string(300'000, 'x'));
    response.type = "application/x-pcapng";
    return response;
  });
  const std::string file = std::filesystem::path{api.path()}.parent_path() / "x.pcapng";
  EXPECT_EQ(run(api.path(), {"capture", "--nic", "a", "-w", file}).code, ExitCode::ok);
  EXPECT_EQ(target, "/v1/captures/live?nic=a");
  EXPECT_EQ(std::filesystem::file_size(file), 300'000U);
  const Ran refused = run(api.path(), {"capture", "--filter", "(", "-w", file});
  EXPECT_EQ(refused.code, ExitCode::failed);
  EXPECT_EQ(refused.err, "vnet: syntax error\n");
  EXPECT_EQ(std::filesystem::file_size(file), 300'000U) << "a capture that did not begin leaves the file alone";
}

TEST(RunTop, PrintsATableForEachIntervalWhereThereIsNoTerminal) {
  std::uint64_t frames = 0;
  FakeApi api([&](http::Request&) {
    frames += 10;
    return answer(R"([{"name":"a","mac":"1","network":"n","link":"up","attachment":{},"in":{"frames":)" +
                  std::to_string(frames) + R"(,"bytes":0,"drops":{}},"out":{"frames":0,"bytes":0,"drops":{}}}])");
  });
  const Ran ran = run(api.path(), {"top", "--interval", "0.1", "--count", "2"});
  EXPECT_EQ(ran.code, ExitCode::ok);
  EXPECT_EQ(frames, 30U) << "one look before the first table";
  const std::size_t first = ran.out.find("1 NICs, 1 attached");
  EXPECT_EQ(first, 0U);
  EXPECT_NE(ran.out.find("1 NICs, 1 attached", first + 1), std::string::npos);
  EXPECT_THAT(ran.out, AllOf(HasSubstr(" f/s"), testing::Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace vnet::adapter
