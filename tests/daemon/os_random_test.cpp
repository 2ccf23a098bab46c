#include "daemon/os_random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vnet::daemon {
namespace {

TEST(OsRandom, BitsDiffer) {
  std::uint64_t ones = 0;
  std::uint64_t zeros = 0;
  std::set<std::uint64_t> values;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t bits = os_random();
    values.insert(bits);
    ones |= bits;
    zeros |= ~bits;
  }
  EXPECT_EQ(values.size(), 100U);
  EXPECT_EQ(ones, ~std::uint64_t{0});
  EXPECT_EQ(zeros, ~std::uint64_t{0});
}

}  // namespace
}  // namespace vnet::daemon
