#include "http/conditions.hpp"

#include <gtest/gtest.h>

#include "http/date.hpp"

namespace vnet::http {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
const Validators kStrong{"\"a\"", 1'700'000'000};
const Validators kWeak{"W/\"a\"", 1'700'000'000};

Request with(Fields headers) {
  Request request;
  request.headers = std::move(headers);
  return request;
}
Precondition check(Fields headers, const Validators& validators = kStrong) {
  return check_preconditions(with(std::move(headers)), validators, kNow);
}
std::string before() { return to_date(kStrong.modified - 1); }
std::string same() { return to_date(kStrong.modified); }

TEST(Conditions, IfNoneMatchComparesWeakly_Rfc9110_13_1_2) {
  EXPECT_EQ(check({}), Precondition::met);
  for (const char* tags : {"\"a\"", "W/\"a\"", "*", "\"x\", \"a\"", "\"x\",W/\"a\" ", ", , \"a\"", "\"x,\",\"a\""}) {
    EXPECT_EQ(check({{"if-none-match", tags}}), Precondition::not_modified) << tags;
    EXPECT_EQ(check({{"if-none-match", tags}}, kWeak), Precondition::not_modified) << tags;
  }
  for (const char* tags : {"\"b\"", "a", "\"a", "", "W/", "\"A\"", "\"x\" , \"y\""}) {
    EXPECT_EQ(check({{"if-none-match", tags}}), Precondition::met) << tags;
  }
}

TEST(Conditions, IfMatchComparesStrongly_Rfc9110_13_1_1) {
  EXPECT_EQ(check({{"if-match", "\"a\""}}), Precondition::met);
  EXPECT_EQ(check({{"if-match", "*"}}, kWeak), Precondition::met);
  EXPECT_EQ(check({{"if-match", "\"b\""}}), Precondition::failed);
  EXPECT_EQ(check({{"if-match", "W/\"a\""}}), Precondition::failed);
  EXPECT_EQ(check({{"if-match", "W/\"a\""}}, kWeak), Precondition::failed);
}

TEST(Conditions, DatesCountWhereThereAreNoTags_Rfc9110_13_2_2) {
  EXPECT_EQ(check({{"if-modified-since", same()}}), Precondition::not_modified);
  EXPECT_EQ(check({{"if-modified-since", before()}}), Precondition::met);
  EXPECT_EQ(check({{"if-modified-since", "yesterday"}}), Precondition::met);
  EXPECT_EQ(check({{"if-none-match", "\"b\""}, {"if-modified-since", same()}}), Precondition::met);
  EXPECT_EQ(check({{"if-unmodified-since", same()}}), Precondition::met);
  EXPECT_EQ(check({{"if-unmodified-since", before()}}), Precondition::failed);
  EXPECT_EQ(check({{"if-unmodified-since", "yesterday"}}), Precondition::met);
  EXPECT_EQ(check({{"if-match", "\"a\""}, {"if-unmodified-since", before()}}), Precondition::met);
}

std::optional<Part> part(std::string range, std::uint64_t size = 10) {
  return asked_part(with({{"range", std::move(range)}}), kStrong, size, kNow);
}

TEST(Conditions, OneRangeOfBytes_Rfc9110_14_1_2) {
  EXPECT_EQ(part("bytes=0-0"), (Part{0, 1}));
  EXPECT_EQ(part("bytes=2-5"), (Part{2, 4}));
  EXPECT_EQ(part("bytes=2-"), (Part{2, 8}));
  EXPECT_EQ(part("bytes=-3"), (Part{7, 3}));
  EXPECT_EQ(part("bytes=-30"), (Part{0, 10}));
  EXPECT_EQ(part("bytes=9-99999999999999999999999"), (Part{9, 1}));
  EXPECT_EQ(part("Bytes= 1-2 "), (Part{1, 2}));
}

TEST(Conditions, WhatIsBeyondTheEndIsNotSatisfiable) {
  for (const char* range : {"bytes=10-", "bytes=10-11", "bytes=99999999999999999999999-", "bytes=-0"}) {
    const auto asked = part(range);
    EXPECT_TRUE(asked && !asked->satisfiable) << range;
  }
  for (const char* range : {"bytes=0-", "bytes=-1"}) {
    const auto asked = part(range, 0);
    EXPECT_TRUE(asked && !asked->satisfiable) << range;
  }
}

TEST(Conditions, ManyRangesAndNonsenseAreTheWhole) {
  for (const char* range : {"bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes", "lines=1-2",
                            "bytes=1 -2", "bytes=+1-2", "bytes=--1", "bytes=1-2-3"}) {
    EXPECT_EQ(part(range), std::nullopt) << range;
  }
  EXPECT_EQ(asked_part(with({}), kStrong, 10, kNow), std::nullopt);
}

TEST(Conditions, AHeadRequestHasNoRange_Rfc9110_14_2) {
  Request request = with({{"range", "bytes=0-0"}});
  request.head = true;
  EXPECT_EQ(asked_part(request, kStrong, 10, kNow), std::nullopt);
}

TEST(Conditions, IfRangeAsksForThePartOfTheSameOnly_Rfc9110_13_1_5) {
  const auto has_part = [](const std::string& if_range, const Validators& validators = kStrong) {
    return asked_part(with({{"range", "bytes=0-0"}, {"if-range", if_range}}), validators, 10, kNow).has_value();
  };
  EXPECT_TRUE(has_part("\"a\""));
  EXPECT_FALSE(has_part("\"b\""));
  EXPECT_FALSE(has_part("W/\"a\"", kWeak));
  EXPECT_TRUE(has_part(same()));
  EXPECT_FALSE(has_part(same(), kWeak));
  EXPECT_FALSE(has_part(before()));
  EXPECT_FALSE(has_part("nonsense"));
}

}  // namespace
}  // namespace vnet::http
