// Requests out of bytes: what is understood, and above all what is not.
#include "http/request_parser.hpp"

#include <gmock/gmock.h>

#include <memory>

namespace vnet::http {
namespace {

using State = RequestParser::State;
using testing::ElementsAre;
using testing::Pair;

/// Feeds in pieces of `piece` bytes, each an allocation of its own, up to the end of one request; what is not used
/// stays in `bytes`.
RequestParser parse_pieces(std::string_view& bytes, std::size_t piece, RequestLimits limits = {}) {
  RequestParser parser{limits};
  while (!bytes.empty() && (parser.state() == State::head || parser.state() == State::body)) {
    const std::string part{bytes.substr(0, piece)};
    bytes.remove_prefix(parser.feed(part));
  }
  return parser;
}
RequestParser parse_all(std::string_view bytes, RequestLimits limits = {}) {
  return parse_pieces(bytes, std::string_view::npos, limits);
}
int status_of(std::string_view bytes, RequestLimits limits = {}) {
  const RequestParser parser = parse_all(bytes, limits);
  return parser.state() == State::failed ? parser.fault().status : parser.state() == State::complete ? 200 : 0;
}
/// A GET with further fields.
std::string with(std::string_view fields) { return "GET / HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n"; }
std::string chunked(std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string{body};
}

TEST(RequestParser, reads_a_request_however_it_is_cut) {
  const std::string text =
      "PUT /v1/dns/records/a%2Eb?ttl=5 HTTP/1.1\r\nHost: x\r\nX-Two:  words here \t\r\nContent-Length: "
      "5\r\n\r\nhelloGET";
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    std::string_view rest = text;
    RequestParser parser = parse_pieces(rest, piece);
    ASSERT_EQ(parser.state(), State::complete) << piece;
    EXPECT_EQ(rest, "GET");
    Request& request = parser.request();
    EXPECT_EQ(request.method, "PUT");
    EXPECT_THAT(request.path, ElementsAre("v1", "dns", "records", "a.b"));
    EXPECT_EQ(*request.parameter("ttl"), "5");
    EXPECT_THAT(request.headers,
                ElementsAre(Pair("host", "x"), Pair("x-two", "words here"), Pair("content-length", "5")));
    EXPECT_EQ(request.body, "hello");
    EXPECT_EQ(request.header("absent"), nullptr);
  }
}

TEST(RequestParser, takes_a_chunked_body_apart_however_it_is_cut) {
  const std::string text = chunked("5;a=b\r\nhello\r\nA\r\n, chunked \r\n0\r\nTrailer: x\r\n\r\nPOST");
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    std::string_view rest = text;
    RequestParser parser = parse_pieces(rest, piece);
    ASSERT_EQ(parser.state(), State::complete) << piece;
    EXPECT_EQ(parser.request().body, "hello, chunked ");
    EXPECT_EQ(rest, "POST");
  }
}

TEST(RequestParser, ignores_a_few_empty_lines_before_a_request) {
  EXPECT_EQ(status_of("\r\n\r\n" + with("")), 200);
  EXPECT_EQ(status_of("\r\n\r\n\r\n\r\n\r\n" + with("")), 400);
}

TEST(RequestParser, shows_a_head_request_as_get) {
  RequestParser parser = parse_all("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(parser.request().method, "GET");
  EXPECT_TRUE(parser.is_head());
}

TEST(RequestParser, knows_whether_the_connection_may_stay) {
  EXPECT_TRUE(parse_all(with("")).persistent());
  EXPECT_FALSE(parse_all(with("Connection: close\r\n")).persistent());
  EXPECT_FALSE(parse_all(with("Connection: x, Close\r\n")).persistent());
  EXPECT_FALSE(parse_all("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").persistent());
}

TEST(RequestParser, wants_one_host_except_from_http10) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of(with("Host: y\r\n")), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
}

TEST(RequestParser, refuses_every_way_to_smuggle_a_length) {
  const std::string length = "Content-Length: 1\r\n";
  const std::string coding = "Transfer-Encoding: chunked\r\n";
  for (const std::string& fields : {
           length + coding,
           coding + length,
           length + length,
           length + "Content-Length: 2\r\n",
           coding + coding,
           std::string{"Content-Length: 1, 1\r\n"},
           std::string{"Content-Length: +1\r\n"},
           std::string{"Content-Length: -1\r\n"},
           std::string{"Content-Length: 0x1\r\n"},
           std::string{"Content-Length: 1 1\r\n"},
           std::string{"Content-Length:\r\n"},
           std::string{"Content-Length: 18446744073709551616\r\n"},
           std::string{"Content-Length : 1\r\n"},
           std::string{"Transfer-Encoding : chunked\r\n"},
           std::string{" Transfer-Encoding: chunked\r\n"},
           std::string{"Transfer-Encoding:\r\n chunked\r\n"},
           std::string{"Transfer-Encoding: chunked\n"},
           std::string{"X: a\rTransfer-Encoding: chunked\r\n"},
       }) {
    EXPECT_EQ(status_of(with(fields) + "a"), 400) << fields;
  }
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST(RequestParser, knows_no_transfer_coding_but_chunked) {
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked", "\"chunked\""}) {
    EXPECT_EQ(status_of(with("Transfer-Encoding: " + std::string{coding} + "\r\n")), 501) << coding;
  }
  EXPECT_EQ(status_of(with("Transfer-Encoding: CHUNKED\r\n") + "0\r\n\r\n"), 200);
}

TEST(RequestParser, refuses_malformed_chunks) {
  for (const char* body : {"5\r\nhelloXX0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "\r\n\r\n",
                           "x\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5 \r\nhello\r\n", " 5\r\nhello\r\n",
                           "11111111111111111\r\n", "5;a\rb\r\nhello\r\n", "0\r\nA: b\n\r\n"}) {
    EXPECT_EQ(status_of(chunked(body)), 400) << body;
  }
  EXPECT_EQ(status_of(chunked("1;" + std::string(kMaxChunkLine, 'x') + "\r\n")), 400);
  std::string trailers = "0\r\n";
  for (std::size_t i = 0; i <= kMaxTrailers; i += 8) trailers += "A: bcdef\r\n";
  EXPECT_EQ(status_of(chunked(trailers + "\r\n")), 400);
}

TEST(RequestParser, refuses_lines_that_two_parsers_may_read_differently) {
  for (const std::string& text : {
           std::string{"GET / HTTP/1.1\nHost: x\n\n"},
           std::string{"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"GET /  HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
           std::string{"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{" GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"GET /\r\n\r\n"},
           std::string{"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"G(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
           std::string{"GET / HTTP/1.11\r\nHost: x\r\n\r\n"},
           std::string{"GET / http/1.1\r\nHost: x\r\n\r\n"},
           std::string{"SOURCE / ICE/1.0\r\n\r\n"},
           with("X Y: z\r\n"),
           with("X\r\n"),
           with(": x\r\n"),
           with("X: a\r\n b\r\n"),
           with("X: a\r\n\tb\r\n"),
           with("X: a\rb\r\n"),
           with(std::string_view{"X: a\0b\r\n", 8}),
           with("X: a\x7f\r\n"),
           with("X\x80: a\r\n"),
       }) {
    EXPECT_EQ(status_of(text), 400) << text;
  }
}

TEST(RequestParser, accepts_high_bytes_and_tabs_in_field_values) {
  RequestParser parser = parse_all(with("X: \xc3\xa9\ta\r\nEmpty:\r\n"));
  ASSERT_EQ(parser.state(), State::complete);
  EXPECT_EQ(*parser.request().header("x"), "\xc3\xa9\ta");
  EXPECT_EQ(*parser.request().header("empty"), "");
}

TEST(RequestParser, refuses_targets_that_it_does_not_understand) {
  for (const char* target : {"nics", "https://x/", "/%zz", "/%00", "/a#b", "*"}) {
    EXPECT_EQ(status_of("GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n\r\n"), 400) << target;
  }
  EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
}

TEST(RequestParser, says_which_methods_and_versions_it_does_not_know) {
  EXPECT_EQ(status_of("FROB / HTTP/1.1\r\nHost: x\r\n\r\n"), 501);
  EXPECT_EQ(status_of("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 501);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/0.9\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 200);
}

TEST(RequestParser, limits_the_head_at_the_byte) {
  const std::string text = with("");
  EXPECT_EQ(status_of(text, {.max_head = text.size()}), 200);
  EXPECT_EQ(status_of(text, {.max_head = text.size() - 3}), 431);
  EXPECT_EQ(status_of("GET /" + std::string(16 * 1024, 'a')), 431);
}

TEST(RequestParser, limits_the_number_of_fields) {
  std::string fields;
  for (std::size_t i = 1; i < kMaxFields; ++i) fields += "A: b\r\n";
  EXPECT_EQ(status_of(with(fields)), 200);
  EXPECT_EQ(status_of(with(fields + "A: b\r\n")), 431);
}

TEST(RequestParser, limits_the_body_before_it_comes_where_it_can) {
  const RequestLimits limits{.max_body = 10};
  EXPECT_EQ(status_of(with("Content-Length: 10\r\n") + "0123456789", limits), 200);
  EXPECT_EQ(status_of(with("Content-Length: 11\r\n"), limits), 413);
  EXPECT_EQ(status_of(chunked("A\r\n0123456789\r\n0\r\n\r\n"), limits), 200);
  EXPECT_EQ(status_of(chunked("A\r\n0123456789\r\n1\r\nx"), limits), 413);
}

TEST(RequestParser, understands_one_expectation) {
  EXPECT_TRUE(parse_all(with("Expect: 100-Continue\r\nContent-Length: 1\r\n")).expects_continue());
  EXPECT_EQ(status_of(with("Expect: miracles\r\n")), 417);
  EXPECT_FALSE(parse_all("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
}

TEST(RequestParser, refuses_two_authorizations) {
  EXPECT_EQ(status_of(with("Authorization: a\r\nAuthorization: b\r\n")), 400);
}

TEST(RequestParser, leaves_what_follows_an_upgrade_request_alone) {
  std::string_view rest = "GET /take HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: vnet\r\n\r\n\x01\x02";
  RequestParser parser = parse_pieces(rest, std::string_view::npos);
  EXPECT_EQ(parser.state(), State::complete);
  EXPECT_EQ(rest, "\x01\x02");
}

}  // namespace
}  // namespace vnet::http
