// Targets and percent-encoding.
#include "http/url.hpp"

#include <gmock/gmock.h>

namespace vnet::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Encode, leaves_unreserved_characters_and_escapes_the_rest) {
  EXPECT_EQ(encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(encode("a/b c+\xff"), "a%2Fb%20c%2B%FF");
  EXPECT_EQ(encode(""), "");
}

TEST(Decode, gives_back_every_byte_but_nul_that_was_encoded) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(decode(encode(all)), all);
}

TEST(Decode, refuses_malformed_escapes_and_nul) {
  for (const char* text : {"%", "%4", "a%", "%g1", "%1g", "%%41", "%00", "x%00y"}) {
    EXPECT_EQ(decode(text), std::nullopt) << text;
  }
}

TEST(Decode, takes_a_plus_for_a_space_only_where_asked) {
  EXPECT_EQ(decode("a+b"), "a+b");
  EXPECT_EQ(decode("a+b%2B", Plus::space), "a b+");
}

std::vector<std::string> path_of(std::string_view target) { return parse_target(target).value().path; }

TEST(ParseTarget, splits_before_it_decodes) {
  EXPECT_THAT(path_of("/v1/nics/alice"), ElementsAre("v1", "nics", "alice"));
  EXPECT_THAT(path_of("/a%2Fb/c%20d"), ElementsAre("a/b", "c d"));
  EXPECT_THAT(path_of("/a%3Fb"), ElementsAre("a?b"));
}

TEST(ParseTarget, normalises_nothing) {
  EXPECT_THAT(path_of("/"), IsEmpty());
  EXPECT_THAT(path_of("//a/"), ElementsAre("", "a", ""));
  EXPECT_THAT(path_of("/../a/."), ElementsAre("..", "a", "."));
}

TEST(ParseTarget, reads_parameters_as_forms_send_them) {
  EXPECT_THAT(parse_target("/x?nic=a+b&filter=tcp%20port%2080&follow&&=y&e=1=2").value().query,
              ElementsAre(Pair("nic", "a b"), Pair("filter", "tcp port 80"), Pair("follow", ""), Pair("", "y"),
                          Pair("e", "1=2")));
}

TEST(ParseTarget, understands_absolute_and_asterisk_form) {
  EXPECT_THAT(path_of("http://host:80/v1/nics"), ElementsAre("v1", "nics"));
  EXPECT_THAT(path_of("http://host"), IsEmpty());
  EXPECT_THAT(parse_target("http://host?a=b").value().query, ElementsAre(Pair("a", "b")));
  EXPECT_THAT(path_of("*"), IsEmpty());
}

TEST(ParseTarget, refuses_what_is_no_target) {
  for (const char* target : {"", "v1", "?x", "https://h/", "http://", "http:///a", "host:80", "/a#b", "/a b", "/\x7f",
                             "/\xc3\xa9", "/%zz", "/?%zz", "/?a=%00", "**"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
}

}  // namespace
}  // namespace vnet::http
