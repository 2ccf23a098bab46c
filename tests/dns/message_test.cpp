#include "dns/message.hpp"

#include "dns/message_writer.hpp"
#include "dns/rdata.hpp"
#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using testing::a_data;
using testing::Bytes;
using ::testing::ElementsAre;
using testing::lines;
using testing::n;

// dig +noedns mail.example.com mx: one MX with a compressed exchange, its address beside it.
const Bytes kMxResponse{0x0a, 0x0b, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1,  // header
                        4, 'm', 'a', 'i', 'l', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0, 0, 15, 0,
                        1,                                                                            // question
                        0xc0, 12, 0, 15, 0, 1, 0, 0, 0x0e, 0x10, 0, 7, 0, 10, 2, 'm', 'x', 0xc0, 17,  // MX 10
                                                                                                      // mx.example.com
                        0xc0, 48, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 25};                      // mx.example.com
                                                                                                      // A

TEST(Rfc1035, ReadsAResponseWithCompressedData) {
  const auto message = Message::parse(kMxResponse);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().id, 0x0a0b);
  EXPECT_TRUE(message->header().has(Header::kResponse | Header::kRecursionAvailable));
  EXPECT_EQ(message->question().name, n("mail.example.com"));
  EXPECT_EQ(message->question().type, Type::mx);
  EXPECT_EQ(message->rcode(), Rcode::no_error);
  EXPECT_FALSE(message->opt());
  EXPECT_EQ(message->trailing(), 0U);
  EXPECT_THAT(lines(kMxResponse),
              ElementsAre("answer mail.example.com 15 3600 7 bytes", "additional mx.example.com 1 60 192.0.2.25"));
}

TEST(Rfc1035, WritesTheSameResponseByteForByte) {
  Bytes out(512, 0xa5);
  MessageWriter writer{out, out.size()};
  ASSERT_TRUE(writer.add_question({n("mail.example.com"), Type::mx}));
  Bytes mx{0, 10};
  const Bytes exchange = testing::name_data("mx.example.com");
  mx.insert(mx.end(), exchange.begin(), exchange.end());
  ASSERT_TRUE(writer.add_record(Section::answer, n("mail.example.com"), Type::mx, Class::in, 3600, mx));
  const Bytes address{192, 0, 2, 25};
  ASSERT_TRUE(writer.add_record(Section::additional, n("mx.example.com"), Type::a, Class::in, 60, address));
  const ByteView written = writer.finish({.id = 0x0a0b, .flags = 0x8180}, std::nullopt);
  EXPECT_EQ(Bytes(written.begin(), written.end()), kMxResponse);
  EXPECT_EQ(out[kMxResponse.size()], 0xa5);
}

TEST(Rfc1035, EveryPrefixOfAMessageIsTruncatedAndNoneIsReadBeyond) {
  for (std::size_t size = 0; size < kMxResponse.size(); ++size) {
    const Bytes prefix(kMxResponse.begin(), kMxResponse.begin() + static_cast<std::ptrdiff_t>(size));
    const auto message = Message::parse(prefix);
    ASSERT_FALSE(message) << size;
    EXPECT_EQ(message.error(), ParseError::truncated) << size;
  }
}

TEST(Rfc1035, CountsThatPromiseMoreThanThereIsAreRefused) {
  for (const std::size_t count_at : {7U, 9U, 11U}) {
    Bytes bytes = kMxResponse;
    bytes[count_at] = static_cast<std::uint8_t>(bytes[count_at] + 1U);
    EXPECT_EQ(Message::parse(bytes).error(), ParseError::truncated) << count_at;
  }
}

TEST(Rfc9619, OtherThanOneQuestionIsRefused) {
  Bytes bytes = testing::make_query("a.test", Type::a);
  bytes[5] = 0;
  EXPECT_EQ(Message::parse(bytes).error(), ParseError::bad_field);
  bytes[5] = 2;
  EXPECT_EQ(Message::parse(bytes).error(), ParseError::bad_field);
}

TEST(Rfc2181, ATtlWithTheTopBitSetReadsAsZero) {
  Bytes bytes = kMxResponse;
  bytes[kMxResponse.size() - 10] = 0x80;
  EXPECT_THAT(lines(bytes), ::testing::Contains("additional mx.example.com 1 0 192.0.2.25"));
}

TEST(Rfc6891, ReadsTheOptRecord) {
  const Bytes bytes = testing::make_query("a.test", Type::a, {.opt = Opt{4096, 0, 0, true}});
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  ASSERT_TRUE(message->opt());
  EXPECT_EQ(message->opt()->udp_payload, 4096);
  EXPECT_EQ(message->opt()->version, 0);
  EXPECT_TRUE(message->opt()->dnssec_ok);
  const Bytes opt(bytes.end() - Opt::kSize, bytes.end());
  EXPECT_EQ(opt, (Bytes{0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0}));
}

TEST(Rfc6891, TheUpperBitsOfTheRcodeAreInTheOptRecord) {
  Bytes out(512);
  MessageWriter writer{out, out.size()};
  ASSERT_TRUE(writer.add_question({n("a.test"), Type::a}));
  const auto message = Message::parse(writer.finish({.flags = 0x8000}, Opt{.extended_rcode = 1}));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->rcode(), Rcode::bad_vers);
}

TEST(Rfc6891, RefusesTwoOptsAnOptWithANameAndAnOptInTheAnswer) {
  const auto with = [](Section section, std::string_view name, unsigned copies) {
    Bytes out(512);
    MessageWriter writer{out, out.size()};
    EXPECT_TRUE(writer.add_question({n("a.test"), Type::a}));
    for (unsigned i = 0; i < copies; ++i) {
      EXPECT_TRUE(writer.add_record(section, n(name), Type::opt, Class{1232}, 0, {}));
    }
    out.resize(writer.finish({}, std::nullopt).size());
    return Message::parse(out).has_value();
  };
  EXPECT_TRUE(with(Section::additional, ".", 1));
  EXPECT_FALSE(with(Section::additional, ".", 2));
  EXPECT_FALSE(with(Section::additional, "a.test", 1));
  EXPECT_FALSE(with(Section::answer, ".", 1));
}

TEST(MessageWriter, TakesBackARecordThatDoesNotFitAndKeepsRoomForOpt) {
  Bytes out(512, 0xa5);
  constexpr std::size_t kLimit = 70;
  MessageWriter writer{out, kLimit, Opt::kSize};
  ASSERT_TRUE(writer.add_question({n("a.test"), Type::a}));                                         // 24
  ASSERT_TRUE(writer.add_record(Section::answer, n("a.test"), Type::a, Class::in, 1, a_data(1)));   // 40
  ASSERT_TRUE(writer.add_record(Section::answer, n("a.test"), Type::a, Class::in, 1, a_data(2)));   // 56
  EXPECT_FALSE(writer.add_record(Section::answer, n("b.test"), Type::a, Class::in, 1, a_data(3)));  // 74
  const ByteView written = writer.finish({}, Opt{});
  EXPECT_EQ(written.size(), 67U);
  EXPECT_THAT(lines(written), ElementsAre("answer a.test 1 1 192.0.2.1", "answer a.test 1 1 192.0.2.2"));
  EXPECT_TRUE(Message::parse(written)->opt());
  for (std::size_t i = kLimit; i < out.size(); ++i) ASSERT_EQ(out[i], 0xa5);
}

TEST(MessageWriter, ForgetsTheNamesOfARecordThatItTookBack) {
  Bytes out(512, 0xa5);
  MessageWriter writer{out, 58};
  ASSERT_TRUE(writer.add_question({n("a.test"), Type::a}));
  EXPECT_FALSE(writer.add_record(Section::answer, n("x.other"), Type::a, Class::in, 1, Bytes(40)));
  ASSERT_TRUE(writer.add_record(Section::answer, n("y.x.other"), Type::a, Class::in, 1, a_data(1)));
  EXPECT_THAT(lines(writer.finish({}, std::nullopt)), ElementsAre("answer y.x.other 1 1 192.0.2.1"));
}

TEST(MessageWriter, SharesSuffixesOfTheSameCaseOnly) {
  Bytes out(512, 0xa5);
  MessageWriter writer{out, out.size()};
  ASSERT_TRUE(writer.add_question({n("www.Example.test"), Type::a}));
  ASSERT_TRUE(writer.add_record(Section::answer, n("www.example.test"), Type::cname, Class::in, 1,
                                testing::name_data("b.example.test")));
  ASSERT_TRUE(writer.add_record(Section::answer, n("b.example.test"), Type::a, Class::in, 1, a_data(1)));
  // The owner that was asked for comes in the case of the question, every other name in its own.
  EXPECT_THAT(lines(writer.finish({}, std::nullopt)),
              ElementsAre("answer www.Example.test 5 1 b.example.test", "answer b.example.test 1 1 192.0.2.1"));
}

TEST(MessageWriter, ANameOfManyEqualLabelsIsReadBackAsItWas) {
  std::string text;
  for (unsigned i = 0; i < 126; ++i) text += "a.";
  Bytes out(kMaxMessageSize, 0xa5);
  MessageWriter writer{out, out.size()};
  ASSERT_TRUE(writer.add_question({n(text), Type::a}));
  ASSERT_TRUE(writer.add_record(Section::answer, n("a.a"), Type::ns, Class::in, 1, testing::name_data(text)));
  const ByteView written = writer.finish({}, std::nullopt);
  EXPECT_EQ(Message::parse(written)->question().name, n(text));
  EXPECT_THAT(lines(written), ElementsAre("answer a.a 2 1 " + n(text).to_string()));
}

TEST(MessageWriter, ManyNamesStayReadableBeyondTheReachOfPointers) {
  Bytes out(kMaxMessageSize, 0xa5);
  MessageWriter writer{out, out.size()};
  ASSERT_TRUE(writer.add_question({n("test"), Type::ns}));
  std::vector<std::string> expected;
  for (unsigned i = 0; i < 900; ++i) {
    const std::string name = "host-" + std::to_string(i) + ".zone-" + std::to_string(i % 90) + ".test";
    ASSERT_TRUE(writer.add_record(Section::answer, n(name), Type::a, Class::in, i, a_data(7)));
    expected.push_back("answer " + name + " 1 " + std::to_string(i) + " 192.0.2.7");
  }
  const ByteView written = writer.finish({}, std::nullopt);
  EXPECT_GT(written.size(), 0x4000U);
  EXPECT_EQ(lines(written), expected);
}

TEST(Rfc3597, NamesInDataAreWrittenInFullWhenTheyLeaveTheMessage) {
  const Message message = Message::parse(kMxResponse).value();
  RecordReader records = message.records();
  const RecordView mx = *records.next();
  Bytes out;
  ASSERT_TRUE(expand_rdata(Type::mx, kMxResponse, mx.rdata_offset, mx.rdata.size(), out));
  EXPECT_EQ(out, (Bytes{0, 10, 2, 'm', 'x', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0}));
}

TEST(Rfc3597, UnknownTypesPassOctetForOctet) {
  const Bytes bytes{0xc0, 0x0c, 0xff, 0x41};
  Bytes out;
  ASSERT_TRUE(expand_rdata(Type{65280}, bytes, 0, bytes.size(), out));
  EXPECT_EQ(out, bytes);
}

TEST(Rfc3597, NaptrKeepsItsStringsAndUnfoldsItsName) {
  Bytes bytes(kHeaderSize, 0);
  const Bytes target{4, 't', 'e', 's', 't', 0};
  bytes.insert(bytes.end(), target.begin(), target.end());
  const Bytes naptr{0, 1, 0, 2, 1, 's', 3, 'S', 'I', 'P', 0, 0xc0, 12};
  bytes.insert(bytes.end(), naptr.begin(), naptr.end());
  Bytes out;
  ASSERT_TRUE(expand_rdata(Type::naptr, bytes, 18, naptr.size(), out));
  EXPECT_EQ(out, (Bytes{0, 1, 0, 2, 1, 's', 3, 'S', 'I', 'P', 0, 4, 't', 'e', 's', 't', 0}));
}

TEST(Rfc1035, DataWhoseLengthDisagreesWithItsNamesIsRefused) {
  const Bytes bytes{1, 'a', 0, 0xee};
  Bytes out;
  EXPECT_EQ(expand_rdata(Type::cname, bytes, 0, 4, out).error(), ParseError::bad_length);
  EXPECT_EQ(expand_rdata(Type::cname, bytes, 0, 2, out).error(), ParseError::truncated);
  EXPECT_EQ(expand_rdata(Type::mx, bytes, 0, 1, out).error(), ParseError::bad_length);
  EXPECT_EQ(expand_rdata(Type::soa, bytes, 0, 3, out).error(), ParseError::truncated);
}

}  // namespace
}  // namespace vnet::dns
