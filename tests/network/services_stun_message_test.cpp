#include <array>

#include "network/services/stun_message.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

using stun::AttributeType;
using stun::Message;

constexpr std::string_view kSampleRequest =
    "00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff"
    "80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf";
constexpr std::string_view kSampleResponse =
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";
constexpr std::string_view kSampleResponse6 =
    "01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220"
    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c";

ParseError error_of(const Bytes& bytes) {
  const auto message = Message::parse(bytes);
  EXPECT_FALSE(message.has_value());
  return message ? ParseError::too_many : message.error();
}

TEST(StunMessage, Rfc5769SampleRequest) {
  const Bytes bytes = from_hex(kSampleRequest);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class(), stun::Class::request);
  EXPECT_EQ(message->method(), stun::kBindingMethod);
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_FALSE(stun::is_classic(message->id()));
  EXPECT_EQ(text_of(*message->find(AttributeType::software)), "STUN test client");
  EXPECT_EQ(text_of(*message->find(AttributeType::username)), "evtj:h6vY");
}

TEST(StunMessage, Rfc5769SampleIpv4Response) {
  const Bytes bytes = from_hex(kSampleResponse);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class(), stun::Class::success);
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_EQ(text_of(*message->find(AttributeType::software)), "test vector");
  EXPECT_EQ(stun::read_xor_address(*message->find(AttributeType::xor_mapped_address), message->id()),
            (nat::Endpoint{Ipv4Address{192, 0, 2, 1}, 32'853}));
}

TEST(StunMessage, Rfc5769SampleIpv6Response) {
  const Bytes bytes = from_hex(kSampleResponse6);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(stun::read_xor_address(*message->find(AttributeType::xor_mapped_address), message->id()),
            (nat::Endpoint{*parse_ip("2001:db8:1234:5678:11:2233:4455:6677"), 32'853}));
}

TEST(StunMessage, Rfc5769SampleRequestWithLongTermAuthenticationHasNoFingerprint) {
  const Bytes bytes = from_hex(
      "00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000"
      "0015001c 662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b 6578616d706c652e6f726700"
      "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666");
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->has_fingerprint());
  EXPECT_EQ(text_of(*message->find(AttributeType::realm)), "example.org");
}

TEST(StunMessage, Rfc5769TheWriterMakesTheSamplesAddressesAndFingerprint) {
  for (const auto& [sample, endpoint] :
       {std::pair{kSampleResponse, nat::Endpoint{Ipv4Address{192, 0, 2, 1}, 32'853}},
        std::pair{kSampleResponse6, nat::Endpoint{*parse_ip("2001:db8:1234:5678:11:2233:4455:6677"), 32'853}}}) {
    const Bytes expected = from_hex(sample);
    const auto message = Message::parse(expected);
    ASSERT_TRUE(message.has_value());
    std::array<std::uint8_t, 200> room{};
    stun::Writer writer{room, stun::Class::success, stun::kBindingMethod, message->id()};
    writer.add(AttributeType::software, as_bytes("test vector "));
    writer.add_xor_address(AttributeType::xor_mapped_address, endpoint);
    writer.add(AttributeType::message_integrity, *message->find(AttributeType::message_integrity));
    // The sample's padding is a space, which a writer does not make; as part of the text only its length differs.
    Bytes patched = expected;
    patched[23] = 12;
    EXPECT_EQ(error_of(patched), ParseError::bad_checksum);
    const Bytes body{patched.begin() + 20, patched.end() - 8};
    writer.add_fingerprint();
    const ByteView written = writer.finish();
    EXPECT_EQ((Bytes{written.begin() + 20, written.end() - 8}), body);
    EXPECT_TRUE(Message::parse(written).has_value());
  }
}

TEST(StunMessage, Rfc8489TheFingerprintIsOverTheLengthThatCountsIt) {
  const stun::TransactionId id{0x21, 0x12, 0xa4, 0x42, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::array<std::uint8_t, 28> room{};
  stun::Writer writer{room, stun::Class::request, stun::kBindingMethod, id};
  writer.add_fingerprint();
  const ByteView written = writer.finish();
  // The last word is what zlib makes of the first twenty bytes, turned over with "STUN".
  EXPECT_EQ((Bytes{written.begin(), written.end()}),
            from_hex("00010008 2112a442 000102030405060708090a0b 80280004 5b0ff6fc"));
}

TEST(StunMessage, Rfc8489AnyFlippedBitBreaksTheFingerprint) {
  const Bytes good = from_hex(kSampleRequest);
  for (std::size_t at = 4; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x10;
    const auto message = Message::parse(bad);
    EXPECT_TRUE(!message || !message->has_fingerprint()) << at;
  }
}

TEST(StunMessage, Rfc8489FingerprintIsTheLastAttribute) {
  Bytes bytes = from_hex("00010010 2112a442 000102030405060708090a0b 80280004 00000000 80220000 80220000");
  EXPECT_EQ(error_of(bytes), ParseError::bad_field);
  bytes = from_hex("00010008 2112a442 000102030405060708090a0b 80280003 00000000");
  EXPECT_EQ(error_of(bytes), ParseError::bad_field);
}

TEST(StunMessage, Rfc3489KnowsNoFingerprint) {
  const Bytes bytes = from_hex("00010008 2112a443 000102030405060708090a0b 80280004 00000000");
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->has_fingerprint());
  EXPECT_TRUE(stun::is_classic(message->id()));
}

TEST(StunMessage, Rfc8489WhatIsNoMessage) {
  EXPECT_EQ(error_of(from_hex("")), ParseError::truncated);
  EXPECT_EQ(error_of(from_hex("00010000 2112a442 00010203040506070809")), ParseError::truncated);
  EXPECT_EQ(error_of(from_hex("40010000 2112a442 000102030405060708090a0b")), ParseError::bad_version);
  EXPECT_EQ(error_of(from_hex("80010000 2112a442 000102030405060708090a0b")), ParseError::bad_version);
  EXPECT_EQ(error_of(from_hex("00010004 2112a442 000102030405060708090a0b")), ParseError::bad_length);
  EXPECT_EQ(error_of(from_hex("00010000 2112a442 000102030405060708090a0b 80220000")), ParseError::bad_length);
  EXPECT_EQ(error_of(from_hex("00010002 2112a442 000102030405060708090a0b 8022")), ParseError::bad_length);
  EXPECT_EQ(error_of(from_hex("00010004 2112a442 000102030405060708090a0b 80220001")), ParseError::truncated);
  EXPECT_EQ(error_of(from_hex("00010008 2112a442 000102030405060708090a0b 8022ffff 00000000")), ParseError::truncated);
}

TEST(StunMessage, Rfc8489ClassAndMethodShareTheType) {
  std::array<std::uint8_t, 20> room{};
  for (const auto klass : {stun::Class::request, stun::Class::indication, stun::Class::success, stun::Class::error}) {
    for (const unsigned method : {0x001U, 0x00fU, 0x010U, 0x080U, 0xfffU, 0xaaaU, 0x555U}) {
      stun::Writer writer{room, klass, static_cast<std::uint16_t>(method), {0x21, 0x12, 0xa4, 0x42}};
      const ByteView written = writer.finish();
      const auto message = Message::parse(written);
      ASSERT_TRUE(message.has_value());
      EXPECT_EQ(message->message_class(), klass);
      EXPECT_EQ(message->method(), method);
    }
  }
  EXPECT_EQ((Bytes{room[0], room[1]}), from_hex("15b5")) << "the last: an error of method 0x555";
}

TEST(StunMessage, Rfc8489OnlyTheFirstOfAnAttributeCounts) {
  const Bytes bytes = from_hex("00010010 2112a442 000102030405060708090a0b 80220001 61000000 80220001 62000000");
  EXPECT_EQ(text_of(*Message::parse(bytes)->find(AttributeType::software)), "a");
}

TEST(StunMessage, Rfc8489AddressesOfTheWrongShapeAreNone) {
  const stun::TransactionId id{};
  EXPECT_EQ(stun::read_address(from_hex("0001 0d96 03030303")), (nat::Endpoint{Ipv4Address{3, 3, 3, 3}, 3478}));
  for (const std::string_view value :
       {"", "00", "0001", "00010d96", "00010d96 030303", "00010d96 0303030303", "00020d96 03030303",
        "00030d96 03030303", "00010d96 20520000000000000000000000000002",
        "00020d96 2052000000000000000000000000000200"}) {
    EXPECT_FALSE(stun::read_address(from_hex(value)).has_value()) << value;
    EXPECT_FALSE(stun::read_xor_address(from_hex(value), id).has_value()) << value;
  }
}

TEST(StunMessage, Rfc5780ValuesOfTheWrongShapeAreNone) {
  EXPECT_FALSE(stun::read_change_request(from_hex("")).has_value());
  EXPECT_FALSE(stun::read_change_request(from_hex("000006")).has_value());
  EXPECT_TRUE(stun::read_change_request(from_hex("00000004"))->address);
  EXPECT_TRUE(stun::read_change_request(from_hex("00000002"))->port);
  EXPECT_FALSE(stun::read_change_request(from_hex("fffffff9"))->port);
  EXPECT_FALSE(stun::read_response_port(from_hex("00")).has_value());
  EXPECT_FALSE(stun::read_response_port(from_hex("0000")).has_value());
  EXPECT_EQ(stun::read_response_port(from_hex("1234")), 0x1234);
  EXPECT_EQ(stun::read_response_port(from_hex("12340000")), 0x1234);
}

TEST(StunMessage, Rfc3489UnknownAttributesAreAnEvenNumber) {
  const AttributeType types[] = {AttributeType{0x7001}, AttributeType{0x7002}, AttributeType{0x7003}};
  std::array<std::uint8_t, 64> room{};
  const auto value_of = [&](const stun::TransactionId& id) {
    stun::Writer writer{room, stun::Class::error, stun::kBindingMethod, id};
    writer.add_unknown_attributes(types);
    const auto value = Message::parse(writer.finish())->find(AttributeType::unknown_attributes);
    return Bytes{value->begin(), value->end()};
  };
  EXPECT_EQ(value_of({1, 2, 3, 4}), from_hex("7001 7002 7003 7003"));
  EXPECT_EQ(value_of({0x21, 0x12, 0xa4, 0x42}), from_hex("7001 7002 7003"));
}

TEST(StunMessage, WhatDoesNotFitIsNotWritten) {
  std::array<std::uint8_t, 24> room{};
  stun::Writer writer{room, stun::Class::success, stun::kBindingMethod, {}};
  writer.add_address(AttributeType::mapped_address, {Ipv4Address{1, 2, 3, 4}, 5});
  writer.add_fingerprint();
  EXPECT_TRUE(writer.finish().empty());
}

}  // namespace
}  // namespace vnet::network::test
