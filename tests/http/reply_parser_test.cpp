// Replies out of bytes.
#include "http/reply_parser.hpp"

#include <gmock/gmock.h>

namespace vnet::http {
namespace {

using testing::HasSubstr;

struct Parsed {
  ReplyParser parser;
  std::string body;
  std::string_view rest;
  std::string error;
};

Parsed parse(std::string_view bytes, std::size_t piece = std::string_view::npos, bool to_head = false) {
  Parsed result{ReplyParser{to_head}, {}, bytes, {}};
  while (!result.rest.empty() && !result.parser.complete()) {
    const std::string part{result.rest.substr(0, piece)};
    const auto used = result.parser.feed(part, result.body);
    if (!used) {
      result.error = used.error();
      break;
    }
    result.rest.remove_prefix(*used);
  }
  return result;
}

TEST(ReplyParser, reads_a_reply_however_it_is_cut) {
  const std::string text = "HTTP/1.1 201 Created\r\nLocation: /v1/x\r\nContent-Length: 3\r\n\r\nabcHTTP";
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    const Parsed got = parse(text, piece);
    ASSERT_TRUE(got.parser.complete()) << piece;
    EXPECT_EQ(got.parser.head().status, 201);
    EXPECT_EQ(*find_field(got.parser.head().fields, "location"), "/v1/x");
    EXPECT_EQ(got.body, "abc");
    EXPECT_EQ(got.rest, "HTTP");
    EXPECT_TRUE(got.parser.head().persistent);
  }
}

TEST(ReplyParser, takes_chunks_apart) {
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 1).body,
            "abcd");
}

TEST(ReplyParser, reads_to_the_end_of_the_connection_where_no_length_is_given) {
  Parsed got = parse("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nraw");
  EXPECT_FALSE(got.parser.complete());
  EXPECT_EQ(got.body, "raw");
  EXPECT_TRUE(got.parser.finish());
  EXPECT_TRUE(got.parser.complete());
  EXPECT_FALSE(got.parser.head().persistent);
}

TEST(ReplyParser, expects_no_body_where_there_is_none) {
  EXPECT_TRUE(parse("HTTP/1.1 204 No Content\r\n\r\n").parser.complete());
  EXPECT_TRUE(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").parser.complete());
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1, true).parser.complete());
}

TEST(ReplyParser, passes_over_interim_replies_but_not_for_ever) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(parse("HTTP/1.1 100 Continue\r\n\r\n" + interim + last, 7).parser.head().status, 200);
  std::string many;
  for (int i = 0; i <= kMaxInterim; ++i) many += interim;
  EXPECT_THAT(parse(many + last).error, HasSubstr("interim"));
}

TEST(ReplyParser, stops_behind_the_head_of_a_101) {
  const Parsed got = parse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: vnet\r\nConnection: upgrade\r\n\r\nraw");
  EXPECT_TRUE(got.parser.complete());
  EXPECT_EQ(got.rest, "raw");
}

TEST(ReplyParser, accepts_a_status_line_without_a_reason) {
  EXPECT_EQ(parse("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").parser.head().status, 200);
  EXPECT_EQ(parse("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").parser.head().status, 200);
}

TEST(ReplyParser, says_what_is_wrong_with_a_malformed_reply) {
  for (const char* text :
       {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"}) {
    EXPECT_THAT(parse(text).error, HasSubstr("malformed")) << text;
  }
  EXPECT_THAT(parse("HTTP/1.1 200 OK\r\nX: " + std::string(kMaxReplyHead, 'x')).error, HasSubstr("bytes"));
}

TEST(ReplyParser, tells_an_early_end_from_a_regular_one) {
  EXPECT_FALSE(ReplyParser{}.finish());
  Parsed cut = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_FALSE(cut.parser.finish());
  Parsed chunk = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
  EXPECT_FALSE(chunk.parser.finish());
}

}  // namespace
}  // namespace vnet::http
