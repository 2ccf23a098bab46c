// What the resolver believes, and what it does with servers that err, lie, break off or know less than we do.
#include "tests/dns/resolver_fixture.hpp"

namespace vnet::dns {
namespace {

using testing::a_record;
using testing::at;
using testing::Bytes;
using ::testing::IsEmpty;
using testing::kFirst;
using testing::kSecond;
using testing::n;
using testing::ResolverTest;
using testing::respond;

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
