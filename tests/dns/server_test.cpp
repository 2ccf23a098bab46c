#include "dns/server.hpp"

#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using testing::a_record;
using testing::at;
using testing::Bytes;
using ::testing::ElementsAre;
using testing::has_flag;
using ::testing::IsEmpty;
using testing::lines;
using testing::make_query;
using testing::n;
using testing::rcode_of;
using testing::respond;
using ::testing::SizeIs;
using testing::soa_record;

const Client kAlice{Ipv4Address{192, 168, 1, 101}, 40'000};
const Client kBob{Ipv4Address{192, 168, 1, 102}, 40'000};

class DnsServerTest : public ::testing::Test {
 protected:
  explicit DnsServerTest(ServerOptions options = {})
      : server_(std::move(options), [random = Random{7}]() mutable { return random.next(); }) {
    server_.set_upstreams({Endpoint{Ipv4Address{9, 9, 9, 9}}});
    EXPECT_TRUE(server_.local().put({.name = n("a.test"), .a = {Ipv4Address{1, 2, 3, 4}}}));
  }

  // The immediate answer; empty when there is none.
  Bytes handle(const Bytes& query, Transport transport = Transport::udp, const Client& client = kAlice,
               double now_s = 0) {
    Bytes out(kMaxMessageSize, 0xa5);
    const ByteView answer = server_.handle(query, client, transport, at(now_s), out);
    const std::size_t most = transport == Transport::udp ? kDefaultUdpPayload : kMaxMessageSize;
    for (std::size_t i = most; i < out.size(); ++i) EXPECT_EQ(out[i], 0xa5) << "written behind the limit";
    return {answer.begin(), answer.end()};
  }
  UpstreamQuery sent() {
    auto queries = server_.take_upstream_queries();
    EXPECT_THAT(queries, SizeIs(1));
    return queries.empty() ? UpstreamQuery{} : queries.front();
  }
  // Asks what the upstream server then answers with `records`; the one reply.
  Bytes forward(const Bytes& query, Rcode rcode, const std::vector<testing::Rr>& records,
                Transport transport = Transport::udp, std::uint16_t flags = 0) {
    EXPECT_THAT(handle(query, transport), IsEmpty());
    const UpstreamQuery upstream = sent();
    server_.on_upstream(upstream.handle, respond(upstream.bytes, rcode, records, flags), at(0));
    const auto replies = server_.take_replies();
    EXPECT_THAT(replies, SizeIs(1));
    return replies.empty() ? Bytes{} : replies.front().bytes;
  }

  Server server_;
};

TEST_F(DnsServerTest, LocalNamesAreAnsweredAtOnceWithAuthority) {
  const Bytes answer = handle(make_query("a.test", Type::a, {.id = 0xbeef}));
  const Header header = Header::parse(answer).value();
  EXPECT_EQ(header.id, 0xbeef);
  EXPECT_TRUE(header.has(Header::kResponse));
  EXPECT_TRUE(header.has(Header::kAuthoritative));
  EXPECT_TRUE(header.has(Header::kRecursionDesired));
  EXPECT_TRUE(header.has(Header::kRecursionAvailable));
  EXPECT_FALSE(header.has(Header::kTruncated));
  EXPECT_THAT(lines(answer), ElementsAre("answer a.test 1 60 1.2.3.4"));
  EXPECT_EQ(server_.counters().local, 1U);
  EXPECT_EQ(server_.counters().replies[0], 1U);
}

TEST_F(DnsServerTest, Rfc4343TheCaseOfTheQuestionComesBack) {
  const Bytes query = make_query("A.tEsT", Type::a);
  const Bytes answer = handle(query);
  EXPECT_EQ(Bytes(answer.begin() + kHeaderSize, answer.begin() + kHeaderSize + 12),
            Bytes(query.begin() + kHeaderSize, query.begin() + kHeaderSize + 12));
  EXPECT_THAT(lines(answer), ElementsAre("answer A.tEsT 1 60 1.2.3.4"));
}

TEST_F(DnsServerTest, ResponsesAndWhatIsShorterThanAHeaderAreDroppedInSilence) {
  EXPECT_THAT(handle(make_query("a.test", Type::a, {.flags = Header::kResponse})), IsEmpty());
  for (std::size_t size = 0; size < kHeaderSize; ++size) EXPECT_THAT(handle(Bytes(size)), IsEmpty());
  EXPECT_EQ(server_.counters().dropped, 1 + kHeaderSize);
  EXPECT_THAT(server_.take_upstream_queries(), IsEmpty());
}

TEST_F(DnsServerTest, OtherOpcodesAreNotImplemented) {
  for (std::uint16_t opcode = 1; opcode < 16; ++opcode) {
    const Bytes answer = handle(make_query("a.test", Type::a, {.flags = static_cast<std::uint16_t>(opcode << 11U)}));
    EXPECT_EQ(rcode_of(answer), Rcode::not_imp);
    EXPECT_EQ(Header::parse(answer)->opcode(), opcode);
    EXPECT_EQ(answer.size(), kHeaderSize);
  }
}

TEST_F(DnsServerTest, GarbageBehindAReadableHeaderIsAFormatError) {
  const Bytes good = make_query("a.test", Type::a);
  Bytes loop = good;
  loop[12] = 0xc0;
  loop[13] = 12;
  Bytes no_question = good;
  no_question[5] = 0;
  Bytes two_questions = good;
  two_questions[5] = 2;
  Bytes lying_count = good;
  lying_count[7] = 9;
  Bytes trailing = good;
  trailing.push_back(0);
  const Bytes cut(good.begin(), good.end() - 1);
  for (const Bytes& query : {loop, no_question, two_questions, lying_count, trailing, cut, Bytes(kHeaderSize, 0)}) {
    const Bytes answer = handle(query);
    ASSERT_EQ(answer.size(), kHeaderSize);
    EXPECT_EQ(rcode_of(answer), Rcode::form_err);
    EXPECT_TRUE(has_flag(answer, Header::kResponse));
  }
}

TEST_F(DnsServerTest, OtherClassesTransfersAndMetaTypesAreRefused) {
  EXPECT_EQ(rcode_of(handle(make_query("version.bind", Type::txt, {.klass = Class{3}}))), Rcode::refused);
  EXPECT_EQ(rcode_of(handle(make_query("a.test", Type::a, {.klass = Class::any}))), Rcode::refused);
  for (const Type type : {Type::axfr, Type::ixfr, Type::opt, Type::tkey, Type{250}, Type::maila, Type{0}}) {
    EXPECT_EQ(rcode_of(handle(make_query("vnet", type), Transport::tcp)), Rcode::refused);
  }
}

TEST_F(DnsServerTest, Rfc8482AnyIsAnsweredMinimallyAndNeverForwarded) {
  EXPECT_THAT(lines(handle(make_query("a.test", Type::any))), ElementsAre("answer a.test 13 60 9 bytes"));
  EXPECT_THAT(lines(handle(make_query("example.com", Type::any))), ElementsAre("answer example.com 13 60 9 bytes"));
  EXPECT_THAT(server_.take_upstream_queries(), IsEmpty());
}

TEST_F(DnsServerTest, Rfc6891OptIsAnsweredOnlyWhenSent) {
  EXPECT_FALSE(Message::parse(handle(make_query("a.test", Type::a)))->opt());
  const Bytes answer = handle(make_query("a.test", Type::a, {.opt = Opt{4096, 0, 0, true}}));
  const auto opt = Message::parse(answer)->opt();
  ASSERT_TRUE(opt);
  EXPECT_EQ(opt->udp_payload, kDefaultUdpPayload);
  EXPECT_TRUE(opt->dnssec_ok);
}

TEST_F(DnsServerTest, Rfc6891AnotherVersionIsBadvers) {
  const Bytes answer = handle(make_query("a.test", Type::a, {.opt = Opt{.version = 1}}));
  EXPECT_EQ(rcode_of(answer), Rcode::bad_vers);
  EXPECT_EQ(Message::parse(answer)->opt()->version, 0);
  EXPECT_THAT(lines(answer), IsEmpty());
}

TEST_F(DnsServerTest, Rfc1035UdpAnswersStayWithin512BytesOrTheOptSizeAndSayTc) {
  ASSERT_TRUE(server_.local().put({.name = n("big.test"), .txt = std::vector<std::string>(12, std::string(90, 'x'))}));
  const auto ask = [&](std::optional<Opt> opt, Transport transport = Transport::udp) {
    return handle(make_query("big.test", Type::txt, {.opt = opt}), transport);
  };
  const Bytes plain = ask(std::nullopt);
  EXPECT_LE(plain.size(), 512U);
  EXPECT_GT(plain.size(), 512U - 103U) << "what fits is sent";
  EXPECT_TRUE(has_flag(plain, Header::kTruncated));
  const Bytes small = ask(Opt{.udp_payload = 100});
  EXPECT_LE(small.size(), 512U);
  EXPECT_TRUE(has_flag(small, Header::kTruncated));
  EXPECT_TRUE(Message::parse(small)->opt());
  const Bytes middle = ask(Opt{.udp_payload = 800});
  EXPECT_LE(middle.size(), 800U);
  EXPECT_GT(middle.size(), 512U);
  EXPECT_TRUE(has_flag(middle, Header::kTruncated));
  const Bytes capped = ask(Opt{.udp_payload = 65'535});
  EXPECT_LE(capped.size(), kDefaultUdpPayload);
  EXPECT_TRUE(has_flag(capped, Header::kTruncated));
  const Bytes whole = ask(std::nullopt, Transport::tcp);
  EXPECT_GT(whole.size(), kDefaultUdpPayload);
  EXPECT_FALSE(has_flag(whole, Header::kTruncated));
  EXPECT_THAT(lines(whole), SizeIs(12));
  EXPECT_EQ(server_.counters().truncated, 4U);
}

TEST_F(DnsServerTest, Rfc2181AdditionalRecordsThatDoNotFitAreNotTruncation) {
  std::vector<testing::Rr> records{a_record("example.com")};
  for (unsigned i = 0; i < 30; ++i) {
    records.push_back({Section::additional, "h" + std::to_string(i) + ".example.com", Type::aaaa, 60, Bytes(16)});
  }
  const Bytes answer = forward(make_query("example.com", Type::a), Rcode::no_error, records);
  EXPECT_LE(answer.size(), 512U);
  EXPECT_FALSE(has_flag(answer, Header::kTruncated));
  EXPECT_EQ(Message::parse(answer)->header().counts[0], 1);
}

TEST_F(DnsServerTest, TcpAnswersEndAt65535Bytes) {
  std::vector<testing::Rr> records;
  for (unsigned i = 0; i < 14; ++i) {
    records.push_back({Section::answer, "example.com", Type::txt, 60, Bytes(4500, static_cast<std::uint8_t>(i))});
  }
  const Bytes whole = forward(make_query("example.com", Type::txt), Rcode::no_error, records, Transport::tcp);
  EXPECT_GT(whole.size(), 60'000U);
  EXPECT_THAT(lines(whole), SizeIs(14));

  ASSERT_TRUE(
      server_.local().put({.name = n("huge.test"), .txt = std::vector<std::string>(200, std::string(400, 'x'))}));
  const Bytes cut = handle(make_query("huge.test", Type::txt), Transport::tcp);
  EXPECT_LE(cut.size(), kMaxMessageSize);
  EXPECT_GT(cut.size(), 65'000U);
  EXPECT_TRUE(has_flag(cut, Header::kTruncated));
}

TEST_F(DnsServerTest, ErrorsOfTheUpstreamServerArePassedOnFaithfully) {
  const Bytes nxdomain =
      forward(make_query("nobody.example", Type::a), Rcode::nx_domain, {soa_record("example", 60, 60)});
  EXPECT_EQ(rcode_of(nxdomain), Rcode::nx_domain);
  EXPECT_THAT(lines(nxdomain), ElementsAre("authority example 6 60 example"));
  const Bytes no_data = forward(make_query("v4.example", Type::aaaa), Rcode::no_error, {soa_record("example", 60, 60)});
  EXPECT_EQ(rcode_of(no_data), Rcode::no_error);
  EXPECT_THAT(lines(no_data), ElementsAre("authority example 6 60 example"));
  EXPECT_EQ(rcode_of(forward(make_query("f.example", Type::a), Rcode::serv_fail, {})), Rcode::serv_fail);
  EXPECT_EQ(rcode_of(forward(make_query("r.example", Type::a), Rcode::refused, {})), Rcode::refused);
}

TEST_F(DnsServerTest, Rfc3597RecordsOfUnknownTypesPassUntouched) {
  const Bytes data{0xc0, 0x0c, 0, 0xff, 3, 'a', 'b', 'c'};
  const Bytes answer = forward(make_query("x.example", Type{65'280}), Rcode::no_error,
                               {{Section::answer, "x.example", Type{65'280}, 60, data}});
  RecordReader records = Message::parse(answer)->records();
  const auto record = records.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->type, Type{65'280});
  EXPECT_EQ(Bytes(record->rdata.begin(), record->rdata.end()), data);
}

TEST_F(DnsServerTest, WithoutUpstreamServersTheRestIsServfail) {
  server_.set_upstreams({});
  EXPECT_EQ(rcode_of(handle(make_query("example.com", Type::a))), Rcode::serv_fail);
  EXPECT_EQ(rcode_of(handle(make_query("a.test", Type::a))), Rcode::no_error);
}

TEST_F(DnsServerTest, SilenceOfTheUpstreamServerIsServfail) {
  EXPECT_THAT(handle(make_query("example.com", Type::a)), IsEmpty());
  for (const int second : {2, 4, 6}) {
    EXPECT_EQ(server_.next_deadline(), at(second));
    EXPECT_THAT(server_.take_replies(), IsEmpty());
    server_.expire(at(second));
  }
  const auto replies = server_.take_replies();
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(rcode_of(replies.front().bytes), Rcode::serv_fail);
  EXPECT_EQ(server_.waiting(), 0U);
}

TEST_F(DnsServerTest, EveryClientOfOneQuestionGetsItsOwnIdCaseAndLimit) {
  EXPECT_THAT(handle(make_query("example.com", Type::txt, {.id = 1})), IsEmpty());
  EXPECT_THAT(handle(make_query("EXAMPLE.com", Type::txt, {.id = 2}), Transport::tcp, kBob), IsEmpty());
  const UpstreamQuery query = sent();
  const testing::Rr text{Section::answer, "example.com", Type::txt, 60, Bytes(700, 0x20)};
  server_.on_upstream(query.handle, respond(query.bytes, Rcode::no_error, {text}), at(0));
  const auto replies = server_.take_replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].client, kAlice);
  EXPECT_EQ(replies[0].transport, Transport::udp);
  EXPECT_EQ(Header::parse(replies[0].bytes)->id, 1);
  EXPECT_TRUE(has_flag(replies[0].bytes, Header::kTruncated));
  EXPECT_EQ(replies[1].client, kBob);
  EXPECT_EQ(replies[1].transport, Transport::tcp);
  EXPECT_EQ(Header::parse(replies[1].bytes)->id, 2);
  EXPECT_THAT(lines(replies[1].bytes), ElementsAre("answer EXAMPLE.com 16 60 700 bytes"));
}

TEST_F(DnsServerTest, AClientThatRepeatsItselfIsAnsweredOnce) {
  const Bytes query = make_query("example.com", Type::a);
  EXPECT_THAT(handle(query), IsEmpty());
  EXPECT_THAT(handle(query), IsEmpty());
  EXPECT_EQ(server_.waiting(), 1U);
  EXPECT_EQ(server_.counters().repeated, 1U);
}

TEST_F(DnsServerTest, TtlsCountDownInAnswersFromTheCache) {
  (void)forward(make_query("example.com", Type::a), Rcode::no_error,
                {a_record("example.com", 100), a_record("example.com", 50, 2)});
  EXPECT_THAT(lines(handle(make_query("example.com", Type::a), Transport::udp, kBob, 49.5)),
              ElementsAre("answer example.com 1 51 192.0.2.1", "answer example.com 1 1 192.0.2.2"));
  EXPECT_EQ(server_.resolver().counters().cache_hits, 1U);
  EXPECT_FALSE(
      has_flag(handle(make_query("example.com", Type::a), Transport::udp, kBob, 49.5), Header::kAuthoritative));
}

TEST_F(DnsServerTest, ALocalAliasThatLeadsOutIsFollowedUpstream) {
  ASSERT_TRUE(server_.local().put({.name = n("www.vnet"), .cname = n("example.com")}));
  const Bytes answer = forward(make_query("www.vnet", Type::a), Rcode::no_error, {a_record("example.com")});
  EXPECT_EQ(Message::parse(answer)->question().name, n("www.vnet"));
  EXPECT_THAT(lines(answer), ElementsAre("answer www.vnet 5 60 example.com", "answer example.com 1 300 192.0.2.1"));
  EXPECT_THAT(lines(handle(make_query("www.vnet", Type::a))), SizeIs(2));
  const Bytes lost = forward(make_query("www.vnet", Type::aaaa), Rcode::serv_fail, {});
  EXPECT_EQ(rcode_of(lost), Rcode::serv_fail);
  EXPECT_THAT(lines(lost), IsEmpty());
}

TEST_F(DnsServerTest, Rfc6303PrivateReverseNamesNeverLeave) {
  EXPECT_EQ(rcode_of(handle(make_query("77.1.168.192.in-addr.arpa", Type::ptr))), Rcode::nx_domain);
  EXPECT_EQ(rcode_of(handle(make_query("printer.local", Type::a))), Rcode::nx_domain);
  EXPECT_THAT(server_.take_upstream_queries(), IsEmpty());
}

TEST_F(DnsServerTest, Rfc6840AdIsPassedOnToThoseWhoUnderstandItAndNeverForLocalData) {
  const Bytes plain = forward(make_query("a.example", Type::a), Rcode::no_error, {a_record("a.example")},
                              Transport::udp, Header::kAuthenticData);
  EXPECT_FALSE(has_flag(plain, Header::kAuthenticData));
  const std::uint16_t ad = Header::kRecursionDesired | Header::kAuthenticData;
  EXPECT_TRUE(has_flag(handle(make_query("a.example", Type::a, {.flags = ad})), Header::kAuthenticData));
  EXPECT_FALSE(has_flag(handle(make_query("a.test", Type::a, {.flags = ad})), Header::kAuthenticData));
  const Bytes signed_answer = forward(make_query("b.example", Type::a, {.opt = Opt{.dnssec_ok = true}}),
                                      Rcode::no_error, {a_record("b.example")}, Transport::udp, Header::kAuthenticData);
  EXPECT_TRUE(has_flag(signed_answer, Header::kAuthenticData));
}

TEST_F(DnsServerTest, Rfc6840CdComesBackAndKeepsItsOwnAnswers) {
  const std::uint16_t cd = Header::kRecursionDesired | Header::kCheckingDisabled;
  const Bytes unchecked =
      forward(make_query("a.example", Type::a, {.flags = cd}), Rcode::no_error, {a_record("a.example")});
  EXPECT_TRUE(has_flag(unchecked, Header::kCheckingDisabled));
  const Bytes checked = forward(make_query("a.example", Type::a), Rcode::serv_fail, {});
  EXPECT_EQ(rcode_of(checked), Rcode::serv_fail);
}

TEST_F(DnsServerTest, AnExtendedRcodeThatAClientCannotReadBecomesServfail) {
  EXPECT_THAT(handle(make_query("a.example", Type::a)), IsEmpty());
  const UpstreamQuery query = sent();
  Bytes answer = respond(query.bytes, Rcode::no_error, {});
  answer[answer.size() - 6] = 1;  // the OPT's upper rcode bits: 16
  server_.on_upstream(query.handle, answer, at(0));
  const auto replies = server_.take_replies();
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(rcode_of(replies.front().bytes), Rcode::serv_fail);
}

TEST_F(DnsServerTest, WritesNoMoreThanTheRoomThatItIsLent) {
  ASSERT_TRUE(server_.local().put({.name = n("big.test"), .txt = std::vector<std::string>(12, std::string(90, 'x'))}));
  Bytes out(600, 0xa5);
  const ByteView answer =
      server_.handle(make_query("big.test", Type::txt, {.opt = Opt{}}), kAlice, Transport::tcp, at(0), out);
  EXPECT_LE(answer.size(), out.size());
  EXPECT_TRUE(has_flag(answer, Header::kTruncated));
}

class CrowdedServerTest : public DnsServerTest {
 protected:
  CrowdedServerTest() : DnsServerTest({.max_waiting = 3}) {}
};

TEST_F(CrowdedServerTest, OneClientTooManyGetsServfailAtOnce) {
  for (std::uint16_t id = 0; id < 3; ++id) {
    EXPECT_THAT(handle(make_query("a.example", Type::a, {.id = id})), IsEmpty());
  }
  EXPECT_EQ(rcode_of(handle(make_query("b.example", Type::a))), Rcode::serv_fail);
  EXPECT_EQ(server_.counters().refused_full, 1U);
  EXPECT_EQ(server_.waiting(), 3U);
}

TEST_F(DnsServerTest, TooManyClientsOfOneQuestionGetServfailAtOnce) {
  for (std::uint16_t id = 0; id < Server::kMaxWaitingPerQuestion; ++id) {
    EXPECT_THAT(handle(make_query("a.example", Type::a, {.id = id})), IsEmpty());
  }
  EXPECT_EQ(rcode_of(handle(make_query("a.example", Type::a, {.id = 999}))), Rcode::serv_fail);
}

class DnsServerWithoutRecursion : public DnsServerTest {
 protected:
  DnsServerWithoutRecursion() : DnsServerTest({.recursion = false}) {}
};

TEST_F(DnsServerWithoutRecursion, LocalNamesAreAnsweredAndOthersRefused) {
  const Bytes local = handle(make_query("a.test", Type::a));
  EXPECT_THAT(lines(local), ElementsAre("answer a.test 1 60 1.2.3.4"));
  EXPECT_TRUE(has_flag(local, Header::kAuthoritative));
  EXPECT_FALSE(has_flag(local, Header::kRecursionAvailable));
  for (const Type type : {Type::a, Type::any}) {
    const Bytes other = handle(make_query("b.test", type));
    EXPECT_EQ(rcode_of(other), Rcode::refused);
    EXPECT_FALSE(has_flag(other, Header::kAuthoritative));
    EXPECT_FALSE(has_flag(other, Header::kRecursionAvailable));
  }
  EXPECT_THAT(server_.take_upstream_queries(), IsEmpty());
}

TEST_F(DnsServerWithoutRecursion, AnAliasThatLeavesIsLeftToTheClient) {
  EXPECT_TRUE(server_.local().put({.name = n("alias.test"), .cname = n("example.org")}));
  const Bytes answer = handle(make_query("alias.test", Type::a));
  EXPECT_EQ(rcode_of(answer), Rcode::no_error);
  EXPECT_THAT(lines(answer), ElementsAre("answer alias.test 5 60 example.org"));
  EXPECT_THAT(server_.take_upstream_queries(), IsEmpty());
}

}  // namespace
}  // namespace vnet::dns
