// Ports as text, and rules as values.
#include "nat/egress_rules.hpp"

#include <gtest/gtest.h>

#include "egress_testing.hpp"

namespace vnet::nat {
namespace {

using namespace test;

std::string again(std::string_view text) {
  const auto ranges = parse_port_ranges(text);
  return ranges ? to_string(*ranges) : "none";
}

TEST(PortRanges, ReadAsWrittenAndInOrder) {
  EXPECT_EQ(again("80"), "80");
  EXPECT_EQ(again("80,443,8000-8100"), "80,443,8000-8100");
  EXPECT_EQ(again("8000-8100,443,80"), "80,443,8000-8100");
  EXPECT_EQ(again("1-65535"), "1-65535");
  EXPECT_EQ(again("65535"), "65535");
}

TEST(PortRanges, ThoseThatTouchOrOverlapAreOne) {
  EXPECT_EQ(again("80,81"), "80-81");
  EXPECT_EQ(again("80,80"), "80");
  EXPECT_EQ(again("1-10,5-20,30"), "1-20,30");
  EXPECT_EQ(again("1-100,5-20"), "1-100");
  EXPECT_EQ(again("60000-65535,1-65535"), "1-65535");
  EXPECT_EQ(again("10-12,14-16"), "10-12,14-16");
}

TEST(PortRanges, WhatIsNoPortIsRefused) {
  for (const char* text :
       {"",    ",",     "80,",       ",80", "80,,81", "0",   "0-10",   "65536", "1-65536", "99999999999", "-", "80-",
        "-80", "90-80", "80-90-100", "080", "+80",    " 80", "80, 81", "80 ",   "http",    "8x",          "-1"}) {
    EXPECT_FALSE(parse_port_ranges(text)) << text;
  }
}

TEST(PortRanges, AreLimited) {
  std::string text = "1";
  for (std::size_t i = 1; i < kMaxPortRanges; ++i) text += "," + std::to_string(2 * i + 1);
  EXPECT_EQ(again(text), text);
  EXPECT_EQ(again(text + ",60000"), "none");
}

TEST(EgressRules, DenyLinkLocalUnlessToldOtherwise) {
  const EgressRules rules;
  EXPECT_TRUE(rules.enabled);
  EXPECT_TRUE(rules.allow.empty());
  EXPECT_EQ(rules.deny, (std::vector{rule("169.254.0.0/16")}));
}

TEST(EgressRules, AreComparedByTheirValues) {
  EXPECT_EQ(rule("10.0.0.0/8", EgressProtocol::tcp, "443,80"), rule("10.0.0.0/8", EgressProtocol::tcp, "80,443"));
  EXPECT_NE(rule("10.0.0.0/8", EgressProtocol::tcp), rule("10.0.0.0/8"));
  EXPECT_NE(rule("10.0.0.0/8", {}, "80"), rule("10.0.0.0/8"));
  EgressRules changed;
  EXPECT_EQ(changed, EgressRules{});
  changed.enabled = false;
  EXPECT_NE(changed, EgressRules{});
}

}  // namespace
}  // namespace vnet::nat
