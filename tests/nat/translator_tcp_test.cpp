// RFC 5382 and what RFC 7857 adds to it, row by row.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Rfc5382 : public TranslatorTest {
 protected:
  Rfc5382() { now = Instant{10h}; }
  bool gets_out(unsigned flags, const Endpoint& to = kServer) { return !out(tcp(kGuest, to, flags)).reason; }
  bool comes_in(unsigned flags, const Endpoint& from = kServer) { return !in(tcp(from, outside, flags)).reason; }
  void establish() {
    outside = outside_of(tcp(kGuest, kServer, kSyn));
    EXPECT_TRUE(comes_in(kSyn | kAck));
    EXPECT_TRUE(gets_out(kAck));
  }
  /// Whether it is there for just so long.
  void expect_patience(Duration patience) {
    const auto first = mappings();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].expires - now, patience);
    later(patience - 1ns);
    EXPECT_EQ(subject->size(), 1U);
    later(1ns);
    EXPECT_EQ(subject->size(), 0U);
  }

  Endpoint outside;
};

TEST_F(Rfc5382, Req1EndpointIndependentMapping) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_EQ(outside_of(tcp(kGuest, kStranger, kSyn)), outside);
  EXPECT_EQ(subject->size(), 1U);
  // UDP is another matter.
  EXPECT_EQ(map(kGuest, kServer), outside);
  EXPECT_EQ(subject->size(), 2U);
}

TEST_F(Rfc5382, Req2TheThreeWayHandshake) {
  establish();
  EXPECT_TRUE(comes_in(kAck));
  EXPECT_FALSE(comes_in(kAck, kStranger));
  EXPECT_TRUE(gets_out(kFin | kAck));
  EXPECT_TRUE(comes_in(kAck));
  EXPECT_TRUE(comes_in(kFin | kAck));
  EXPECT_TRUE(gets_out(kAck));
}

TEST_F(Rfc5382, Req2SimultaneousOpen) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_TRUE(comes_in(kSyn));
  EXPECT_TRUE(gets_out(kSyn | kAck));
  EXPECT_TRUE(comes_in(kSyn | kAck));
  EXPECT_TRUE(gets_out(kAck));
  expect_patience(7440s);
}

TEST_F(Rfc5382, Req2AConnectionFromBeforeTheNatWas) {
  // Its own restart: what goes on from inside goes on, and a reset makes nothing.
  EXPECT_EQ(out(tcp(kGuest, kServer, kRst)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(subject->size(), 0U);
  outside = outside_of(tcp(kGuest, kServer, kAck, "data"));
  EXPECT_EQ(mappings()[0].expires - now, 240s);
  EXPECT_TRUE(comes_in(kAck));
  expect_patience(7440s);
}

TEST_F(Rfc5382, Req3FilteringIsThatOfUdp) {
  for (const auto filtering :
       {Dependence::endpoint_independent, Dependence::address_dependent, Dependence::address_and_port_dependent}) {
    NatBehavior behavior;
    behavior.filtering = filtering;
    use(config_of(behavior));
    establish();
    EXPECT_TRUE(comes_in(kAck));
    EXPECT_EQ(comes_in(kSyn, kServerElsewhere), filtering != Dependence::address_and_port_dependent);
    EXPECT_EQ(comes_in(kSyn, kStranger), filtering == Dependence::endpoint_independent);
  }
}

TEST_F(Rfc5382, Req3AConnectionFromOutsideThroughAConeIsEstablished) {
  use(NatPreset::fullcone);
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_TRUE(comes_in(kSyn, kStranger));
  EXPECT_EQ(subject->sessions(), 1U) << "nothing that comes in makes state";
  EXPECT_TRUE(gets_out(kSyn | kAck, kStranger));
  EXPECT_TRUE(comes_in(kAck, kStranger));
  expect_patience(7440s);
  // A closed port answers, although nothing else of it was there.
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_TRUE(comes_in(kSyn, kStranger));
  EXPECT_TRUE(gets_out(kRst | kAck, kStranger));
  EXPECT_EQ(subject->sessions(), 1U);
}

TEST_F(Rfc5382, Req4AnUnsolicitedSynIsAnsweredAfterSixSeconds) {
  const Bytes syn = tcp(kServer, {kOutside, 4000}, kSyn);
  EXPECT_EQ(in(syn).reason, DropReason::nat_unmapped);
  EXPECT_EQ(subject->next_deadline(), now + 6s);
  later(3s);
  EXPECT_EQ(in(syn).reason, DropReason::nat_unmapped);  // repeated, the wait is that of the first
  later(3s - 1ns);
  EXPECT_TRUE(told.empty());
  later(1ns);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], syn);
  EXPECT_EQ(subject->next_deadline(), kNever);
  later(60s);
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(Rfc5382, Req4SoIsOneThatTheFilterKeepsOut) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_EQ(in(tcp(kStranger, outside, kSyn)).reason, DropReason::nat_filtered);
  later(6s);
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(Rfc5382, Req4ASynFromInsideMeanwhileMakesItForgotten) {
  // Both open at once, and the one outside is faster.
  outside = {kOutside, 5000};
  EXPECT_FALSE(comes_in(kSyn));
  later(1s);
  EXPECT_EQ(outside_of(tcp(kGuest, kServer, kSyn)), outside);
  EXPECT_TRUE(comes_in(kSyn));
  EXPECT_TRUE(gets_out(kSyn | kAck));
  later(10s);
  EXPECT_TRUE(told.empty());
}

TEST_F(Rfc5382, Req4OnlySynsAreAnswered) {
  outside = {kOutside, 4000};
  for (const unsigned flags : {kAck, kSyn | kAck, kRst, kFin, kSyn | kRst}) {
    EXPECT_FALSE(comes_in(flags));
  }
  EXPECT_FALSE(gets_in(kServer, outside));
  later(7s);
  EXPECT_TRUE(told.empty());
}

TEST_F(Rfc5382, Req4NoMoreAreHeldThanThereIsRoomFor) {
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    EXPECT_TRUE(in(tcp(kServer, {kOutside, port}, kSyn, std::string(200, 'x'))).reason);
  }
  later(6s);
  EXPECT_EQ(told.size(), HeldSyns::kMax);
  for (const Bytes& packet : told) EXPECT_EQ(packet.size(), HeldSyns::kBytes);
}

TEST_F(Rfc5382, Req5EstablishedForTwoHoursAndFourMinutes) {
  establish();
  expect_patience(7440s);
}

TEST_F(Rfc5382, Req5BothSidesRefresh) {
  establish();
  later(7000s);
  EXPECT_TRUE(comes_in(kAck));
  later(7000s);
  EXPECT_TRUE(gets_out(kAck));
  later(7000s);
  EXPECT_EQ(subject->size(), 1U);
}

TEST_F(Rfc5382, Req5HalfOpenForFourMinutes) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  expect_patience(240s);
}

TEST_F(Rfc5382, Req5SynAndItsAnswerAreNotYetAConnection) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_TRUE(comes_in(kSyn | kAck));
  expect_patience(240s);
}

TEST_F(Rfc5382, Req5ClosedByOneIsEstablishedStill) {
  establish();
  EXPECT_TRUE(gets_out(kFin | kAck));
  expect_patience(7440s);
}

TEST_F(Rfc5382, Req5ClosedByBothForFourMinutes) {
  establish();
  EXPECT_TRUE(gets_out(kFin | kAck));
  EXPECT_TRUE(comes_in(kFin | kAck));
  EXPECT_TRUE(gets_out(kAck));
  expect_patience(240s);
}

TEST_F(Rfc5382, Req5ANewConnectionInPlaceOfAClosedOne) {
  establish();
  EXPECT_TRUE(gets_out(kFin | kAck));
  EXPECT_TRUE(comes_in(kFin | kAck));
  later(100s);
  establish();
  expect_patience(7440s);
}

TEST_F(Rfc5382, Req7NoPortOverloading) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_NE(outside_of(tcp(kOther, kStranger, kSyn)), outside);
}

TEST_F(Rfc5382, Req8Hairpin) {
  use(NatPreset::fullcone);
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  const Passed syn = hairpin(tcp(kOther, outside, kSyn));
  ASSERT_TRUE(syn);
  EXPECT_EQ(syn.destination, kGuest);
  EXPECT_EQ(syn.source.address, kOutside);
  const Passed answer = hairpin(tcp(kGuest, syn.source, kSyn | kAck));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer.destination, kOther);
  EXPECT_EQ(answer.source, outside);
}

TEST_F(Rfc5382, Req9And10ErrorsPassAndEndNothing) {
  establish();
  const Bytes error = unreachable(kRouter, kOutside, tcp(outside, kServer, kAck));
  const Passed passed = in(error);
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed.packet, unreachable(kRouter, kGuest.address, tcp(kGuest, kServer, kAck)));
  expect_patience(7440s);
}

// RFC 7857, 2.

class Rfc7857 : public Rfc5382 {};

TEST_F(Rfc7857, AResetKeepsTheStateForFourMinutes) {
  for (const bool outbound : {false, true}) {
    use(NatPreset::easy);
    establish();
    EXPECT_TRUE(outbound ? gets_out(kRst) : comes_in(kRst));
    EXPECT_EQ(mappings()[0].expires - now, 240s);
    later(100s);
    // Repetitions do not prolong it.
    EXPECT_TRUE(gets_out(kRst));
    EXPECT_TRUE(comes_in(kRst));
    expect_patience(140s);
  }
}

TEST_F(Rfc7857, AForgedResetDoesNoHarm) {
  establish();
  EXPECT_TRUE(comes_in(kRst));
  later(100s);
  EXPECT_TRUE(gets_out(kAck));
  expect_patience(7440s);
}

TEST_F(Rfc7857, OutboundResetsAndErrorsDoNotRefresh) {
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  later(200s);
  EXPECT_TRUE(gets_out(kRst));
  const Passed error = out(unreachable(kGuest.address, kServer.address, tcp(kServer, kGuest, kSyn | kAck)));
  EXPECT_TRUE(error);
  expect_patience(40s);
}

TEST_F(Rfc7857, TimersOfOpeningClosingAndEstablishedConnectionsAreTheirOwn) {
  NatBehavior behavior;
  behavior.tcp_established_timeout = 100s;
  behavior.tcp_transitory_timeout = 10s;
  use(config_of(behavior));
  establish();
  expect_patience(100s);
  outside = outside_of(tcp(kGuest, kServer, kSyn));
  expect_patience(10s);
}

}  // namespace
}  // namespace vnet::nat::test
