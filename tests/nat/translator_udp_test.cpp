// RFC 4787, row by row, and the nine kinds of NAT that mapping and filtering make.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Rfc4787 : public TranslatorTest {};

TEST_F(Rfc4787, Req1EndpointIndependentMapping) {
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_EQ(outside.address, kOutside);
  EXPECT_EQ(map(kGuest, kServerElsewhere), outside);
  EXPECT_EQ(map(kGuest, kStranger), outside);
  EXPECT_EQ(subject->size(), 1U);
}

}  // namespace
}  // namespace vnet::nat::test
