#include "pcap/filter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pcap/capture_file.hpp"

namespace vnet::capture {
namespace {

using testing::HasSubstr;

Filter compiled(const std::string& expression) {
  auto filter = Filter::compile(expression);
  EXPECT_TRUE(filter.has_value()) << (filter ? "" : filter.error());
  return filter ? std::move(*filter) : Filter{};
}

TEST(Filter, EmptyExpressionLetsEverythingThrough) {
  for (const char* expression : {"", "  \t"}) {
    const Filter filter = compiled(expression);
    EXPECT_TRUE(filter.matches(arp_request()));
    EXPECT_TRUE(filter.matches({}));
    EXPECT_EQ(filter.expression(), "");
  }
}

TEST(Filter, ChoosesByProtocolAndAddress) {
  EXPECT_TRUE(compiled("arp").matches(arp_request()));
  EXPECT_FALSE(compiled("not arp").matches(arp_request()));
  EXPECT_TRUE(compiled("ether src 52:cc:cc:cc:cc:01").matches(arp_request()));
  EXPECT_FALSE(compiled("host 10.0.0.1 or ip6").matches(arp_request()));
  EXPECT_TRUE(compiled("ether broadcast").matches(arp_request()));
}

TEST(Filter, ShortAndEmptyFramesAreNotReadBeyondTheirEnd) {
  const Filter filter = compiled("tcp port 80 or arp[24:4] = 0xc0a80101");
  const Bytes frame = arp_request();
  for (std::size_t length = 0; length <= frame.size(); ++length) {
    const Bytes exact(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length));  // so that ASan sees its end
    EXPECT_EQ(filter.matches(exact), length >= 14 + 28) << length;
  }
}

TEST(Filter, MistakesAreReportedAsText) {
  const auto unknown = Filter::compile("port nonsense and");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_FALSE(unknown.error().empty());
  const auto impossible = Filter::compile("ip and ip6 and arp");
  ASSERT_FALSE(impossible.has_value());
  EXPECT_THAT(impossible.error(), HasSubstr("reject"));
}

TEST(Filter, TooLongAndBinaryExpressionsAreRefused) {
  EXPECT_THAT(Filter::compile(std::string(kMaxFilterLength + 1, 'a')).error(), HasSubstr("4096"));
  EXPECT_THAT(Filter::compile(std::string("arp\0x", 5)).error(), HasSubstr("NUL"));
}

TEST(Filter, SurvivesBeingMoved) {
  Filter first = compiled("arp");
  const Filter second = std::move(first);
  EXPECT_TRUE(second.matches(arp_request()));
  EXPECT_EQ(second.expression(), "arp");
}

}  // namespace
}  // namespace vnet::capture
