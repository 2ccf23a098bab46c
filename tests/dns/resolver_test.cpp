#include "tests/dns/resolver_fixture.hpp"

namespace vnet::dns {
namespace {

using testing::a_record;
using testing::at;
using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kFirst;
using testing::kSecond;
using testing::n;
using testing::ResolverTest;
using testing::respond;
using ::testing::SizeIs;
using testing::soa_record;

TEST_F(ResolverTest, AsksTheFirstServerOverUdpWithEdnsAndDeliversItsAnswer) {
  const std::uint64_t ticket = ask("example.com");
  const UpstreamQuery query = sent();
  EXPECT_EQ(query.server, kFirst);
  EXPECT_FALSE(query.tcp);
  const Message message = Message::parse(query.bytes).value();
  EXPECT_EQ(message.question().name, n("example.com"));
  EXPECT_TRUE(message.header().has(Header::kRecursionDesired));
  ASSERT_TRUE(message.opt());
  EXPECT_EQ(message.opt()->udp_payload, kDefaultUdpPayload);
  EXPECT_FALSE(message.opt()->dnssec_ok);

  answer(query, respond(query.bytes, Rcode::no_error, {a_record("example.com")}));
  const auto resolved = resolver_.take_resolved();
  ASSERT_THAT(resolved, SizeIs(1));
  EXPECT_EQ(resolved.front().ticket, ticket);
  EXPECT_EQ(resolved.front().answer->count(Section::answer), 1);
  EXPECT_THAT(resolver_.take_closed(), ElementsAre(query.handle));
  EXPECT_EQ(resolver_.in_flight(), 0U);
  EXPECT_EQ(resolver_.next_deadline(), kNever);
}

TEST_F(ResolverTest, DoAndCdReachTheServer) {
  (void)resolver_.ask({n("example.com"), Type::a, true, true}, at(0));
  const Message message = Message::parse(sent().bytes).value();
  EXPECT_TRUE(message.opt()->dnssec_ok);
  EXPECT_TRUE(message.header().has(Header::kCheckingDisabled));
}

TEST_F(ResolverTest, WithoutServersRefuses) {
  resolver_.set_upstreams({});
  EXPECT_EQ(resolver_.ask({n("example.com"), Type::a}, at(0)).state, Resolver::State::refused);
}

TEST_F(ResolverTest, EqualQuestionsInFlightAreAskedOnce) {
  const std::uint64_t ticket = ask("example.com");
  EXPECT_EQ(ask("EXAMPLE.com"), ticket);
  EXPECT_NE(ask("example.com", Type::aaaa), ticket);
  EXPECT_THAT(resolver_.take_queries(), SizeIs(2));
  EXPECT_EQ(resolver_.counters().coalesced, 1U);
}

TEST_F(ResolverTest, AKnownAnswerIsNotAskedForAgainUntilItIsTooOld) {
  ask("example.com");
  const UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("example.com", 30)}), 1);
  const auto hit = resolver_.ask({n("example.com"), Type::a}, at(11));
  ASSERT_EQ(hit.state, Resolver::State::answered);
  EXPECT_EQ(hit.age_s, 10U);
  ask("example.com", Type::a, 31);
  (void)sent();
}

TEST_F(ResolverTest, SilenceMovesOnToTheNextServerAndEndsInServfail) {
  ask("example.com");
  EXPECT_EQ(sent().server, kFirst);
  EXPECT_EQ(resolver_.next_deadline(), at(2));
  resolver_.expire(at(1.9));
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  resolver_.expire(at(2));
  EXPECT_EQ(sent().server, kSecond);
  resolver_.expire(at(4));
  EXPECT_EQ(sent().server, kFirst);
  EXPECT_EQ(outcome(), std::nullopt);
  resolver_.expire(at(6));
  EXPECT_EQ(outcome(), Rcode::serv_fail);
  EXPECT_THAT(resolver_.take_closed(), SizeIs(3));
  EXPECT_EQ(resolver_.counters().timeouts, 3U);
  EXPECT_EQ(resolver_.next_deadline(), kNever);
}

TEST_F(ResolverTest, ALateAnswerOfTheFirstServerIsStillHeard) {
  ask("example.com");
  const UpstreamQuery first = sent();
  resolver_.expire(at(2));
  const UpstreamQuery second = sent();
  answer(first, respond(first.bytes, Rcode::nx_domain, {soa_record("com", 60, 60)}), 2.5);
  EXPECT_EQ(outcome(), Rcode::nx_domain);
  EXPECT_THAT(resolver_.take_closed(), ElementsAre(first.handle, second.handle));
  answer(second, respond(second.bytes, Rcode::no_error, {a_record("example.com")}), 2.6);
  EXPECT_EQ(outcome(), std::nullopt);
}

TEST_F(ResolverTest, TheServerThatAnsweredIsAskedFirstNextTime) {
  ask("a.example");
  (void)sent();
  resolver_.expire(at(2));
  const UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("a.example")}), 2.1);
  ask("b.example", Type::a, 3);
  EXPECT_EQ(sent().server, kSecond);
}

TEST_F(ResolverTest, Rfc7766ATruncatedAnswerIsAskedForOverTcp) {
  ask("example.com", Type::txt);
  const UpstreamQuery udp = sent();
  answer(udp, respond(udp.bytes, Rcode::no_error, {}, Header::kTruncated));
  const UpstreamQuery tcp = sent();
  EXPECT_TRUE(tcp.tcp);
  EXPECT_EQ(tcp.server, kFirst);
  // A second copy of the truncated answer changes nothing.
  answer(udp, respond(udp.bytes, Rcode::no_error, {}, Header::kTruncated));
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  const testing::Rr text{Section::answer, "example.com", Type::txt, 60, Bytes(3000, 0x20)};
  answer(tcp, respond(tcp.bytes, Rcode::no_error, {text}));
  EXPECT_EQ(outcome(), Rcode::no_error);
}

TEST_F(ResolverTest, Rfc2308TheSoaOfANegativeAnswerDoesNotOutliveIt) {
  ask("nobody.example");
  const UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::nx_domain, {soa_record("example", 86'400, 90)}));
  const auto resolved = resolver_.take_resolved();
  ASSERT_THAT(resolved, SizeIs(1));
  RecordReader records = resolved.front().answer->records();
  EXPECT_EQ(records.next()->ttl_s, 90U);
  EXPECT_EQ(resolver_.ask({n("nobody.example"), Type::a}, at(89)).state, Resolver::State::answered);
  EXPECT_EQ(resolver_.ask({n("nobody.example"), Type::a}, at(90)).state, Resolver::State::pending);
}

TEST_F(ResolverTest, ANewListOfServersForgetsWhatTheOldOnesSaid) {
  ask("known.example");
  UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("known.example")}));
  ask("flying.example");
  query = sent();
  resolver_.set_upstreams({kSecond});
  ask("known.example");
  EXPECT_EQ(sent().server, kSecond);
  // What was in flight is delivered to those who wait, and not kept.
  (void)resolver_.take_resolved();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("flying.example")}));
  EXPECT_EQ(outcome(), Rcode::no_error);
  ask("flying.example");
}

TEST_F(ResolverTest, Rfc9520AFailureIsRememberedForASecondAndThenAskedAgain) {
  ask("example.com");
  for (const int second : {2, 4, 6}) resolver_.expire(at(second));
  EXPECT_EQ(outcome(), Rcode::serv_fail);
  (void)resolver_.take_queries();
  EXPECT_EQ(resolver_.ask({n("example.com"), Type::a}, at(6.9)).state, Resolver::State::answered);
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  ask("example.com", Type::a, 7);
}

TEST_F(ResolverTest, WithTheServersGoneAQuestionInFlightEndsInServfail) {
  ask("example.com");
  resolver_.set_upstreams({});
  resolver_.expire(at(2));
  EXPECT_EQ(outcome(), Rcode::serv_fail);
}

TEST_F(ResolverTest, EarlyCallsAreHarmless) {
  EXPECT_EQ(resolver_.next_deadline(), kNever);
  resolver_.expire(at(1000));
  resolver_.on_upstream(77, Bytes(12), at(1000));
  resolver_.on_upstream_error(77, at(1000));
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  EXPECT_THAT(resolver_.take_resolved(), IsEmpty());
}

class SmallResolverTest : public ResolverTest {
 protected:
  SmallResolverTest() : ResolverTest({.max_in_flight = 2}) {}
};

TEST_F(SmallResolverTest, OneQuestionTooManyInFlightIsRefusedAndCounted) {
  ask("a.example");
  ask("b.example");
  EXPECT_EQ(resolver_.ask({n("c.example"), Type::a}, at(0)).state, Resolver::State::refused);
  EXPECT_EQ(resolver_.counters().refused_full, 1U);
  ask("a.example");
  resolver_.expire(at(2));
  resolver_.expire(at(4));
  resolver_.expire(at(6));
  ask("c.example", Type::a, 6);
}

}  // namespace
}  // namespace vnet::dns
