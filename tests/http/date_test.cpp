#include "http/date.hpp"

#include <gtest/gtest.h>

namespace vnet::http {
namespace {

constexpr std::int64_t kToday = 1'800'000'000;  // January 2027

TEST(Date, IsWrittenInTheOneForm_Rfc9110_5_6_7) {
  EXPECT_EQ(to_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(to_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(to_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(to_date(1'709'210'096), "Thu, 29 Feb 2024 12:34:56 GMT");
  EXPECT_EQ(to_date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(to_date(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, IsReadInThreeForms) {
  for (const char* text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_date(text, kToday), 784'111'777) << text;
  }
  EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", kToday), 784'111'777 + 864'000);
}

TEST(Date, WhatIsWrittenIsReadAgain) {
  for (std::int64_t time = -5'000'000'000; time < 5'000'000'000; time += 12'345'679) {
    EXPECT_EQ(parse_date(to_date(time), kToday), time);
  }
}

TEST(Date, TwoDigitsOfAYearAreOfTheNearestCentury) {
  const auto year = [](std::string_view digits) {
    const auto time = parse_date("Sunday, 06-Nov-" + std::string{digits} + " 08:49:37 GMT", kToday);
    return to_date(time.value_or(0)).substr(12, 4);
  };
  EXPECT_EQ(year("27"), "2027");
  EXPECT_EQ(year("77"), "2077");
  EXPECT_EQ(year("78"), "1978");
}

TEST(Date, ALeapSecondIsNoError) {
  EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", kToday), parse_date("Sat, 31 Dec 2016 23:59:59 GMT", kToday));
}

TEST(Date, AnythingElseIsNone) {
  for (const char* text :
       {"", "Sun", "Sun, ", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "784111777", "Sun Nov  6 08:49:37 94",
        "Sun Nov -6 08:49:37 1994"}) {
    EXPECT_EQ(parse_date(text, kToday), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vnet::http
