#include "dns/resolver.hpp"

#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using testing::a_record;
using testing::at;
using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::n;
using testing::respond;
using ::testing::SizeIs;
using testing::soa_record;

const Endpoint kFirst{Ipv4Address{9, 9, 9, 1}};
const Endpoint kSecond{Ipv4Address{9, 9, 9, 2}, 5353};

// A resolver with two upstream servers and a clock that the test turns.
class ResolverTest : public ::testing::Test {
 protected:
  explicit ResolverTest(ResolverOptions options = {})
      : resolver_(options, [random = Random{7}]() mutable { return random.next(); }) {
    resolver_.set_upstreams({kFirst, kSecond});
  }

  std::uint64_t ask(std::string_view name, Type type = Type::a, double now_s = 0) {
    const auto lookup = resolver_.ask({n(name), type}, at(now_s));
    EXPECT_EQ(lookup.state, Resolver::State::pending);
    return lookup.ticket;
  }
  // The one query that is waiting to be sent.
  UpstreamQuery sent() {
    auto queries = resolver_.take_queries();
    EXPECT_THAT(queries, SizeIs(1));
    return queries.empty() ? UpstreamQuery{} : queries.front();
  }
  void answer(const UpstreamQuery& query, const Bytes& bytes, double now_s = 0) {
    resolver_.on_upstream(query.handle, bytes, at(now_s));
  }
  // The rcode that the one question ended with; nothing when none did.
  std::optional<Rcode> outcome() {
    const auto resolved = resolver_.take_resolved();
    if (resolved.empty()) return std::nullopt;
    EXPECT_THAT(resolved, SizeIs(1));
    return resolved.front().answer->rcode;
  }

  Resolver resolver_;
};

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

TEST(Rfc5452, IdsAreTakenFromTheRandomSource) {
  std::uint64_t value = 0xabcd;
  Resolver resolver{{}, [&value] { return value; }};
  resolver.set_upstreams({kFirst});
  (void)resolver.ask({n("example.com"), Type::a}, at(0));
  EXPECT_EQ(Header::parse(resolver.take_queries().front().bytes)->id, 0xabcd);
}

TEST_F(ResolverTest, Rfc5452WrongIdWrongQuestionAndNonResponsesAreIgnoredAndTheRealAnswerStillCounts) {
  ask("example.com");
  const UpstreamQuery query = sent();
  const Bytes real = respond(query.bytes, Rcode::no_error, {a_record("example.com")});
  std::vector<Bytes> forged(7, real);
  forged[0][0] ^= 1U;                 // id
  forged[1][13] ^= 1U;                // question name
  forged[2][kHeaderSize + 14] ^= 1U;  // question type
  forged[3][kHeaderSize + 16] ^= 2U;  // question class
  forged[4][2] &= 0x7fU;              // QR
  forged[5][2] |= 0x08U;              // opcode
  forged[6] = Bytes(real.begin(), real.begin() + 11);
  for (const Bytes& bytes : forged) answer(query, bytes);
  EXPECT_EQ(resolver_.counters().mismatched, forged.size());
  resolver_.on_upstream(query.handle + 1, real, at(0));
  resolver_.on_upstream(query.handle + 1000, real, at(0));
  EXPECT_EQ(outcome(), std::nullopt);
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  answer(query, real);
  EXPECT_EQ(outcome(), Rcode::no_error);
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

TEST_F(ResolverTest, ASocketErrorMovesOnAtOnce) {
  ask("example.com");
  const UpstreamQuery first = sent();
  resolver_.on_upstream_error(first.handle, at(0.1));
  const UpstreamQuery second = sent();
  EXPECT_EQ(second.server, kSecond);
  // A second report about the first socket is about a try that is over.
  resolver_.on_upstream_error(first.handle, at(0.1));
  EXPECT_THAT(resolver_.take_queries(), IsEmpty());
  resolver_.on_upstream_error(second.handle, at(0.2));
  resolver_.on_upstream_error(sent().handle, at(0.3));
  EXPECT_EQ(outcome(), Rcode::serv_fail);
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

TEST_F(ResolverTest, ATcpServerThatAnswersWronglyOrClosesIsLeftForTheNext) {
  ask("example.com");
  const UpstreamQuery udp = sent();
  answer(udp, respond(udp.bytes, Rcode::no_error, {}, Header::kTruncated));
  const UpstreamQuery tcp = sent();
  answer(tcp, Bytes{1, 2, 3});
  const UpstreamQuery second = sent();
  EXPECT_EQ(second.server, kSecond);
  EXPECT_FALSE(second.tcp);
}

TEST_F(ResolverTest, ErrorsOfAllServersBecomeTheFirstOnesAnswer) {
  ask("example.com");
  UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::refused, {}));
  EXPECT_EQ(outcome(), std::nullopt);
  query = sent();
  EXPECT_EQ(query.server, kSecond);
  answer(query, respond(query.bytes, Rcode::serv_fail, {}));
  EXPECT_EQ(outcome(), Rcode::refused);
}

TEST_F(ResolverTest, AnErrorOfOneServerGivesWayToTheAnswerOfAnother) {
  ask("example.com");
  UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::serv_fail, {}));
  query = sent();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("example.com")}));
  EXPECT_EQ(outcome(), Rcode::no_error);
}

TEST_F(ResolverTest, AnErrorThenSilenceIsThatError) {
  ask("example.com");
  const UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::refused, {}));
  resolver_.expire(at(2));
  resolver_.expire(at(4));
  EXPECT_EQ(outcome(), Rcode::refused);
}

TEST_F(ResolverTest, Rfc6891AServerThatDoesNotKnowEdnsIsAskedWithoutIt) {
  for (const bool with_question : {true, false}) {
    const std::string name = with_question ? "a.example" : "b.example";
    ask(name);
    const UpstreamQuery query = sent();
    Bytes form_err = respond(testing::make_query(name, Type::a), Rcode::form_err, {});
    form_err[0] = query.bytes[0];
    form_err[1] = query.bytes[1];
    if (!with_question) {
      form_err.resize(kHeaderSize);
      form_err[5] = 0;
    }
    answer(query, form_err);
    const UpstreamQuery plain = sent();
    EXPECT_EQ(plain.server, query.server);
    EXPECT_FALSE(Message::parse(plain.bytes)->opt());
    answer(plain, respond(plain.bytes, Rcode::no_error, {a_record(name)}));
    EXPECT_EQ(outcome(), Rcode::no_error);
  }
}

TEST_F(ResolverTest, AMalformedAnswerToTheQuestionMovesOn) {
  ask("example.com");
  const UpstreamQuery query = sent();
  Bytes bytes = respond(query.bytes, Rcode::no_error, {a_record("example.com")});
  bytes[7] = 200;  // two hundred answers are announced
  answer(query, bytes);
  EXPECT_EQ(resolver_.counters().malformed, 1U);
  EXPECT_EQ(sent().server, kSecond);
}

TEST_F(ResolverTest, AnAnswerWhosePointersUnfoldWithoutBoundIsRefused) {
  ask("example.com");
  const UpstreamQuery query = sent();
  // One name of 250 octets, and then five thousand records that point at it.
  Bytes bytes = respond(query.bytes, Rcode::no_error, {});
  bytes.resize(bytes.size() - Opt::kSize);
  bytes[11] = 0;
  const std::string label(60, 'x');
  const Bytes owner = testing::name_data(label + '.' + label + '.' + label + '.' + label);
  const std::size_t owner_at = bytes.size();
  bytes.insert(bytes.end(), owner.begin(), owner.end());
  const Bytes fixed{0xff, 0xf0, 0, 1, 0, 0, 0, 60, 0, 0};
  bytes.insert(bytes.end(), fixed.begin(), fixed.end());
  constexpr std::uint16_t kRecords = 5000;
  for (unsigned i = 1; i < kRecords; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(0xc0U | owner_at >> 8U));
    bytes.push_back(static_cast<std::uint8_t>(owner_at & 0xffU));
    bytes.insert(bytes.end(), fixed.begin(), fixed.end());
  }
  store_be(bytes.data() + 6, kRecords);
  ASSERT_LE(bytes.size(), kMaxMessageSize);
  ASSERT_TRUE(Message::parse(bytes));
  answer(query, bytes);
  EXPECT_EQ(resolver_.counters().malformed, 1U);
  EXPECT_EQ(outcome(), std::nullopt);
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

class CaseResolverTest : public ResolverTest {
 protected:
  CaseResolverTest() : ResolverTest({.randomize_case = true}) {}
};

TEST_F(CaseResolverTest, Dns0x20TheCaseMustComeBackOrTcpDecides) {
  ask("a-long-enough-name.example.com");
  const UpstreamQuery udp = sent();
  const Name asked = Message::parse(udp.bytes)->question().name;
  EXPECT_EQ(asked, n("a-long-enough-name.example.com"));
  EXPECT_FALSE(asked.same_case(n("a-long-enough-name.example.com")));
  Bytes lowered = respond(udp.bytes, Rcode::no_error, {a_record("a-long-enough-name.example.com")});
  for (std::size_t i = kHeaderSize; i < kHeaderSize + asked.size(); ++i) {
    if (lowered[i] >= 'A' && lowered[i] <= 'Z') lowered[i] |= 0x20U;
  }
  answer(udp, lowered);
  EXPECT_EQ(outcome(), std::nullopt);
  const UpstreamQuery tcp = sent();
  EXPECT_TRUE(tcp.tcp);
  lowered[0] = tcp.bytes[0];
  lowered[1] = tcp.bytes[1];
  answer(tcp, lowered);
  EXPECT_EQ(outcome(), Rcode::no_error);
}

TEST_F(CaseResolverTest, Dns0x20AnAnswerInTheSameCaseIsBelieved) {
  ask("example.com");
  const UpstreamQuery query = sent();
  answer(query, respond(query.bytes, Rcode::no_error, {a_record("example.com")}));
  EXPECT_EQ(outcome(), Rcode::no_error);
}

}  // namespace
}  // namespace vnet::dns
