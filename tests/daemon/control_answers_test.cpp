// The forms of answers, and bytes as hexadecimal digits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/control/answers.hpp"
#include "daemon/control/hex.hpp"
#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using More = http::Body::More;
using testing::ElementsAre;

TEST(Hex, EveryByteThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(to_hex(bytes).substr(0, 6), "000102");
  EXPECT_EQ(to_hex("\xff"), "ff");
  EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
  EXPECT_EQ(from_hex("DeadBEEF"), "\xde\xad\xbe\xef");
  EXPECT_EQ(from_hex(""), "");
}

TEST(Hex, WhatIsNoPairsOfDigitsIsNothing) {
  for (const char* const text : {"a", "abc", "0g", "g0", "0x", " 0", "0 ", "-1", "ab\n", "@@", "``", "//", "::"}) {
    EXPECT_EQ(from_hex(text), std::nullopt) << text;
  }
  EXPECT_EQ(from_hex(std::string_view{"\0\0", 2}), std::nullopt);
}

TEST(Answers, AreJsonWithALineEnd) {
  const http::Response response = answer({{"a", 1}}, 201);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.type, "application/json");
  EXPECT_EQ(response.body, "{\"a\":1}\n");
  EXPECT_EQ(no_content().status, 204);
  EXPECT_EQ(no_content().type, "");
}

TEST(Answers, TextOfGuestsThatIsNoUtf8DoesNotBreakThem) {
  const http::Response response = answer({{"hostname", "\xff\xc3"}});
  EXPECT_EQ(Json::parse(response.body).at("hostname"), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Answers, AProblemSaysWhatAndWhere) {
  const http::Response response = problem(404, "there is no NIC", "/nics/0");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.type, "application/problem+json");
  EXPECT_EQ(Json::parse(response.body), Json::parse(R"({"status": 404, "title": "Not Found",
    "detail": "there is no NIC", "pointer": "/nics/0"})"));
}

TEST(Answers, SeveralProblemsAreAllListed) {
  Problems problems;
  problems.add("/a", "first");
  const Json one = Json::parse(problem(400, problems).body);
  EXPECT_FALSE(one.contains("problems"));
  problems.add("/b", "second");
  const Json two = Json::parse(problem(400, problems).body);
  EXPECT_EQ(two.at("detail"), "first");
  EXPECT_EQ(two.at("pointer"), "/a");
  EXPECT_EQ(two.at("problems"),
            Json::parse(R"([{"pointer": "/a", "detail": "first"}, {"pointer": "/b", "detail": "second"}])"));
}

TEST(Answers, EachKindOfRefusalHasItsStatus) {
  using Kind = Refusal::Kind;
  const auto status = [](Kind kind) { return problem(Refusal{kind, "/x", "text", {}}).status; };
  EXPECT_THAT((std::vector{status(Kind::unknown), status(Kind::invalid), status(Kind::conflict)}),
              ElementsAre(404, 400, 409));
}

TEST(ListBody, IsOneArrayHoweverManyElements) {
  for (const int count : {0, 1, 2, 1000}) {
    const http::Response response = list([count, next = 0]() mutable -> std::optional<Json> {
      if (next == count) return std::nullopt;
      return Json{{"number", next++}, {"padding", std::string(100, 'x')}};
    });
    std::size_t largest = 0;
    const std::string text = drain(*response.stream, &largest);
    const Json document = Json::parse(text);
    ASSERT_EQ(document.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_EQ(document[static_cast<std::size_t>(i)].at("number"), i);
    EXPECT_TRUE(text.ends_with("]\n"));
    EXPECT_LT(largest, 17U * 1024);
  }
}

}  // namespace
}  // namespace vnet::daemon
