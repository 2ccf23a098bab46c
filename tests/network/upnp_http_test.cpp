// The reader of UPnP's requests: RFC 9112 as far as it goes here.
#include "network/upnp_http.hpp"

#include <gtest/gtest.h>

namespace vnet::network {
namespace {

using State = UpnpRequestReader::State;

UpnpRequestReader read(std::string_view text) {
  UpnpRequestReader reader;
  reader.feed(text);
  return reader;
}
int status_of(std::string_view text) {
  const UpnpRequestReader reader = read(text);
  EXPECT_EQ(reader.state(), State::failed) << text;
  return reader.status();
}

constexpr std::string_view kPost =
    "POST /ctl/IPConn HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nContent-Length: 5\r\nSOAPAction:  \"a#b\"\t\r\n\r\nhello";

TEST(UpnpHttp, ReadsARequest) {
  const UpnpRequestReader reader = read(kPost);
  ASSERT_EQ(reader.state(), State::complete);
  EXPECT_EQ(reader.request().method, "POST");
  EXPECT_EQ(reader.request().target, "/ctl/IPConn");
  EXPECT_EQ(reader.request().body, "hello");
  EXPECT_EQ(*reader.request().find("soapaction"), "\"a#b\"");
  EXPECT_EQ(reader.request().find("expect"), nullptr);
}

TEST(UpnpHttp, AStreamMayBeCutAnywhere) {
  for (std::size_t cut = 0; cut <= kPost.size(); ++cut) {
    UpnpRequestReader reader;
    reader.feed(kPost.substr(0, cut));
    EXPECT_EQ(reader.state() == State::complete, cut == kPost.size());
    reader.feed(kPost.substr(cut));
    ASSERT_EQ(reader.state(), State::complete) << cut;
    EXPECT_EQ(reader.request().body, "hello");
  }
  UpnpRequestReader reader;
  for (const char byte : kPost) reader.feed({&byte, 1});
  EXPECT_EQ(reader.state(), State::complete);
}

TEST(UpnpHttp, BytesBehindTheRequestAreIgnored) {
  UpnpRequestReader reader = read(std::string{kPost} + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reader.request().body, "hello");
  reader.feed("more");
  EXPECT_EQ(reader.request().body, "hello");
}

TEST(UpnpHttp, MalformedHeadsAreRefused_Rfc9112_3) {
  for (const std::string_view text : {
           "GET / HTTP/1.1\nHost: a\r\n\r\n",
           "GET /\r\n\r\n",
           "GET  / HTTP/1.1\r\n\r\n",
           "G(T / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "GET / HTTP/1.1\r\na : b\r\n\r\n",
           "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\na: \x01\r\n\r\n",
           "\r\n\r\n",
           "GET / x\r\n\r\n",
       }) {
    EXPECT_EQ(status_of(text), 400) << text;
  }
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\n\r\n"), 505);
}

TEST(UpnpHttp, LengthsHaveOneReading_Rfc9112_6_3) {
  const auto with = [](std::string_view field) { return "POST / HTTP/1.1\r\n" + std::string{field} + "\r\n\r\n"; };
  for (const std::string_view field : {"Content-Length: -1", "Content-Length: 1, 1", "Content-Length: 0x1",
                                       "Content-Length:", "Content-Length: 1\r\nContent-Length: 1"}) {
    EXPECT_EQ(status_of(with(field)), 400) << field;
  }
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nContent-Length: 1")), 501);
  EXPECT_EQ(status_of(with("a: b")), 411);
  EXPECT_EQ(status_of(with("Content-Length: 16385")), 413);
  EXPECT_EQ(status_of(with("Content-Length: 99999999999999999999999")), 413);
}

TEST(UpnpHttp, HeadsHaveALimit) {
  const std::string start = "GET / HTTP/1.1\r\na: ";
  const std::string fits = start + std::string(UpnpRequestReader::kMaxHead - start.size() - 4, 'x') + "\r\n\r\n";
  EXPECT_EQ(read(fits).state(), State::complete);
  EXPECT_EQ(status_of(start + std::string(UpnpRequestReader::kMaxHead - start.size() - 3, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status_of(std::string(5000, 'x')), 431);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 65; ++i) many += "a: b\r\n";
  EXPECT_EQ(status_of(many + "\r\n"), 431);
}

TEST(UpnpHttp, AClientMayWaitToBeToldToGoOn_Rfc9110_10_1_1) {
  UpnpRequestReader reader = read("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(reader.state(), State::body);
  EXPECT_TRUE(reader.take_expectation());
  EXPECT_FALSE(reader.take_expectation());
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: miracles\r\n\r\n"), 417);
}

TEST(UpnpHttp, AnswersEndTheirConnection) {
  EXPECT_EQ(to_wire({.body = "<a/>"}, "S"),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\nContent-Type: text/xml; "
            "charset=\"utf-8\"\r\nEXT:\r\nServer: S\r\n\r\n<a/>");
  EXPECT_EQ(to_wire({.status = 501}, "S"),
            "HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\nEXT:\r\nServer: S\r\n\r\n");
}

}  // namespace
}  // namespace vnet::network
